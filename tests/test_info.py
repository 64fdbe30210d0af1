from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.dbheader import DatabaseHeader, DbState
from engine.info import (
    EseFileType,
    checkpoint_info,
    database_file_info,
    database_info,
    flush_map_info,
    identify,
    identify_bytes,
    log_info,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYPES = {
    ".dat": EseFileType.DATABASE,
    ".db": EseFileType.DATABASE,
    ".edb": EseFileType.DATABASE,
    ".log": EseFileType.LOG,
    ".jtx": EseFileType.LOG,
    ".chk": EseFileType.CHECKPOINT,
    ".jcp": EseFileType.CHECKPOINT,
    ".jfm": EseFileType.FLUSH_MAP,
}


def test_real_files_are_told_by_their_content(corpus: Path, oracle: Callable[[str], Path], tmp_path: Path) -> None:
    paths = [*corpus.glob("*/*.*"), *oracle("dirty").glob("*/before/*.*"), *oracle("clean").glob("*/*/clean.*")]
    seen = set()
    for path in paths:
        expected = TYPES.get(path.suffix)
        if expected is None:
            continue
        found = identify(path)
        seen.add(found.type)
        if found.type is not EseFileType.EMPTY:
            assert found == (expected, True), path
    assert seen == {*TYPES.values(), EseFileType.EMPTY}
    # The name plays no part.
    odd = tmp_path / "holiday.jpeg"
    shutil.copyfile(corpus / "srum-win10-clean" / "SRU.chk", odd)
    assert identify(odd).type is EseFileType.CHECKPOINT


def test_damaged_headers() -> None:
    page = DatabaseHeader.create(8192).pack()
    broken = bytearray(page)
    broken[500] ^= 1
    assert identify_bytes(page * 2) == (EseFileType.DATABASE, True)
    assert identify_bytes(bytes(broken) + page) == (EseFileType.DATABASE, False)
    assert identify_bytes(bytes(8192) + page) == (EseFileType.DATABASE, False)
    assert identify_bytes(bytes(broken) * 2) == (EseFileType.DATABASE, False)
    noise = random.Random(2).randbytes(9000)  # noqa: S311 - any bytes will do
    assert identify_bytes(noise) == (EseFileType.UNKNOWN, False)
    for name, kind in (
        ("edb.LOG", EseFileType.LOG),
        ("x.chk", EseFileType.CHECKPOINT),
        ("a.jfm", EseFileType.FLUSH_MAP),
    ):
        assert identify_bytes(noise, name) == (kind, False)
    for size in (0, 100, 4096, 70_000):
        assert identify_bytes(bytes(size)) == (EseFileType.EMPTY, False)
    old = DatabaseHeader.create(4096).replace(filetype=0).pack()
    assert identify_bytes(old) == (EseFileType.DATABASE, True)
    assert identify_bytes(DatabaseHeader.create(4096).replace(filetype=9).pack()).type is EseFileType.UNKNOWN
    assert identify_bytes(DatabaseHeader.create(4096).replace(filetype=0, magic=1).pack()).type is EseFileType.UNKNOWN


@given(data=st.binary(max_size=5000), name=st.text(max_size=20))
def test_any_bytes_have_a_kind(data: bytes, name: str) -> None:
    assert identify_bytes(data, name).type in EseFileType


def test_headers_of_a_windows_instance(corpus: Path) -> None:
    folder = corpus / "srum-win10-clean"
    header = database_info(folder / "SRUDB.dat")
    assert (header.state, header.page_size) == (DbState.CLEAN_SHUTDOWN, 4096)
    assert (header.version, header.update_major) == (0x620, 110)
    log = log_info(str(folder / "SRU.log"))
    assert log.generation == 0x20
    assert log.signature == header.sign_log
    checkpoint = checkpoint_info(folder / "SRU.chk")
    assert checkpoint.checkpoint.signature == header.sign_log
    assert (checkpoint.copy, checkpoint.problems) == (1, ())
    assert flush_map_info(folder / "SRUDB.jfm").accepted_for(header)


def test_backup_copies_have_trailers(oracle: Callable[[str], Path]) -> None:
    folder = oracle("backup") / "backup-multidb/s1-full"
    copy, live = database_file_info(folder / "bk/a.edb"), database_file_info(folder / "inst/a.edb")
    assert copy.trailer is not None
    assert copy.trailer.belongs_to(copy.header)
    assert copy.pages == copy.size // copy.header.page_size - 3
    assert (live.trailer, live.trailer_error, live.header.is_backup_copy) == (None, None, False)
    assert live.pages == live.size // live.header.page_size - 2


def test_trailer_that_is_not_one(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    source = oracle("backup") / "backup-multidb/s1-full/bk"
    path = tmp_path / "a.edb"
    data = (source / "a.edb").read_bytes()
    size = database_info(source / "a.edb").page_size
    foreign = (source / "b.edb").read_bytes()[-size:]
    for wrong in (data[:-size], data[:-size] + foreign, data[: 2 * size]):
        path.write_bytes(wrong)
        found = database_file_info(path)
        assert found.trailer is None
        assert found.trailer_error is not None
        assert found.trailer_error.code == Err.DatabasePatchFileMismatch


def test_what_is_refused(tmp_path: Path, corpus: Path) -> None:
    log = corpus / "srum-win10-clean" / "SRU.log"
    database = corpus / "srum-win10-clean" / "SRUDB.dat"
    cases: list[tuple[Callable[[Path], object], Path, int]] = [
        (database_info, tmp_path / "none", Err.FileNotFound),
        (database_info, log, Err.DatabaseCorrupted),
        (log_info, database, Err.FileInvalidType),
        (checkpoint_info, log, Err.CheckpointCorrupt),
        (flush_map_info, log, Err.ReadVerifyFailure),
        (database_info, tmp_path, Err.FileAccessDenied),
    ]
    for function, path, code in cases:
        with pytest.raises(EseError) as caught:
            function(path)
        assert caught.value.code == code, (function, path)
        assert caught.value.path == str(path)
