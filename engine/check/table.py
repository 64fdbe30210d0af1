"""One table: its trees and their space, its records, and what records, long values and indexes say of each other.

The long values are walked first, then the records, which put into each index's digest what should be there, then the
indexes, which take out what is there.  Only where something is left is there a second walk, for the details.

Source: database reference 6.6, 7.7, 10.1.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from engine.btree.tree import Tree
from engine.catalog.entries import Depth, EntryMaker, TooManyEntriesError
from engine.check.digest import Digest, Suspects
from engine.check.findings import CheckKind
from engine.check.long_values import LongValueCheck, lid_bytes
from engine.check.records import IndexTally, RecordCheck
from engine.check.space import SpaceCheck
from engine.check.tree import TreeWalk, shown
from engine.errors import EseError
from engine.format.catalog_row import IndexFlags
from engine.format.longvalue import LongValueKey, LongValueRoot
from engine.format.node import NodeFlags, nodes
from engine.format.page import PageFlags
from engine.table.long_values import LongValues
from engine.table.record_reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.catalog import TableDef
    from engine.check.context import Check, TreeSpec
    from engine.check.findings import CheckFinding
    from engine.format.node import Node
    from engine.format.page import Page

_LONG_VALUES: Final = "LV"
_DELETED: Final = int(NodeFlags.DELETED)


class TableCheck:
    """The check of one table; `root` is the system root, from which it has its pages."""

    def __init__(self, check: Check, table: TableDef, root: TreeSpec) -> None:
        self._check = check
        self._table = table
        self._root = root
        self.spec = check.spec(table.name, "", table.root, table.objid)
        self.tallies: list[IndexTally] = []
        self._long: LongValueCheck | None = None
        self._long_spec: TreeSpec | None = None
        self._entries: dict[str, int] = {}

    def space(self) -> Iterator[CheckFinding]:
        """Check the space of all trees of the table, before any of them is walked."""
        check, table = self._check, self._table
        own = SpaceCheck(check, self.spec, self._root)
        yield from own.run()
        self._reserved = own.header.auto_increment if own.header is not None else None
        for index in table.indexes:
            if index.primary:
                continue
            kind = PageFlags.INDEX if index.unique else PageFlags.INDEX | PageFlags.NON_UNIQUE
            if index.flags & IndexFlags.OPTIONALLY_UNIQUE:
                kind = self._stored_kind(index.root, kind)
            unique = not kind & PageFlags.NON_UNIQUE
            spec = check.spec(table.name, index.name, index.root, index.objid, kind, unique=unique)
            yield from SpaceCheck(check, spec, self.spec).run()
            self.tallies.append(IndexTally(EntryMaker(index), spec, Digest()))
        if table.long_values is not None:
            row = table.long_values
            self._long_spec = check.spec(table.name, _LONG_VALUES, row.coltyp_or_pgno, row.id, PageFlags.LONG_VALUE)
            yield from SpaceCheck(check, self._long_spec, self.spec).run()

    def _stored_kind(self, root: int, kind: PageFlags) -> PageFlags:
        """Return the kind of an index that may or may not be unique, as its root has it."""
        try:
            return PageFlags.INDEX | self._check.pages.page(root).flags & PageFlags.NON_UNIQUE
        except EseError:
            return kind

    def trees(self) -> Iterator[CheckFinding]:
        """Walk the trees and compare them."""
        check, table = self._check, self._table
        check.doing(table.name)
        if self._long_spec is not None:
            self._long = LongValueCheck(check, self._long_spec, table)
            yield from TreeWalk(check, self._long_spec, self._long.visit).run()
            self._long.finish()
        references = self._long.digest if self._long is not None else None
        records = RecordCheck(check, self.spec, self._reader(), self.tallies, references, self._reserved)
        yield from TreeWalk(check, self.spec, records.visit).run()
        yield from self._compare_long_values()
        for tally in self.tallies:
            check.doing(f"{table.name}.{tally.spec.tree}")
            yield from TreeWalk(check, tally.spec, _Taker(tally).visit).run()
            self._compare_index(tally)
            yield from check.drain()

    def _reader(self) -> RecordReader:
        row = self._table.long_values
        tree = None if row is None else Tree(self._check.pages, row.coltyp_or_pgno, objid=row.id)
        return RecordReader(self._table, self._check.page_size, LongValues(tree, self._table.name))

    def _compare_long_values(self) -> Iterator[CheckFinding]:
        check, long, spec = self._check, self._long, self._long_spec
        if long is None or spec is None:
            return
        if long.dead:
            check.info(CheckKind.LV_ORPHAN, f"{long.dead:,} dead long values wait for their removal", spec)
        if self.spec.broken or spec.broken:
            check.info(CheckKind.NOT_COMPARED, "reference counts: a tree is damaged", spec)
        elif not long.digest.equal:
            suspects = long.digest.suspects()
            lids: Counter[int] = Counter()
            reader = self._reader()
            for page, _, node in self._nodes(self.spec):
                for lid in _lids(reader, page, node):
                    if suspects.holds(lid_bytes(lid)):
                        lids[lid] += 1
            long.compare(lids, self._roots(spec, suspects))
            self._incomplete(suspects, spec)
        yield from check.drain()

    def _roots(self, spec: TreeSpec, suspects: Suspects) -> dict[int, tuple[int, int, int]]:
        """Return (reference count, page, line) of the roots that are to be looked at."""
        roots: dict[int, tuple[int, int, int]] = {}
        for page, line, node in self._nodes(spec):
            try:
                key = LongValueKey.unpack(node.key)
                if key.offset is None and suspects.holds(lid_bytes(key.lid)):
                    roots[key.lid] = LongValueRoot.unpack(node.data).references, page.pgno, line
            except EseError:
                continue  # was told in the first walk
        return roots

    def _compare_index(self, tally: IndexTally) -> None:
        check, spec, maker = self._check, tally.spec, tally.maker
        reason = maker.reason
        if self.spec.broken or spec.broken:
            check.info(CheckKind.NOT_COMPARED, "entries: a tree is damaged", spec)
            return
        if tally.reason:
            check.info(CheckKind.NOT_COMPARED, tally.reason, spec)
            return
        if reason:
            check.info(CheckKind.NOT_COMPARED, reason, spec)
        if maker.depth is Depth.NOTHING:
            return
        digest = tally.digest
        if maker.depth is Depth.COUNT:
            if not tally.least <= digest.taken <= digest.added:
                detail = f"{digest.taken:,} entries, the records make {tally.least:,} to {digest.added:,}"
                check.error(CheckKind.INDEX_COUNT, detail, spec, page=spec.root)
        elif not digest.equal:
            self._differences(tally, digest.suspects())

    def _differences(self, tally: IndexTally, suspects: Suspects) -> None:
        """Tell which entries are missing, and which are too many."""
        check, spec = self._check, tally.spec
        keyed = tally.maker.depth is Depth.KEYS
        expected: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        reader = self._reader()
        for page, line, node in self._nodes(self.spec):
            for pair in _expected(tally.maker, reader, page, node):
                if suspects.holds(*pair):
                    expected[pair] = page.pgno, line
        extra: list[tuple[bytes, bytes, int, int]] = []
        for page, line, node in self._nodes(spec):
            data = bytes(node.data)
            pair = (node.key, data) if keyed else (data, b"")
            if suspects.holds(*pair) and expected.pop(pair, None) is None:
                extra.append((node.key, data, page.pgno, line))
        for (key, bookmark), (pgno, line) in expected.items():
            what = f"the entry {shown(key)} of record {shown(bookmark)}" if keyed else f"the entry of {shown(key)}"
            check.error(CheckKind.INDEX_MISSING, f"{what} is missing", spec, page=pgno, line=line)
        for key, bookmark, pgno, line in extra:
            detail = f"the entry {shown(key)} of record {shown(bookmark)} is not made by any record"
            check.error(CheckKind.INDEX_EXTRA, detail, spec, page=pgno, line=line)
        self._incomplete(suspects, spec)

    def _incomplete(self, suspects: Suspects, spec: TreeSpec) -> None:
        if not suspects.complete:
            self._check.info(CheckKind.NOT_COMPARED, "there are too many differences to tell them all", spec)

    def _nodes(self, spec: TreeSpec) -> Iterator[tuple[Page, int, Node]]:
        """Yield the live nodes of a tree that was found whole, for a second look."""
        tree = Tree(self._check.pages, spec.root, objid=spec.objid)
        for page in tree.leaves(ahead=True):
            self._check.cancelled()
            for line, node in enumerate(nodes(page)):
                if not node.deleted:
                    yield page, line, node


class _Taker:
    """Takes what an index has out of its digest."""

    def __init__(self, tally: IndexTally) -> None:
        self._tally = tally
        self._keyed = tally.maker.depth is Depth.KEYS

    def visit(self, page: Page, found: list[tuple[int, Node]]) -> None:  # noqa: ARG002 - the signature of a visit
        """Take the live entries of a leaf."""
        take = self._tally.digest.take
        for _, node in found:
            if node.flags & _DELETED:
                continue
            if self._keyed:
                take(node.key, bytes(node.data))
            else:
                take(bytes(node.data))


def _lids(reader: RecordReader, page: Page, node: Node) -> list[int]:
    try:
        reader.take(node.data, old=not page.flags & PageFlags.NEW_RECORD_FORMAT)
        return list(reader.lids())
    except EseError:
        return []  # was told in the first walk


def _expected(maker: EntryMaker, reader: RecordReader, page: Page, node: Node) -> list[tuple[bytes, bytes]]:
    """Return the items that a record should have in an index, as its digest counts them."""
    try:
        reader.take(node.data, old=not page.flags & PageFlags.NEW_RECORD_FORMAT)
        if maker.depth is Depth.KEYS:
            return [(key, node.key) for key in maker.keys(reader.value_of)]
        return [(node.key, b"") for _ in maker.rows(reader.value_of)]
    except (EseError, TooManyEntriesError):
        return []
