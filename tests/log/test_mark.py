"""Marks: a place in a log is told from the same place in another log, or in another future of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.files.base import OpenMode
from engine.format.lr.control import Trace
from engine.format.segment import SEGMENT_SIZE
from engine.log.mark import LogMark, reaches
from engine.log.paths import join
from engine.log.stream import LogStream
from engine.types import LgPos
from tests.store.conftest import FOLDER, Live, built

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.crash import CrashFileSystem
    from engine.log.writer import LogWriter


@pytest.fixture
def live() -> Iterator[Live]:
    made = Live(built())
    yield made
    made.instance.abandon()


def stream_of(disk: CrashFileSystem) -> LogStream:
    stream = LogStream.find(disk, FOLDER, "edb")
    assert stream is not None
    return stream


def append(writer: LogWriter, count: int = 1, text: str = "this") -> LogMark:
    """Log `count` remarks durably; the mark behind them."""
    for _ in range(count):
        writer.append(Trace.create(text).pack())
    writer.flush()
    return writer.mark


def test_a_log_has_what_was_durable_in_it(live: Live) -> None:
    writer = live.journal.writer
    marks = [writer.mark]
    marks += [append(writer, count) for count in (1, 40, 3000, 1, 5)]
    writer.roll()
    marks += [writer.mark, append(writer), append(writer, 3000)]
    assert [each.position for each in marks] == sorted({each.position for each in marks})
    assert all(reaches(stream_of(live.disk), each) for each in marks)


def test_what_was_not_durable_moves_no_mark(live: Live) -> None:
    writer = live.journal.writer
    before = append(writer)
    writer.append(Trace.create("more").pack())
    assert writer.mark == before
    writer.flush_to(writer.last_record)
    assert writer.mark.position > before.position
    assert reaches(stream_of(live.disk), writer.mark)


def test_a_log_that_ends_before(live: Live) -> None:
    writer = live.journal.writer
    append(writer, 40)
    shorter = live.disk.crash()
    marks = [append(writer, count) for count in (1, 3000)]
    writer.roll()
    marks.append(writer.mark)
    assert not any(reaches(stream_of(shorter), each) for each in marks)


def test_a_log_with_another_future(live: Live) -> None:
    """Two logs that were one: at the same positions lie other records."""
    writer = live.journal.writer
    before = append(writer, 40)
    other = Live(live.disk.crash(), clock=live.clock)
    try:
        marks = [append(writer, count) for count in (1, 1, 300, 300)]
        append(other.journal.writer, 1000, "that")
        stream = stream_of(other.disk)
        assert other.journal.writer.mark.position > marks[-1].position
        assert reaches(stream, before)
        assert not any(reaches(stream, each) for each in marks)
        # The same number, made at another time.
        writer.roll()
        other.journal.writer.roll()
        assert not reaches(stream_of(other.disk), writer.mark)
    finally:
        other.instance.abandon()


def test_a_log_that_cannot_be_read_has_nothing(live: Live) -> None:
    mark = append(live.journal.writer, 40)
    with live.disk.open(join(FOLDER, "edb.log"), OpenMode.READ_WRITE) as file:
        for segment in (mark.position.segment, mark.position.segment + 1):
            file.write_at(segment * SEGMENT_SIZE + 100, b"\xff" * 200)
    assert not reaches(stream_of(live.disk), mark)
    assert not reaches(stream_of(live.disk), mark._replace(position=LgPos(77, 1, 0)))
