"""Long values outside their record: found by id, read whole or chunk by chunk.

    LVROOT     key LID            reference count, size
    chunk      key LID + offset   ascending without holes; the next chunk's offset, or the size, says how long it is

A chunk whose stored length is not its logical one is packed.  How long a chunk is follows from the keys alone, so the
chunk size of the table, of the page size or of an older engine need not be known.

Source: database reference 6.5, 6.6; pitfalls 5, 8.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.compression import unpack_value
from engine.format.longvalue import LongValueKey, LongValueRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.btree.leaf import Leaf
    from engine.btree.tree import Tree
    from engine.table.values import Scalar

_OFFSET = struct.Struct(">I")
_ENCRYPTED: Final = 1


class LongValues:
    """The long values of one table; `tree` is None when the table has none."""

    def __init__(self, tree: Tree | None, table: str) -> None:
        self._tree = tree
        self._table = table

    @property
    def present(self) -> bool:
        """Whether the table has a tree of long values."""
        return self._tree is not None

    def _get(self, key: bytes) -> bytes | None:
        return None if self._tree is None else self._tree.get(key)

    def root(self, lid: int) -> LongValueRoot:
        """Return reference count and size; -1526 when there is no such value, or the error of a page."""
        if not self.present:
            raise self._error(lid, "the table has no long values")
        data = self._get(LongValueKey(lid).pack())
        if data is None:
            raise self._error(lid, "is not there")
        root = LongValueRoot.unpack(data)
        if root.flags is not None and root.flags & _ENCRYPTED:
            raise EseError.from_code(Err.FeatureNotAvailable, f"long value {lid:#x} is encrypted")
        return root

    def chunks(self, lid: int) -> Iterator[bytes]:
        """Yield a value in pieces, unpacked; -1526 for a hole or an end before the size, -1620 for a broken piece."""
        root = self.root(lid)
        offset, stored = 0, None
        for following, data in self._stored(lid, root.size):
            if stored is not None:
                yield self._logical(lid, stored, following - offset)
            elif following:
                raise self._error(lid, f"begins at byte {following}")
            offset, stored = following, data
        if stored is not None:
            yield self._logical(lid, stored, root.size - offset)
        elif root.size:
            raise self._error(lid, f"has none of its {root.size} bytes")

    def read(self, lid: int) -> bytes:
        """Return a whole value; errors as `chunks`."""
        return b"".join(self.chunks(lid))

    def _stored(self, lid: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, stored bytes) of the chunks below `size`, ascending."""
        first = LongValueKey(lid).pack()
        length = len(first) + _OFFSET.size
        for key, data in self._behind(first):
            if not key.startswith(first):
                return
            if len(key) != length:
                raise self._error(lid, f"a key of {len(key)} bytes within it")
            offset = _OFFSET.unpack_from(key, len(first))[0]
            if offset >= size:
                return
            yield offset, data

    def _behind(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the nodes behind a key."""
        for page in self._leaves(key):
            for index in range(page.first_above(key), len(page)):
                yield page.keys[index], page.value(index)

    def _leaves(self, first: bytes) -> Iterator[Leaf]:
        tree = self._tree
        if tree is not None:
            for page in tree.leaves(first):
                leaf = tree.parsed(page)
                if leaf is not None:
                    yield leaf

    def _logical(self, lid: int, stored: bytes, size: int) -> bytes:
        if len(stored) == size:
            return stored
        if len(stored) > size:
            raise self._error(lid, f"a chunk of {len(stored)} bytes where {size} belong")
        try:
            data = unpack_value(stored)
        except EseError as error:
            raise error.located(path=self._path) from None
        if len(data) != size:
            raise self._error(lid, f"a chunk unpacks to {len(data)} bytes where {size} belong")
        return data

    @property
    def _path(self) -> str | None:
        return None if self._tree is None else self._tree.pages.path

    def _error(self, lid: int, detail: str) -> EseError:
        return EseError.from_code(Err.LVCorrupted, f"long value {lid:#x} of {self._table}: {detail}", path=self._path)


class LongValue:
    """A long value that has not been read yet: `read` gives the value, `chunks` its stored bytes piece by piece."""

    __slots__ = ("_convert", "_values", "lid")

    def __init__(self, values: LongValues, lid: int, convert: Callable[[bytes], Scalar]) -> None:
        self._values = values
        self._convert = convert
        self.lid = lid

    def __repr__(self) -> str:
        return f"<LongValue {self.lid:#x}>"

    @property
    def size(self) -> int:
        """Bytes of the value; -1526 when it is not there."""
        return self._values.root(self.lid).size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the value; text is not decoded.  Errors as `LongValues.chunks`."""
        return self._values.chunks(self.lid)

    def decoded(self, stored: bytes) -> Scalar:
        """Return bytes of the value, such as its first ones, in the column's type."""
        return self._convert(stored)

    def read(self) -> Scalar:
        """Return the value in the column's type; errors as `LongValues.chunks`."""
        return self._convert(self._values.read(self.lid))
