"""Searching in an index by values: the part of a cursor that does not depend on where the entries come from.

    seek     EQ  the first entry with the key              GE  the first at it or behind
             GT  the first behind                          LE  the last at it or before      LT  the last before
    fewer values than the index has columns match all keys that begin with them
    range    entries from one key to another, in the order of the index

"Before" and "behind" are those of the index: in a descending column the greater value comes first.

Source: jet-api reference 6.4; database reference 3.5, 7.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from engine.errors import Err, EseError
from engine.format.value import CONVERSION_ERRORS, encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.catalog import IndexDef
    from engine.table.row import Row

_HIGHEST: Final = b"\xff"


class Seek(Enum):
    """Which entry a search wants."""

    EQ = "=="
    GE = ">="
    GT = ">"
    LE = "<="
    LT = "<"


def successor(key: bytes) -> bytes | None:
    """Return the least bytes above everything that begins with `key`; None when there are none."""
    cut = key.rstrip(_HIGHEST)
    return cut[:-1] + bytes((cut[-1] + 1,)) if cut else None


class SeekingCursor(ABC):
    """A place in an index, moved by search and by steps.

    `index` is None for a table without primary index, whose rows are kept by a number.
    """

    index: IndexDef | None
    _encoders: list[Callable[[Any], bytes]] | None = None
    """Of the columns of the index, made when they are first needed."""

    @property
    @abstractmethod
    def key(self) -> bytes:
        """Key of the current entry; -1603 without one."""

    @abstractmethod
    def first(self) -> bool:
        """Go to the first entry; return whether there is one."""

    @abstractmethod
    def last(self) -> bool:
        """Go to the last entry; return whether there is one."""

    @abstractmethod
    def move(self, n: int = 1) -> bool:
        """Go `n` entries on (back, if negative); return whether there is one."""

    @abstractmethod
    def seek_key(self, key: bytes, match: Seek = Seek.EQ, *, partial: bool = False) -> bool:
        """Go to an entry by key bytes; with `partial` they stand for all keys that begin with them."""

    @abstractmethod
    def _row_or_none(self) -> Row | None:
        """Return the current row, or None when it is to be passed over."""

    def seek(self, *key: Any, match: Seek = Seek.EQ) -> bool:
        """Go to an entry by the values of the index's columns, or of the first few; return whether it exists.

        A failed search leaves the cursor without a row: at the end of the index that it ran to, or for EQ where the
        entry would be, between those that a step on or back leads to.  -1003 for a value that does not fit its
        column, -1001 for Unicode text of a locale, whose keys need the tables of Windows.
        """
        return self.seek_key(self.make_key(*key), match, partial=self._is_partial(key))

    def _is_partial(self, key: tuple[Any, ...]) -> bool:
        return self.index is not None and len(key) < len(self.index.columns)

    def make_key(self, *key: Any) -> bytes:
        """Return the key bytes of the values of the first columns of the index; errors as `seek`."""
        index = self.index
        if index is None or len(key) > len(index.columns) or not key:
            raise EseError.from_code(Err.InvalidParameter, f"{len(key)} values for a key of {self!r}")
        encoders = self._encoders
        if encoders is None:
            columns = [each.column for each in index.columns]
            encoders = self._encoders = [encoder(column.type, column.code_page) for column in columns]
        raw: list[bytes | None] = []
        for value, encode in zip(key, encoders, strict=False):
            try:
                column = index.columns[len(raw)].column
                raw.append(None if value is None else column.filled(encode(value)))
            except CONVERSION_ERRORS as error:
                name = index.columns[len(raw)].name
                raise EseError.from_code(Err.InvalidParameter, f"column {name}: {error}") from None
        return index.key(raw)

    def range(self, lower: Any = None, upper: Any = None, inclusive: bool = True) -> Iterator[Row]:  # noqa: FBT001, FBT002
        """Yield the rows from `lower` to `upper`: values of the first columns (a tuple for several); None: no bound.

        `inclusive` says whether entries at `upper` belong to the range.  Errors as `seek`.
        """
        found, end = self._go_to_range(lower, upper, inclusive=inclusive)
        return self._rows(found, end)

    def _go_to_range(self, lower: Any, upper: Any, *, inclusive: bool) -> tuple[bool, bytes | None]:
        """Go to the first entry of a range; return whether there is one, and what keys must be below (None: no end)."""
        end: bytes | None = None
        if upper is not None:
            values = upper if isinstance(upper, tuple) else (upper,)
            end = self.make_key(*values)
            if inclusive:
                end = successor(end) if self._is_partial(values) else end + b"\0"
        several = lower if isinstance(lower, tuple) else (lower,)
        return self.first() if lower is None else self.seek(*several, match=Seek.GE), end

    def _rows(self, found: bool, end: bytes | None) -> Iterator[Row]:  # noqa: FBT001
        while found and (end is None or self.key < end):
            row = self._row_or_none()
            if row is not None:
                yield row
            found = self.move(1)
