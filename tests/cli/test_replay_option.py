"""`--replay`: a database that was not shut down, read as it would be after recovery, and nothing written."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run
from tests.recovery.test_recovery_oracle import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

COMMANDS = (("tables", "--count"), ("schema",), ("schema", "t1"), ("rows", "t1"))


def words(command: tuple[str, ...], database: Path) -> list[object]:
    """Return the words of a command on a database, which comes behind the name of the command."""
    return [command[0], database, *command[1:]]


@pytest.fixture
def crashed(oracle: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = tmp_path / "crashed"
    shutil.copytree(oracle("dirty") / "dirty-uncommitted" / "before", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder


@pytest.fixture
def evidence(crashed: Path) -> Generator[Path]:
    """Nothing can be written there, as far as file modes can say so."""
    for path in crashed.iterdir():
        path.chmod(0o444)
    crashed.chmod(0o555)
    yield crashed
    crashed.chmod(0o755)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_answer_is_that_of_the_recovered_database(evidence: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    before = digests(evidence)
    modes = {path: (path.stat().st_mode, path.stat().st_mtime_ns) for path in (evidence, *evidence.iterdir())}
    replayed = run(*words(command, evidence / "a.edb"), "--replay")
    assert digests(evidence) == before
    assert {path: (path.stat().st_mode, path.stat().st_mtime_ns) for path in modes} == modes
    whole = tmp_path / "whole"
    shutil.copytree(evidence, whole, copy_function=shutil.copyfile)
    whole.chmod(0o755)
    recover(whole)
    wanted = run(*words(command, whole / "a.edb"))
    kinds = ("table", "schema", "row")
    own = [{**line, "ts": 0, "job": 0, "seq": 0} for line in replayed.lines if line["type"] in kinds]
    theirs = [{**line, "ts": 0, "job": 0, "seq": 0} for line in wanted.lines if line["type"] in kinds]
    assert own == theirs
    assert own
    assert (replayed.code, wanted.code) == (ExitCode.OK, ExitCode.OK)
    (told,) = replayed.of("replayed")
    assert (told["replayed"], told["started"]) == ({"first": 1, "last": 6}, "00000001:0001:0000")
    assert told["pages"] > 0
    assert told["undone_transactions"] == 2


def test_rows_differ_from_what_the_file_alone_says(crashed: Path) -> None:
    """Otherwise this would show nothing."""
    assert len(run("rows", crashed / "a.edb", "t1", "--replay").of("row")) == 230
    assert len(run("rows", crashed / "a.edb", "t1").of("row")) != 230


class Watch:
    """Sees every call of this process that opens for writing, or changes, something below a folder."""

    CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.utime", "os.link")

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.on = True
        self.opened = 0
        self.changes: list[object] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, args: tuple[object, ...]) -> None:
        if not self.on or not any(str(each).startswith(self.folder) for each in args):
            return
        if event == "open":
            self.opened += 1
            flags = args[2]
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                self.changes.append(args)
        elif event in self.CHANGES:
            self.changes.append((event, args))


def test_not_one_call_that_could_write(crashed: Path) -> None:
    watch = Watch(crashed)
    try:
        for command in COMMANDS:
            assert run(*words(command, crashed / "a.edb"), "--replay").code == ExitCode.OK
        assert run("check", crashed / "a.edb", "--replay").code == ExitCode.OK
        assert watch.opened
        assert watch.changes == []
        (crashed / "x").write_bytes(b"")
        assert watch.changes, "the watch sees writes"
    finally:
        watch.on = False


def test_logs_that_lie_elsewhere(crashed: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    moved = shutil.move(crashed / "a.edb", apart / "renamed.edb")
    before = digests(crashed, apart)
    found = run("rows", moved, "t1", "--replay", "--logs", crashed)
    assert (found.code, len(found.of("row"))) == (ExitCode.OK, 230)
    assert run("check", moved, "--replay", "--logs", crashed).code == ExitCode.OK
    assert run("rows", moved, "t1", "--replay").code == ExitCode.NOT_RECOVERABLE, "there is no log"
    assert digests(crashed, apart) == before
    assert run("rows", moved, "t1", "--logs", crashed).code == ExitCode.USAGE


def test_a_clean_database_is_as_it_is(crashed: Path) -> None:
    recover(crashed)
    before = digests(crashed)
    done = run("rows", crashed / "a.edb", "t1", "--replay")
    assert (done.code, len(done.of("row"))) == (ExitCode.OK, 230)
    assert done.of("replayed")[0]["pages"] == 0
    assert digests(crashed) == before


def test_what_cannot_be_recovered_is_refused(crashed: Path) -> None:
    (crashed / "edb00000003.log").unlink()
    done = run("rows", crashed / "a.edb", "t1", "--replay")
    assert done.code == ExitCode.NOT_RECOVERABLE
    assert done.of("row") == []
