"""The records of a table: that each can be taken apart, lies under its own key, and what it puts elsewhere.

Source: database reference 6, 7.2-7.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.catalog.entries import Depth, EntryMaker, TooManyEntriesError
from engine.check.findings import CheckKind
from engine.check.long_values import lid_bytes
from engine.check.tree import shown
from engine.errors import EseError
from engine.format.column import ColumnFlags
from engine.format.node import NodeFlags
from engine.format.page import PageFlags
from engine.format.record import MULTI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.check.context import Check, TreeSpec
    from engine.check.digest import Digest
    from engine.format.node import Node
    from engine.format.page import Page
    from engine.format.record import Record
    from engine.table.record_reader import RecordReader

_SEQUENCE_KEY: Final = 4
"""Bytes of the key of a record without primary index."""

_TWO: Final = 2
_DELETED: Final = int(NodeFlags.DELETED)


class IndexTally:
    """One secondary index: what the records should have put there, less what is found there."""

    def __init__(self, maker: EntryMaker, spec: TreeSpec, digest: Digest) -> None:
        self.maker = maker
        self.spec = spec
        self.digest = digest
        self.least = 0
        """Entries that there must be, where only their number is compared."""
        self.reason = ""
        """Why the index cannot be compared, when a record stood in the way."""


class RecordCheck:
    """Goes through the records of a table with the walk of its tree."""

    def __init__(
        self,
        check: Check,
        spec: TreeSpec,
        reader: RecordReader,
        tallies: Sequence[IndexTally],
        references: Digest | None,
        reserved: int | None,
    ) -> None:
        self._check = check
        self._spec = spec
        self._reader = reader
        self._tallies = [each for each in tallies if each.maker.depth is not Depth.NOTHING]
        self._references = references
        self.records = 0
        table = reader.table
        primary = table.primary
        self._primary = EntryMaker(primary) if primary is not None else None
        self._known = {(column.derived, column.id): column for column in table.columns}
        self._reserved = reserved
        self._counter = next(
            (each for each in table.columns if each.flags & ColumnFlags.AUTO_INCREMENT and each.id in _FIXED_IDS), None
        )

    def visit(self, page: Page, found: list[tuple[int, Node]]) -> None:
        """Take the live nodes of a leaf."""
        old = not page.flags & PageFlags.NEW_RECORD_FORMAT
        for line, node in found:
            if node.flags & _DELETED:
                continue
            self.records += 1
            try:
                record = self._reader.take(node.data, old=old)
            except EseError as error:
                self._spec.broken = True
                self._error(CheckKind.RECORD, error.message, page, line)
                continue
            self._rules(record, page, line)
            self._key(node, page, line)
            self._long_references(page, line)
            self._entries(node, page, line)

    def _error(self, kind: CheckKind, detail: str, page: Page, line: int) -> None:
        self._check.error(kind, detail, self._spec, page=page.pgno, line=line)

    def _rules(self, record: Record, page: Page, line: int) -> None:
        before = (True, -1)
        for tagged in record.tagged:
            # Template columns come first.
            place = (tagged.derived, tagged.id)
            if (not tagged.derived, tagged.id) <= (not before[0], before[1]):
                self._error(CheckKind.RECORD, f"tagged column {tagged.id} is out of order", page, line)
            before = place
            if tagged.header & MULTI and len(tagged.instances) < _TWO:
                self._error(CheckKind.RECORD, f"a multi-value of one in column {tagged.id}", page, line)
        if self._counter is not None and self._reserved is not None:
            raw = record.fixed.get(self._counter.id)
            value = int.from_bytes(raw, "little", signed=True) if raw is not None else 0
            if value > self._reserved:
                detail = f"{self._counter.name} is {value}, reserved are numbers up to {self._reserved}"
                self._check.warn(CheckKind.AUTO_INCREMENT, detail, self._spec, page=page.pgno, line=line)

    def _key(self, node: Node, page: Page, line: int) -> None:
        maker = self._primary
        if maker is None:
            if len(node.key) != _SEQUENCE_KEY:
                self._error(CheckKind.PRIMARY_KEY, f"the record number {shown(node.key)}", page, line)
            return
        if maker.depth is not Depth.KEYS:
            return
        try:
            key = maker.primary_key(self._reader.value_of)
        except EseError as error:
            self._error(CheckKind.RECORD, f"no key can be made: {error.message}", page, line)
            return
        if key != node.key:
            detail = f"stored under {shown(node.key)}, its columns make {shown(key)}"
            self._error(CheckKind.PRIMARY_KEY, detail, page, line)

    def _long_references(self, page: Page, line: int) -> None:
        try:
            for lid in self._reader.lids():
                if self._references is not None:
                    self._references.add(lid_bytes(lid))
                else:
                    self._error(CheckKind.LV_ROOT, f"long value {lid:#x} of a table without any", page, line)
        except EseError as error:
            self._error(CheckKind.RECORD, error.message, page, line)

    def _entries(self, node: Node, page: Page, line: int) -> None:
        for tally in self._tallies:
            if tally.reason:
                continue
            try:
                count_entries(tally, self._reader, node.key)
            except EseError as error:
                tally.reason = f"a value of the record at page {page.pgno} line {line} is unreadable: {error.message}"
            except TooManyEntriesError:
                tally.reason = f"the record at page {page.pgno} line {line} would have too many entries"


def count_entries(tally: IndexTally, reader: RecordReader, bookmark: bytes) -> None:
    """Count what the current record should have in an index."""
    maker = tally.maker
    if maker.depth is Depth.KEYS:
        for key in maker.keys(reader.value_of):
            tally.digest.add(key, bookmark)
    else:
        most = sum(1 for _ in maker.rows(reader.value_of))
        if most:
            tally.least += 1
            tally.digest.add(bookmark, count=most)


_FIXED_IDS: Final = range(1, 128)
