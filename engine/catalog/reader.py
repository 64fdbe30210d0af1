"""The catalog: tables, columns, indexes and long-value trees, gathered from the rows of MSysObjects.

    MSysObjects (root page 4)           the catalog itself
    MSysObjectsShadow (root page 24)    the same rows again: asked where pages of the first cannot be read

A derived table has the columns of its template first, then its own; its rows keep only what is its own.  Rows that
make no sense become findings and are left out, so that one broken row costs one column and not the database.

Source: database reference 5, 12.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from engine.btree.tree import Tree
from engine.catalog.defs import IndexColumn, IndexDef, TableDef
from engine.errors import Err, EseError
from engine.findings import Findings, UnitKind, finding_of
from engine.format.catalog_row import (
    CATALOG_COLUMNS,
    CONDITIONAL,
    KEY_SEGMENTS,
    LOCALE,
    SEPARATE_LV,
    VAR_SEG_MAC,
    CatalogRow,
    CatalogType,
    IndexFlags,
    IndexSegment,
    SegmentFlags,
    TableFlags,
    unpack_segments,
)
from engine.format.column import (
    FIRST_FIXED_OFFSET,
    LAST_TAGGED,
    TYPE_SIZES,
    ColumnDef,
    ColumnFlags,
    Storage,
)
from engine.format.longvalue import chunk_size
from engine.format.system_trees import CATALOG, SHADOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.pages.source import PageSource

TEMPLATE_NAME: Final = 130
TUPLE_LIMITS: Final = 135
VERSION: Final = 136
SORT_ID: Final = 137

_NOT_KEPT: Final = 0
"""Type of a column that was deleted; its bytes stay in old records."""
_U16: Final = 2
_U32: Final = 4
_LONGEST_RECORD: Final = 0x7FFF


@dataclass(slots=True)
class _Rows:
    """The catalog rows of one table."""

    table: CatalogRow | None = None
    columns: list[CatalogRow] = field(default_factory=list)
    indexes: list[CatalogRow] = field(default_factory=list)
    long_values: CatalogRow | None = None
    callbacks: list[CatalogRow] = field(default_factory=list)


def read_catalog(pages: PageSource, *, findings: Findings, strict: bool = False) -> dict[str, TableDef]:
    """Return the tables of a database by name, in the order of their objects.

    Damage becomes findings; strict raises it, as -1220 or the error of the page.
    """
    rows = _RowReader(pages, findings, strict=strict).read()
    return _Reader(pages, findings, strict=strict).tables(rows)


def define_tables(rows: Sequence[CatalogRow], where: Where) -> dict[str, TableDef]:
    """Return the tables that rows, in the order of their keys, describe; those of templates must be among them.

    -1220 for rows that contradict each other.
    """
    return _Reader(where, Findings(), strict=True).tables(rows)


class _RowReader:
    """Reads the rows from the two tables."""

    def __init__(self, pages: PageSource, findings: Findings, *, strict: bool) -> None:
        self._pages = pages
        self._findings = findings
        self._strict = strict

    def read(self) -> list[CatalogRow]:
        """Return the rows of the catalog, completed from its shadow where it is damaged."""
        before = self._findings.count
        rows = {row.key: row for row in self._rows(CATALOG.root, CATALOG.objid, "MSysObjects")}
        if self._findings.count > before or not rows:
            for row in self._rows(SHADOW.root, SHADOW.objid, "MSysObjectsShadow"):
                rows.setdefault(row.key, row)
        return [rows[key] for key in sorted(rows)]

    def _rows(self, root: int, objid: int, name: str) -> Iterator[CatalogRow]:
        tree = Tree(self._pages, root, objid=objid, findings=self._findings, strict=self._strict, table=name)
        for page in tree.leaves(ahead=True):
            leaf = tree.parsed(page)
            if leaf is None:
                continue
            for index in range(len(leaf)):
                try:
                    yield CatalogRow.unpack(leaf.value(index), self._pages.page_size)
                except EseError as error:
                    tree.bad_line(page, index, error)


class Where(Protocol):
    """What is needed of a database to understand its rows."""

    @property
    def path(self) -> str:
        """Path of the file."""

    @property
    def page_size(self) -> int:
        """Bytes a page."""


class _Reader:
    def __init__(self, pages: Where, findings: Findings, *, strict: bool) -> None:
        self._pages = pages
        self._findings = findings
        self._strict = strict

    def tables(self, rows: Iterable[CatalogRow]) -> dict[str, TableDef]:
        """Return the tables that rows, in the order of their keys, describe, by name."""
        gathered = self._gathered(rows)
        by_name = {rows.table.name: rows for rows in gathered.values() if rows.table is not None}
        tables: dict[str, TableDef] = {}
        for objid, own in gathered.items():
            if own.table is None:
                self._bad(f"rows of object {objid}, which is no table")
            elif own.table.name in tables:
                self._bad(f"two tables of the name {own.table.name}", own.table.name)
            else:
                tables[own.table.name] = self._table(own.table, own, by_name)
        return tables

    @staticmethod
    def _gathered(rows: Iterable[CatalogRow]) -> dict[int, _Rows]:
        gathered: dict[int, _Rows] = {}
        for row in rows:
            place = gathered.setdefault(row.objid_table, _Rows())
            if row.type == CatalogType.TABLE:
                place.table = row
            elif row.type == CatalogType.COLUMN:
                place.columns.append(row)
            elif row.type == CatalogType.INDEX:
                place.indexes.append(row)
            elif row.type == CatalogType.LONG_VALUE:
                place.long_values = row
            elif row.type == CatalogType.CALLBACK:
                place.callbacks.append(row)
        return gathered

    def _table(self, row: CatalogRow, rows: _Rows, by_name: dict[str, _Rows]) -> TableDef:
        flags = TableFlags(row.flags)
        template = _text(row, TEMPLATE_NAME)
        inherited: list[ColumnDef] = []
        if flags & TableFlags.DERIVED and template is not None:
            above = by_name.get(template)
            if above is None:
                self._bad(f"{row.name} is derived from {template}, which does not exist", row.name)
            else:
                inherited = [_inherited(column) for column in self._columns(row.name, above.columns)]
        if row.objid_table in (CATALOG.objid, SHADOW.objid):
            columns = _own_columns(rows.columns)
        else:
            columns = self._placed(row.name, inherited + self._columns(row.name, rows.columns))
        most = row.lv_chunk_max or 0
        return TableDef(
            row.name,
            row.objid_table,
            row.coltyp_or_pgno,
            flags,
            tuple(columns),
            tuple(self._indexes(row, rows, columns, len(inherited))),
            row,
            most if 0 < most < self._pages.page_size else chunk_size(self._pages.page_size),
            rows.long_values,
            template,
            _number(row, SEPARATE_LV, _U32),
            tuple(rows.callbacks),
            tuple(each for each in rows.columns if each.coltyp_or_pgno == _NOT_KEPT),
        )

    def _columns(self, table: str, rows: Sequence[CatalogRow]) -> list[ColumnDef]:
        columns = []
        for row in rows:
            if row.coltyp_or_pgno == _NOT_KEPT:
                continue
            try:
                column = row.column()
            except EseError as error:
                self._report(error, table)
                continue
            if not 0 < column.id <= LAST_TAGGED:
                self._bad(f"column {column.name} has id {column.id}", table)
            else:
                columns.append(column)
        return columns

    def _placed(self, table: str, columns: Sequence[ColumnDef]) -> list[ColumnDef]:
        """Return the columns whose names differ and whose fixed places do not overlap."""
        kept: list[ColumnDef] = []
        names: set[str] = set()
        end = FIRST_FIXED_OFFSET
        for column in columns:
            known = column
            if column.storage is Storage.FIXED:
                # The engine trusts the size in the catalog; it is always that of the type where there is one.
                size = TYPE_SIZES.get(column.type, column.size)
                known = replace(column, size=size)
                if column.offset < end or column.offset + size > _LONGEST_RECORD:
                    self._bad(f"fixed column {column.name} at {column.offset}, {size} bytes", table)
                    continue
                end = column.offset + size
            if column.name in names:
                self._bad(f"two columns of the name {column.name}", table)
                continue
            names.add(column.name)
            kept.append(known)
        return kept

    def _indexes(
        self, table: CatalogRow, rows: _Rows, columns: Sequence[ColumnDef], inherited: int
    ) -> Iterator[IndexDef]:
        from_template = {column.id: column for column in columns[:inherited]}
        own = {column.id: column for column in columns[inherited:]}
        names: set[str] = set()
        for row in rows.indexes:
            flags = IndexFlags(row.flags)
            try:
                extended = bool(flags & IndexFlags.EXTENDED_COLUMNS)
                segments = unpack_segments(row.more.get(KEY_SEGMENTS, b""), extended=extended)
                conditions = unpack_segments(row.more.get(CONDITIONAL, b""), extended=extended)
                keyed = _resolved(segments, from_template, own)
                conditional = _resolved(conditions, from_template, own)
                if row.name in names or not segments:
                    raise EseError.from_code(Err.CatalogCorrupted, "an index twice, or over no column")
            except EseError as error:
                self._report(error, table.name, row.name)
                continue
            names.add(row.name)
            yield IndexDef(
                row.name,
                row.id,
                row.coltyp_or_pgno,
                flags,
                keyed,
                row.space_usage,
                row.key_limit(),
                _number(row, VAR_SEG_MAC, _U16),
                conditional,
                row.more.get(TUPLE_LIMITS),
                row.more.get(LOCALE, b"").decode("utf-16-le", "replace").rstrip("\0") or None,
                row.lcmap_flags or 0,
                row.more.get(VERSION),
                row.more.get(SORT_ID),
            )

    def _bad(self, detail: str, table: str = "") -> None:
        self._report(EseError.from_code(Err.CatalogCorrupted, detail, path=self._pages.path), table)

    def _report(self, error: EseError, table: str, tree: str = "") -> None:
        if self._strict:
            raise error
        finding = finding_of(error, UnitKind.TREE, CATALOG.root, path=self._pages.path, table=table, tree=tree)
        self._findings.add(finding)


def _resolved(
    segments: Sequence[IndexSegment], from_template: Mapping[int, ColumnDef], own: Mapping[int, ColumnDef]
) -> tuple[IndexColumn, ...]:
    """Return the columns that segments name; -1220 for one that does not exist."""
    found = []
    for segment in segments:
        places = (from_template, own) if segment.flags & SegmentFlags.TEMPLATE_COLUMN else (own, from_template)
        column = next((place[segment.column_id] for place in places if segment.column_id in place), None)
        if column is None:
            raise EseError.from_code(Err.CatalogCorrupted, f"an index over column {segment.column_id}, which is none")
        found.append(IndexColumn(column, segment.descending, bool(segment.flags & SegmentFlags.MUST_BE_NULL)))
    return tuple(found)


def _own_columns(rows: Sequence[CatalogRow]) -> list[ColumnDef]:
    """Return the columns of the catalog's own tables; their rows give names and ids, but no places."""
    listed = {row.id for row in rows}
    return [column for column in CATALOG_COLUMNS if column.id in listed or not listed]


def _inherited(column: ColumnDef) -> ColumnDef:
    tagged = column.storage is Storage.TAGGED
    return replace(column, derived=True) if tagged and column.flags & ColumnFlags.TEMPLATE else column


def _text(row: CatalogRow, number: int) -> str | None:
    raw = row.more.get(number)
    return None if not raw else raw.decode("cp1252", "replace").rstrip("\0")


def _number(row: CatalogRow, number: int, size: int) -> int | None:
    raw = row.more.get(number)
    return int.from_bytes(raw, "little") if raw is not None and len(raw) == size else None
