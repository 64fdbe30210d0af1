"""A table of a live database: rows in and out, columns and indexes added and deleted.

    table.insert(Id=1, Name="a")                 a row; returns its bookmark
    for row in table: ...                        rows in primary order
    cursor = table.cursor("byName")              search, move, update, delete: `engine.store.cursor`
    table.create_index(Index("byName", ("Name",)))

Everything happens in the session's transaction; a call without one is a transaction of its own.  Iteration without a
transaction sees what is committed as it goes.

Source: jet-api reference 6.4, 3.3.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from engine.errors import Err, EseError
from engine.store import nodes
from engine.store.cursor import Cursor
from engine.store.long_field import LongField
from engine.store.scan import Scan
from engine.table.decoder import resolve
from engine.table.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from engine.build.rows import Row as NewRow
    from engine.build.schema import Column, Index
    from engine.catalog import IndexDef, TableDef
    from engine.format.column import ColumnDef
    from engine.store.definitions import Definitions
    from engine.store.rows import Rows
    from engine.store.work import Work
    from engine.table.decoder import RowDecoder
    from engine.table.values import Value

_PERIOD: Final = 64
"""Rows between two looks at what is due."""


class Table:
    """One table, as its session sees it.  Follows what the session does to the table's definition, and its name."""

    def __init__(self, name: str, definitions: Definitions, work: Work) -> None:
        self._name = name
        self._definitions = definitions
        self._work = work
        self._rows = definitions.rows(name)
        self._objid = self._rows.table.objid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Table {self._name}>"

    def close(self) -> None:
        """Let go of the table; it belongs to the database."""

    # What it is.

    def rows(self) -> Rows:
        """Return the rows by the definition that the session sees now; -1305 when the table is gone."""
        rows = self._rows
        if not self._definitions.current(rows):
            self._rows = rows = self._definitions.rows_of(self._objid, self._name)
            self._name = rows.table.name
        return rows

    def writable(self) -> Rows:
        """Return the rows for a change; errors as `Shared.write`."""
        rows, definitions = self._rows, self._definitions
        session = self._work.session
        if rows.ready != session.snapshot or rows.generation != definitions.shared.generation:
            rows = self.rows()
            while definitions.write(rows):
                rows = self.rows()
            rows.ready, rows.generation = session.snapshot, definitions.shared.generation
        return rows

    @property
    def definition(self) -> TableDef:
        """The table as the catalog describes it."""
        with self._work.reading:
            return self.rows().table

    @property
    def objid(self) -> int:
        """Number of the table in the catalog; another one of the same name has another."""
        return self._objid

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.definition.name

    @property
    def columns(self) -> Mapping[str, ColumnDef]:
        """The columns by name, in the order of their ids."""
        return MappingProxyType({each.name: each for each in self.definition.columns})

    @property
    def indexes(self) -> Mapping[str, IndexDef]:
        """The indexes by name, the primary one too."""
        return MappingProxyType({each.name: each for each in self.definition.indexes})

    # Reading.

    def __iter__(self) -> Iterator[Row]:
        rows, scan = self._scan()
        for bookmark, values in self._decoded(scan, rows, rows.decoder(None)):
            yield Row(rows.places, values, bookmark, strict=True)

    def _scan(self) -> tuple[Rows, Scan]:
        with self._work.reading:
            rows = self.rows()
        return rows, Scan(self._work.session, rows.tree)

    def _batch(self, scan: Scan) -> list[tuple[bytes, bytes]]:
        with self._work.reading:
            self.rows()
            return scan.batch()

    def values(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Value, ...]]:
        """Yield a tuple a row, in primary order: `columns` (all) in the order given.  The quickest way through many.

        -1507 for an unknown column.
        """
        rows, scan = self._scan()
        decoded = self._decoded(scan, rows, rows.decoder(columns))
        return (values for _, values in decoded)

    def _decoded(self, scan: Scan, rows: Rows, decoder: RowDecoder) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
        """Yield (bookmark, values) of each row, long values read."""
        decode = decoder.decode
        while batch := self._batch(scan):
            for bookmark, data in batch:
                if scan.fresh:
                    values = decode(data, 0, len(data))
                    if not decoder.pending:
                        yield bookmark, values
                        continue
                found = self._look_again(rows, decoder, bookmark)
                if found is not None:
                    yield bookmark, found

    def _look_again(self, rows: Rows, decoder: RowDecoder, bookmark: bytes) -> tuple[Any, ...] | None:
        """Return a row as it is now, with its long values; None when it has gone since its leaf was read."""
        with self._work.reading:
            self.rows()
            data = nodes.get(self._work.session, rows.tree, bookmark)
            if data is None:
                return None
            values = decoder.decode(data, 0, len(data))
            return resolve(values, strict=True) if decoder.pending else values

    def get(self, bookmark: bytes) -> Row:
        """Return the row of a bookmark; -1601 when the session sees none."""
        with self._work.reading:
            rows = self.rows()
            return rows.row(bookmark, rows.record(bookmark))

    def __contains__(self, bookmark: object) -> bool:
        with self._work.reading:
            rows = self.rows()
            return isinstance(bookmark, bytes) and nodes.get(self._work.session, rows.tree, bookmark) is not None

    def count(self) -> int:
        """Return the number of rows that the session sees, by walking the leaves."""
        _, scan = self._scan()
        total = 0
        while batch := self._batch(scan):
            total += len(batch)
        return total

    def cursor(self, index: str | None = None) -> Cursor:
        """Return a cursor over an index, over the rows in primary order without a name; -1404 for an unknown one."""
        with self._work.reading:
            rows = self.rows()
            if index is None:
                return Cursor(self, self._work, rows, rows.table.primary)
            found = next((each for each in rows.table.indexes if each.name.upper() == index.upper()), None)
            if found is None:
                raise EseError.from_code(Err.IndexNotFound, f"{index!r} in {self._name}")
            return Cursor(self, self._work, rows, found)

    def record(self, bookmark: bytes) -> bytes:
        """Return the stored bytes of a row as a whole; -1601 when the session sees none."""
        with self._work.reading:
            return self.rows().record(bookmark)

    def stored(
        self, bookmark: bytes, columns: Iterable[str], *, defaults: bool = True
    ) -> dict[str, tuple[bytes | None, ...]]:
        """Return the stored bytes of columns of a row by name, each as a tuple of its values; null is (None,).

        Without `defaults` a column is null that the record itself does not name.
        -1601 no such row, -1507 unknown column, -1526 and the like for a value that cannot be read.
        """
        with self._work.reading:
            rows = self.rows()
            rows.reader.take(rows.record(bookmark))
            found: dict[str, tuple[bytes | None, ...]] = {}
            for name in columns:
                column = rows.columns[rows.place(name)]
                shown = defaults or rows.reader.has(column)
                found[name] = tuple(rows.reader.value_of(column)) if shown else (None,)
            return found

    def lock(self, bookmark: bytes) -> None:
        """Keep other sessions from changing a row until the transaction ends; -1054 without one, -1601, -1102."""
        if not self._work.session.level:
            raise EseError.from_code(Err.NotInTransaction, "a lock ends with its transaction")
        with self._work.reading:
            rows = self.rows()
            rows.record(bookmark)
            nodes.lock(self._work.session, rows.tree, bookmark)

    def long_value(self, bookmark: bytes, column: str, instance: int = 0) -> LongField:
        """Return a long value of a row, for reading and changing it in pieces; `instance` counts from 0.

        -1601 no such row, -1511 a column that is not long, -1518 a value that is not there.
        """
        field = LongField(self, self._work, bookmark, column, instance)
        field.size  # noqa: B018 - a value that is not there is told now
        return field

    # Changing.

    def insert(self, /, **values: Any) -> bytes:
        """Insert a row; return its bookmark.  Columns that are not named get their default or number.

        -1605 a key that is taken, -1504 null not allowed, -1506 too long, -1507 unknown column, -1026 too big,
        -1003 not of the column's type, -1511 a value for the counter, -1053 a null in a key that must have none,
        -346 a key that would be cut, -1302 while another session defines the table.
        """
        with self._work:
            return self.writable().insert(values)

    def next_number(self) -> int:
        """Take the next number of the counter, for `insert_numbered`; -1507 in a table without one, -1076.

        Like any number it is not given back.
        """
        with self._work:
            return self.writable().next_number()

    def insert_numbered(self, number: int, values: Mapping[str, Any]) -> bytes:
        """Insert a row with a number that was taken before; errors as `insert`."""
        with self._work:
            return self.writable().insert_numbered(number, values)

    def insert_row(self, row: NewRow) -> bytes:
        """Insert a row given as a mapping, or as a sequence with a value for each column; errors as `insert`."""
        with self._work:
            return self.writable().insert(row)

    def insert_many(self, rows: Iterable[NewRow]) -> int:
        """Insert rows as one step; return their number.  Errors as `insert`: then none of them is there.

        What yields the rows reads through another session, if through any: this one is inside the call (-1910).
        """
        session = self._work.session
        with self._work:
            session.begin(inner=True)
            count = 0
            try:
                insert, between = self.writable().insert, self._definitions.shared.between
                for count, row in enumerate(rows, 1):
                    insert(row)
                    if not count % _PERIOD:
                        between()
            except BaseException:
                session.rollback()
                raise
            session.commit()
            return count

    def update(self, bookmark: bytes, /, **values: Any) -> None:
        """Change columns of a row.

        -1601 no such row, -1102 changed by another transaction, -1604 the primary key would change, else as `insert`.
        """
        with self._work:
            self.writable().update(bookmark, values)

    def replace(self, bookmark: bytes, /, **values: Any) -> None:
        """Give a row other values altogether: what is not named gets its default; errors as `update`."""
        with self._work:
            rows = self.writable()
            rows.update(bookmark, rows.complete(values))

    def delete(self, bookmark: bytes) -> None:
        """Delete a row; -1601 no such row, -1102 changed by another transaction."""
        with self._work:
            self.writable().delete(bookmark)

    def escrow(self, bookmark: bytes, column: str, amount: int) -> int:
        """Add to an escrow column; return its value before.  Sessions do so side by side, without conflict.

        -1601 no such row, -1906 no escrow column, -1102 the row was changed otherwise.
        """
        with self._work:
            return self.writable().escrow(bookmark, column, amount)

    # Definitions.

    def add_column(self, column: Column) -> None:
        """Add a column; rows there are have its default, or null.

        -1508 a name in use, -1040 too many columns, -1510 a second counter or version, -1511, -900, -1521, -1524,
        -1538, -1063 for one that cannot be, -1026 for one that no record has room for, -621 for one that the format
        level does not know, -1304/-1302 while others use the table, -1323 fixed definition.
        """
        with self._work:
            self._definitions.add_column(self.rows(), column)

    def delete_column(self, name: str) -> None:
        """Delete a column; -1507 unknown, -1046 an index depends on it, -1304/-1302, -1323."""
        with self._work:
            self._definitions.delete_column(self.rows(), name)

    def create_index(self, index: Index) -> None:
        """Add an index over the rows there are.

        -1403 a name in use, -1402 a second primary index, -1605 two rows with one key, -1406, -900 and -1507 for one
        that cannot be, -1001 Unicode text without an order, -1304/-1302, -1323.
        """
        with self._work:
            self._definitions.create_index(self.rows(), index)

    def delete_index(self, name: str) -> None:
        """Delete an index; -1404 unknown, -1405 the primary one, -1304/-1302, -1323."""
        with self._work:
            self._definitions.delete_index(self.rows(), name)
