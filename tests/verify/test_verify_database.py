from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFile, FaultFileSystem, FaultMode
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.checksum import FLAG_BIT, set_header_checksum
from engine.format.dbheader import DatabaseHeader, DbState
from engine.format.page import WRITABLE_PAGE_SIZES
from engine.monitor import Cell, Monitor, Phase
from engine.types import Snp, Snt
from engine.verify import Finding, UnitKind, batches, report, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.types import Progress

    Make = Callable[..., Any]

BLANK = frozenset({7, 8, 9, 20})


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
@pytest.mark.parametrize("trailer", [False, True])
def test_clean_file(make_database: Make, page_size: int, trailer: bool) -> None:  # noqa: FBT001
    made = make_database(page_size, blank=BLANK, trailer=trailer)
    found = verify(made.path)
    assert (found.ok, found.kind, found.bad, found.findings) == (True, "database", [], ())
    assert (found.units, found.checked, found.blank, found.warning_count) == (40, 36, 4, 0)
    assert found.header["page_size"] == page_size
    assert found.header["state"] == DbState.CLEAN_SHUTDOWN
    assert verify(made.path, kind="database", fs=ReadOnlyFileSystem(RealFileSystem())) == found


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
def test_single_bits_are_found_and_corrected(make_database: Make, page_size: int) -> None:
    made = make_database(page_size, blank=BLANK)
    whole = made.path.read_bytes()
    rng = random.Random(page_size)  # noqa: S311 - what is drawn must be the same in each run
    flips = {pgno: rng.choice(range(400, page_size * 8)) for pgno in (1, 2, 19, 40)}
    for pgno, bit in flips.items():
        made.flip(pgno, bit)
    damaged = made.path.read_bytes()

    seen: list[Finding] = []
    found = verify(made.path, on_finding=seen.append)
    assert made.path.read_bytes() == damaged
    assert list(found.findings) == seen == found.bad
    assert {each.number: each.bit for each in seen} == flips
    assert (found.ok, found.bad_count, found.correctable, found.corrected) == (False, 4, 4, 0)
    for each in seen:
        assert (each.kind, each.code, each.offset) == (UnitKind.PAGE, Err.ReadVerifyFailure, made.offset(each.number))
        assert each.stored != each.computed
        assert (each.correctable, each.corrected, each.warning) == (True, False, False)
        assert (each.path, each.name) == (str(made.path), "JET_errReadVerifyFailure")

    monitor = Monitor()
    found = verify(made.path, correct=True, monitor=monitor)
    assert (found.ok, found.bad_count, found.corrected) == (True, 4, 4)
    assert all(each.corrected for each in found.findings)
    assert made.path.read_bytes() == whole
    assert (monitor.pages_corrected, monitor.pages_bad) == (4, 0)
    assert [index + 1 for index, cell in enumerate(monitor.map_cells) if cell == Cell.CORRECTED] == [1, 2, 19, 40]
    assert verify(made.path).findings == ()


def test_damage_beyond_a_bit(make_database: Make) -> None:
    made = make_database(blank=BLANK)
    made.flip(3, 9000)
    made.flip(3, 9007)
    made.flip(30, FLAG_BIT)
    made.flip(8, 500)
    with made.path.open("r+b") as file:
        file.seek(made.offset(11))
        other = file.read(4096)
        file.seek(made.offset(12))
        file.write(other)
    before = made.path.read_bytes()
    monitor = Monitor()
    found = verify(made.path, correct=True, monitor=monitor)
    assert made.path.read_bytes() == before
    assert [each.number for each in found.bad] == [3, 8, 12, 30]
    assert {each.code for each in found.bad} == {Err.ReadVerifyFailure}
    assert [each.claimed for each in found.bad] == [None, None, 11, None]
    assert (found.correctable, found.corrected, found.blank, monitor.pages_bad) == (0, 0, 3, 4)
    assert monitor.map_cells[2] == Cell.BAD
    assert monitor.map_cells[6] == Cell.FREE
    assert monitor.map_cells[4] == Cell.VERIFIED


