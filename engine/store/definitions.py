"""Definitions of a live database: tables, columns and indexes made, changed and deleted in a session's transaction.

    create table    tree, rows of the catalog, a tree for each secondary index
    delete table    its rows of the catalog; its pages when nobody can read them any more
    add column      a row of the catalog: records there are stay as they are
    delete column   its row becomes a stub, for its id and its place in old records stay taken
    create index    a tree, filled from the rows there are
    delete index    its row; its pages when nobody can read them any more

One transaction at a time defines a table.  Others write it meanwhile by the definition before, but not while rows are
numbered, an index comes to its end, or the table is deleted: see `engine.store.admission`.  What a session knows of a
table is kept as long as no definition anywhere changes.

Source: database reference 4.5, 5; jet-api reference 3.3, 6.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from engine.build.catalog_rows import column_row, index_row, table_row
from engine.build.index_keys import KeyMaker
from engine.build.schema import Layout, check_density, check_name, define_index
from engine.errors import Err, EseError
from engine.format.catalog_row import SYSTEM_NAMES, CatalogType, TableFlags
from engine.format.column import ASCII, UNICODE, ColumnFlags, ColumnType, Storage
from engine.format.key import DEFAULT_KEY_MOST
from engine.format.levels import WIDE_ESCROW_LEVEL
from engine.format.page import PageFlags
from engine.format.record import DBK_SIZE, record_limit
from engine.store.catalog import Catalog
from engine.store.catch_up import catch_up
from engine.store.counters import AutoIncrement
from engine.store.indexes import fill, index_tree
from engine.store.rows import Rows
from engine.store.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.build.schema import Column, Index, IndexDef
    from engine.catalog import TableDef
    from engine.files.base import FileSystem
    from engine.format.column import ColumnDef
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession

_NO_TYPE: Final = 0
_SET_BY_ENGINE: Final = ColumnFlags.AUTO_INCREMENT | ColumnFlags.VERSION | ColumnFlags.ESCROW_UPDATE
_MOST_INDEXES: Final = 64
_MOST_KNOWN: Final = 1024
"""Tables whose definitions a session keeps."""


class _Known:
    """Rows by a definition, and how long that can be trusted."""

    __slots__ = ("fresh", "generation", "rows", "snapshot")

    def __init__(self, rows: Rows, generation: int, snapshot: int, *, fresh: bool) -> None:
        self.rows = rows
        self.generation = generation
        self.snapshot = snapshot
        self.fresh = fresh


class Definitions:
    """The tables of one database as one session sees and defines them.  `fs` is for sorting large indexes."""

    def __init__(self, session: StoreSession, shared: Shared, fs: FileSystem) -> None:
        self.session = session
        self.shared = shared
        self.catalog = Catalog(shared, session)
        self._fs = fs
        self._known: dict[int, _Known] = {}
        self._by_name: dict[str, int] = {}
        self._names_at = -1

    # What there is.

    def rows(self, name: str) -> Rows:
        """Return the rows of a table by its name; -1305 when the session sees none."""
        objid = self._by_name.get(name)
        if objid is not None:
            known = self._known.get(objid)
            if known is not None and self.current(known.rows) and known.rows.table.name == name:
                return known.rows
        return self._load(self.catalog.definition(name))

    def rows_of(self, objid: int, name: str) -> Rows:
        """Return the rows of a table whose definition, or name, may have changed; -1305 when it is gone."""
        found = self.catalog.find(name)
        if found is None or found.objid_table != objid:
            found = next((row for row in self.catalog.rows(objid) if row.type == CatalogType.TABLE), None)
        if found is None:
            self._known.pop(objid, None)
            raise EseError.from_code(Err.ObjectNotFound, f"no table {name!r}", path=self.shared.pages.path)
        return self._load(self.catalog.definition(found.name))

    def _load(self, table: TableDef) -> Rows:
        shared, session = self.shared, self.session
        # With the latch, so that no definition changes between looking and noting when one has looked.
        with session.journal.latch:
            generation, fresh = shared.generation, not shared.defining and session.snapshot > shared.changed_before
        if len(self._known) >= _MOST_KNOWN and table.objid not in self._known:
            # What others have deleted is among them; what is still in use is read again.
            self._known.clear()
            self._by_name.clear()
        before = self._known.get(table.objid)
        rows = before.rows if before is not None and before.rows.table == table else Rows(session, shared, table)
        self._known[table.objid] = _Known(rows, generation, session.snapshot, fresh=fresh)
        self._by_name[table.name] = table.objid
        return rows

    def current(self, rows: Rows) -> bool:
        """Whether rows are by the definition that the session sees now."""
        known = self._known.get(rows.table.objid)
        if known is None or known.rows is not rows or known.generation != self.shared.generation:
            return False
        session = self.session
        return known.fresh or (session.trx is not None and known.snapshot == session.snapshot)

    def write(self, rows: Rows) -> bool:
        """Let the session's transaction write a table; True when it has to be looked at again; as `Shared.write`."""
        if rows.table.is_system:
            raise EseError.from_code(Err.PermissionDenied, f"{rows.table.name} is the engine's own")
        return self.shared.write(self.session, rows.table.objid)

    # Tables.

    def create_table(self, name: str, columns: Sequence[Column], indexes: Sequence[Index], density: int) -> Rows:
        """Make a table; errors as `Table.add_column` and `Table.create_index`, -1303 for a name in use."""
        session, shared, catalog = self.session, self.shared, self.catalog
        check_name(name)
        check_density(density)
        if self.catalog.find(name) is not None or name.upper() in SYSTEM_NAMES:
            raise EseError.from_code(Err.TableDuplicate, name)
        layout = Layout()
        plans = self._plans(indexes, defined := tuple([layout.define(column) for column in columns]))
        primary = next((plan for plan in plans if plan.index.primary), None)
        for column in defined:
            self._check_column(column, DBK_SIZE if primary is None else primary.index.key_most or DEFAULT_KEY_MOST)
        secondary = [plan for plan in plans if not plan.index.primary]
        session.begin(inner=True)
        try:
            shared.enter(session)
            pages = 1 + len(secondary)
            density = density if primary is None else primary.index.density
            tree = catalog.make_tree(shared.root, density=density, pages=pages)
            objid = tree.objid
            shared.define(session, objid, alone=True)
            catalog.add(table_row(objid, name, tree.root, density, pages))
            catalog.add_object(objid, objid, CatalogType.TABLE)
            for column in defined:
                catalog.add(column_row(objid, column))
            if primary is not None:
                catalog.add(index_row(objid, objid, primary, tree.root))
            for plan in secondary:
                self._make_index(objid, plan, tree)
            rows = self._load(catalog.definition(name))
            self._start_counter(rows, 0)
        except BaseException:
            session.rollback()
            raise
        session.commit()
        return rows

    def _plans(self, indexes: Sequence[Index], columns: Sequence[ColumnDef]) -> list[IndexDef]:
        page_size = self.shared.pages.page_size
        plans = [define_index(index, columns, primary=index.primary, page_size=page_size) for index in indexes]
        names = [plan.index.name.upper() for plan in plans]
        if len(set(names)) < len(names):
            raise EseError.from_code(Err.IndexDuplicate, ", ".join(names))
        if sum(plan.index.primary for plan in plans) > 1:
            raise EseError.from_code(Err.IndexHasPrimary, ", ".join(names))
        if len(plans) > _MOST_INDEXES:
            raise EseError.from_code(Err.TooManyIndexes, f"{len(plans)}")
        return plans

    def _make_index(self, objid: int, plan: IndexDef, parent: TreeRef) -> TreeRef:
        kind, unique = int(PageFlags.INDEX), plan.index.unique
        tree = self.catalog.make_tree(parent, kind=kind, unique=unique, density=plan.index.density)
        self.catalog.add(index_row(objid, tree.objid, plan, tree.root))
        self.catalog.add_object(tree.objid, objid, CatalogType.INDEX)
        return tree

    def _start_counter(self, rows: Rows, last: int) -> None:
        if rows.counter is not None:
            rows.counter.start(self.session, last)

    def delete_table(self, name: str) -> None:
        """Delete a table; -1305, -1318 for the engine's own, -1319 for a template, -1304/-1302 while others use it."""
        rows = self.rows(name)
        table = rows.table
        if table.is_system:
            raise EseError.from_code(Err.CannotDeleteSystemTable, name)
        if table.flags & TableFlags.TEMPLATE:
            # Tables that were derived from it name it, and have its columns.
            raise EseError.from_code(Err.CannotDeleteTemplateTable, name)
        session, catalog = self.session, self.catalog
        session.begin(inner=True)
        try:
            self.shared.define(session, table.objid, alone=True)
            self.shared.check_complete(session, table.objid)
            found = catalog.rows(table.objid)
            for row in sorted(found, key=lambda row: row.type == CatalogType.TABLE):
                catalog.drop(row)
                if row.type in _TREES and not (row.type == CatalogType.INDEX and row.id == table.objid):
                    catalog.drop_object(row.id)
            catalog.free_tree(rows.tree, [row.id for row in found if row.type in _TREES])
        except BaseException:
            session.rollback()
            raise
        session.commit()
        self._known.pop(table.objid, None)
        self._by_name.pop(table.name, None)

    def rename_table(self, name: str, new: str) -> None:
        """Give a table another name; -1305, -1303, -1002, -1318, -1304/-1302."""
        rows = self.rows(name)
        table = rows.table
        if table.is_system:
            raise EseError.from_code(Err.CannotDeleteSystemTable, name)
        if table.flags & TableFlags.TEMPLATE:
            raise EseError.from_code(Err.FixedDDL, name)
        check_name(new)
        other = self.catalog.find(new)
        if (other is not None and other.objid_table != table.objid) or new.upper() in SYSTEM_NAMES:
            raise EseError.from_code(Err.TableDuplicate, new)
        session = self.session
        session.begin(inner=True)
        try:
            self.shared.define(session, table.objid)
            self.catalog.change(table.row, replace(table.row, name=new))
        except BaseException:
            session.rollback()
            raise
        session.commit()

    # Columns.

    def _changeable(self, rows: Rows) -> TableDef:
        table = rows.table
        if table.flags & (TableFlags.FIXED_DDL | TableFlags.TEMPLATE | TableFlags.SYSTEM):
            raise EseError.from_code(Err.FixedDDL, table.name)
        if table.flags & TableFlags.DERIVED:
            raise EseError.from_code(Err.FeatureNotAvailable, f"{table.name} is derived from a template")
        return table

    def _check_empty(self, rows: Rows, why: str) -> None:
        if Scan(self.session, rows.tree).first():
            raise EseError.from_code(Err.TableNotEmpty, f"{rows.table.name}: {why}")

    def _check_column(self, column: ColumnDef, key_most: int) -> None:
        """Refuse a column that the engine would not read, or that no record has room for."""
        pages = self.shared.pages
        if column.type.is_text and column.code_page not in (ASCII, UNICODE):
            raise EseError.from_code(Err.InvalidCodePage, f"{column.name}: {column.code_page}", path=pages.path)
        wide = column.type is ColumnType.LONG_LONG and column.flags & ColumnFlags.ESCROW_UPDATE
        if wide and self.shared.update_major < WIDE_ESCROW_LEVEL:
            detail = f"{column.name}: escrow columns of 8 bytes are of format level {WIDE_ESCROW_LEVEL}"
            raise EseError.from_code(Err.EngineFormatVersionParamTooLowForRequestedFeature, detail, path=pages.path)
        limit = record_limit(pages.page_size, key_most)
        if column.storage is Storage.FIXED and column.offset + column.size > limit:
            detail = f"{column.name} would end at {column.offset + column.size} of {limit}"
            raise EseError.from_code(Err.RecordTooBig, detail, path=pages.path)

    def add_column(self, rows: Rows, column: Column) -> None:
        """Add a column; see `Table.add_column`."""
        table = self._changeable(rows)
        defined = Layout(table.columns, table.gone).define(column)
        self._check_column(defined, DBK_SIZE if table.primary is None else table.primary.key_most)
        if column.escrow:
            self._check_empty(rows, f"an escrow column is part of every record: {column.name}")
        session = self.session
        session.begin(inner=True)
        try:
            # What the engine sets itself must be in every row that comes from here on.
            self.shared.define(session, table.objid, alone=bool(defined.flags & _SET_BY_ENGINE))
            if defined.flags & (ColumnFlags.AUTO_INCREMENT | ColumnFlags.ESCROW_UPDATE):
                # Rows that others have committed meanwhile would get no number, or no room for the escrow column.
                self.shared.check_seen(session, table.objid)
            if column.escrow:
                self._check_empty(rows, f"an escrow column is part of every record: {column.name}")
            self.catalog.add(column_row(table.objid, defined))
            if defined.flags & ColumnFlags.AUTO_INCREMENT:
                self._number_rows(self._load(self.catalog.definition(table.name)), defined)
        except BaseException:
            session.rollback()
            raise
        session.commit()

    def _number_rows(self, rows: Rows, column: ColumnDef) -> None:
        """Give the rows there are their numbers."""
        last = 0
        for last, (bookmark, _) in enumerate(Scan(self.session, rows.tree), 1):
            rows.renumber(bookmark, column, last)
        counter = rows.counter or AutoIncrement(self.shared, rows.table, column, rows.tree)
        counter.start(self.session, last)

    def delete_column(self, rows: Rows, name: str) -> None:
        """Delete a column; see `Table.delete_column`."""
        table = self._changeable(rows)
        column = table.columns[rows.place(name)]
        if column.derived:
            raise EseError.from_code(Err.FixedInheritedDDL, name)
        used = [
            index.name
            for index in table.indexes
            if any(each.column.id == column.id for each in (*index.columns, *index.conditions))
        ]
        if used:
            raise EseError.from_code(Err.ColumnInUse, f"{name}: index {used[0]}")
        row = next(
            each
            for each in self.catalog.rows(table.objid)
            if each.type == CatalogType.COLUMN and each.id == column.id and each.coltyp_or_pgno != _NO_TYPE
        )
        session = self.session
        session.begin(inner=True)
        try:
            self.shared.define(session, table.objid)
            # The name as the engine makes it; the id stays taken, the size and place of a fixed column with it.
            stub = f"JetStub_{table.objid}_{column.id}"
            self.catalog.change(row, replace(row, coltyp_or_pgno=_NO_TYPE, name=stub))
        except BaseException:
            session.rollback()
            raise
        session.commit()

    # Indexes.

    def create_index(self, rows: Rows, index: Index) -> None:
        """Add an index; see `Table.create_index`."""
        table = self._changeable(rows)
        if any(each.name.upper() == index.name.upper() for each in table.indexes):
            raise EseError.from_code(Err.IndexDuplicate, index.name)
        if len(table.indexes) >= _MOST_INDEXES:
            raise EseError.from_code(Err.TooManyIndexes, f"{len(table.indexes)}")
        plan = self._plans([index], table.columns)[0]
        session = self.session
        session.begin(inner=True)
        try:
            if index.primary:
                self.shared.define(session, table.objid, alone=True)
                self.shared.check_seen(session, table.objid)
                self._make_primary(rows, plan)
            else:
                self.shared.define(session, table.objid)
                tree = self._make_index(table.objid, plan, rows.tree)
                maker = KeyMaker(plan.resolved(table.columns), table.columns)
                fill(session, self.shared, tree, maker, rows.walk(maker.needed), self._fs)
                # Others have gone on writing; from here on they must know the index.
                self.shared.define(session, table.objid, alone=True)
                catch_up(session, self.shared, rows, tree, maker)
        except BaseException:
            session.rollback()
            raise
        session.commit()

    def _make_primary(self, rows: Rows, plan: IndexDef) -> None:
        table = rows.table
        if table.primary is not None:
            raise EseError.from_code(Err.IndexHasPrimary, table.primary.name)
        self._check_empty(rows, "a primary index comes before the rows")
        # What is deleted and not yet removed has another kind of key.
        if self.shared.pages.load(table.root).line_count:
            raise EseError.from_code(Err.TableNotEmpty, f"{table.name}: there are rows that were deleted")
        self.catalog.add(index_row(table.objid, table.objid, plan, table.root))

    def delete_index(self, rows: Rows, name: str) -> None:
        """Delete an index; see `Table.delete_index`."""
        table = self._changeable(rows)
        index = next((each for each in table.indexes if each.name.upper() == name.upper()), None)
        if index is None:
            raise EseError.from_code(Err.IndexNotFound, f"{name!r} in {table.name}")
        if index.primary:
            raise EseError.from_code(Err.IndexMustStay, name)
        row = next(
            each for each in self.catalog.rows(table.objid) if each.type == CatalogType.INDEX and each.id == index.objid
        )
        session, catalog = self.session, self.catalog
        session.begin(inner=True)
        try:
            self.shared.define(session, table.objid)
            catalog.drop(row)
            catalog.drop_object(index.objid)
            catalog.free_tree(index_tree(self.shared, index, rows.tree), [index.objid])
        except BaseException:
            session.rollback()
            raise
        session.commit()


_TREES: Final = (CatalogType.TABLE, CatalogType.INDEX, CatalogType.LONG_VALUE)
