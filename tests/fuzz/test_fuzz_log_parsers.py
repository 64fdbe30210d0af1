"""Any bytes whatever give a value or an EseError, in bounded time and memory."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EseError
from engine.format import lr
from engine.format.attachinfo import parse_attach_area
from engine.format.checkpoint import read_checkpoint
from engine.format.checksum import set_header_checksum, set_segment_checksum
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader
from engine.format.lr import LrType
from engine.format.names import FolderNames, detect_names
from engine.format.segment import SegmentHeader, build_segment
from engine.format.versions import LOG_VERSION_MAX
from engine.log.reader import LogFile
from engine.log.verify import LogCopyVerifier
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "150"))
bounded = settings(max_examples=EXAMPLES, deadline=None)
TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))
SEGMENTS = 6


class MemoryFile:
    """A file that lies in memory."""

    path = "fuzz.log"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    def read_into_at(self, offset: int, buffer: memoryview) -> int:
        part = self.data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def write_at(self, offset: int, data: object) -> None:
        raise AssertionError("nothing may be written")

    def truncate(self, size: int) -> None:
        raise AssertionError("nothing may be written")

    def preallocate(self, size: int) -> None:
        raise AssertionError("nothing may be written")

    def fsync(self) -> None:
        raise AssertionError("nothing may be written")

    def start_writeback(self, offset: int, length: int) -> None:
        raise AssertionError("nothing may be written")

    def drop_cache(self, offset: int, length: int) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def header_page() -> bytes:
    return LogHeader.create(
        generation=5,
        file_segments=SEGMENTS,
        page_size=4096,
        created=TIME,
        signature=Signature(1, TIME),
        version=LOG_VERSION_MAX,
        engine_version=9600,
        dbms_param=DbmsParam(),
    ).pack()


def read_everything(data: bytes) -> None:
    """Do with the bytes of a log all that can be done."""
    try:
        log = LogFile(MemoryFile(data), LogHeader.parse(data), len(data))
    except EseError:
        return
    log.scan()
    list(log.patches())
    for work in (log.quit_position, lambda: list(log.records()), lambda: log.canonical(LgPos(5, 1, 4090))):
        try:
            work()
        except EseError:
            continue
    for each in log.records(strict=False) if log.scan().empty else ():
        raise AssertionError(each)


def overwrite(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    changed = bytearray(data)
    for place, piece in changes:
        at = place % len(changed)
        changed[at : at + len(piece)] = piece[: len(changed) - at]
    return bytes(changed)


edits = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=9)), min_size=1, max_size=6)


@bounded
@given(st.binary(max_size=200))
def test_records_from_any_bytes(data: bytes) -> None:
    try:
        record, end = lr.decode_at(data, 0, len(data))
    except EseError as error:
        assert (error.code, error.offset) == (-501, 0)  # noqa: PT017 - either outcome is right
    else:
        assert 0 < end <= len(data)
        assert record.pack() == data[:end]
        assert lr.record_size(data) == end


@bounded
@given(st.sampled_from(sorted(LrType)), st.binary(min_size=8, max_size=600), st.booleans())
def test_records_of_each_type(kind: LrType, body: bytes, small: bool) -> None:  # noqa: FBT001 - drawn
    data = bytes([kind]) + (struct.pack("<I", len(body) // 2) + body if small else body)
    try:
        record, end = lr.decode_at(data, 0, len(data))
    except EseError as error:
        assert error.code == -501  # noqa: PT017 - either outcome is right
        return
    assert record.pack() == data[:end]
    texts = ("text", "path", "pgnos", "key")
    assert all(getattr(record, name) is not None for name in texts if hasattr(record, name))
    if isinstance(record, lr.EmptyTree):
        assert len(list(record.empty_pages())) <= len(data)


@bounded
@given(edits, st.integers(0, 4096))
def test_log_header(changes: list[tuple[int, bytes]], size: int) -> None:
    page = bytearray(overwrite(header_page(), changes))
    for data in (bytes(page[:size]), bytes(page)):
        for read in (LogHeader.parse, LogHeader.decode):
            try:
                read(data)
            except EseError:
                continue
    set_header_checksum(page)
    try:
        header = LogHeader.parse(page)
    except EseError:
        return
    assert header.pack() == bytes(page)


@bounded
@given(st.binary(max_size=300), st.integers(0, 2048))
def test_attach_area(data: bytes, padding: int) -> None:
    area = (data + bytes(padding))[:2048]
    try:
        entries = parse_attach_area(area)
    except EseError:
        return
    packed = b"".join(each.pack() for each in entries)
    assert area.startswith(packed)
    assert all(each.path is not None for each in entries)


@bounded
@given(edits, st.booleans(), st.integers(0, 8192))
def test_checkpoint(changes: list[tuple[int, bytes]], fix: bool, size: int) -> None:  # noqa: FBT001 - drawn
    data = bytearray(overwrite(bytes(8192), changes))
    if fix:
        for at in (0, 4096):
            copy = bytearray(data[at : at + 4096])
            set_header_checksum(copy)
            data[at : at + 4096] = copy
    for part in (bytes(data), bytes(data[:size])):
        try:
            read = read_checkpoint(part)
        except EseError as error:
            assert error.code == -533  # noqa: PT017 - either outcome is right
            continue
        assert read.checkpoint.pack() == read.checkpoint.raw


@bounded
@given(st.lists(st.binary(max_size=4056), max_size=SEGMENTS - 1), edits, st.booleans())
def test_whole_log(bodies: list[bytes], changes: list[tuple[int, bytes]], fix: bool) -> None:  # noqa: FBT001 - drawn
    blocks = [build_segment(body, 5, number, TIME) for number, body in enumerate(bodies, 1)]
    data = (header_page() + b"".join(blocks)).ljust(SEGMENTS * 4096, b"\0")
    changed = bytearray(overwrite(data, changes))
    if fix:
        changed[:4096] = data[:4096]
    read_everything(bytes(changed))
    for size in (5000, 4096, 3 * 4096, len(changed)):
        part = changed[:size]
        try:
            LogCopyVerifier("fuzz.log", len(part)).feed(part)
        except EseError:
            continue


record_bodies = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda text: lr.Trace(0, text).pack(), st.binary(max_size=900)),
        st.builds(lambda total, data: lr.FragmentBegin(total, data).pack(), st.integers(0, 1 << 32 - 1), st.binary()),
        st.builds(lambda data: lr.Fragment(data).pack(), st.binary(max_size=4000)),
        st.builds(lambda data: lr.NOP2(data).pack(), st.binary(max_size=100)),
        st.just(bytes(40)),
    ),
    max_size=12,
)


@bounded
@given(st.lists(record_bodies, min_size=1, max_size=SEGMENTS - 2))
def test_records_in_pieces(segments: list[list[bytes]]) -> None:
    bodies = [b"".join(parts)[:4056] for parts in segments]
    blocks = [build_segment(body, 5, number, TIME) for number, body in enumerate(bodies, 1)]
    read_everything((header_page() + b"".join(blocks)).ljust(SEGMENTS * 4096, b"\0"))


@bounded
@given(st.binary(max_size=60))
def test_segment_header(data: bytes) -> None:
    try:
        header = SegmentHeader.unpack(data)
    except EseError:
        assert len(data) < 40
    else:
        assert header.pack() == data[:40]


@bounded
@given(st.lists(st.text(max_size=16) | st.from_regex(r"[a-c]{3}[0-9a-f]{0,8}\.(log|jtx|chk)", fullmatch=True)))
def test_names(names: list[str]) -> None:
    folder = FolderNames(names)
    for found in detect_names(names):
        assert len(found.base) == 3
        for generation, name in folder.archives(found).items():
            assert generation > 0
            assert name in names


@pytest.mark.corpus
@settings(max_examples=max(20, EXAMPLES // 4), deadline=None)
@given(edits, st.sampled_from(["SRU.log", "SRU00019.log", "SRU0001C.log"]), st.booleans())
def test_damaged_log_of_windows(corpus: Path, changes: list[tuple[int, bytes]], name: str, fix: bool) -> None:  # noqa: FBT001 - drawn
    data = bytearray((corpus / "srum-win10-clean" / name).read_bytes())
    for place, piece in changes:
        at = place % len(data)
        data[at : at + len(piece)] = piece[: len(data) - at]
        segment = at // 4096
        if fix and segment:
            block = data[segment * 4096 : (segment + 1) * 4096]
            set_segment_checksum(block, segment)
            data[segment * 4096 : (segment + 1) * 4096] = block
    read_everything(bytes(data))
