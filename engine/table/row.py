"""A row as a mapping from column names to values.  Long values outside the record are read when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.table.decoder import resolve, resolved
from engine.table.long_values import LongValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.table.values import Value


class Row(Mapping[str, "Value"]):
    """One row; `bookmark` is its primary key, the name the engine knows it by."""

    __slots__ = ("_places", "_strict", "_values", "bookmark")

    def __init__(self, places: Mapping[str, int], values: tuple[Any, ...], bookmark: bytes, *, strict: bool) -> None:
        self._places = places
        self._values = values
        self._strict = strict
        self.bookmark = bookmark

    def __getitem__(self, name: str) -> Value:
        return resolved(self._values[self._places[name]], strict=self._strict)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._places, self._values, strict=True))
        return f"<Row {self.bookmark.hex()} {shown}>"

    def astuple(self) -> tuple[Value, ...]:
        """Return all values in the order of the columns, long ones read."""
        return resolve(self._values, strict=self._strict)

    def peek(self, name: str) -> Value | LongValue | tuple[Value | LongValue, ...]:
        """Return the value of a column with long values outside the record left as `LongValue`: nothing is read."""
        return self._values[self._places[name]]  # type: ignore[no-any-return]

    def long_value(self, name: str, instance: int = 0) -> LongValue | None:
        """Return a value that lies outside the record, for reading it in pieces; None when it does not.

        `instance` counts the values of a column that has several, from 0.
        """
        value = self._values[self._places[name]]
        if isinstance(value, tuple):
            value = value[instance] if 0 <= instance < len(value) else None
        return value if isinstance(value, LongValue) else None