def test_header_copies(make_database: Make) -> None:
    made = make_database()
    made.poke(300, 0x5A)
    found = verify(made.path)
    assert [(each.kind, each.number, each.offset) for each in found.bad] == [(UnitKind.HEADER, 1, 0)]
    assert found.header["dbid"] == 1
    made.poke(300, 0x5A)
    made.poke(4096 + 300, 0x5A)
    found = verify(made.path)
    assert [(each.kind, each.number, each.offset) for each in found.bad] == [(UnitKind.HEADER, 2, 4096)]
    made.poke(4096 + 300, 0x5A)
    with made.path.open("r+b") as file:
        file.seek(4096)
        file.write(made.header.replace(dbid=5).pack())
    found = verify(made.path)
    assert (found.ok, found.warning_count, found.findings[0].number) == (True, 1, 2)


def test_both_headers_lost(make_database: Make) -> None:
    made = make_database(trailer=True)
    made.poke(300, 0x5A)
    made.poke(4096 + 300, 0x5A)
    made.flip(5, 1000)
    with pytest.raises(EseError) as caught:
        verify(made.path)
    assert (caught.value.code, caught.value.path) == (Err.DatabaseCorrupted, str(made.path))
    found = verify(made.path, page_size=4096)
    assert [(each.kind, each.number) for each in found.bad] == [
        (UnitKind.HEADER, 1),
        (UnitKind.HEADER, 2),
        (UnitKind.PAGE, 5),
    ]
    assert (found.units, dict(found.header)) == (40, {})
    with made.path.open("r+b") as file:
        file.write(bytes(8192))
    assert verify(made.path, kind="database", page_size=4096).bad_count == 3


def test_pages_behind_the_last_owned_one(make_database: Make) -> None:
    made = make_database(owned=30)
    made.flip(25, 999)
    made.flip(35, 999)
    found = verify(made.path)
    assert [(each.number, each.warning) for each in found.findings] == [(25, False), (35, True)]
    assert (found.files[0].outside, found.bad_count, found.warning_count) == (10, 1, 1)
    # While a database is dirty its space trees may be behind, so every page counts.
    dirty = make_database(owned=30, state=DbState.DIRTY_SHUTDOWN, name="dirty.edb")
    dirty.flip(35, 999)
    assert [(each.number, each.warning) for each in verify(dirty.path).findings] == [(35, False)]


def test_cut_off_file(make_database: Make) -> None:
    made = make_database()
    with made.path.open("r+b") as file:
        file.truncate(made.offset(30, 100))
    found = verify(made.path)
    assert found.units == 29
    assert [(each.kind, each.code) for each in found.bad] == [(UnitKind.FILE, Err.DatabaseCorrupted)] * 2
    with made.path.open("r+b") as file:
        file.truncate(8192)
    assert verify(made.path).units == 0


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
def test_trailer(make_database: Make, page_size: int) -> None:
    made = make_database(page_size, trailer=True)
    end = made.offset(41)
    made.poke(end + 100, 1)
    found = verify(made.path)
    expected = (UnitKind.TRAILER, 41, end, Err.DatabasePatchFileMismatch)
    assert [(each.kind, each.number, each.offset, each.code) for each in found.bad] == [expected]
    assert found.units == 40
    with made.path.open("r+b") as file:
        file.truncate(end)
    found = verify(made.path)
    assert [(each.kind, each.number) for each in found.bad] == [(UnitKind.TRAILER, 40)]
    assert found.units == 40


def test_temporary_database_is_not_judged(make_database: Make) -> None:
    made = make_database()
    header = made.header.replace(state=DbState.JUST_CREATED, dbid=0, dbflags=b"\1\0\0\0")
    with made.path.open("r+b") as file:
        file.write(header.pack())
        file.write(random.Random(1).randbytes(20 * 4096))  # noqa: S311 - any bytes will do
    found = verify(made.path)
    assert (found.ok, found.checked, found.findings) == (True, 0, ())
    assert "temporary" in found.files[0].note


