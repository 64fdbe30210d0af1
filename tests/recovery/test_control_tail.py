"""Recovery of a log whose tail holds control records only: headers follow, and the log is closed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err
from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.format.dbheader import DatabaseHeader, DbState
from engine.format.lr import (
    Backup2,
    BackupPhase,
    BackupScope,
    Begin0,
    FlagDelete,
    Init2,
    NewPage,
    RecoveryQuit2,
    RecoveryUndo2,
    SetDbVersion,
    ShutDownMark,
    Term2,
)
from engine.format.segment import SEGMENT_SIZE
from engine.header_file import read_header
from engine.instance import Instance
from engine.log.checkpoint_file import read_checkpoint_file
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.types import BkInfo, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from pathlib import Path

from tests.recovery.control_bench import FOLDER, A, B, Bench, code_of, files

FS = RealFileSystem()


def test_after_a_crash_with_a_database_attached(bench: Bench) -> None:
    bench.started(A).abandon()
    dirty = bench.header()
    assert dirty.state == DbState.DIRTY_SHUTDOWN
    instance, result = bench.recover()
    records = bench.records()
    assert [type(each.record) for each in records[-4:]] == [RecoveryUndo2, ShutDownMark, RecoveryQuit2, Init2]
    undo, mark, quit_, init = records[-4:]
    assert undo.pos.offset == quit_.pos.offset == init.pos.offset == 0, "each begins a segment"
    assert mark.pos == undo.pos._replace(offset=49)
    assert isinstance(quit_.record, RecoveryQuit2)
    assert (quit_.record.undo, quit_.record.redo_from, quit_.record.hard) == (undo.pos, LgPos(1, 1, 0), 0)
    header = bench.header()
    assert header.state == DbState.CLEAN_SHUTDOWN
    assert header.lgpos_consistent == header.lgpos_detach == mark.pos
    assert header.lgpos_attach == dirty.lgpos_attach
    assert header.logtime_attach == dirty.logtime_attach, "the attach was in the header already"
    assert header.logtime_consistent == header.logtime_detach
    assert not any((header.gen_min_required, header.gen_max_required, header.gen_max_committed, header.gen_recovering))
    assert result.needed
    assert result.databases == (A,)
    assert (result.started, result.ended) == (LgPos(1, 1, 0), quit_.pos)
    assert read_checkpoint_file(bench.disk, f"{FOLDER}/edb.chk").checkpoint.checkpoint == quit_.pos
    assert [each.id for each in instance.events] == [102, 300, 301, 302, 105]
    instance.session().attach(A)


def test_two_databases_and_several_generations(bench: Bench) -> None:
    instance = bench.started(A, B)
    for _ in range(3):
        instance.writer.roll()
    instance.session().detach(A)
    instance.writer.roll()
    instance.abandon()
    assert bench.header(A).clean
    assert not bench.header(B).clean
    again, result = bench.recover()
    assert result.replayed == range(4, 6), "from the checkpoint on"
    assert result.databases == (B,), "the other one was detached, and its header says so"
    assert bench.header(A).clean
    assert bench.header(B).clean
    assert [each.strings[0] for each in again.events if each.id == 301] == ["/i/edb00004.log", "/i/edb.log"]


def test_nothing_was_attached(bench: Bench) -> None:
    bench.started().abandon()
    instance, result = bench.recover()
    assert result.needed
    assert result.databases == ()
    assert bench.kinds() == ["Init2", "RecoveryUndo2", "ShutDownMark", "RecoveryQuit2", "Init2"]
    instance.term()


def test_a_crash_between_the_record_and_the_header(bench: Bench) -> None:
    """The log has the attach, the header does not know of it."""
    clean = bench.header()
    instance = bench.started(A)
    attach = bench.header().lgpos_attach
    instance.abandon()
    bench.set_header(clean)
    _, result = bench.recover()
    assert result.databases == (A,)
    assert bench.header().lgpos_attach == attach
    assert bench.header().sign_log == instance_signature(bench)
    assert bench.header().lgpos_consistent > attach


def instance_signature(bench: Bench) -> Signature:
    stream = LogStream.find(bench.disk, FOLDER, "edb")
    assert stream is not None
    assert stream.signature is not None
    return stream.signature


def test_a_crash_between_a_detach_and_its_header(bench: Bench) -> None:
    instance = bench.started(A)
    dirty = bench.header()
    instance.session().detach(A)
    instance.abandon()
    detach = bench.header().lgpos_detach
    bench.set_header(dirty)
    bench.recover()
    assert bench.header().clean
    assert bench.header().lgpos_consistent == bench.header().lgpos_detach == detach


def test_a_crash_between_the_mark_and_the_end(bench: Bench) -> None:
    """The databases took the mark for their end already: no second mark, no RecoveryUndo2."""
    instance = bench.started(A, B)
    mark = instance.writer.append(ShutDownMark().pack())
    instance.writer.flush(fill=True)
    dirty = bench.header(B)
    instance.term()
    records = bench.records()
    assert records[-2].record.type.name == "ShutDownMark"
    # As if the process had died when A was clean, B was not, and the end not yet logged.
    second = records[-2].pos
    assert second > mark
    bench.set_header(dirty, B)
    cut_after(bench, second)
    _, result = bench.recover()
    kinds = bench.kinds()
    assert kinds[-3:] == ["ShutDownMark", "RecoveryQuit2", "Init2"]
    quit_ = bench.records()[-2].record
    assert isinstance(quit_, RecoveryQuit2)
    assert quit_.undo == LgPos(0, 0, 0)
    for path in (A, B):
        assert bench.header(path).clean
        assert bench.header(path).lgpos_consistent == second
    assert result.databases == (B,), "the other one was there already"


def cut_after(bench: Bench, position: LgPos) -> None:
    """Take back what was logged behind the segment of `position`, and the checkpoint of the end."""
    with bench.disk.open(f"{FOLDER}/edb.log", OpenMode.READ_WRITE) as file:
        start = (position.segment + 1) * SEGMENT_SIZE
        file.write_at(start, bytes(file.size() - start))
    read = read_checkpoint_file(bench.disk, f"{FOLDER}/edb.chk").checkpoint
    value = read.replace(checkpoint=LgPos(1, 1, 0), db_consistency=LgPos(1, 1, 0), version_flags=1)
    with bench.disk.open(f"{FOLDER}/edb.chk", OpenMode.READ_WRITE) as file:
        file.write_at(0, value.pack_file())


def test_a_crash_between_the_end_and_the_checkpoint(bench: Bench) -> None:
    """The log ends well, only the checkpoint does not say so: nothing is appended but the next run."""
    with bench.instance() as instance:
        instance.session().attach(A)
    term = bench.records()[-1].pos
    value = read_checkpoint_file(bench.disk, f"{FOLDER}/edb.chk").checkpoint
    with bench.disk.open(f"{FOLDER}/edb.chk", OpenMode.READ_WRITE) as file:
        file.write_at(0, value.replace(checkpoint=LgPos(1, 1, 0), version_flags=1).pack_file())
    again, result = bench.recover()
    assert result.needed
    assert result.ended == term
    assert bench.kinds()[-2:] == ["Term2", "Init2"]
    assert bench.header().clean
    again.term()


@pytest.mark.parametrize("damage", ["missing", "both copies", "zeros", "foreign"])
def test_without_a_usable_checkpoint_the_lowest_log_is_the_start(bench: Bench, damage: str) -> None:
    instance = bench.started(A)
    for _ in range(3):
        instance.writer.roll()
    instance.abandon()
    path = f"{FOLDER}/edb.chk"
    if damage == "missing":
        bench.disk.unlink(path)
    else:
        value = read_checkpoint_file(bench.disk, path).checkpoint
        data = {
            "both copies": b"\1" * 8192,
            "zeros": bytes(8192),
            "foreign": value.replace(signature=Signature(77)).pack_file(),
        }[damage]
        with bench.disk.open(path, OpenMode.READ_WRITE) as file:
            file.write_at(0, data)
    again, result = bench.recover()
    assert result.replayed == range(1, 5)
    assert bench.header().clean
    again.term()
    checkpoint = read_checkpoint_file(bench.disk, path).checkpoint
    assert checkpoint.checkpoint == bench.records()[-1].pos


def test_a_backup_whose_headers_were_not_written(bench: Bench) -> None:
    instance = bench.started(A)
    dirty = bench.header()
    info = BkInfo(LgPos(1, 1, 0), LogTime(b"\1\2\3\4\5\6\7\x08"), 1, 1)
    record = Backup2(BackupPhase.UPDATE, 0, BackupScope.FULL, 1, info.mark, info.time, 1, 1)
    instance.writer.append(record.pack())
    instance.writer.append(Backup2(BackupPhase.STOP, 0, BackupScope.FULL).pack())
    instance.writer.flush()
    instance.abandon()
    assert not dirty.bkinfo_full_prev
    bench.recover()
    assert bench.header().bkinfo_full_prev == info


def test_a_raised_version_is_replayed_and_a_lower_one_is_not(bench: Bench) -> None:
    instance = bench.started(A, B)
    instance.writer.append(SetDbVersion(1, 1568, 20, 20).pack())
    instance.writer.append(SetDbVersion(2, 1568, 11, 0).pack())
    instance.writer.flush()
    instance.abandon()
    bench.recover()
    assert (bench.header(A).update_major, bench.header(A).update_minor) == (20, 20)
    assert bench.header(B).update_major == 20


def test_a_change_that_fits_no_page_is_refused_and_nothing_is_written(bench: Bench) -> None:
    instance = bench.started(A)
    instance.writer.append(Begin0(5, 0x10, 4).pack())
    instance.writer.append(FlagDelete(5, 1, 1_000_000, 901, 900, 4, 1, 0, 0, 0, 2, 2).pack())
    instance.writer.flush()
    instance.abandon()
    before = files(bench.disk)
    again = bench.instance()
    error = code_of(again)
    assert error.code == Err.FileIOBeyondEOF
    assert error.page == 1_000_000
    assert [each.id for each in again.events] == [102, 300, 301, 454]
    assert files(bench.disk) == before


def test_a_change_of_pages_of_a_database_that_is_further_does_not_matter(bench: Bench) -> None:
    instance = bench.started(A, B)
    instance.writer.append(NewPage(5, 1, 30, 2, 900).pack())
    instance.session().detach(A)
    instance.abandon()
    assert bench.header(A).clean
    _, result = bench.recover()
    assert result.databases == (B,)


# -- beside Windows --


@pytest.mark.corpus
def test_a_crash_of_windows_is_closed_as_windows_closed_it(corpus: Path, tmp_path: Path) -> None:
    """Generation 0x50 holds a run that died after its attach, and what Windows' own recovery appended.

    Taken back to the moment of the crash, our recovery appends the same records in the same places.
    """
    source = corpus / "srum-win10-dirty"
    folder = tmp_path / "i"
    folder.mkdir()
    data = bytearray((source / "SRU00050.log").read_bytes())
    died = 8
    data[(died + 1) * SEGMENT_SIZE :] = bytes(len(data) - (died + 1) * SEGMENT_SIZE)
    (folder / "SRU.log").write_bytes(data)
    for name in ("SRU0004E.log", "SRU0004F.log"):
        shutil.copy(source / name, folder / name)
        (folder / name).chmod(0o644)
    with LogFile.open(FS, str(folder / "SRU.log")) as log:
        created = log.header.created
        attach = LgPos(0x50, 8, 0x268)
        checkpoint_source = read_checkpoint_file(FS, str(source / "SRU.chk")).checkpoint
        listed = log.header.attachments
    start = LgPos(0x50, 1, 0)
    checkpoint = checkpoint_source.replace(checkpoint=start, db_consistency=start, version_flags=1, attachments=listed)
    (folder / "SRU.chk").write_bytes(checkpoint.pack_file())
    database = bytearray((source / "SRUDB.dat").read_bytes())
    header = DatabaseHeader.parse(bytes(database[:4096])).replace(
        lgpos_attach=attach,
        lgpos_consistent=LgPos(0x50, 6, 0),
        gen_min_required=0x50,
        gen_max_required=0x50,
        gen_max_committed=0x50,
        gen_min_consistent=0x50,
        logtime_gen_max_create=created,
    )
    database[:8192] = header.pack() * 2
    (folder / "SRUDB.dat").write_bytes(database)

    instance = Instance(path=folder, base_name="SRU", log_file_size=64)
    result = instance.init()
    instance.abandon()
    assert result.databases == (str(folder / "SRUDB.dat"),), "found beside the logs, by its signature"
    with LogFile.open(FS, str(source / "SRU00050.log")) as log:
        wanted = [each for each in log.records() if LgPos(0x50, 8, 0xFFF) < each.pos < LgPos(0x50, 0xB, 1)]
    with LogFile.open(FS, str(folder / "SRU.log")) as log:
        found = [each for each in log.records() if each.pos > LgPos(0x50, 8, 0xFFF)]
    assert [(type(each.record), each.pos, each.end) for each in found] == [
        (type(each.record), each.pos, each.end) for each in wanted
    ]
    theirs = next(each.record for each in wanted if isinstance(each.record, RecoveryQuit2))
    ours = next(each.record for each in found if isinstance(each.record, RecoveryQuit2))
    assert (ours.undo, ours.redo_from, ours.hard) == (theirs.undo, theirs.redo_from, theirs.hard)
    after = read_header(FS, str(folder / "SRUDB.dat")).header
    assert after.clean
    assert after.lgpos_consistent == LgPos(0x50, 9, 0x31), "what the next AttachDB of Windows says"


@pytest.mark.corpus
def test_a_crash_of_windows_right_after_an_attach(corpus: Path, tmp_path: Path) -> None:
    """The last run of this machine attached its database and died; a newer engine had begun the current log."""
    folder = tmp_path / "i"
    shutil.copytree(corpus / "srum-win10-dirty", folder)
    for each in (folder, *folder.iterdir()):
        each.chmod(0o755 if each.is_dir() else 0o644)
    path = folder / "SRUDB.dat"
    pages, before = path.read_bytes()[8192:], read_header(FS, str(path)).header
    assert before.state == DbState.DIRTY_SHUTDOWN
    with Instance(path=folder, base_name="SRU", log_file_size=64) as instance:
        after = read_header(FS, str(path)).header
        assert after.clean
        assert after.lgpos_attach == before.lgpos_attach == LgPos(0x51, 0xA, 0x268)
        assert after.lgpos_consistent == LgPos(0x52, 1, 49), "the current log was empty"
        assert (after.sign_db, after.sign_log, after.dbtime_dirtied) == (
            before.sign_db,
            before.sign_log,
            before.dbtime_dirtied,
        )
        instance.session().attach(path)
    assert path.read_bytes()[8192:] == pages
    stream = LogStream.find(FS, str(folder), "SRU")
    assert stream is not None
    assert not [each for each in stream.check() if each.code]


def test_the_term_record_names_the_run(bench: Bench) -> None:
    bench.started(A).abandon()
    instance, _ = bench.recover()
    instance.term()
    records = bench.records()
    init = [each.pos for each in records if isinstance(each.record, Init2)][-1]
    assert isinstance(records[-1].record, Term2)
    assert records[-1].record.undo == init
