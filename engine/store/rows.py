"""What happens to the rows of a table: record, index entries, long values and counters, as one step or not at all.

    insert   long values, record, entries
    update   new long values, record, entries, then the old long values go
    delete   record, entries, long values

A change of more than one node is a level of its own in the transaction, so that an error takes back what was done.

Hot path: `Rows.insert`.  Source: database reference 3.4, 6, 7.7; log reference 2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.build.index_keys import KeyMaker
from engine.errors import Err, EseError
from engine.format.column import ColumnFlags, Storage
from engine.format.compression import unpack_value
from engine.format.longvalue import MOST_BYTES, unpack_reference
from engine.format.record import COMPRESSED, RecordLayout
from engine.store import nodes
from engine.store.counters import AutoIncrement, next_record_number
from engine.store.indexes import Indexes, raw_of
from engine.store.long_values import StoredValues
from engine.store.records import ChangedRecords, NewRecords, is_packed, lids_of, places_of
from engine.store.scan import Scan
from engine.table.decoder import RowDecoder, resolve
from engine.table.record_reader import RecordReader
from engine.table.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.build.rows import Row as NewRow
    from engine.build.tagged import Raw
    from engine.catalog import IndexDef, TableDef
    from engine.format.column import ColumnDef
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession

_WIDE: Final = 8


def table_tree(shared: Shared, table: TableDef) -> TreeRef:
    """Return the tree of a table's rows."""
    density = table.row.space_usage
    return shared.tree(table.root, table.objid, parent=shared.root, density=density if 0 < density <= 100 else 80)  # noqa: PLR2004 - percent


