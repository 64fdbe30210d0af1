"""Long values of a live table: stored outside their record in chunks, shared by references, changed piece by piece.

    add       LVROOT with one reference, then the chunks
    release   one reference less; with the last one go the chunks and the root
    write     a piece at an offset; behind the end it grows, a gap is filled with zeros
    resize    shorter or longer

A value that more than one record refers to is copied before it is changed.  Chunks of columns that ask for it are
packed where that makes them smaller: a chunk that is shorter than its share of the value is a packed one.

Source: database reference 6.5-6.7.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.build.catalog_rows import long_value_row
from engine.errors import Err, EseError
from engine.format.catalog_row import CatalogType
from engine.format.compression import pack_value
from engine.format.levels import LID64_LEVEL
from engine.format.longvalue import (
    LV_DENSITY,
    MOST_BYTES,
    LidSize,
    LongValueKey,
    LongValueRoot,
    first_lid,
    pack_reference,
)
from engine.format.page import PageFlags
from engine.store import nodes
from engine.store.catalog import Catalog
from engine.store.scan import Scan
from engine.store.search import last_leaf
from engine.store.versions import Hook
from engine.table.cursor import Seek
from engine.table.long_values import LongValues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.catalog import TableDef
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession

_REFERENCES = struct.Struct("<I")
_MOST_LID32: Final = 0x7FFFFFFF
_NARROW, _WIDE = 4, 8
_COUNTER: Final = "lid"
_TREE: Final = "lv-root"
_TREE_OBJID: Final = "lv-objid"


class StoredValues(LongValues):
    """The long values of one table as a session sees and changes them."""

    def __init__(self, session: StoreSession, shared: Shared, table: TableDef, parent: TreeRef) -> None:
        super().__init__(None, table.name)
        self._session = session
        self._shared = shared
        self._definition = table
        self._parent = parent
        self._chunk = table.chunk

    @property
    def tree(self) -> TreeRef | None:
        """The tree, None as long as there is none."""
        table, numbers = self._definition, self._shared.numbers
        row = table.long_values
        if row is not None:
            return self._tree_at(row.coltyp_or_pgno, row.id)
        # Made by anybody since the definition was read: it is not part of the caller's snapshot, but it is there.
        root = numbers.get((table.objid, _TREE))
        return None if root is None else self._tree_at(root, numbers[table.objid, _TREE_OBJID])

    @property
    def present(self) -> bool:
        """Whether there is a tree."""
        return self.tree is not None

    def _tree_at(self, root: int, objid: int) -> TreeRef:
        kind = int(PageFlags.LONG_VALUE)
        return self._shared.tree(root, objid, parent=self._parent, kind=kind, density=LV_DENSITY)

    def _get(self, key: bytes) -> bytes | None:
        tree = self.tree
        return None if tree is None else nodes.get(self._session, tree, key)

    def _behind(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        tree = self.tree
        if tree is not None:
            scan = Scan(self._session, tree)
            if scan.seek(key, Seek.GT) and scan.current is not None:
                yield scan.current
                yield from scan

    # Making and letting go.

    @property
    def reference_size(self) -> int:
        """Bytes of the id of a new value in a record."""
        return _WIDE if self._shared.update_major >= LID64_LEVEL else _NARROW

    def add_packed(self, value: bytes) -> bytes:
        """Store a value of a column that is packed; else as `add`."""
        return self.add(value, pack=True)

    def add(self, value: bytes, *, pack: bool = False) -> bytes:
        """Store a value with one reference; return its id as a record holds it.

        -1506 for a value that is too long, -1075 when ids run out.
        """
        if len(value) > MOST_BYTES:
            raise EseError.from_code(Err.ColumnTooBig, f"a value of {len(value)} bytes")
        with self._session.journal.latch:
            tree = self.tree or self._make_tree()
            lid = self._next_lid(tree)
        session = self._session
        nodes.insert(session, tree, LongValueKey(lid).pack(), LongValueRoot(1, len(value)).pack())
        for offset in range(0, len(value), self._chunk):
            piece = _stored(value[offset : offset + self._chunk], pack=pack)
            nodes.insert(session, tree, LongValueKey(lid, offset).pack(), piece)
        return pack_reference(lid)

    @staticmethod
    def reference(lid: int) -> bytes:
        """Return an id as a record holds it."""
        return pack_reference(lid)

    def release(self, lid: int) -> None:
        """Take one reference away; -1526 when there is no such value."""
        root, tree = self.root(lid), self._there()
        key = LongValueKey(lid).pack()
        if root.references > 1:
            nodes.delta(self._session, tree, key, 0, -1)
            return
        for offset, _ in list(self._stored(lid, root.size)):
            nodes.delete(self._session, tree, LongValueKey(lid, offset).pack())
        nodes.delete(self._session, tree, key)

    def _there(self) -> TreeRef:
        tree = self.tree
        if tree is None:
            raise EseError.from_code(Err.LVCorrupted, f"table {self._definition.name} has no long values")
        return tree

    def _next_lid(self, tree: TreeRef) -> int:
        numbers, key = self._shared.numbers, (self._definition.objid, _COUNTER)
        last = numbers.get(key)
        if last is None:
            wide = self._shared.update_major >= LID64_LEVEL
            last = first_lid(LidSize.LID64 if wide else LidSize.LID32) - 1
            leaf = last_leaf(tree)
            if leaf.line_count:
                # Also of values that are deleted, or of transactions that may be taken back.
                last = max(last, LongValueKey.unpack(leaf.key(leaf.line_count - 1)).lid)
        if last == _MOST_LID32:
            raise EseError.from_code(Err.OutOfLongValueIDs, f"{last}")
        numbers[key] = last + 1
        return last + 1

    def _make_tree(self) -> TreeRef:
        """Make the tree; it stays when the caller's transaction is taken back, unless the whole table goes too."""
        shared, table = self._shared, self._definition
        own = shared.owned(self._session, table.objid)
        if own:
            tree = self._add_tree(self._session)
        else:
            session = shared.system_session()
            session.begin()
            try:
                tree = self._add_tree(session)
            except BaseException:
                session.rollback()
                raise
            # Not waited for: what refers to it comes later in the same log.
            session.commit(lazy=True)
            shared.added(session, table.objid)
        shared.numbers[table.objid, _TREE] = tree.root
        shared.numbers[table.objid, _TREE_OBJID] = tree.objid
        return tree

    def _add_tree(self, session: StoreSession) -> TreeRef:
        catalog, objid = Catalog(self._shared, session), self._definition.objid
        tree = catalog.make_tree(self._parent, kind=int(PageFlags.LONG_VALUE), density=LV_DENSITY)
        session.hook(Hook(0, self._forget_tree))
        catalog.add(long_value_row(objid, tree.objid, tree.root))
        catalog.add_object(tree.objid, objid, CatalogType.LONG_VALUE)
        return tree

    def _forget_tree(self) -> None:
        for kind in (_TREE, _TREE_OBJID, _COUNTER):
            self._shared.numbers.pop((self._definition.objid, kind), None)

    # Changing in place.

    def own(self, lid: int, *, pack: bool = False) -> int:
        """Return the id of a value that only the caller's record refers to: itself, or that of a copy."""
        if self.root(lid).references <= 1:
            return lid
        copy = int.from_bytes(self.add(self.read(lid), pack=pack), "little")
        self.release(lid)
        return copy

    def write(self, lid: int, offset: int, data: bytes, *, pack: bool = False) -> None:
        """Write a piece of an own value, beyond its end too; -1506 when it would be too long."""
        root, tree, step = self.root(lid), self._there(), self._chunk
        end = offset + len(data)
        if end > MOST_BYTES:
            raise EseError.from_code(Err.ColumnTooBig, f"a value of {end} bytes")
        if offset > root.size:
            data, offset = bytes(offset - root.size) + data, root.size
        at = offset
        while at < end:
            start, size = self._chunk_of(at, root.size)
            stop = min(end, start + step)
            piece = data[at - offset : stop - offset]
            before = self._chunk_bytes(lid, start, size)
            whole = _stored(before[: at - start] + piece + before[stop - start :], pack=pack)
            key = LongValueKey(lid, start).pack()
            if size:
                nodes.replace(self._session, tree, key, whole)
            else:
                nodes.insert(self._session, tree, key, whole)
            at = stop
        if end > root.size:
            self._set_size(lid, root, end)

    def resize(self, lid: int, size: int, *, pack: bool = False) -> None:
        """Cut an own value, or fill it up with zeros; -1506 when it would be too long."""
        root, tree = self.root(lid), self._there()
        if size > root.size:
            for offset in range(root.size, size, self._chunk * 16):
                self.write(lid, offset, bytes(min(self._chunk * 16, size - offset)), pack=pack)
            return
        if size == root.size:
            return
        for offset, _ in list(self._stored(lid, root.size)):
            key = LongValueKey(lid, offset).pack()
            if offset >= size:
                nodes.delete(self._session, tree, key)
            elif offset + self._chunk > size:
                length = min(self._chunk, root.size - offset)
                left = self._chunk_bytes(lid, offset, length)[: size - offset]
                nodes.replace(self._session, tree, key, _stored(left, pack=pack))
        self._set_size(lid, root, size)

    def _chunk_of(self, at: int, size: int) -> tuple[int, int]:
        """Return where the chunk that byte `at` belongs to begins, and how many bytes it has now."""
        start = at - at % self._chunk
        return start, max(0, min(self._chunk, size - start))

    def _chunk_bytes(self, lid: int, start: int, length: int) -> bytes:
        if not length:
            return b""
        stored = self._get(LongValueKey(lid, start).pack())
        if stored is None:
            raise self._error(lid, f"has no chunk at {start}")
        return self._logical(lid, stored, length)

    def _set_size(self, lid: int, root: LongValueRoot, size: int) -> None:
        changed = root._replace(size=size).pack()
        nodes.replace(self._session, self._there(), LongValueKey(lid).pack(), changed)

    def piece(self, lid: int, offset: int, size: int) -> bytes:
        """Return up to `size` bytes of a value from `offset` on."""
        whole, found, at = self.root(lid).size, [], offset
        end = min(offset + size, whole)
        while at < end:
            start, length = self._chunk_of(at, whole)
            stop = min(end, start + length)
            found.append(self._chunk_bytes(lid, start, length)[at - start : stop - start])
            at = stop
        return b"".join(found)


def _stored(chunk: bytes, *, pack: bool) -> bytes:
    """Return a chunk as it is stored."""
    return (pack_value(chunk) if pack else None) or chunk
