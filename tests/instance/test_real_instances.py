"""Instances that Windows and the real engine left clean: opened, their databases attached, and closed again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.discover import FoundState, discover
from engine.files.real import RealFileSystem
from engine.format.dbheader import DatabaseHeader, DbState
from engine.format.lr import AttachDB, DetachDB, Init2, LrType, SetDbVersion, ShutDownMark, Term2
from engine.format.versions import LOG_VERSION_SET_DB_VERSION
from engine.header_file import read_header
from engine.instance import Instance
from engine.log.checkpoint_file import read_checkpoint_file
from engine.log.stream import LogStream
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.discover import FoundInstance
    from engine.log.records import LogRecord

CORPUS = ("srum-win10-clean", "srum-win10-small", "srum-win11-clean")
ORACLE = (
    "circular",
    "deletes",
    "efvE15",
    "efvWin10",
    "firstlog",
    "lv32k",
    "multidb",
    "names83",
    "p16k",
    "p4k",
    "termabrupt",
    "threads",
)
FS = RealFileSystem()


def content(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def only(folder: Path) -> FoundInstance:
    found = [each for each in discover(folder) if each.has_log]
    assert len(found) == 1
    return found[0]


def run(folder: Path) -> tuple[FoundInstance, list[LogRecord]]:
    """Attach and detach every database, attach it again, end; return what was found before, and the new records."""
    found = only(folder)
    assert found.state is FoundState.CLEAN
    stream = LogStream.find(FS, str(folder), found.base_name)
    assert stream is not None
    with stream.open(found.generations[-1]) as log:
        before = [each.pos for each in log.records()]
    paths = [each.path for each in found.databases]
    with Instance.open_found(found) as instance, instance.session() as session:
        for path in paths:
            session.attach(path)
        session.detach(paths[0])
        session.attach(paths[0])
    stream = LogStream.find(FS, str(folder), found.base_name)
    assert stream is not None
    new = [each for each in stream.records(LgPos(found.generations[-1], 1, 0)) if each.pos > before[-1]]
    return found, [each for each in new if each.record.type is not LrType.NOP2]


def check_run(folder: Path) -> None:
    before = content(folder)
    found, records = run(folder)
    after = content(folder)
    for each in found.databases:
        check_database(before[Path(each.path).name], after[Path(each.path).name], found, records)
    check_records(found, records)
    check_stream(folder, found)
    check_files(before, after, found)


def check_files(before: dict[str, bytes], after: dict[str, bytes], found: FoundInstance) -> None:
    """Nothing but the databases, the current log, the checkpoint and the log in preparation was touched."""
    assert found.names is not None
    names = found.names
    may_change = {Path(each.path).name.lower() for each in found.databases}
    may_change |= {each.lower() for each in (names.current, names.temp, names.checkpoint)}
    changed = {name.lower() for name, data in before.items() if after.get(name, data) != data}
    assert changed <= may_change
    gone = [names.parse(name) for name in before if name not in after and name.lower() not in may_change]
    kept = range(found.generations[-1] - 2, found.generations[-1] + 1)
    for each in gone:
        assert found.circular
        assert each is not None
        assert each.generation is not None
        assert each.generation not in kept
    new = {name for name in after if name not in before}
    assert all(name.endswith(".lock") or names.parse(name) is not None for name in new)


def check_database(before: bytes, after: bytes, found: FoundInstance, records: list[LogRecord]) -> None:
    """The pages are as they were; the header is as a clean end leaves it."""
    size = found.page_size
    assert len(after) == len(before)
    assert after[2 * size :] == before[2 * size :], "not a page has changed"
    assert after[:size] == after[size : 2 * size]
    old = DatabaseHeader.parse(before[:size])
    new = DatabaseHeader.parse(after[:size])
    mark = next(each.pos for each in records if isinstance(each.record, ShutDownMark))
    attaches = [
        each.pos for each in records if isinstance(each.record, AttachDB) and each.record.sign_db == new.sign_db
    ]
    assert new.state == DbState.CLEAN_SHUTDOWN
    assert new.lgpos_attach == attaches[-1]
    assert new.lgpos_consistent == new.lgpos_detach == mark
    assert new.lgpos_last_resize == (mark if old.update_major >= 110 else LgPos(0, 0, 0))
    assert not any((new.gen_min_required, new.gen_max_required, new.gen_max_committed, new.gen_min_consistent))
    assert not new.logtime_gen_max_create
    assert not new.logtime_gen_max_required
    assert (new.sign_db, new.sign_log, new.dbtime_dirtied, new.objid_last) == (
        old.sign_db,
        old.sign_log,
        old.dbtime_dirtied,
        old.objid_last,
    )
    assert (new.version, new.update_major, new.update_minor) == (old.version, old.update_major, old.update_minor)
    assert (new.bkinfo_full_prev, new.bkinfo_inc_prev) == (old.bkinfo_full_prev, old.bkinfo_inc_prev)
    assert new.sign_flush_map_hdr_flush == old.sign_flush_map_hdr_flush, "the flush map is still believed"
    assert new.sign_db_hdr_flush != old.sign_db_hdr_flush


def check_records(found: FoundInstance, records: list[LogRecord]) -> None:
    """The sequence of the engine's own runs: Init2, per attach a version record, mark, Term2."""
    assert found.current_header is not None
    with_version = found.current_header.version >= LOG_VERSION_SET_DB_VERSION
    attach = [AttachDB, SetDbVersion] if with_version else [AttachDB]
    count = len(found.databases)
    wanted = [Init2, *attach * count, DetachDB, *attach, ShutDownMark, Term2]
    assert [type(each.record) for each in records] == wanted
    init, term = records[0], records[-1]
    assert init.pos.offset == 0, "a run begins in a new segment"
    assert records[1].pos == init.pos._replace(offset=0x268), "the first attach lies right behind Init2"
    assert isinstance(term.record, Term2)
    assert term.record.undo == init.pos
    assert term.pos.offset == 0
    if with_version:
        assert records[2].pos.offset == 0, "the version is the first record of a segment"
        version = records[2].record
        header = found.databases[0].header
        assert isinstance(version, SetDbVersion)
        assert header is not None
        assert (version.version, version.update_major, version.update_minor) == (
            header.version,
            header.update_major,
            header.update_minor,
        )


