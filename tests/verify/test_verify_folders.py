from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pytest

from engine.backup.crc import crc32c
from engine.backup.manifest import BackupEntry, DatabaseEntry, FileEntry, encode
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.info import EseFileType, database_file_info, database_info, log_info
from engine.log.verify import verify_log_for_copy
from engine.monitor import Monitor
from engine.verify import UnitKind, VerifyReport, verify
from engine.verify.folder import gather

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEGMENT = 4096


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for each in (target, *target.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    return target


def poke(path: Path, offset: int, mask: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def brief(report: VerifyReport) -> list[tuple[str, UnitKind, int, int]]:
    return [(os.path.basename(each.path), each.kind, each.number, each.code) for each in report.bad]  # noqa: PTH119


@pytest.mark.parametrize(
    ("folder", "files"),
    [("srum-win10-clean", 14), ("srum-win10-dirty", 11), ("srum-win10-small", 12), ("srum-win11-clean", 9)],
)
def test_windows_instances_are_whole(corpus: Path, folder: str, files: int) -> None:
    monitor = Monitor()
    found = verify(corpus / folder, monitor=monitor)
    assert (found.ok, found.kind, found.findings) == (True, "instance", ())
    assert len(found.files) == files
    assert [each.type for each in found.files[:1]] == [EseFileType.DATABASE]
    notes = {os.path.basename(each.path): each.note for each in found.files if each.note}  # noqa: PTH119
    assert {name.lower() for name in notes} <= {"srutmp.log", "srures00001.jrs", "srures00002.jrs"}
    assert monitor.bytes_done == monitor.bytes_total == sum(each.size for each in found.files)


def test_dirty_database_without_its_logs(corpus: Path) -> None:
    found = verify(corpus / "bits-24h2-16k")
    assert brief(found) == [("qmgr.db", UnitKind.FILE, 0x17, Err.RequiredLogFilesMissing)]
    assert verify(corpus / "bits-24h2-16k" / "qmgr.db").ok


def test_engine_instances_and_sets_are_whole(oracle: Callable[[str], Path]) -> None:
    count = 0
    for path in sorted(oracle("dirty").glob("dirty-*/before")):
        found = verify(path)
        assert (found.kind, brief(found)) == ("instance", []), path
        count += 1
    for path in sorted(oracle("backup").glob("backup-[amnpuw]*/s*/bk")):
        if not any(path.rglob("*.edb")):
            continue
        found = verify(path)
        assert (found.kind, brief(found)) == ("backup-set", []), path
        count += 1
    assert count > 40


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("backup-corrupt-hdr-shadow", ("a.edb", UnitKind.HEADER, 2, Err.DatabaseCorrupted)),
        ("backup-corrupt-log-needed", ("edb00000002.log", UnitKind.SEGMENT, 17, Err.LogFileCorrupt)),
        ("backup-corrupt-page-onebit", ("a.edb", UnitKind.PAGE, 47, Err.ReadVerifyFailure)),
        ("backup-corrupt-page-unused", ("a.edb", UnitKind.PAGE, 59, Err.ReadVerifyFailure)),
        ("backup-corrupt-page", ("a.edb", UnitKind.PAGE, 47, Err.ReadVerifyFailure)),
    ],
)
def test_damage_that_the_engine_met(oracle: Callable[[str], Path], case: str, expected: tuple[Any, ...]) -> None:
    found = verify(oracle("backup") / case / "corrupted-inst")
    assert brief(found) == [expected]
    assert found.bad[0].correctable == case.endswith("onebit")


def test_damaged_sets(oracle: Callable[[str], Path]) -> None:
    def of(group: str, folder: str) -> list[tuple[str, UnitKind, int, int]]:
        return brief(verify(oracle(group) / folder))

    log, file, segment = "edb00000005.log", UnitKind.FILE, UnitKind.SEGMENT
    assert of("restore", "restore-err-corrupt-log/after/bk") == [(log, segment, 14, Err.LogFileCorrupt)]
    assert of("restore", "restore-err-corrupt-loghdr/after/bk") == [(log, UnitKind.HEADER, 1, Err.LogFileCorrupt)]
    missing = Err.MissingRestoreLogFiles
    assert of("restore", "restore-err-missing-first/after/bk") == [("a.edb", file, 1, missing)]
    assert of("restore", "restore-err-missing-required/after/bk") == [("a.edb", file, 3, missing)]
    gap = verify(oracle("restore") / "restore-err-missing-middle/after/bk")
    assert [(each.kind, each.number) for each in gap.bad] == [(file, 4)]
    # An empty log that a failed backup left: nothing in it is wrong, but the set ends early.
    assert of("backup", "backup-corrupt-log-incr/s5/bk") == [("bk", file, 6, missing)]
    # Nothing but an empty file was left behind.
    with pytest.raises(EseError):
        verify(oracle("backup") / "backup-corrupt-page/final-bk")


