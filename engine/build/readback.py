"""Reading a database again, row by row: how a build is proved, here and in the tests.

    Readback(file).tables["Leases"]       columns, indexes, long-value tree, from the catalog
    readback.rows(table)                  (bookmark, stored form of each column by name)
    readback.entries(index.root, ...)     (key, bookmark) of any tree

Pages are verified as they are read.  Trees are walked along the leaf chain; a page seen twice, of another tree, or
not a leaf ends the walk with an error, so the time is bounded by the size of the file.

Source: database reference 3.5, 12.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.build.schema import Index, IndexDef
from engine.errors import Err, EseError
from engine.format.catalog_row import FDP_CATALOG, CatalogRow, CatalogType, IndexFlags
from engine.format.compression import unpack_value
from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, read_header_pages
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size, unpack_reference
from engine.format.node import Node, children, nodes
from engine.format.page import pages_in_file
from engine.format.record import COMPRESSED, RecordLayout
from engine.space import read_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.build.tagged import Raw
    from engine.catalog import IndexDef as ResolvedIndex
    from engine.files.base import File
    from engine.format.column import ColumnDef
    from engine.format.page import Page
    from engine.format.record import Record, Tagged


@dataclass(slots=True)
class ReadTable:
    """A table as the catalog describes it; indexes by name, the primary one too if it has a row."""

    row: CatalogRow
    columns: list[ColumnDef] = field(default_factory=list)
    indexes: dict[str, CatalogRow] = field(default_factory=dict)
    long_values: CatalogRow | None = None

    @property
    def root(self) -> int:
        """Root page of the rows."""
        return self.row.coltyp_or_pgno

    @property
    def primary(self) -> CatalogRow | None:
        """Row of the primary index."""
        return next((row for row in self.indexes.values() if row.flags & IndexFlags.PRIMARY), None)

    def index_def(self, name: str) -> ResolvedIndex:
        """Return an index in the form that `KeyMaker` takes."""
        row = self.indexes[name]
        places = {column.id: place for place, column in enumerate(self.columns)}
        positions = tuple(places[segment.column_id] for segment in row.segments)
        flags = IndexFlags(row.flags)
        index = Index(
            name,
            tuple(self.columns[place].name for place in positions),
            key_most=row.key_most,
            dotnet_guid=bool(flags & IndexFlags.DOTNET_GUID),
            nulls_high=bool(flags & IndexFlags.NULLS_HIGH),
        )
        return IndexDef(index, flags, row.segments, positions).resolved(self.columns)


class Readback:
    """Read access to the rows of a database file."""

    def __init__(self, file: File) -> None:
        self._file = file
        size = file.size()
        start = file.read_at(0, HEADER_PROBE_SIZE)
        self.header: DatabaseHeader = read_header_pages(start, size, path=file.path).header
        self.page_size = self.header.page_size
        self._most_pages = pages_in_file(size, self.page_size)
        self.catalog = [CatalogRow.unpack(node.data, self.page_size) for node in self.nodes(FDP_CATALOG)]
        self.tables: dict[str, ReadTable] = {}
        self._read_catalog()

    def _read_catalog(self) -> None:
        by_objid: dict[int, ReadTable] = {}
        for row in self.catalog:
            if row.type == CatalogType.TABLE:
                by_objid[row.objid_table] = self.tables[row.name] = ReadTable(row)
                continue
            table = by_objid.get(row.objid_table)
            if table is None:
                raise EseError.from_code(Err.CatalogCorrupted, f"row {row.name} of no table", path=self._file.path)
            if row.type == CatalogType.COLUMN:
                # Type 0 is what is left of a deleted column; its bytes stay in old records.
                if row.coltyp_or_pgno:
                    table.columns.append(row.column())
            elif row.type == CatalogType.INDEX:
                table.indexes[row.name] = row
            elif row.type == CatalogType.LONG_VALUE:
                table.long_values = row

    def page(self, pgno: int) -> Page:
        """Read and verify a page."""
        return read_page(self._file, pgno, self.page_size)

    def _leaf(self, root: int, key: bytes) -> Page:
        """Return the leaf where `key` belongs; the first leaf for an empty key."""
        page = self.page(root)
        for _ in range(self._most_pages):
            if page.is_leaf:
                return page
            below = next((child.pgno for child in children(page) if not child.key or child.key > key), 0)
            page = self.page(below)
        raise page.error(Err.BadPageLink, "the tree has no bottom")

    def leaves(self, root: int, key: bytes = b"") -> Iterator[Page]:
        """Yield the leaves of a tree from left to right, from the one where `key` belongs."""
        page, seen = self._leaf(root, key), 0
        objid = page.header.objid
        while True:
            yield page
            if not page.header.pgno_next:
                return
            before, seen = page, seen + 1
            page = self.page(page.header.pgno_next)
            wrong = page.header.objid != objid or not page.is_leaf or page.header.pgno_prev != before.pgno
            if wrong or seen > self._most_pages:
                raise before.error(Err.BadPageLink, f"page {page.pgno} is not the next leaf of tree {objid}")

    def nodes(self, root: int, key: bytes = b"") -> Iterator[Node]:
        """Yield the nodes of a tree in order, deleted ones left out, from the leaf where `key` belongs."""
        for page in self.leaves(root, key):
            for node in nodes(page):
                if not node.deleted:
                    yield node

    def entries(self, root: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, data) of every entry of a tree."""
        for node in self.nodes(root):
            yield node.key, bytes(node.data)

    def rows(self, table: ReadTable) -> Iterator[tuple[bytes, dict[str, Raw]]]:
        """Yield (bookmark, stored form of each column by name) in primary order, long values and defaults filled in."""
        layout = RecordLayout(table.columns, self.page_size)
        for node in self.nodes(table.root):
            record = layout.decode(node.data)
            tagged = {each.id: each for each in record.tagged}
            yield node.key, {column.name: self._value(table, column, record, tagged) for column in table.columns}

    def _value(self, table: ReadTable, column: ColumnDef, record: Record, tagged: dict[int, Tagged]) -> Raw:
        for part in (record.fixed, record.variable):
            if column.id in part:
                return part[column.id]
        found = tagged.get(column.id)
        if found is None:
            return column.default
        if found.is_null:
            return None
        values = []
        for order, instance in enumerate(found.instances):
            if instance.separated:
                values.append(self.long_value(table, unpack_reference(instance.data)))
            else:
                packed = found.header & COMPRESSED and order == 0
                values.append(unpack_value(instance.data) if packed else instance.data)
        return tuple(values) if len(values) > 1 else values[0]

    def long_value(self, table: ReadTable, lid: int) -> bytes:
        """Return a separated value; -1526 when the tree, its root or a chunk is missing."""
        if table.long_values is None:
            raise EseError.from_code(
                Err.LVCorrupted, f"table {table.row.name} has no long values", path=self._file.path
            )
        chunk = table.row.lv_chunk_max or chunk_size(self.page_size)
        found = self.nodes(table.long_values.coltyp_or_pgno, LongValueKey(lid).pack())
        root: LongValueRoot | None = None
        value = bytearray()
        for node in found:
            key = LongValueKey.unpack(node.key)
            if key.lid > lid:
                break
            if key.lid < lid:
                continue
            if key.offset is None:
                root = LongValueRoot.unpack(node.data)
            elif root is not None and key.offset == len(value):
                share = min(chunk, root.size - key.offset)
                data = bytes(node.data)
                value += data if len(data) == share else unpack_value(data)
            if root is not None and len(value) >= root.size:
                break
        if root is None or len(value) != root.size:
            raise EseError.from_code(Err.LVCorrupted, f"long value {lid:#x} is not whole", path=self._file.path)
        return bytes(value)
