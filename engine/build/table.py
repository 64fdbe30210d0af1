"""Building one table: rows in, trees and catalog rows out.

    pages   root, [OE, AE,] leaves as the rows come, runs of the long-value tree in between,
            then the secondary indexes one after the other

Secondary index entries are collected while the rows pass, sorted outside memory, and built when the rows are done.

Source: database reference 3.4, 5.1, 6.1, 12.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.build.allocation import PageSpace
from engine.build.catalog_rows import column_row, index_row, long_value_row, table_row
from engine.build.index_keys import KeyMaker
from engine.build.long_values import LongValueWriter
from engine.build.rows import RowEncoder
from engine.build.schema import (
    DEFAULT_DENSITY,
    Column,
    Index,
    IndexDef,
    check_density,
    check_name,
    define_columns,
    define_index,
)
from engine.build.sorter import EntrySorter
from engine.build.space_trees import write_tree_root
from engine.build.tree import TreeBuilder, TreeKind
from engine.errors import Err, EseError
from engine.format.catalog_row import (
    CatalogRow,
    IndexFlags,
)
from engine.format.key import DEFAULT_KEY_MOST
from engine.format.record import DBK_SIZE, record_limit
from engine.format.system_trees import SYSTEM_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.build.allocation import FileSpace
    from engine.build.rows import Row
    from engine.build.sink import PageSink
    from engine.files.base import FileSystem
    from engine.format.longvalue import LidSize

_DBK = struct.Struct(">I")
_STEP: Final = 16


@dataclass(slots=True)
class BuildContext:
    """What the tables of one database share."""

    fs: FileSystem
    path: str
    """Where the file is being written."""
    page_size: int
    sink: PageSink
    space: FileSpace
    lid_size: LidSize
    auto_increment_in_root: bool
    sort_memory: int
    objid_last: int

    def next_objid(self) -> int:
        """Hand out an object id."""
        self.objid_last += 1
        return self.objid_last


@dataclass(frozen=True, slots=True)
class TreeInfo:
    """Where a tree is: object id, root page, pages it owns."""

    objid: int
    root: int
    pages: int
    entries: int


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A finished table: its main tree, secondary indexes by name, long-value tree if any, and its catalog rows.

    `tree.pages` counts everything the table owns, the other trees included.
    """

    name: str
    tree: TreeInfo
    indexes: dict[str, TreeInfo]
    long_values: TreeInfo | None
    catalog: tuple[CatalogRow, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.tree.entries


class TableBuilder:
    """Builds one table; made and used by `DatabaseBuilder.add_table`."""

    def __init__(
        self,
        context: BuildContext,
        name: str,
        columns: Sequence[Column],
        *,
        primary: Index | None,
        secondary: Sequence[Index],
        density: int = DEFAULT_DENSITY,
    ) -> None:
        self.name = check_name(name)
        self._context = context
        self._density = check_density(primary.density if primary else density)
        self.columns = define_columns(columns)
        page_size = context.page_size
        self._primary = define_index(primary, self.columns, primary=True, page_size=page_size) if primary else None
        self._secondary = [define_index(each, self.columns, primary=False, page_size=page_size) for each in secondary]
        self._check_index_names()
        self._objid = context.next_objid()
        self._secondary_objids = [context.next_objid() for _ in self._secondary]
        self._space = PageSpace(context.space, step=_STEP)
        root = self._space.take()
        if self._secondary or any(column.type.is_long for column in self.columns):
            self._space.take_space_trees()
        self._tree = TreeBuilder(context.sink, self._space, root, self._objid, TreeKind.TABLE, density=self._density)
        self._long_values: LongValueWriter | None = None
        key_most = DBK_SIZE if primary is None else primary.key_most or DEFAULT_KEY_MOST
        self._rows = RowEncoder(
            self.columns,
            [column.default for column in columns],
            page_size,
            record_limit(page_size, key_most),
            self._separate,
            wanted=self._wanted(),
        )
        self._sorters: list[EntrySorter] = []

    def _check_index_names(self) -> None:
        names = [each.index.name.upper() for each in (self._primary, *self._secondary) if each]
        if len(set(names)) < len(names):
            raise EseError.from_code(Err.IndexDuplicate, ", ".join(names))

    def _wanted(self) -> frozenset[int]:
        """Return the positions of the columns that indexes depend on."""
        defined = [each for each in (self._primary, *self._secondary) if each]
        ids = {segment.column_id for each in defined for segment in (*each.segments, *each.conditions)}
        return frozenset(place for place, column in enumerate(self.columns) if column.id in ids)

    def _separate(self, value: bytes) -> bytes:
        """Store a long value outside its record; the tree is made when the first one comes."""
        if self._long_values is None:
            space = PageSpace(self._space, step=_STEP, proportional=True)
            root = space.take()
            space.take_space_trees()
            context = self._context
            self._long_values = LongValueWriter(context.sink, space, root, context.next_objid(), context.lid_size)
        return self._long_values.add(value)

    def load(self, rows: Iterable[Row], *, presorted: bool) -> TableInfo:
        """Take all rows and write the table.  With `presorted` they must come in primary-key order."""
        try:
            self._load_rows(rows, presorted=presorted)
            return self._finish()
        finally:
            for sorter in self._sorters:
                sorter.close()

    def _sorter(self, label: str) -> EntrySorter:
        context = self._context
        share = context.sort_memory // (len(self._secondary) + 1)
        sorter = EntrySorter(context.fs, f"{context.path}.{label}", memory=share)
        self._sorters.append(sorter)
        return sorter

    def _load_rows(self, rows: Iterable[Row], *, presorted: bool) -> None:
        encode, raw, add = self._rows.encode, self._rows.raw, self._tree.add
        primary = KeyMaker(self._primary.resolved(self.columns), self.columns) if self._primary else None
        makers = [KeyMaker(each.resolved(self.columns), self.columns) for each in self._secondary]
        sorters = [self._sorter(f"sort{number}") for number in range(len(makers))]
        entries = [(maker.keys, sorter.add) for maker, sorter in zip(makers, sorters, strict=True)]
        unsorted = None if presorted or primary is None else self._sorter("rows")
        put = add if unsorted is None else unsorted.add
        for number, row in enumerate(rows, 1):
            try:
                record = encode(row)
                key = _DBK.pack(number) if primary is None else primary.primary_key(raw)
                put(key, record)
                for keys, collect in entries:
                    for each in keys(raw):
                        collect(each, key)
            except EseError as error:
                error.add_note(f"table {self.name}, row {number}")
                raise
        if unsorted is not None:
            for key, record in unsorted.sorted():
                add(key, record)
            unsorted.close()

    def _finish(self) -> TableInfo:
        context, table_root = self._context, self._tree.root
        self._tree.finish()
        long_values = self._long_values
        if long_values is not None:
            long_values.tree.finish()
            long_values.tree.space.release_tail()
            write_tree_root(context.sink, long_values.tree, table_root)
        indexes = [
            self._build_index(each, objid, sorter)
            for each, objid, sorter in zip(self._secondary, self._secondary_objids, self._sorters, strict=False)
        ]
        self._space.release_tail()
        high_water = self._rows.high_water if context.auto_increment_in_root else None
        write_tree_root(context.sink, self._tree, SYSTEM_ROOT.root, auto_increment=high_water)
        lv_info = None if long_values is None else _info(long_values.tree, long_values.count)
        catalog = tuple(self._catalog(indexes, lv_info))
        by_name = {each.index.name: info for each, info in zip(self._secondary, indexes, strict=True)}
        return TableInfo(self.name, _info(self._tree), by_name, lv_info, catalog)

    def _build_index(self, index: IndexDef, objid: int, sorter: EntrySorter) -> TreeInfo:
        space = PageSpace(self._space, step=_STEP)
        kind = TreeKind.UNIQUE_INDEX if index.flags & IndexFlags.UNIQUE else TreeKind.INDEX
        tree = TreeBuilder(self._context.sink, space, space.take(), objid, kind, density=index.index.density)
        try:
            for key, bookmark in sorter.sorted():
                tree.add(key, bookmark)
        except EseError as error:
            error.add_note(f"index {index.index.name} of table {self.name}")
            raise
        sorter.close()
        tree.finish()
        space.release_tail()
        write_tree_root(self._context.sink, tree, self._tree.root)
        return _info(tree)

    def _catalog(self, indexes: list[TreeInfo], long_values: TreeInfo | None) -> Iterator[CatalogRow]:
        pages = 1 + len(indexes)
        yield table_row(self._objid, self.name, self._tree.root, self._density, pages)
        yield from (column_row(self._objid, column) for column in self.columns)
        if self._primary is not None:
            yield index_row(self._objid, self._objid, self._primary, self._tree.root)
        for index, info in zip(self._secondary, indexes, strict=True):
            yield index_row(self._objid, info.objid, index, info.root)
        if long_values is not None:
            yield long_value_row(self._objid, long_values.objid, long_values.root)


def _info(tree: TreeBuilder, entries: int | None = None) -> TreeInfo:
    return TreeInfo(tree.objid, tree.root, tree.space.page_count, tree.entries if entries is None else entries)
