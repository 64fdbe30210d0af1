"""Every real log: scanned to its end, every record read, and packed into the same bytes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.format.lr import LrType, UnknownRecord
from engine.log.reader import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.types import LgPos

FS = RealFileSystem()


DAMAGED = {
    "dirty": set(),
    "backup": {"edb00000002.log", "edb00000006.log"},
    "restore": {"edb00000005.log", "edb00000006.log"},
}
"""Names of the logs that were damaged on purpose."""


class Result(NamedTuple):
    logs: int
    types: Counter[str]
    damaged: set[str]
    unfinished: int


def distinct_logs(root: Path) -> Iterator[Path]:
    """Logs that differ in content; blank ones left out."""
    seen = set()
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if Path(name).suffix.lower() in (".log", ".jtx"):
                path = Path(folder) / name
                data = path.read_bytes()
                digest = hashlib.blake2b(data).digest()
                if digest not in seen and data.count(0) != len(data):
                    seen.add(digest)
                    yield path


def check_log(path: Path, types: Counter[str]) -> bool:
    """Read one log to its end; return whether its last record is unfinished."""
    previous: LgPos | None = None
    with LogFile.open(FS, str(path)) as log:
        for each in log.records():
            record = each.record
            assert record.pack() == each.raw
            assert not isinstance(record, UnknownRecord)
            assert previous is None or previous <= each.pos < each.end
            assert log.canonical(each.pos) == each.pos
            types[record.type.name] += 1
            previous = each.end
        assert log.scan().findings == ()
        return log.unfinished is not None


def check_all(paths: Iterator[Path]) -> Result:
    types: Counter[str] = Counter()
    logs = unfinished = 0
    damaged = set()
    for path in paths:
        try:
            unfinished += check_log(path, types)
            logs += 1
        except EseError as error:
            assert error.code == -501  # noqa: PT017 - the caller knows which
            damaged.add(path.name)
    return Result(logs, types, damaged, unfinished)


@pytest.mark.corpus
def test_logs_of_windows(corpus: Path) -> None:
    result = check_all(distinct_logs(corpus))
    assert result.logs == 26
    assert not result.damaged
    assert not result.unfinished
    assert result.types["Insert"] > 6000
    assert len(result.types) >= 25


@pytest.mark.corpus
def test_a_log_of_which_every_record_was_counted(corpus: Path) -> None:
    types: Counter[str] = Counter()
    check_log(corpus / "srum-win10-clean" / "SRU0001A.log", types)
    assert types == Counter(
        Insert=368,
        Commit=126,
        Begin=125,
        Split2=20,
        Replace=10,
        NewPage=10,
        MacroBegin=10,
        MacroCommit=10,
        MacroInfo=10,
        Commit0=1,
        Begin0=1,
    )


@pytest.mark.oracle
@pytest.mark.parametrize("group", ["dirty", "backup", "restore"])
def test_logs_of_the_oracle(oracle: Callable[[str], Path], group: str) -> None:
    result = check_all(distinct_logs(oracle(group)))
    assert result.logs > 50
    assert sum(result.types.values()) > 20_000
    assert result.damaged == DAMAGED[group]
    assert all(kind in LrType.__members__ for kind in result.types)
    if group == "backup":
        assert result.types["Backup2"] > 200
