"""A table for reading: rows in primary order, cursors over its indexes.

    for row in table                       Row objects, long values read when asked for
    table.values(("Id", "Name"))           tuples: the quickest way through many rows
    table.cursor("byName")                 search and move in an index

Source: jet-api reference 6.4; database reference 3.4, 12.1.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from engine.btree.leaf import line_of, spans
from engine.btree.tree import Tree
from engine.errors import Err, EseError
from engine.format.node import RootHeader
from engine.format.page import PageFlags
from engine.table.cursor import Cursor
from engine.table.decoder import RowDecoder, resolve
from engine.table.long_values import LongValues
from engine.table.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from engine.btree.leaf import Leaf, Span
    from engine.catalog import IndexDef, TableDef
    from engine.findings import Findings
    from engine.format.column import ColumnDef
    from engine.format.page import Page
    from engine.pages.source import PageSource
    from engine.table.values import Value


class Table:
    """One table of an open database.  Iteration and every cursor are independent of each other."""

    def __init__(self, definition: TableDef, pages: PageSource, findings: Findings, *, strict: bool = False) -> None:
        self.definition = definition
        self.name = definition.name
        self.columns: Mapping[str, ColumnDef] = MappingProxyType({each.name: each for each in definition.columns})
        self.indexes: Mapping[str, IndexDef] = MappingProxyType({each.name: each for each in definition.indexes})
        self.pages = pages
        self.strict = strict
        self.findings = findings
        self.tree = self._tree(definition.root, definition.objid, "")
        held = definition.long_values
        long_tree = None if held is None else self._tree(held.coltyp_or_pgno, held.id, "long values")
        self.long_values = LongValues(long_tree, definition.name)
        self.places: Mapping[str, int] = {name: place for place, name in enumerate(self.columns)}
        self._decoder = self.decoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Table {self.name}: {len(self.columns)} columns, {len(self.indexes)} indexes>"

    def close(self) -> None:
        """Let go of the table; the pages belong to the database."""

    def _tree(self, root: int, objid: int, name: str) -> Tree:
        return Tree(
            self.pages, root, objid=objid, findings=self.findings, strict=self.strict, table=self.name, name=name
        )

    def decoder(self, columns: Sequence[str] | None = None, *, raw: bool = False) -> RowDecoder:
        """Return a decoder of records for some columns (all), in the order given; -1507 for an unknown name."""
        wanted = list(self.columns.values()) if columns is None else [self._column(name) for name in columns]
        return RowDecoder(wanted, self.pages.page_size, self.long_values, raw=raw)

    def _column(self, name: str) -> ColumnDef:
        found = self.columns.get(name)
        if found is None:
            raise EseError.from_code(Err.ColumnNotFound, f"{name!r} in {self.name}")
        return found

    @property
    def auto_increment(self) -> int | None:
        """Highest auto-increment value that was reserved, as newer engines note it in the root; None elsewhere."""
        return RootHeader.of(self.tree.page(self.definition.root)).auto_increment

    def index(self, name: str) -> IndexDef:
        """Return an index; -1404 for an unknown name."""
        found = self.indexes.get(name)
        if found is None:
            raise EseError.from_code(Err.IndexNotFound, f"{name!r} in {self.name}")
        return found

    def index_tree(self, index: IndexDef) -> Tree:
        """Return the tree of an index; that of the rows for the primary one."""
        return self.tree if index.primary else self._tree(index.root, index.objid, index.name)

    def cursor(self, index: str | None = None) -> Cursor:
        """Return a cursor over an index, over the rows in primary order without a name; -1404 for an unknown one."""
        definition = self.definition.primary if index is None else self.index(index)
        return Cursor(self, definition)

    def count(self) -> int:
        """Return the number of rows, by walking the leaves."""
        return sum(len(found) for _, _, found in self._records())

    def __iter__(self) -> Iterator[Row]:
        places, strict = self.places, self.strict
        for bookmark, values in self._decoded(self._decoder):
            yield Row(places, values, bookmark, strict=strict)

    def values(self, columns: Sequence[str] | None = None, *, raw: bool = False) -> Iterator[tuple[Value, ...]]:
        """Yield a tuple a row, in primary order: `columns` (all) in the order given, long values read.

        `raw` gives stored bytes instead: None, bytes, or a tuple of bytes.  -1507 for an unknown column.
        """
        return self._values(self.decoder(columns, raw=raw))

    def _values(self, decoder: RowDecoder) -> Iterator[tuple[Value, ...]]:
        decode, strict = decoder.decode, self.strict
        for page, data, found in self._records():
            old = not page.flags & PageFlags.NEW_RECORD_FORMAT
            for span in found:
                try:
                    values = decode(data, span[2], span[3], old=old)
                except EseError as error:
                    self._bad_record(page, data, span, error)
                    continue
                yield resolve(values, strict=strict) if decoder.pending or strict else values

    def _records(self) -> Iterator[tuple[Page, bytes, list[Span]]]:
        """Yield each leaf with its bytes and where its records are."""
        tree = self.tree
        for page in tree.leaves(ahead=True):
            data = bytes(page.data)
            try:
                found = spans(page, data, lambda line, error, page=page: tree.bad_line(page, line, error))  # type: ignore[misc]
                page.external_header  # noqa: B018 - a broken one is found here, not at each key
            except EseError as error:
                tree.report(error, page.pgno)
                continue
            yield page, data, found

    def _bad_record(self, page: Page, data: bytes, span: Span, error: EseError) -> None:
        located = error.located(path=self.pages.path, page=page.pgno)
        self.tree.bad_line(page, line_of(page, data, span), located)

    def row(self, leaf: Leaf, place: int) -> Row:
        """Return the row at an entry of the tree of rows; -358 when its record makes no sense."""
        span = leaf.spans[place]
        old = not leaf.page.flags & PageFlags.NEW_RECORD_FORMAT
        try:
            values = self._decoder.decode(leaf.data, span[2], span[3], old=old)
        except EseError as error:
            raise error.located(path=self.pages.path, page=leaf.page.pgno) from None
        return Row(self.places, values, leaf.keys[place], strict=self.strict)

    def fetch(self, bookmark: bytes) -> Row:
        """Return the row of a bookmark; -1601 when there is none, or the error of a page on the way."""
        found = self.tree.find(bookmark)
        if found is None:
            raise EseError.from_code(Err.RecordNotFound, f"no row {bookmark.hex()} in {self.name}")
        return self.row(*found)

    def raw_records(self) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
        """Yield (bookmark, stored form of each column), long values read; what the keys of indexes are made of."""
        decoder = self.decoder(raw=True)
        for bookmark, values in self._decoded(decoder):
            yield bookmark, resolve(values, strict=self.strict) if decoder.pending else values

    def _decoded(self, decoder: RowDecoder) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
        """Yield (bookmark, values) of each row."""
        decode = decoder.decode
        for page, data, found in self._records():
            old = not page.flags & PageFlags.NEW_RECORD_FORMAT
            prefix = bytes(page.external_header)
            for span in found:
                try:
                    values = decode(data, span[2], span[3], old=old)
                except EseError as error:
                    self._bad_record(page, data, span, error)
                    continue
                yield prefix[: span[0]] + data[span[1] : span[2]], values
