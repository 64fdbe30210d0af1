"""The long-value tree of a table, built while its rows are read.

Ids ascend in the order in which values arrive, so the tree is written from left to right like any other.  Chunks
are stored as they are, never compressed.

Source: database reference 6.5, 6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.build.tree import TreeBuilder, TreeKind
from engine.errors import Err, EseError
from engine.format.longvalue import (
    MOST_BYTES,
    LidSize,
    LongValueKey,
    LongValueRoot,
    chunk_size,
    first_lid,
    pack_reference,
)

if TYPE_CHECKING:
    from engine.build.allocation import PageSpace
    from engine.build.sink import PageSink

_MOST_LID32 = 0x7FFFFFFF


class LongValueWriter:
    """Stores values outside the record and gives the reference to put there."""

    def __init__(self, sink: PageSink, space: PageSpace, root: int, objid: int, lid_size: LidSize) -> None:
        self.tree = TreeBuilder(sink, space, root, objid, TreeKind.LONG_VALUE)
        self._chunk = chunk_size(sink.page_size)
        self._first = first_lid(lid_size)
        self._next = self._first
        self._lid_size = lid_size

    @property
    def count(self) -> int:
        """Values stored."""
        return self._next - self._first

    def add(self, value: bytes) -> bytes:
        """Store a value with one reference and return its id as a record holds it; -1075 when ids run out."""
        if len(value) > MOST_BYTES:
            raise EseError.from_code(Err.ColumnTooBig, f"a value of {len(value)} bytes")
        lid = self._next
        if self._lid_size is LidSize.LID32 and lid > _MOST_LID32:
            raise EseError.from_code(Err.OutOfLongValueIDs, f"{lid}")
        self._next += 1
        add = self.tree.add
        add(LongValueKey(lid).pack(), LongValueRoot(1, len(value)).pack())
        for offset in range(0, len(value), self._chunk):
            add(LongValueKey(lid, offset).pack(), value[offset : offset + self._chunk])
        return pack_reference(lid)
