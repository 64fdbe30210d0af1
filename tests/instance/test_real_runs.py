"""The same run as the real engine's: from the state it began in, what is logged and what headers say is the same.

The engine took up a clean instance, attached its database, made a full backup and ended; the closed log of the
set holds everything up to the roll of the backup.  Times, paths and random signatures differ, and with the length
of the path the places behind it in one segment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from engine.files.real import RealFileSystem
from engine.format.lr import AttachDB, Init2, LrType, Record, Trace
from engine.header_file import read_header
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.types import LogTime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.events import EventLog

FS = RealFileSystem()
CASES = ("control", "hdr-shadow", "page-onebit")


def case_of(name: str) -> str:
    return "backup-corrupt-page-control" if name == "control" else f"backup-corrupt-{name}"


def same(record: Record, wanted: Record) -> bool:
    """Compare the fields that are neither times nor paths."""
    if isinstance(record, Init2):
        assert isinstance(wanted, Init2)
        names = ("flags", "sessions", "open_tables", "version_pages", "cursors", "log_buffers", "log_file_segments")
        return all(getattr(record.dbms_param, name) == getattr(wanted.dbms_param, name) for name in names)
    if isinstance(record, Trace):
        assert isinstance(wanted, Trace)
        return re.sub(r"\[.*?\]|[^ ]*a\.edb", "", record.text) == re.sub(r"\[.*?\]|[^ ]*a\.edb", "", wanted.text)
    if isinstance(record, AttachDB):
        assert isinstance(wanted, AttachDB)
        record, wanted = record._replace(path_data=b""), wanted._replace(path_data=b"")
    return [_plain(each) for each in record.fields().values()] == [_plain(each) for each in wanted.fields().values()]


def _plain(value: Any) -> Any:
    return None if isinstance(value, LogTime) else len(value) * 0 if isinstance(value, bytes) else value


@pytest.fixture
def ran(oracle: Callable[[str], Path], copied: Callable[[Path], Path], tmp_path: Path) -> Callable[[str], Any]:
    """Return a function that does what the engine did in a case, and gives its folder and our own."""

    def run(name: str) -> tuple[Path, Path, EventLog]:
        case = oracle("backup") / case_of(name)
        folder = copied(case / "corrupted-inst")
        instance = Instance("oracle", path=folder, page_size=8192, log_file_size=128)
        try:
            instance.init()
            instance.session().attach(folder / "a.edb")
            instance.backup(_made(tmp_path / "bk"))
            if "\ndetach " in (case / "run.txt.script.txt").read_text():
                instance.session().detach(folder / "a.edb")
            instance.term()
        finally:
            instance.abandon()
        return case, folder, instance.events

    return run


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_the_records_of_a_run(ran: Callable[[str], Any], tmp_path: Path, name: str) -> None:
    case, _, _ = ran(name)
    with (
        LogFile.open(FS, str(case / "final-bk" / "edb00000003.log")) as wanted_log,
        LogFile.open(FS, str(tmp_path / "bk" / "edb00000003.log")) as log,
    ):
        wanted, found = list(wanted_log.records()), list(log.records())
        assert log.header.pack()[4:] == wanted_log.header.pack()[4:], "the header is older than the run"
        assert log.scan().last_valid_segment == wanted_log.scan().last_valid_segment
    assert [type(each.record) for each in found] == [type(each.record) for each in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        if ours.record.type is LrType.NOP2:
            assert ours.end == theirs.end, "both fill their segment"
            continue
        assert same(ours.record, theirs.record)
        assert (ours.pos.segment, ours.pos.offset == 0) == (theirs.pos.segment, theirs.pos.offset == 0)
    attach = next(each for each in found if isinstance(each.record, AttachDB))
    assert attach.pos == next(each.pos for each in wanted if isinstance(each.record, AttachDB))


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_the_events_of_a_run(ran: Callable[[str], Any], name: str) -> None:
    case, folder, events = ran(name)
    text = (case / "run.txt.events.txt").read_text()
    wanted = [int(each) for each in re.findall(r"^event (\d+)", text, re.MULTILINE)]
    assert [each.id for each in events] == wanted
    strings = re.search(r"event 326 .*\n\s+strings=(.*)", text)
    assert strings is not None
    attached = next(each for each in events if each.id == 326)
    assert attached.strings[-1] in strings.group(1)
    assert attached.strings[:2] == ("1", str(folder / "a.edb"))


@pytest.mark.oracle
def test_the_files_and_the_header_after_a_run(ran: Callable[[str], Any], tmp_path: Path) -> None:
    case, folder, _ = ran("control")
    listing = (case / "listing.txt").read_text()
    wanted = set(re.findall(r"^inst/(\S+)", listing, re.MULTILINE))
    prepared = {"edbtmp.log", "edbres00001.jrs", "edbres00002.jrs"}
    empty_patch = {"a.pat"}
    found = {each.name for each in folder.iterdir() if not each.name.endswith(".lock")}
    assert found == wanted - prepared - empty_patch, "the log of the checkpoint stays, as it did there"
    theirs = read_header(FS, str(case / "final-bk" / "a.edb")).header
    ours = read_header(FS, str(tmp_path / "bk" / "a.edb")).header
    for name in (
        "state",
        "lgpos_consistent",
        "lgpos_attach",
        "lgpos_detach",
        "lgpos_last_resize",
        "dbid",
        "sign_db",
        "sign_log",
        "gen_min_required",
        "gen_max_required",
        "gen_max_committed",
        "gen_min_consistent",
        "logtime_gen_max_create",
        "logtime_gen_max_required",
        "logtime_consistent",
        "dbtime_dirtied",
        "objid_last",
        "version",
        "update_major",
        "update_minor",
        "bkinfo_full_prev",
        "bkinfo_inc_prev",
    ):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.bkinfo_full_cur.mark.segment == theirs.bkinfo_full_cur.mark.segment
    assert ours.bkinfo_full_cur.gen_low == theirs.bkinfo_full_cur.gen_low == 3