def test_damaged_system_root_is_one_finding(make_database: Make) -> None:
    made = make_database(owned=30)
    made.poke(made.offset(1, 100), 0x77)
    made.flip(35, 999)
    found = verify(made.path)
    assert [(each.number, each.warning) for each in found.findings] == [(1, False), (35, False)]


def test_many_findings_are_counted_but_not_kept(make_database: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_FINDINGS", 5)
    made = make_database()
    for pgno in range(2, 22):
        made.flip(pgno, 5000)
    seen: list[Finding] = []
    found = verify(made.path, on_finding=seen.append)
    assert (len(found.findings), found.bad_count, len(seen)) == (5, 20, 20)


def test_several_batches_on_two_threads(make_database: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1 << 16)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    threads = threading.active_count()
    made = make_database(pages=700, blank=frozenset(range(300, 350)))
    flips = {17: 4000, 18: 4000, 333: 0, 512: 8888, 700: 32767}
    for pgno, bit in flips.items():
        if bit:
            made.flip(pgno, bit)
    found = verify(made.path)
    assert [each.number for each in found.bad] == [17, 18, 512, 700]
    assert (found.units, found.checked, found.blank) == (700, 650, 50)
    assert threading.active_count() == threads
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert verify(made.path) == found


def test_progress_rises_and_ends(make_database: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1 << 16)
    made = make_database(pages=600)
    told: list[Progress] = []
    monitor = Monitor()
    verify(made.path, progress=told.append, monitor=monitor)
    assert {each.snp for each in told} == {Snp.REPAIR}
    assert (told[0].snt, told[0].done, told[-1].snt, told[-1].done) == (Snt.BEGIN, 0, Snt.COMPLETE, 100)
    percents = [each.done for each in told[1:-1]]
    assert percents == sorted(set(percents))
    assert len(percents) > 20
    assert told[-1].bytes_done == told[-1].bytes_total == made.path.stat().st_size
    assert (monitor.phase, monitor.pages_verified, monitor.bytes_done) == (Phase.DONE, 600, monitor.bytes_total)
    assert [(each.name, each.state.value) for each in monitor.files] == [("made.edb", "done")]


@pytest.mark.parametrize(("answer", "code"), [(False, Err.CallbackFailed), (-77, -77)])
def test_callback_stops(make_database: Make, monkeypatch: pytest.MonkeyPatch, answer: object, code: int) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1 << 16)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    made = make_database(pages=600)
    threads = threading.active_count()
    monitor = Monitor()
    with pytest.raises(EseError) as caught:
        verify(made.path, progress=lambda told: answer if told.done > 30 else None, monitor=monitor)
    assert caught.value.code == code
    assert (monitor.phase, threading.active_count()) == (Phase.FAILED, threads)
    assert monitor.pages_verified < 600


def test_raising_callback_and_cancel(make_database: Make) -> None:
    made = make_database()

    def fail(_told: Progress) -> None:
        message = "no more"
        raise ValueError(message)

    with pytest.raises(EseError) as caught:
        verify(made.path, progress=fail)
    assert caught.value.code == Err.CallbackFailed
    assert isinstance(caught.value.__cause__, ValueError)
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(EseError) as caught:
        verify(made.path, monitor=monitor)
    assert (caught.value.code, monitor.phase) == (Err.BackupAbortByCaller, Phase.CANCELLED)