def test_logs_are_corrected_in_place(corpus: Path, tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win10-clean", tmp_path / "inst")
    log = folder / "SRU0001B.log"
    whole = log.read_bytes()
    poke(log, 3 * SEGMENT + 700, 0x08)
    found = verify(folder)
    assert brief(found) == [("SRU0001B.log", UnitKind.SEGMENT, 3, Err.LogFileCorrupt)]
    assert found.bad[0].bits == (700 * 8 + 3,)
    fixed = verify(folder, correct=True)
    assert (fixed.ok, fixed.corrected) == (True, 1)
    assert log.read_bytes() == whole
    assert verify(folder).findings == ()


def test_every_damaged_segment_is_listed(corpus: Path, tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win10-clean", tmp_path / "inst")
    log = folder / "SRU0001B.log"
    for segment in (2, 4, 5):
        poke(log, segment * SEGMENT + 700, 0x18)
    found = verify(log)
    assert [(each.kind, each.number, each.offset) for each in found.bad] == [
        (UnitKind.SEGMENT, segment, segment * SEGMENT) for segment in (2, 4, 5)
    ]
    assert all(each.stored != each.computed for each in found.bad)
    # The header decides nothing about the segments behind it.
    poke(log, 100, 1)
    found = verify(log)
    assert [(each.kind, each.number) for each in found.bad] == [
        (UnitKind.HEADER, 1),
        (UnitKind.SEGMENT, 2),
        (UnitKind.SEGMENT, 4),
        (UnitKind.SEGMENT, 5),
    ]


def test_cut_off_and_overlong_logs(corpus: Path, tmp_path: Path) -> None:
    log = tmp_path / "SRU0001B.log"
    data = (corpus / "srum-win10-clean" / log.name).read_bytes()
    for size in (len(data) - SEGMENT, len(data) - 1, 3 * SEGMENT, SEGMENT, 4000, 100):
        log.write_bytes(data[:size])
        found = verify(log, kind="log")
        assert not found.ok, size
    log.write_bytes(data + bytes(SEGMENT))
    assert [each.code for each in verify(log).bad] == [Err.LogFileSizeMismatch]


def test_generations_must_follow_one_another(corpus: Path, tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win10-clean", tmp_path / "inst")
    (folder / "SRU0001C.log").unlink()
    found = verify(folder)
    assert [(each.kind, each.number) for each in found.bad] == [(UnitKind.FILE, 0x1C)]
    # Another generation under that name.
    shutil.copyfile(folder / "SRU0001D.log", folder / "SRU0001C.log")
    assert {each.number for each in verify(folder).bad} >= {0x1C}
    # Another stream.
    shutil.copyfile(corpus / "srum-win10-small" / "SRU00008.log", folder / "SRU0001C.log")
    assert Err.BadLogSignature in {each.code for each in verify(folder).bad}


def test_accumulated_checksums_are_compared(corpus: Path, tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win11-clean", tmp_path / "inst")
    log = folder / "SRU00009.log"
    data = bytearray(log.read_bytes())
    # The last valid segment vanishes: each segment that remains is right.
    last = max(at for at in range(SEGMENT, len(data), SEGMENT) if any(data[at : at + SEGMENT]))
    for at in range(last - SEGMENT, len(data), SEGMENT):
        data[at : at + SEGMENT] = bytes(SEGMENT)
    log.write_bytes(data)
    found = verify(folder)
    assert brief(found) == [("SRU0000A.log", UnitKind.FILE, 10, Err.LogSequenceChecksumMismatch)]


def test_checkpoint_copies(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "SRU.chk"
    data = (corpus / "srum-win10-clean" / "SRU.chk").read_bytes()
    path.write_bytes(data)
    found = verify(path)
    assert (found.ok, found.kind, found.units) == (True, "checkpoint", 2)
    assert found.header["filetype"] == 4
    for copies in ((1,), (2,), (1, 2)):
        path.write_bytes(data)
        for copy in copies:
            poke(path, (copy - 1) * SEGMENT + 100, 1)
        found = verify(path, kind="checkpoint")
        assert [(each.kind, each.number, each.code) for each in found.bad] == [
            (UnitKind.HEADER, copy, Err.CheckpointCorrupt) for copy in copies
        ]
    path.write_bytes(data[:SEGMENT] + bytes(SEGMENT))
    assert verify(path).bad_count == 1


def test_flush_map(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "SRUDB.jfm"
    data = (corpus / "srum-win10-clean" / "SRUDB.jfm").read_bytes()
    path.write_bytes(data)
    found = verify(path)
    assert (found.ok, found.kind, found.units) == (True, "flush map", 1)
    poke(path, 8192 + 5000, 0x10)
    bad = verify(path).bad
    assert [(each.kind, each.number, each.offset) for each in bad] == [(UnitKind.MAP_PAGE, 0, 8192)]
    assert bad[0].correctable
    poke(path, 8192 + 5000, 0x10)
    poke(path, 500, 0x10)
    assert [(each.kind, each.number) for each in verify(path).bad] == [(UnitKind.HEADER, 1)]


def test_only_files_of_the_instance_are_looked_at(corpus: Path, tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win11-clean", tmp_path / "inst")
    before = {each.path for each in gather(RealFileSystem(), str(folder))}
    (folder / "setup.log").write_text("installed\n" * 2000)
    (folder / "app.log").write_text("x" * 40_000)
    (folder / "readme.txt").write_text("x" * 10_000)
    (folder / "zeros.bin").write_bytes(bytes(100_000))
    (folder / "sub").mkdir()
    shutil.copyfile(corpus / "bits-24h2-16k" / "qmgr.db", folder / "sub" / "other name")
    after = {each.path for each in gather(RealFileSystem(), str(folder))}
    assert after - before == {str(folder / "sub" / "other name")}


def test_whole_log_folder_with_a_lost_header(corpus: Path, tmp_path: Path) -> None:
    folder = copied(corpus / "srum-win11-clean", tmp_path / "inst")
    poke(folder / "SRU.log", 100, 1)
    poke(folder / "SRU.chk", 100, 1)
    found = verify(folder)
    assert sorted(brief(found)) == sorted(
        [("SRU.log", UnitKind.HEADER, 1, Err.LogFileCorrupt), ("SRU.chk", UnitKind.HEADER, 1, Err.CheckpointCorrupt)]
    )


def with_manifest(folder: Path) -> Path:
    """Give a set of the real engine the manifest that it would have had, had it been made here."""
    databases, files = [], []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        kind: Literal["database", "log", "patch"] = "patch" if path.suffix == ".pat" else "database"
        generation = None
        if path.suffix == ".log":
            kind, generation = "log", log_info(path).generation
        if kind == "database":
            info = database_file_info(path)
            header = info.header
            signature = header.sign_db.pack().hex()
            databases.append(DatabaseEntry(path.name, str(path), signature, header.page_size, info.pages))
        files.append(FileEntry(path.name, kind, len(data), crc32c(data), generation=generation))
    generations = [each.generation for each in files if each.generation is not None]
    now = datetime(2026, 1, 2, tzinfo=UTC)
    entry = BackupEntry(
        id="0" * 32,
        kind="full",
        instance="test",
        started=now,
        finished=now,
        log_signature=header.sign_log.pack().hex(),
        base_name="edb",
        first_generation=min(generations),
        last_generation=max(generations),
        mark=(1, 1, 0),
        files=tuple(files),
        databases=tuple(databases),
    )
    (folder / "backup.json").write_bytes(encode((entry,)))
    return folder


def test_manifest_is_compared(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = with_manifest(copied(oracle("backup") / "backup-multidb/s1-full/bk", tmp_path / "set"))
    found = verify(folder)
    assert (found.kind, found.findings) == ("backup-set", ())

    # A change that every checksum of the file allows: both header copies rewritten.
    database = folder / "a.edb"
    good = database.read_bytes()
    header = database_info(database).replace(dbid=9).pack()
    database.write_bytes(header * 2 + good[2 * len(header) :])
    assert verify(database).ok
    bad = verify(folder).bad
    assert [(each.kind, each.code) for each in bad] == [(UnitKind.FILE, Err.ReadVerifyFailure)]
    assert (bad[0].path, bad[0].stored) == (str(database), crc32c(good))
    database.write_bytes(good)

    log = folder / "edb00000002.log"
    content = log.read_bytes()
    log.unlink()
    assert (str(log), Err.FileNotFound) in {(each.path, each.code) for each in verify(folder).bad}
    log.write_bytes(content + bytes(4096))
    assert {each.code for each in verify(folder).bad} >= {Err.ReadVerifyFailure}
    log.write_bytes(content)
    (folder / "a.pat").unlink()
    assert [each.path for each in verify(folder).bad] == [str(folder / "a.pat")]
    (folder / "a.pat").touch()
    assert verify(folder).ok

    manifest = folder / "backup.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"test", b"tess"))
    found = verify(folder)
    assert [each.path for each in found.bad][:1] == [str(manifest)]


def test_verify_agrees_with_the_copying_verifier(oracle: Callable[[str], Path]) -> None:
    fs = RealFileSystem()
    for path in sorted(oracle("restore").glob("restore-err-corrupt-log*/after/bk/edb*.log")):
        report = verify(path)
        with fs.open(str(path)) as file:
            try:
                verify_log_for_copy(file)
            except EseError:
                assert not report.ok, path
            else:
                assert report.ok, path