def check_stream(folder: Path, found: FoundInstance) -> None:
    """The stream goes on as it was: signature, version, size, names; and it is whole."""
    now = only(folder)
    assert now.state is FoundState.CLEAN
    assert now.signature == found.signature
    assert now.names == found.names
    assert now.current_header is not None
    assert found.current_header is not None
    for name in ("version", "engine_version", "file_segments", "segment_size", "page_size"):
        assert getattr(now.current_header, name) == getattr(found.current_header, name)
    stream = LogStream.find(FS, str(folder), now.base_name)
    assert stream is not None
    gaps = [each for each in stream.check() if each.code]
    assert not gaps
    last = list(stream.records(LgPos(now.generations[-1], 1, 0)))[-1]
    assert isinstance(last.record, Term2)
    assert now.checkpoint is not None
    assert now.checkpoint.checkpoint.checkpoint == now.checkpoint.checkpoint.db_consistency == last.pos
    assert not now.checkpoint.checkpoint.attachments_valid


@pytest.mark.corpus
@pytest.mark.parametrize("case", CORPUS)
def test_an_instance_of_windows(corpus: Path, copied: Callable[[Path], Path], case: str) -> None:
    check_run(copied(corpus / case))


@pytest.mark.oracle
@pytest.mark.parametrize("case", ORACLE)
def test_an_instance_of_the_real_engine(
    oracle: Callable[[str], Path], copied: Callable[[Path], Path], case: str
) -> None:
    check_run(copied(oracle("dirty") / f"dirty-{case}" / "after"))


@pytest.mark.corpus
def test_names_of_another_case_are_used_as_they_are(corpus: Path, copied: Callable[[Path], Path]) -> None:
    folder = copied(corpus / "srum-win10-small")
    for name, other in (("SRU.log", "sru.LOG"), ("SRU.chk", "Sru.Chk"), ("SRU00008.log", "sru00008.log")):
        (folder / name).rename(folder / other)
    with Instance.open_found(only(folder)) as instance:
        instance.writer.roll()
    names = {each.name for each in folder.iterdir()}
    assert "Sru.Chk" in names
    assert "SRU.chk" not in names
    stream = LogStream.find(FS, str(folder), "SRU")
    assert stream is not None
    assert not [each for each in stream.check() if each.code]
    assert read_checkpoint_file(FS, str(folder / "Sru.Chk")).checkpoint.checkpoint.generation == max(stream.generations)


@pytest.mark.corpus
def test_a_prepared_log_that_is_an_old_generation_is_not_taken_up(corpus: Path, copied: Callable[[Path], Path]) -> None:
    folder = copied(corpus / "srum-win11-clean")
    assert (folder / "SRUtmp.log").exists()
    with Instance.open_found(only(folder)) as instance:
        generation = instance.writer.generation
        instance.writer.roll()
        assert instance.writer.generation == generation + 1
    assert not (folder / "SRUtmp.log").exists(), "its place was needed; it is made anew each time"


@pytest.mark.corpus
def test_circular_logging_goes_on(corpus: Path, copied: Callable[[Path], Path]) -> None:
    folder = copied(corpus / "srum-win10-clean")
    found = only(folder)
    assert found.circular
    with Instance.open_found(found) as instance:
        instance.session().attach(found.databases[0].path)
        for _ in range(6):
            instance.writer.roll()
        current = instance.writer.generation
        assert instance.log.checkpoint_generation == current - 1
        assert instance.log.generations_on_disk == range(current - 3, current + 1), "two below the checkpoint"
        assert instance.writer.header.flags == 6
    assert read_header(FS, found.databases[0].path).header.clean


@pytest.mark.corpus
def test_a_database_of_another_stream_moves_in(corpus: Path, copied: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win10-clean")
    path = folder / "SRUDB.dat"
    old = read_header(FS, str(path)).header
    logs = tmp_path / "logs"
    logs.mkdir()
    with Instance(path=logs, log_file_size=64) as instance, instance.session() as session:
        session.attach(path)
        header = read_header(FS, str(path)).header
        assert header.sign_log == instance.writer.signature != old.sign_log
        assert header.lgpos_consistent == LgPos(0, 0, 0)
        assert header.lgpos_last_resize == header.lgpos_attach
        record = next(
            each.record
            for each in LogStream.find(FS, str(logs), "edb").records()  # type: ignore[union-attr]
            if isinstance(each.record, AttachDB)
        )
        assert (record.sign_log, record.consistent) == (old.sign_log, old.lgpos_consistent)
    assert read_header(FS, str(path)).header.clean
