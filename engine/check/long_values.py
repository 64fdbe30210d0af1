"""The long values of a table: chunks without holes, sizes that fit, and counts that agree with the records.

    LVROOT   reference count, size          0 or 0xFFFFFFFF references: dead, left behind for a later clean-up
    chunk    offset = where the one before ended; as long as its share of the size, or shorter and packed

Counts are compared as multisets: what the records refer to against what the roots count.

Source: database reference 6.5-6.7, 10.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.check.digest import Digest
from engine.check.findings import CheckKind
from engine.errors import EseError
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size
from engine.format.page import is_large

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.catalog import TableDef
    from engine.check.context import Check, TreeSpec
    from engine.format.node import Node
    from engine.format.page import Page

_DELETING: Final = 0xFFFFFFFF
_ENCRYPTED: Final = 1
_OLD_OVERHEAD: Final = 122
"""Bytes of a large page that no chunk of an old file takes."""

_XPRESS: Final = 3
_SIZED: Final = (_XPRESS, 6, 7)
"""Packing schemes that begin with the size of what they unpack to."""
_SEVEN_BITS: Final = {1: 1, 2: 2}
_LAST_SCHEME: Final = 7
_SCRUBBED: Final = 4


def lid_bytes(lid: int) -> bytes:
    """Return a long-value id as the digests count it."""
    return lid.to_bytes(8, "big")


class LongValueCheck:
    """Goes through the long-value tree with its walk."""

    def __init__(self, check: Check, spec: TreeSpec, table: TableDef) -> None:
        self._check = check
        self._spec = spec
        sizes = {table.chunk, chunk_size(check.page_size)}
        if is_large(check.page_size):
            sizes.add(check.page_size - _OLD_OVERHEAD)
        self._chunks = sorted(sizes, reverse=True)
        self.digest = Digest()
        self.dead = 0
        self._lid: int | None = None
        self._root: LongValueRoot | None = None
        self._place: tuple[int, int] = (0, 0)
        self._offset = 0
        self._step = 0
        self._pending: tuple[int, bytes, int, int] | None = None
        self._holed = False

    def visit(self, page: Page, found: list[tuple[int, Node]]) -> None:
        """Take the live nodes of a leaf."""
        for line, node in found:
            if node.deleted:
                continue
            try:
                key = LongValueKey.unpack(node.key)
                if key.offset is None:
                    self.finish()
                    self._begin(key.lid, LongValueRoot.unpack(node.data), page.pgno, line)
                else:
                    self._chunk(key.lid, key.offset, bytes(node.data), page.pgno, line)
            except EseError as error:
                self._check.error(CheckKind.NODE, error.message, self._spec, page=page.pgno, line=line)

    def finish(self) -> None:
        """End the value at hand; called once more behind the last leaf."""
        root, lid = self._root, self._lid
        living = root is not None and not self._is_dead(root)
        if root is not None and living and self._settle(root.size) and self._offset != root.size:
            page, line = self._place
            detail = f"long value {lid or 0:#x} has {self._offset:,} of {root.size:,} bytes"
            self._check.error(CheckKind.LV_CHUNK, detail, self._spec, page=page, line=line)
        self._lid, self._root, self._pending, self._offset, self._holed = None, None, None, 0, False

    @staticmethod
    def _is_dead(root: LongValueRoot) -> bool:
        return root.references in (0, _DELETING)

    def _begin(self, lid: int, root: LongValueRoot, page: int, line: int) -> None:
        self._lid, self._root, self._place = lid, root, (page, line)
        if self._is_dead(root):
            self.dead += 1
        else:
            self.digest.take(lid_bytes(lid), count=root.references)

    def _chunk(self, lid: int, offset: int, data: bytes, page: int, line: int) -> None:
        check, spec = self._check, self._spec
        if lid != self._lid:
            self.finish()
            self._lid = lid
            detail = f"a chunk of long value {lid:#x}, which has no root"
            check.error(CheckKind.LV_ROOT, detail, spec, page=page, line=line)
        root = self._root
        if root is None or self._is_dead(root) or self._holed:
            return
        if not self._settle(offset):
            return
        if offset != self._offset or offset >= root.size:
            self._holed = True
            detail = f"a chunk of long value {lid:#x} at byte {offset:,}, expected is {self._offset:,} of {root.size:,}"
            check.error(CheckKind.LV_CHUNK, detail, spec, page=page, line=line)
            return
        self._pending = offset, data, page, line

    def _settle(self, end: int) -> bool:
        """Judge the last chunk now that it is known where the next one begins, or where the value ends.

        False when something is wrong with the value, now or before.
        """
        if self._pending is None or self._root is None:
            return not self._holed
        offset, data, page, line = self._pending
        self._pending = None
        size = end - offset
        encrypted = self._root.flags is not None and self._root.flags & _ENCRYPTED
        ends = end >= self._root.size
        # The first chunk of a value that has several says how long they are.
        allowed = self._chunks if not offset else [self._step]
        detail = ""
        if size > allowed[0] or (not ends and size not in allowed):
            detail = f"the chunk at byte {offset:,} is followed by byte {end:,}; chunks have {allowed[-1]:,}"
        elif not encrypted and len(data) != size:
            detail = _packed(data, size)
        if detail:
            self._holed = True
            self._check.error(
                CheckKind.LV_CHUNK, f"long value {self._lid or 0:#x}: {detail}", self._spec, page=page, line=line
            )
        if not offset:
            self._step = size
        self._offset = end
        return not self._holed

    def compare(self, lids: Mapping[int, int], roots: Mapping[int, tuple[int, int, int]]) -> None:
        """Note the differences between references in records and counts in roots (count, page, line), by id."""
        check, spec = self._check, self._spec
        for lid in sorted(lids.keys() | roots.keys()):
            used = lids.get(lid, 0)
            count, page, line = roots.get(lid, (0, 0, 0))
            live = 0 if count == _DELETING else count
            if lid not in roots:
                detail = f"{used} records refer to long value {lid:#x}, which is not there"
                check.error(CheckKind.LV_ROOT, detail, spec, page=spec.root)
                continue
            detail = f"long value {lid:#x} counts {live} references, the records have {used}"
            if used > live:
                check.error(CheckKind.LV_REFERENCES_LOW, detail, spec, page=page, line=line)
            elif live and not used:
                check.warn(CheckKind.LV_ORPHAN, detail, spec, page=page, line=line)
            elif used < live:
                check.warn(CheckKind.LV_REFERENCES_HIGH, detail, spec, page=page, line=line)


def _packed(data: bytes, size: int) -> str:
    """Return what is wrong with a chunk that is not as long as its share: it must unpack to it."""
    if not data:
        return "an empty chunk"
    if len(data) > size:
        return f"a chunk of {len(data):,} bytes where {size:,} belong"
    scheme = data[0] >> 3
    if not 0 < scheme <= _LAST_SCHEME:
        return f"a chunk of {len(data):,} bytes where {size:,} belong, and not packed"
    if scheme in _SIZED:
        unpacked = int.from_bytes(data[1:3], "little")
    elif scheme in _SEVEN_BITS:
        unpacked = ((len(data) - 2) * 8 + (data[0] & 7) + 1) // 7 * _SEVEN_BITS[scheme]
    else:
        return ""
    return "" if unpacked == size else f"a chunk that unpacks to {unpacked:,} bytes where {size:,} belong"
