"""Every kind of search, with keys whole and in part, against a plain list of the entries."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from engine.build import Column, ColumnType, Index
from engine.table import Seek
from engine.table.seeking import successor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.store.cursor import Cursor
    from tests.store.desk import Desk

Entries = list[tuple[bytes, bytes]]
SEARCHES = 150


class Values:
    """Values that lie close together: nulls, empty ones, ends of bytes, prefixes of each other."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def bytes_(self) -> bytes | None:
        length = self.source.randrange(20)
        return None if self.source.random() < 0.1 else bytes(self.source.choices((0, 1, 254, 255), k=length))

    def number(self) -> int | None:
        return self.source.choice((None, -1, 0, 1, 2))


def wanted(entries: Entries, key: bytes, match: Seek, *, partial: bool) -> tuple[bytes, bytes] | None:
    """Return the entry that a search should find."""
    behind = successor(key) if partial else key + b"\0"
    found = {
        Seek.EQ: [each for each in entries if (each[0].startswith(key) if partial else each[0] == key)],
        Seek.GE: [each for each in entries if each[0] >= key],
        Seek.GT: [each for each in entries if behind is not None and each[0] >= behind],
        Seek.LE: [each for each in entries if behind is None or each[0] < behind],
        Seek.LT: [each for each in entries if each[0] < key],
    }[match]
    if not found:
        return None
    return found[-1] if match in (Seek.LE, Seek.LT) else found[0]


def at(cursor: Cursor) -> tuple[bytes, bytes] | None:
    return (cursor.key, cursor.bookmark) if cursor.positioned else None


def check(cursor: Cursor, entries: Entries, values: Sequence[Any], step: int) -> None:
    """Search for values in all ways, and step on from there."""
    assert cursor.index is not None
    partial = len(values) < len(cursor.index.columns)
    key = cursor.make_key(*values)
    for match in Seek:
        expected = wanted(entries, key, match, partial=partial)
        assert cursor.seek(*values, match=match) is (expected is not None)
        assert at(cursor) == expected
        if expected is not None:
            place = entries.index(expected) + step
            beside = entries[place] if 0 <= place < len(entries) else None
        elif match is Seek.EQ:
            beside = wanted(entries, key, Seek.GE if step > 0 else Seek.LT, partial=False)
        else:
            # The search ran to an end: a step back leads to the entry there.
            behind = match in (Seek.GE, Seek.GT)
            beside = None if behind is (step > 0) else entries[-1 if behind else 0]
        assert cursor.move(step) is (beside is not None)
        assert at(cursor) == beside
    same = [each for each in entries if (each[0].startswith(key) if partial else each[0] == key)]
    assert cursor.count(tuple(values), tuple(values)) == len(same)


@pytest.mark.parametrize(("seed", "page_size"), [(1, 4096), (2, 32768)])
def test_searches(new_desk: Callable[..., Desk], seed: int, page_size: int) -> None:
    values = Values(seed)
    desk = new_desk(page_size)
    _, database = desk.open()
    table = database.create_table(
        "T",
        [
            Column("Id", ColumnType.LONG, auto_increment=True),
            Column("A", ColumnType.BINARY, size=30),
            Column("B", ColumnType.SHORT),
        ],
        indexes=[
            Index("pk", ("Id",), primary=True),
            Index("x", ("A", "-B")),
            Index("u", ("-B", "A", "Id"), unique=True),
        ],
    )
    marks = [table.insert(A=values.bytes_(), B=values.number()) for _ in range(400)]
    for mark in values.source.sample(marks, 100):
        table.delete(mark)
    for name in ("x", "u"):
        cursor = table.cursor(name)
        entries = list(cursor.entries())
        assert entries == sorted(entries)
        for _ in range(SEARCHES):
            both = [values.bytes_(), values.number()]
            both = both if name == "x" else both[::-1]
            check(cursor, entries, both[: values.source.choice((1, 2))], values.source.choice((1, -1)))
    assert desk.settled() == []
