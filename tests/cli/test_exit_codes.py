from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.error_table import CODES
from engine.errors import Err, EseError
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step

DOCS = Path(__file__).resolve().parents[2] / "docs" / "exit-codes.md"

FROZEN = {
    "OK": 0,
    "FAILED": 1,
    "USAGE": 2,
    "WARNINGS": 3,
    "DAMAGE": 4,
    "NOT_RECOVERABLE": 5,
    "BUSY": 6,
    "VERSION": 7,
    "STORAGE": 8,
    "HANGUP": 129,
    "INTERRUPTED": 130,
    "TERMINATED": 143,
}


def test_the_numbers_are_frozen() -> None:
    assert {code.name: int(code) for code in ExitCode} == FROZEN


def test_each_code_says_when_it_is_used() -> None:
    for code in ExitCode:
        assert code.__doc__ is not None
        assert code.__doc__.endswith(".")


def test_the_page_lists_every_code_in_the_same_words() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(int(number), name, text) for number, name, text in rows] == [
        (int(code), code.name, code.__doc__) for code in ExitCode
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Err.ReadVerifyFailure, ExitCode.DAMAGE),
        (Err.LogReadVerifyFailure, ExitCode.DAMAGE),
        (Err.DatabaseCorrupted, ExitCode.DAMAGE),
        (Err.LogFileCorrupt, ExitCode.DAMAGE),
        (Err.DatabaseDirtyShutdown, ExitCode.NOT_RECOVERABLE),
        (Err.RequiredLogFilesMissing, ExitCode.NOT_RECOVERABLE),
        (Err.BackupInProgress, ExitCode.BUSY),
        (Err.LogFilePathInUse, ExitCode.BUSY),
        (Err.BadLogVersion, ExitCode.VERSION),
        (Err.DiskFull, ExitCode.STORAGE),
        (Err.DiskIO, ExitCode.STORAGE),
        (Err.FileNotFound, ExitCode.STORAGE),
        (Err.InvalidPath, ExitCode.STORAGE),
        (Err.InvalidGrbit, ExitCode.USAGE),
        (Err.InvalidBackup, ExitCode.USAGE),
        (Err.MissingFullBackup, ExitCode.FAILED),
    ],
)
def test_engine_errors_have_their_exit_code(error: int, code: ExitCode) -> None:
    assert exit_code_for(EseError.from_code(error)) is code


def test_no_engine_error_ends_in_success_or_looks_like_a_signal() -> None:
    for number in CODES:
        if number < 0:
            assert 1 <= exit_code_for(EseError.from_code(number)) <= 8
    assert exit_code_for(EseError.from_code(-99999)) is ExitCode.FAILED


def test_the_errors_own_hint_wins() -> None:
    assert next_step(EseError.from_code(Err.MissingFullBackup)) is not None
    assert next_step(EseError.from_code(Err.MissingFullBackup, hint="do this")) == "do this"
    assert next_step(EseError.from_code(Err.InternalError)) is None
