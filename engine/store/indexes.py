"""Secondary indexes of a live table: what a change of a row changes in them, and filling a new one.

    insert   every key of the new row
    delete   every key of the old row
    update   only indexes over a changed column; keys that go, then keys that come

A new index is filled in key order, outside the version store: nobody can see it before its transaction ends.

Source: database reference 7.6-7.9; log reference 2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.build.index_keys import KeyMaker
from engine.build.sorter import EntrySorter
from engine.errors import Err, EseError
from engine.format.page import PageFlags
from engine.store import nodes, trees

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.build.tagged import Raw
    from engine.catalog import IndexDef, TableDef
    from engine.files.base import FileSystem
    from engine.format.column import ColumnDef
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession
    from engine.table.record_reader import RecordReader

_SLICE: Final = 64
"""Entries put into a new index before others get the latch."""
DEFAULT_SORT_MEMORY: Final = 16 << 20


class LiveIndex(NamedTuple):
    """A secondary index: its definition, its tree, how its keys are made."""

    definition: IndexDef
    tree: TreeRef
    maker: KeyMaker


def index_tree(shared: Shared, index: IndexDef, parent: TreeRef) -> TreeRef:
    """Return the tree of a secondary index."""
    kind = int(PageFlags.INDEX) | (0 if index.unique else int(PageFlags.NON_UNIQUE))
    return shared.tree(index.root, index.objid, parent=parent, kind=kind, unique=index.unique, density=index.density)


class Indexes:
    """The secondary indexes of one table for one session."""

    def __init__(self, session: StoreSession, shared: Shared, table: TableDef, parent: TreeRef) -> None:
        self._session = session
        self._columns = table.columns
        # The newest first, as the engine does.
        self.all = [
            LiveIndex(each, index_tree(shared, each, parent), KeyMaker(each, table.columns))
            for each in sorted(table.indexes, key=lambda index: -index.objid)
            if not each.primary
        ]
        self.needed: frozenset[int] = frozenset(place for each in self.all for place in each.maker.needed)

    def insert(self, raw: Sequence[Raw], bookmark: bytes) -> None:
        """Insert the entries of a new row.

        -1605 for a key that another row has, -1414 for an entry that is there already, and as `KeyMaker.keys`.
        """
        session = self._session
        try:
            for _, tree, maker in self.all:
                for key in maker.keys(raw):
                    nodes.insert(session, tree, key, bookmark)
        except EseError as error:
            _tell_damage(error, maker.name, bookmark)
            raise

    def delete(self, raw: Sequence[Raw], bookmark: bytes) -> None:
        """Delete the entries of a row; -1414 when one is missing."""
        session = self._session
        try:
            for _, tree, maker in self.all:
                for key in maker.keys(raw):
                    nodes.delete(session, tree, key, bookmark)
        except EseError as error:
            _tell_damage(error, maker.name, bookmark)
            raise

    def update(self, before: Sequence[Raw], after: Sequence[Raw], changed: Iterable[int], bookmark: bytes) -> None:
        """Change the entries of a row of which the columns at some places have changed; errors as for both."""
        session, places = self._session, frozenset(changed)
        try:
            for _, tree, maker in self.all:
                if not maker.needed & places:
                    continue
                old, new = set(maker.keys(before)), set(maker.keys(after))
                for key in sorted(old - new):
                    nodes.delete(session, tree, key, bookmark)
                for key in sorted(new - old):
                    nodes.insert(session, tree, key, bookmark)
        except EseError as error:
            _tell_damage(error, maker.name, bookmark)
            raise


def _tell_damage(error: EseError, index: str, bookmark: bytes) -> None:
    """Raise -1414 for an entry too few or too many: as the row is the transaction's own, that is damage."""
    told: dict[int, str] = {Err.RecordDeleted: "is missing", Err.MultiValuedIndexViolation: "is there already"}
    found = told.get(error.code)
    if found is not None:
        detail = f"index {index}: the entry of row {bookmark.hex()} {found}"
        raise EseError.from_code(Err.SecondaryIndexCorrupted, detail, path=error.path) from error


def raw_of(reader: RecordReader, columns: Sequence[ColumnDef], needed: Iterable[int]) -> list[Raw]:
    """Return the stored form of the columns at the places needed in the reader's current record."""
    raw: list[Raw] = [None] * len(columns)
    for place in needed:
        values: Any = reader.value_of(columns[place])
        raw[place] = values if len(values) > 1 else values[0]
    return raw


def fill(
    session: StoreSession,
    shared: Shared,
    tree: TreeRef,
    maker: KeyMaker,
    records: Iterator[tuple[bytes, Sequence[Raw]]],
    fs: FileSystem,
    *,
    memory: int = DEFAULT_SORT_MEMORY,
) -> int:
    """Put the entries of all rows into a new, empty index; return their number.

    Sorted outside memory by way of a file beside the database.  -1605 when two rows have one key of a unique index.
    """
    sorter = EntrySorter(fs, f"{tree.pages.path}.{tree.objid}.sort", memory=memory)
    count = 0
    try:
        for bookmark, raw in records:
            for key in maker.keys(raw):
                sorter.add(key, bookmark)
        entries = sorter.sorted()
        while True:
            with session.journal.latch:
                done = 0
                for key, bookmark in entries:
                    place = trees.descend(tree, key, bookmark)
                    if place.exact:
                        raise EseError.from_code(Err.KeyDuplicate, f"index {maker.name}", path=tree.pages.path)
                    trees.insert(session, tree, place, key, bookmark, versioned=False)
                    done += 1
                    if done == _SLICE:
                        break
            count += done
            shared.between()
            if done < _SLICE:
                return count
    finally:
        sorter.close()
