"""The catalog of a live database, row by row: MSysObjects with its two indexes, its shadow, and MSysObjids.

    add      MSysObjects, RootObjects (tables only), Name, the shadow: in the order of the engine
    drop     the same, deleted
    change   the row in both tables; index entries where the name changes

Rows are versioned like any others, so a definition is seen and taken back with its transaction.

Source: database reference 5.1, 5.2, 5.7; log reference 6.5.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.catalog import define_tables
from engine.catalog.reader import TEMPLATE_NAME
from engine.errors import Err, EseError
from engine.format.catalog_row import CatalogRow, CatalogType, TableFlags, catalog_key
from engine.format.key import DATA_PREFIX
from engine.format.levels import LAST_SET_TIME_LEVEL
from engine.format.record import Instance, Record, RecordLayout, Tagged
from engine.format.value import FILETIME_EPOCH
from engine.store import nodes
from engine.store.create import create_tree, delete_tree
from engine.store.scan import Scan
from engine.store.versions import Hook
from engine.table.cursor import Seek

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.catalog import TableDef
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession

OBJIDS_NAME: Final = "MSysObjids"
_FILETIME = struct.Struct("<Q")
_TICKS_A_MICROSECOND: Final = 10
_OBJID_COLUMNS: Final = ((256, 4), (257, 4), (258, 2))
_OBJIDS: Final = (0, "objids")


class Catalog:
    """The catalog as one session sees and changes it."""

    def __init__(self, shared: Shared, session: StoreSession) -> None:
        self._shared = shared
        self._session = session
        self._page_size = shared.pages.page_size

    # Reading.

    def table_rows(self) -> list[CatalogRow]:
        """Return the rows of all tables in the order they were made, the engine's own too."""
        rows = [self._row(bookmark) for _, bookmark in Scan(self._session, self._shared.roots)]
        return sorted(rows, key=lambda row: row.objid_table)

    def _row(self, key: bytes) -> CatalogRow:
        data = nodes.get(self._session, self._shared.catalog, key)
        if data is None:
            raise EseError.from_code(Err.CatalogCorrupted, "an index entry without row", path=self._shared.pages.path)
        return CatalogRow.unpack(data, self._page_size)

    def find(self, name: str) -> CatalogRow | None:
        """Return the row of a table by its name, case not minded; None when there is none."""
        try:
            key = CatalogRow(0, CatalogType.TABLE, 0, 0, 0, 0, 0, name, root_flag=True).root_key
        except UnicodeEncodeError:
            return None
        bookmark = None if key is None else nodes.get(self._session, self._shared.roots, key)
        return None if bookmark is None else self._row(bookmark)

    def rows(self, objid: int) -> list[CatalogRow]:
        """Return all rows of a table in the order of their keys."""
        scan = Scan(self._session, self._shared.catalog)
        # The key of the first column alone is what the keys of all rows begin with.
        prefix = catalog_key(objid, 0, 0)[: len(DATA_PREFIX) + 4]
        found: list[CatalogRow] = []
        if not scan.seek(prefix, Seek.GE) or scan.current is None:
            return found
        first = scan.current
        for key, data in (first, *scan) if first[0].startswith(prefix) else ():
            if not key.startswith(prefix):
                break
            found.append(CatalogRow.unpack(data, self._page_size))
        return found

    def definition(self, name: str) -> TableDef:
        """Return a table by its name; -1305 when there is none."""
        row = self.find(name)
        if row is None:
            raise EseError.from_code(Err.ObjectNotFound, f"no table {name!r}", path=self._shared.pages.path)
        rows = self.rows(row.objid_table)
        template = row.more.get(TEMPLATE_NAME)
        if row.flags & TableFlags.DERIVED and template is not None:
            above = self.find(template.decode("cp1252", "replace"))
            if above is not None:
                rows = sorted([*rows, *self.rows(above.objid_table)], key=lambda each: each.key)
        tables = define_tables(rows, self._shared.pages)
        return next(table for table in tables.values() if table.objid == row.objid_table)

    # Changing rows.

    def add(self, row: CatalogRow) -> None:
        """Insert a row.  -1303, -1508 or -1403 for a table, column or index of that name.

        After an error, of this and the others, the caller takes the level back.
        """
        row, session, shared = self._timed(row), self._session, self._shared
        record, key = row.pack(self._page_size), row.key
        nodes.insert(session, shared.catalog, key, record)
        if row.root_key is not None:
            self._add_name(shared.roots, row.root_key, row)
        self._add_name(shared.by_name, row.name_key, row)
        nodes.insert(session, shared.shadow, key, record)

    def _timed(self, row: CatalogRow) -> CatalogRow:
        """Return the row with the time at which its tree was made, where the format knows that."""
        if self._shared.update_major < LAST_SET_TIME_LEVEL or row.type == CatalogType.COLUMN:
            return row
        since = self._shared.now() - FILETIME_EPOCH
        microseconds = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
        return row.made_at(_FILETIME.pack(microseconds * _TICKS_A_MICROSECOND))

    def _add_name(self, index: TreeRef, key: bytes, row: CatalogRow) -> None:
        try:
            nodes.insert(self._session, index, key, row.key)
        except EseError as error:
            if error.code != Err.KeyDuplicate:
                raise
            raise EseError.from_code(_DUPLICATES.get(row.type, Err.KeyDuplicate), row.name) from error

    def drop(self, row: CatalogRow) -> None:
        """Delete a row."""
        session, shared = self._session, self._shared
        if row.root_key is not None:
            nodes.delete(session, shared.roots, row.root_key)
        nodes.delete(session, shared.by_name, row.name_key)
        nodes.delete(session, shared.catalog, row.key)
        nodes.delete(session, shared.shadow, row.key)

    def change(self, before: CatalogRow, after: CatalogRow) -> None:
        """Replace a row by another of the same key; errors as `add`."""
        session, shared = self._session, self._shared
        if before.name_key != after.name_key:
            if before.root_key is not None and after.root_key is not None:
                nodes.delete(session, shared.roots, before.root_key)
                self._add_name(shared.roots, after.root_key, after)
            nodes.delete(session, shared.by_name, before.name_key)
            self._add_name(shared.by_name, after.name_key, after)
        record = after.pack(self._page_size)
        nodes.replace(session, shared.catalog, before.key, record)
        nodes.replace(session, shared.shadow, before.key, record)

    # MSysObjids.

    def _objids_tree(self) -> TreeRef | None:
        numbers = self._shared.numbers
        root = numbers.get(_OBJIDS)
        if root is None:
            row = self.find(OBJIDS_NAME)
            root = numbers[_OBJIDS] = 0 if row is None else row.coltyp_or_pgno
            if row is not None:
                numbers[0, "objids-objid"] = row.objid_table
        if not root:
            return None
        return self._shared.tree(root, numbers[0, "objids-objid"], parent=self._shared.root, density=100)

    def add_object(self, objid: int, table: int, kind: CatalogType) -> None:
        """Note a tree in MSysObjids, where there is such a table."""
        tree = self._objids_tree()
        if tree is None:
            return
        values = (objid, table, int(kind))
        fields = [
            Tagged(number, (Instance(value.to_bytes(size, "little")),))
            for (number, size), value in zip(_OBJID_COLUMNS, values, strict=True)
        ]
        record = RecordLayout((), self._page_size).encode(Record(tagged=fields))
        nodes.insert(self._session, tree, _objid_key(objid), record)

    def drop_object(self, objid: int) -> None:
        """Take a tree out of MSysObjids."""
        tree = self._objids_tree()
        if tree is not None and nodes.get(self._session, tree, _objid_key(objid)) is not None:
            nodes.delete(self._session, tree, _objid_key(objid))

    # Trees.

    def make_tree(
        self, parent: TreeRef, *, kind: int = 0, unique: bool = True, density: int = 80, pages: int = 1
    ) -> TreeRef:
        """Make a tree; it goes when the transaction is taken back."""
        session, shared = self._session, self._shared
        # Space is taken whatever becomes of the transaction, so who may only read is refused before.
        session.writable()
        with session.journal.latch:
            tree = create_tree(session, parent, pages=pages, kind=kind, unique=unique, density=density)
            shared.keep(tree)

        def taken_back() -> None:
            with session.journal.latch:
                self._free(session, tree)

        session.hook(Hook(0, taken_back))
        return tree

    def free_tree(self, tree: TreeRef, objids: Sequence[int]) -> None:
        """Have a tree go, all that it owns with it, once nobody can read it any more; `objids` are all its trees."""
        self._session.hook(Hook(0, None, None, lambda session: self._free(session, tree, objids)))

    def _free(self, session: StoreSession, tree: TreeRef, objids: Sequence[int] = ()) -> None:
        cleanup = self._session.cleanup
        for each in [tree, *(found for objid in objids if (found := self._shared.known(objid)) is not None)]:
            each.freed = True
            if cleanup is not None:
                cleanup.forget(each)
            self._shared.forget(each.objid)
        delete_tree(session, tree)


_DUPLICATES: Final[dict[int, int]] = {
    CatalogType.TABLE: Err.TableDuplicate,
    CatalogType.COLUMN: Err.ColumnDuplicate,
    CatalogType.INDEX: Err.IndexDuplicate,
}


def _objid_key(objid: int) -> bytes:
    return DATA_PREFIX + (objid ^ 0x80000000).to_bytes(4, "big")
