"""The header of a log file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format.attachinfo import AttachInfo, pack_attach_area, parse_attach_area
from engine.format.checksum import set_header_checksum
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader, LogHeaderExpectation, LogHeaderFlags
from engine.format.versions import LOG_VERSION_MAX, LogVersion, formats_for
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))
SIGN = Signature(4711, TIME)


def a_header(**changes: object) -> LogHeader:
    header = LogHeader.create(
        generation=7,
        file_segments=32,
        page_size=8192,
        created=TIME,
        signature=SIGN,
        version=LOG_VERSION_MAX,
        engine_version=9600,
        dbms_param=DbmsParam(sessions=16, log_file_segments=32).with_paths("C:\\s\\", "C:\\l\\"),
        attachments=(AttachInfo.create(1, "C:\\a.edb", SIGN, attach=LgPos(1, 1, 0x268), dbtime=99),),
    )
    return header.replace(**changes)


def patched(header: LogHeader, at: int, data: bytes) -> bytes:
    page = bytearray(header.pack())
    page[at : at + len(data)] = data
    set_header_checksum(page)
    return bytes(page)


def code_of(data: bytes, expect: LogHeaderExpectation | None = None) -> int:
    with pytest.raises(EseError) as caught:
        LogHeader.parse(data, path="x.log", expect=expect)
    assert caught.value.path == "x.log"
    return caught.value.code


def test_what_is_written_is_read() -> None:
    header = a_header()
    data = header.pack()
    assert len(data) == 4096
    again = LogHeader.parse(data)
    assert again.replace(raw=header.raw) == header
    assert again.pack() == data
    assert (again.page_size, again.file_size, again.circular) == (8192, 131072, False)
    assert again.attachments[0].path == "C:\\a.edb"
    assert again.dbms_param.system_path == "C:\\s\\"


def test_fields_lie_where_the_reference_says() -> None:
    data = a_header(flags=LogHeaderFlags.CIRCULAR_NOW, previous_checksum=0x1122334455667788).pack()
    assert struct.unpack_from("<IHHHH", data, 4) == (7, 4096, 1, 32, 8192)
    assert data[16:24] == TIME.raw
    assert struct.unpack_from("<III", data, 32) == (8, 4000, 130)
    assert data[44:72] == SIGN.pack()
    assert data[639] == 2
    assert struct.unpack_from("<I", data, 648) == (280,)
    assert struct.unpack_from("<QI", data, 653) == (0x1122334455667788, 9600)
    assert struct.unpack_from("<I", data, 667) == (3,)
    assert data[671] == 1


def test_page_size_0_means_4096() -> None:
    assert a_header(cb_page_size=0).page_size == 4096


def test_checks_in_order() -> None:
    good = a_header()
    assert code_of(good.pack()[:4095]) == Err.LogFileCorrupt
    assert code_of(b"") == Err.LogFileCorrupt
    assert code_of(bytes(4096)) == Err.LogFileCorrupt
    # Each has all later mistakes too: the first in the order is named.
    wrong = a_header(segment_size=512, file_segments=3, cb_page_size=4096, signature=Signature(1, TIME))
    expect = LogHeaderExpectation(SIGN, 8192, 131072, LogVersion(8, 4000, 5, 16))
    assert code_of(wrong.replace(filetype=1, version=LogVersion(9, 0, 0, 0)).pack(), expect) == Err.FileInvalidType
    assert code_of(wrong.replace(version=LogVersion(9, 0, 0, 0)).pack(), expect) == Err.BadLogVersion
    too_low = Err.EngineFormatVersionSpecifiedTooLowForLogVersion
    assert code_of(wrong.pack(), expect) == too_low
    expect = expect._replace(version_limit=None)
    assert code_of(wrong.pack(), expect) == Err.LogFileCorrupt
    wrong = wrong.replace(segment_size=4096)
    assert code_of(wrong.pack(), expect) == Err.LogFileCorrupt
    wrong = wrong.replace(file_segments=16)
    assert code_of(wrong.pack(), expect) == Err.BadLogSignature
    wrong = wrong.replace(signature=SIGN)
    assert code_of(wrong.pack(), expect) == Err.PageSizeMismatch
    wrong = wrong.replace(cb_page_size=8192)
    assert code_of(wrong.pack(), expect) == Err.LogFileSizeMismatch
    clean = expect._replace(databases_clean=True)
    assert code_of(wrong.pack(), clean) == Err.LogFileSizeMismatchDatabasesConsistent
    LogHeader.parse(wrong.replace(file_segments=32).pack(), expect=expect)


@pytest.mark.parametrize(
    "version",
    [
        LogVersion(7, 3704, 17, 0),
        LogVersion(7, 3703, 0, 0),
        LogVersion(8, 3999, 1, 0),
        LogVersion(8, 4001, 0, 0),
        LogVersion(8, 4000, 131, 0),
    ],
)
def test_versions_that_are_refused(version: LogVersion) -> None:
    assert code_of(a_header(version=version).pack()) == Err.BadLogVersion


def test_a_newer_minor_update_is_read() -> None:
    assert LogHeader.parse(a_header(version=LogVersion(8, 4000, 130, 999)).pack()).version.update_minor == 999


def test_a_legacy_log_gets_a_hint() -> None:
    with pytest.raises(EseError) as caught:
        LogHeader.parse(a_header(version=LogVersion(7, 3704, 15, 0), attachments=()).pack())
    assert caught.value.hint


def test_generation_0_is_damage() -> None:
    assert code_of(a_header(generation=0).pack()) == Err.LogFileCorrupt


def test_every_flipped_bit_is_noticed() -> None:
    data = a_header().pack()
    for bit in range(0, 4096 * 8, 97):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert code_of(bytes(flipped)) == Err.LogFileCorrupt


def test_unknown_bytes_survive_a_change() -> None:
    data = patched(a_header(), 3000, b"later version")
    data = patched(LogHeader.parse(data), 665, b"\x12\x34")
    changed = LogHeader.parse(data).replace(generation=8).pack()
    assert changed[3000:3013] == b"later version"
    assert changed[665:667] == b"\x12\x34"
    assert LogHeader.parse(changed).generation == 8


def test_stale_bytes_behind_the_list_survive_until_the_list_changes() -> None:
    data = patched(a_header(attachments=()), 672, b"stale entry")
    header = LogHeader.parse(data)
    assert header.attachments == ()
    assert header.pack() == data
    entry = AttachInfo.create(2, "b.edb", SIGN, attach=LgPos(1, 1, 0))
    changed = header.replace(attachments=(entry,)).pack()
    assert LogHeader.parse(changed).attachments == (entry,)
    assert b"stale" not in changed
    shorter = LogHeader.parse(changed).replace(attachments=())
    assert LogHeader.parse(shorter.pack()).attachments == ()


def test_attach_entries_that_leave_the_area() -> None:
    entry = AttachInfo.create(1, "C:\\a.edb", SIGN, attach=LgPos(1, 1, 0))
    area = bytearray(pack_attach_area([entry]))
    area[2:4] = b"\xff\xff"
    with pytest.raises(EseError) as caught:
        parse_attach_area(bytes(area), offset=671)
    assert (caught.value.code, caught.value.offset) == (Err.LogFileCorrupt, 671 + 64)
    assert code_of(patched(a_header(), 671, bytes(area))) == Err.LogFileCorrupt
    with pytest.raises(EseError) as caught:
        parse_attach_area(b"\x01" * 40, code=Err.CheckpointCorrupt)
    assert caught.value.code == Err.CheckpointCorrupt


def test_an_area_filled_to_its_end() -> None:
    full = [AttachInfo.create(1, "x" * (2048 // 2 // 2 - 33), SIGN, attach=LgPos(1, 1, 0))] * 2
    area = pack_attach_area(full)
    assert parse_attach_area(area) == tuple(full)
    header = a_header(attachments=tuple(full))
    assert LogHeader.parse(header.pack()).pack() == header.pack()
    with pytest.raises(EseError) as caught:
        pack_attach_area([*full, full[0]])
    assert caught.value.code == Err.TooManyAttachedDatabases


def test_ansi_names() -> None:
    entry = AttachInfo(1, 0, 0, 0, 0, LgPos(1, 1, 0), LgPos(0, 0, 0), SIGN, b"C:\\a.edb\0")
    assert entry.path == "C:\\a.edb"
    assert parse_attach_area(pack_attach_area([entry])) == (entry,)


def test_paths_that_do_not_fit() -> None:
    with pytest.raises(EseError) as caught:
        DbmsParam().with_paths("x" * 261, "")
    assert caught.value.code == Err.InvalidPath
    with pytest.raises(EseError, match="-1023"):
        DbmsParam().with_paths("", "a\0b")


def test_circular_flag() -> None:
    param = DbmsParam().with_circular(on=True)
    assert param.circular
    assert not param.with_circular(on=False).circular
    assert DbmsParam.unpack(param.pack()) == param


def test_formats() -> None:
    newest = formats_for(9600)
    assert newest is not None
    assert str(newest.log) == "8.4000.130.280"
    assert str(newest.database) == "1568.290.600"
    older = formats_for(9410)
    assert older is not None
    assert older.efv == 9400
    assert formats_for(100) is None


def real_headers(folders: Iterator[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".log", ".jtx"):
                yield path


def check_round_trip(paths: Iterator[Path]) -> tuple[int, list[str]]:
    seen: set[bytes] = set()
    refused = []
    for path in paths:
        with path.open("rb") as file:
            data = file.read(4096)
        if data in seen:
            continue
        seen.add(data)
        try:
            header = LogHeader.parse(data, path=path)
        except EseError as error:
            assert error.code == Err.LogFileCorrupt  # noqa: PT017 - the list is judged by the caller
            refused.append(path.name)
            continue
        assert header.pack() == data
        assert header.replace(generation=header.generation).pack() == data
        assert header.segment_size == 4096
        assert header.file_size == path.stat().st_size
    return len(seen), refused


@pytest.mark.corpus
def test_real_headers_of_windows(corpus: Path) -> None:
    count, refused = check_round_trip(real_headers(iter([corpus])))
    assert count >= 20
    assert refused == ["SRUtmp.log"]  # blank


@pytest.mark.oracle
@pytest.mark.parametrize("group", ["clean", "dirty", "backup", "restore"])
def test_real_headers_of_the_oracle(oracle: Callable[[str], Path], group: str) -> None:
    count, refused = check_round_trip(real_headers(iter([oracle(group)])))
    assert count > 50 or group == "clean"
    damaged = {"edb00000005.log", "edb00000006.log"}  # one flipped, one of size 0
    assert all("tmp." in name or name in damaged for name in refused)