@pytest.mark.parametrize("pages", [40, 700])
def test_unreadable_pages_are_findings(make_database: Make, monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1 << 17)
    made = make_database(pages=pages, blank=BLANK)
    # The first read of a batch fails; page by page all is well.
    probe = FaultFileSystem(RealFileSystem())
    verify(made.path, fs=probe)
    reads = [each.n for each in probe.operations if each.op == "read"]
    for at in reads[4:]:
        failing = FaultFileSystem(RealFileSystem(), at)
        found = verify(made.path, fs=failing)
        assert failing.fired
        assert (found.ok, found.checked, found.blank) == (True, pages - 4, 4)
    # The first read of a batch and the next ones fail: those pages are lost, the others are not.
    failing = FaultFileSystem(RealFileSystem(), reads[4], times=4)
    found = verify(made.path, fs=failing)
    assert 0 < found.bad_count <= 4
    assert {each.code for each in found.bad} == {Err.DiskIO}
    assert found.checked + found.blank + found.bad_count == pages


class _TornFile(FaultFile):
    """Gives page 5 half written the first time it is read."""

    def read_into_at(self, offset: int, buffer: memoryview) -> int:
        count = super().read_into_at(offset, buffer)
        if not offset:
            buffer[6 * 4096 + 2048 : 7 * 4096] = bytes(2048)
        return count


class _TornFileSystem(FaultFileSystem):
    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> FaultFile:
        return _TornFile(self, self.inner.open(path, mode))


def test_page_being_written_is_read_again(make_database: Make) -> None:
    made = make_database()
    assert verify(made.path, fs=_TornFileSystem(RealFileSystem())).findings == ()


@pytest.mark.parametrize("mode", [FaultMode.EIO, FaultMode.SHORT_READ])
def test_every_fault_ends_in_a_report_or_a_typed_error(make_database: Make, mode: FaultMode) -> None:
    made = make_database(trailer=True)
    probe = FaultFileSystem(RealFileSystem())
    verify(made.path, fs=probe)
    assert probe.count > 8
    for at in range(1, probe.count + 1):
        failing = FaultFileSystem(RealFileSystem(), at, mode)
        try:
            found = verify(made.path, fs=failing)
        except EseError:
            continue
        # Whatever failed is reported, and no page is passed over.
        assert found.checked == 40


def test_what_is_raised(tmp_path: Path, make_database: Make) -> None:
    def code(path: Path, **options: Any) -> int:
        with pytest.raises(EseError) as caught:
            verify(path, **options)
        return caught.value.code

    assert code(tmp_path / "missing") == Err.FileNotFound
    foreign = tmp_path / "foreign.bin"
    foreign.write_bytes(random.Random(3).randbytes(100_000))  # noqa: S311 - any bytes will do
    assert code(foreign) == Err.DatabaseCorrupted
    assert code(foreign, kind="database") == Err.DatabaseCorrupted
    assert code(foreign, kind="instance") == Err.InvalidPath
    assert code(tmp_path, kind="database") == Err.FileAccessDenied
    empty = tmp_path / "empty"
    empty.mkdir()
    assert code(empty) == Err.DatabaseCorrupted
    newer = make_database()
    newer.path.write_bytes(DatabaseHeader.create(4096).replace(magic=5).pack() * 2)
    assert code(newer.path) == Err.InvalidDatabaseVersion


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 10_000])
def test_tiny_files(tmp_path: Path, size: int) -> None:
    path = tmp_path / "tiny.edb"
    path.write_bytes(b"\1" * size)
    if size:
        with pytest.raises(EseError):
            verify(path)
    else:
        found = verify(path)
        assert (found.ok, found.kind, found.files[0].note) == (True, "empty", "empty")


def test_hostile_claims_cost_nothing(make_database: Make) -> None:
    made = make_database(owned=2**31)
    found = verify(made.path)
    assert [each.kind for each in found.bad] == [UnitKind.FILE]
    assert "2147483648" in found.bad[0].detail
    page = bytearray(made.header.pack())
    page[236:240] = (2**31).to_bytes(4, "little")
    set_header_checksum(page)
    made.path.write_bytes(bytes(page))
    with pytest.raises(EseError):
        verify(made.path)