class Rows:
    """The rows of one table by one definition, for one session."""

    def __init__(self, session: StoreSession, shared: Shared, table: TableDef) -> None:
        self.session = session
        self.shared = shared
        self.table = table
        self.columns = table.columns
        self.places = places_of(table.columns)
        self.tree = table_tree(shared, table)
        self.long = StoredValues(session, shared, table, self.tree)
        self.indexes = Indexes(session, shared, table, self.tree)
        page_size = shared.pages.page_size
        primary = table.primary
        self.primary = None if primary is None else KeyMaker(primary, table.columns)
        wanted = self.indexes.needed | (frozenset() if self.primary is None else self.primary.needed)
        self._key_places = frozenset() if self.primary is None else self.primary.needed
        counter = next((each for each in table.columns if each.flags & ColumnFlags.AUTO_INCREMENT), None)
        self.counter = None if counter is None else AutoIncrement(shared, table, counter, self.tree)
        self._counter_column = counter
        self._taken: int | None = None
        """The number for the row at hand, when it was taken before."""
        self._new = NewRecords(table, page_size, self.long, self._number, wanted)
        self.changer = ChangedRecords(table, page_size, self._new, self.long)
        self.reader = RecordReader(table, page_size, self.long)
        self.layout = RecordLayout(table.columns, page_size)
        self._decoder = RowDecoder(table.columns, page_size, self.long)
        self.ready = 0
        """Snapshot of the transaction that may write, as long as `generation` is that of the definitions."""
        self.generation = -1
        self._has_long = any(each.type.is_long for each in table.columns) or bool(table.gone)
        self._single = not self.indexes.all and not self._has_long
        """Whether a new row is one node, which is there or not by itself."""

    def _number(self) -> int:
        return self.next_number() if self._taken is None else self._taken

    def next_number(self) -> int:
        """Take the next number of the counter; -1507 in a table without one, -1076."""
        counter = self.counter
        if counter is None:
            raise EseError.from_code(Err.ColumnNotFound, f"{self.table.name} has no counter")
        return counter.take(self.session, self.greatest)

    def insert_numbered(self, number: int, row: NewRow) -> bytes:
        """Insert a row with a number of the counter that was taken before; errors as `insert`."""
        self._taken = number
        try:
            return self.insert(row)
        finally:
            self._taken = None

    def greatest(self) -> int:
        """Return the greatest number in the counter's column; 0 when there is none."""
        column = self._counter_column
        if column is None:
            return 0
        found = 0
        decode = self.decoder([column.name]).decode
        for _, data in Scan(self.session, self.tree):
            found = max(found, decode(data, 0, len(data))[0] or 0)
        return found

    # Reading.

    def decoder(self, columns: Sequence[str] | None) -> RowDecoder:
        """Return a decoder of records for some columns (all), in the order given; -1507 for an unknown name."""
        if columns is None:
            return self._decoder
        wanted = [self.columns[self.place(name)] for name in columns]
        return RowDecoder(wanted, self.shared.pages.page_size, self.long)

    def place(self, name: str) -> int:
        """Return where a column is; -1507 for an unknown name."""
        found = self.places.get(name)
        if found is None:
            raise EseError.from_code(Err.ColumnNotFound, f"{name!r} in {self.table.name}")
        return found

    def row(self, bookmark: bytes, data: bytes) -> Row:
        """Return a record as a row, its long values read."""
        values = self._decoder.decode(data, 0, len(data))
        if self._decoder.pending:
            values = resolve(values, strict=True)
        return Row(self.places, values, bookmark, strict=True)

    def record(self, bookmark: bytes) -> bytes:
        """Return the record of a bookmark; -1601 when the session sees none."""
        data = nodes.get(self.session, self.tree, bookmark)
        if data is None:
            raise EseError.from_code(Err.RecordNotFound, f"no row {bookmark.hex()} in {self.table.name}")
        return data

    # Changing.

    def insert(self, row: NewRow) -> bytes:
        """Insert a row and return its bookmark.

        -1605 for a key that is taken, -1504, -1506, -1507, -1026, -1003 as `RowEncoder.encode`, -1511 for a value
        of the counter, -1053 and -346 as `KeyMaker.keys`.
        """
        if self._single:
            record = self._new.encode(row)
            key = self._key()
            nodes.insert(self.session, self.tree, key, record)
            return key
        session = self.session
        session.begin(inner=True)
        try:
            record = self._new.encode(row)
            key = self._key()
            nodes.insert(session, self.tree, key, record)
            self.indexes.insert(self._new.raw, key)
        except BaseException:
            session.rollback()
            raise
        session.commit()
        return key

    def _key(self) -> bytes:
        primary = self.primary
        return next_record_number(self.shared, self.tree) if primary is None else primary.primary_key(self._new.raw)

    def update(self, bookmark: bytes, values: Mapping[str, Any]) -> None:
        """Change some columns of a row.

        -1601 no such row, -1102 another transaction has changed it, -1604 when its key would change, and as `insert`.
        Without a column to change nothing is, the version neither.
        """
        if not values:
            self._own_record(bookmark)
            return
        changes = {self.place(name): value for name, value in values.items()}
        places = self.changer.always.union(changes)
        if not self._has_long and self.indexes.needed.isdisjoint(places):
            self._update(bookmark, changes, places)
            return
        session = self.session
        session.begin(inner=True)
        try:
            for lid in self._update(bookmark, changes, places):
                self.long.release(lid)
        except BaseException:
            session.rollback()
            raise
        session.commit()

    def _update(self, bookmark: bytes, changes: Mapping[int, Any], places: frozenset[int]) -> list[int]:
        """Change a record and its entries; return the long values that it no longer names."""
        before = self.record(bookmark)
        after, released = self.changer.change(before, changes)
        self._put(bookmark, before, after, places)
        return released

    def _own_record(self, bookmark: bytes) -> bytes:
        """Return a record that nobody else can change from now on."""
        data = self.record(bookmark)
        nodes.lock(self.session, self.tree, bookmark)
        return data

    def _put(self, bookmark: bytes, before: bytes, after: bytes, places: frozenset[int]) -> None:
        """Replace a record and the entries that depend on the columns at the changed places."""
        if places & self._key_places:
            self._check_key(bookmark, after)
        needed = self.indexes.needed
        if needed & places:
            old = self.raw(before, needed)
            nodes.replace(self.session, self.tree, bookmark, after)
            self.indexes.update(old, self.raw(after, needed), places, bookmark)
        else:
            nodes.replace(self.session, self.tree, bookmark, after)

    def _check_key(self, bookmark: bytes, record: bytes) -> None:
        if self.primary is not None and self.primary.primary_key(self.raw(record, self._key_places)) != bookmark:
            raise EseError.from_code(Err.RecordPrimaryChanged, f"row {bookmark.hex()} of {self.table.name}")

    def raw(self, record: bytes, needed: frozenset[int]) -> list[Raw]:
        """Return the stored form of the columns at the places needed in a record."""
        self.reader.take(record)
        return raw_of(self.reader, self.columns, needed)

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values for every column that a caller may set: those given, else the defaults.  -1507."""
        for name in values:
            self.place(name)
        return {
            column.name: values.get(column.name, default)
            for column, default in zip(self.columns, self._new.defaults, strict=True)
            if column.name in values or not column.flags & (ColumnFlags.VERSION | ColumnFlags.AUTO_INCREMENT)
        }

    def first_key(self, index: IndexDef | None, bookmark: bytes) -> bytes | None:
        """Return the least key that a row has in a secondary index, None when it has no entry."""
        objid = 0 if index is None else index.objid
        live = next((each for each in self.indexes.all if each.definition.objid == objid), None)
        if live is None:
            return None
        return min(live.maker.keys(self.raw(self.record(bookmark), live.maker.needed)), default=None)

    def renumber(self, bookmark: bytes, column: ColumnDef, number: int) -> None:
        """Give a row a number in a column that was added."""
        nodes.replace(self.session, self.tree, bookmark, self.changer.number(self.record(bookmark), column, number))

    def delete(self, bookmark: bytes) -> None:
        """Delete a row; -1601, -1102."""
        if self._single:
            self.record(bookmark)
            nodes.delete(self.session, self.tree, bookmark)
            return
        session = self.session
        session.begin(inner=True)
        try:
            record = self.record(bookmark)
            raw = self.raw(record, self.indexes.needed) if self.indexes.all else []
            # The record first: who loses against another transaction has done nothing else yet.
            nodes.delete(session, self.tree, bookmark)
            if raw:
                self.indexes.delete(raw, bookmark)
            for lid in self._lids(record):
                self.long.release(lid)
        except BaseException:
            session.rollback()
            raise
        session.commit()

    def _lids(self, record: bytes) -> Iterable[int]:
        return lids_of(self.layout.decode(record)) if self._has_long else ()

    def escrow(self, bookmark: bytes, name: str, amount: int) -> int:
        """Add to an escrow column, whoever else does; return its value before, as the session sees it.

        -1601, -1906 for a column that is none, -1102.
        """
        column = self.columns[self.place(name)]
        if not column.flags & ColumnFlags.ESCROW_UPDATE:
            raise EseError.from_code(Err.InvalidOperation, f"{name} is no escrow column")
        record = self.record(bookmark)
        raw = self.layout.decode(record).fixed.get(column.id)
        if raw is None:
            raise EseError.from_code(Err.NullInvalid, f"{name} is null")
        wide = column.size == _WIDE
        nodes.delta(self.session, self.tree, bookmark, column.offset, amount, wide=wide)
        return int.from_bytes(raw, "little", signed=True)

    # Long values.

    def instance(self, record: bytes, name: str, number: int) -> tuple[ColumnDef, bytes, int | None]:
        """Return a long column, and one of its values: bytes in the record, or the id of one outside.

        -1507 for an unknown column, -1511 for one that is not long, -1518 for a value that is not there.
        """
        column = self.columns[self.place(name)]
        if not column.type.is_long or column.storage is not Storage.TAGGED:
            raise EseError.from_code(Err.InvalidColumnType, f"{name} holds no long values")
        for tagged in self.layout.decode(record).tagged:
            if tagged.id == column.id and tagged.derived == column.derived and 0 <= number < len(tagged.instances):
                found = tagged.instances[number]
                if found.separated:
                    return column, b"", unpack_reference(found.data)
                packed = tagged.header & COMPRESSED and not number
                return column, unpack_value(found.data) if packed else found.data, None
        raise EseError.from_code(Err.BadItagSequence, f"{name} has no value {number}")

    def packs(self, name: str) -> bool:
        """Whether the long values of a column are packed; -1507."""
        return is_packed(self.columns[self.place(name)])

    def change_long(self, bookmark: bytes, name: str, number: int, change: Any) -> None:
        """Change one long value of a row in place.

        `change` gets the id of a value outside the record, which is the row's own, or None and the bytes of one
        inside; it returns the new bytes of the latter.
        """
        session = self.session
        session.begin(inner=True)
        try:
            before = self._own_record(bookmark)
            column, inside, lid = self.instance(before, name, number)
            places = {self.place(name), *self.changer.always}
            indexed = not self.indexes.needed.isdisjoint(places)
            old = self.raw(before, self.indexes.needed) if indexed else []
            after = self._changed_long(before, column, number, inside, lid, change)
            if after != before:
                nodes.replace(session, self.tree, bookmark, after)
            if indexed:
                self.indexes.update(old, self.raw(after, self.indexes.needed), places, bookmark)
        except BaseException:
            session.rollback()
            raise
        session.commit()

    def _changed_long(
        self, record: bytes, column: ColumnDef, number: int, inside: bytes, lid: int | None, change: Any
    ) -> bytes:
        refer, most = self.changer.refer, column.size or MOST_BYTES
        if lid is None:
            value = change(None, inside)
            if len(value) > most:
                raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(value)} bytes, at most {most}")
            return refer(record, column, number, *self.changer.placed(column, value))
        own = self.long.own(lid, pack=is_packed(column))
        change(own, b"")
        if self.long.root(own).size > most:
            raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: at most {most} bytes")
        return refer(record, column, number, None, self.long.reference(own))

    def walk(self, needed: frozenset[int]) -> Iterator[tuple[bytes, list[Raw]]]:
        """Yield (bookmark, stored form of the columns at the places needed) of each row."""
        for bookmark, record in Scan(self.session, self.tree):
            yield bookmark, self.raw(record, needed)
