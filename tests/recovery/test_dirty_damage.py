"""One thing of a crashed instance is broken: the same result as the real engine gave, run by run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from engine.errors import EseError
from engine.info import database_info
from engine.instance import Instance
from engine.types import InitOptions
from engine.verify import verify
from tests.recovery.oracle_files import content, writable_copy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE: Final = 8192
BLOCK: Final = 4096


def flip(path: Path, *offsets: int) -> None:
    data = bytearray(path.read_bytes())
    for offset in offsets:
        data[offset] ^= 0x5A
    path.write_bytes(data)


def blank(path: Path, offset: int, size: int = BLOCK) -> None:
    data = bytearray(path.read_bytes())
    data[offset : offset + size] = bytes(size)
    path.write_bytes(data)


def last_block(path: Path) -> int:
    data = path.read_bytes()
    return max(at for at in range(0, len(data), BLOCK) if any(data[at : at + BLOCK]))


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


LOGS: Final = ("edb.log", *(f"edb{number:08x}.log" for number in range(1, 6)))
RUNS: Final[dict[str, Callable[[Path], object]]] = {
    "control": lambda _: None,
    "chk-missing": lambda at: remove(at, "edb.chk"),
    "chk-corrupt-primary": lambda at: flip(at / "edb.chk", 100),
    "chk-corrupt-both": lambda at: flip(at / "edb.chk", 100, 4196),
    "chk-zero": lambda at: blank(at / "edb.chk", 0, 8192),
    "jfm-missing": lambda at: remove(at, "a.jfm"),
    "edbtmp-missing": lambda at: remove(at, "edbtmp.log"),
    "edblog-missing": lambda at: remove(at, "edb.log"),
    "edblog-and-last-missing": lambda at: remove(at, "edb.log", "edb00000005.log"),
    "last-gen-missing": lambda at: remove(at, "edb00000005.log"),
    "middle-missing": lambda at: remove(at, "edb00000003.log"),
    "first-missing": lambda at: remove(at, "edb00000001.log"),
    "all-logs-missing": lambda at: remove(at, *LOGS),
    "logs-and-chk-missing": lambda at: remove(at, "edb.chk", *LOGS),
    "edb-missing": lambda at: remove(at, "a.edb"),
    "edb-hdr-primary-corrupt": lambda at: flip(at / "a.edb", 300),
    "edb-hdr-both-corrupt": lambda at: flip(at / "a.edb", 300, 8492),
    "edb-page-corrupt": lambda at: flip(at / "a.edb", PAGE * 40 + 4000),
    "edblog-tail-zeroed": lambda at: blank(at / "edb.log", last_block(at / "edb.log")),
    "edblog-tail-flipped": lambda at: flip(at / "edb.log", last_block(at / "edb.log") + 200),
    "edblog-hdr-corrupt": lambda at: flip(at / "edb.log", 100),
    "log3-data-corrupt": lambda at: flip(at / "edb00000003.log", 60_000),
    "log3-hdr-corrupt": lambda at: flip(at / "edb00000003.log", 100),
    "log5-last-block-zero": lambda at: blank(at / "edb00000005.log", 126_976),
    "wrong-logsize": lambda _: None,
    "control-callbacks": lambda _: None,
    "edblog-tail-flipped-ignore": lambda at: flip(at / "edb.log", last_block(at / "edb.log") + 200),
}
NOT_OURS: Final = frozenset((637, 331, 901))
"""The flush map is not made anew, the version is not raised by a parameter, 901 is a note of the engine to itself."""


def engine_result(folder: Path, run: str) -> tuple[int, set[int]]:
    """Return code and event ids of the real engine's JetInit."""
    for line in (folder / "README.txt").read_text().splitlines():
        found = re.match(rf"{re.escape(run)}\s+JetInit = (-?\d+).*events (\[.*?\])", line)
        if found:
            return int(found[1]), set(json.loads(found[2]))
    raise AssertionError(run)


@pytest.mark.oracle
@pytest.mark.parametrize("run", RUNS)
def test_the_same_result_as_the_engine(oracle: Callable[[str], Path], tmp_path: Path, run: str) -> None:
    dirty = oracle("dirty")
    folder = writable_copy(dirty / "dirty-uncommitted" / "before", tmp_path / "i")
    RUNS[run](folder)
    before = (folder / "a.edb").read_bytes() if (folder / "a.edb").exists() else b""
    wanted, events = engine_result(dirty / "dirty-damage", run)
    instance = Instance("damage", path=folder, page_size=PAGE, log_file_size=256 if run == "wrong-logsize" else 128)
    code = 0
    told: list[object] = []
    try:
        lost = run.endswith("-ignore")
        options = InitOptions.REPLAY_IGNORE_LOST_LOGS if lost else InitOptions.NONE
        instance.init(options, progress=told.append if run == "control-callbacks" else None)
        instance.term()
    except EseError as error:
        code = error.code
    finally:
        instance.abandon()
    assert code == wanted
    assert bool(told) == (run == "control-callbacks")
    # A damaged tail is found when the log is looked at, before any replay begins.
    unsaid = NOT_OURS | ({300, 454} if run.startswith("edblog-tail-flipped") else set())
    assert {each.id for each in instance.events} - {301} == events - unsaid
    lost = run in {"all-logs-missing", "logs-and-chk-missing"}
    if lost or code not in (0, -545):
        assert (folder / "a.edb").read_bytes() == before
        return
    assert database_info(folder / "a.edb").clean
    assert verify(folder / "a.edb").ok
    if run != "edblog-tail-zeroed":
        assert content(folder / "a.edb") == content(dirty / "dirty-uncommitted" / "after" / "a.edb")


@pytest.mark.oracle
def test_every_run_of_the_engine_is_among_them(oracle: Callable[[str], Path]) -> None:
    text = (oracle("dirty") / "dirty-damage" / "README.txt").read_text()
    assert set(re.findall(r"^(\S+)\s+JetInit = ", text, re.MULTILINE)) == set(RUNS)


@pytest.mark.oracle
def test_what_was_unreadable_is_kept(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "i")
    flip(folder / "a.edb", 300, 8492)
    damaged = (folder / "a.edb").read_bytes()
    with Instance("kept", path=folder, page_size=PAGE, log_file_size=128):
        pass
    assert (folder / "a.edb.damaged1").read_bytes() == damaged
