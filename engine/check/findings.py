"""What an integrity check found: one `CheckFinding` each, with a typed kind, the tree, the page and the line.

    error     the engine's own check would call the database corrupted, or a reader would get wrong data
    warning   the engine tolerates it: leaked pages, dead or over-counted long values, a lost shadow header
    info      worth knowing: what could not be compared, pages behind the end of the database

Source: database reference 10.1 (what the real engine accepts and refuses).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from engine.errors import Err, error_name
from engine.event_table import Severity

MOST_OF_A_KIND: Final = 200
"""Findings of one kind and severity in one tree that are told one by one; the others are counted."""


class CheckKind(Enum):
    """What sort of thing is wrong; the value is the word that programs see."""

    HEADER = "header"
    """A copy of the database header is damaged or differs from the other."""
    VERSION = "version"
    """The format is newer than what is known here."""
    STATE = "state"
    """The database was not shut down cleanly, or is in some other passing state."""
    FILE_SIZE = "file size"
    """The file has no whole number of pages, or fewer or more of them than the database owns."""
    CHECKSUM = "checksum"
    """A page of a tree cannot be read: its checksum is wrong, or the device reports an error."""
    CORRECTED = "corrected"
    """One flipped bit of a page was put right in memory."""
    BLANK_PAGE = "blank page"
    """A tree points to a page that was never written."""
    BEYOND_END = "beyond end"
    """A tree points to, or owns, pages that the file does not have."""
    PAGE_NUMBER = "page number"
    """A page says that it is another one."""
    PAGE_FLAGS = "page flags"
    """A page is of another sort than its tree, or marked as free."""
    PAGE_OBJECT = "page object"
    """A page belongs to another object than its tree."""
    PAGE_TIME = "page time"
    """A page is newer than the database's header says."""
    TAGS = "tags"
    """The tag array makes no sense: blobs overlap, leave the page or lie in free space."""
    FREE_SPACE = "free space"
    """The count of free bytes is wrong."""
    NODE = "node"
    """A node cannot be taken apart, or has no key or no data."""
    PREFIX = "prefix"
    """A key is compressed where it must not be, or against convention."""
    ORDER = "order"
    """Keys do not ascend."""
    SEPARATOR = "separator"
    """An entry lies outside the bounds that the pages above it name, or a bound is missing."""
    LEVELS = "levels"
    """Leaves at different depths, wrong level flags, or a tree that is too deep."""
    EMPTY_PAGE = "empty page"
    """An internal page without children, or a leaf without entries."""
    SIBLING = "sibling"
    """Neighbouring leaves are not linked to each other."""
    CHILD = "child"
    """A pointer to page 0 or of a wrong size."""
    ROOT_HEADER = "root header"
    """The external header of a root is broken or contradicts its tree."""
    SPACE_TREE = "space tree"
    """An extent is malformed, overlaps its neighbour, or lies outside the owned extents."""
    NOT_OWNED = "not owned"
    """A tree uses a page that it does not own, or owns one that its parent does not own."""
    OWNED_TWICE = "owned twice"
    """Two trees own one page."""
    CROSS_LINK = "cross link"
    """A page is used twice: by two trees, at two places of one, or in use and available."""
    LEAKED = "leaked"
    """Pages that are owned but neither used nor available."""
    RECORD = "record"
    """A record cannot be taken apart, or breaks a rule of records."""
    PRIMARY_KEY = "primary key"
    """A record lies under another key than its columns make."""
    AUTO_INCREMENT = "auto-increment"
    """A record holds a higher number than the tree has reserved."""
    INDEX_MISSING = "index entry missing"
    """A record has no entry in an index where it should have one."""
    INDEX_EXTRA = "index entry extra"
    """An index entry that no record makes."""
    INDEX_COUNT = "index count"
    """The number of entries differs, where keys cannot be recomputed."""
    LV_CHUNK = "long value chunk"
    """A chunk of a long value is missing, misplaced or of a wrong size."""
    LV_ROOT = "long value root"
    """A long value that records refer to, or whose chunks exist, has no root."""
    LV_REFERENCES_LOW = "long value count low"
    """More records refer to a long value than it counts."""
    LV_REFERENCES_HIGH = "long value count high"
    """Fewer records refer to a long value than it counts."""
    LV_ORPHAN = "long value orphan"
    """No record refers to a long value."""
    CATALOG = "catalog"
    """A catalog row makes no sense."""
    SHADOW = "shadow catalog"
    """The catalog and its shadow differ."""
    OBJECT_IDS = "object ids"
    """MSysObjids and the catalog differ, or an object id is higher than the header knows."""
    NOT_COMPARED = "not compared"
    """Something could not be checked; the detail says why."""
    MORE = "more"
    """Further findings of a kind, counted only."""


_CODES: Final = {
    CheckKind.VERSION: Err.InvalidDatabaseVersion,
    CheckKind.STATE: Err.DatabaseDirtyShutdown,
    CheckKind.CHECKSUM: Err.ReadVerifyFailure,
    CheckKind.BLANK_PAGE: Err.PageNotInitialized,
    CheckKind.BEYOND_END: Err.FileIOBeyondEOF,
    CheckKind.PAGE_NUMBER: Err.ReadPgnoVerifyFailure,
    CheckKind.PAGE_TIME: Err.DbTimeCorrupted,
    CheckKind.TAGS: Err.PageTagCorrupted,
    CheckKind.FREE_SPACE: Err.PageTagCorrupted,
    CheckKind.NODE: Err.NodeCorrupted,
    CheckKind.SEPARATOR: Err.BadParentPageLink,
    CheckKind.CHILD: Err.BadParentPageLink,
    CheckKind.SIBLING: Err.BadPageLink,
    CheckKind.PAGE_OBJECT: Err.BadPageLink,
    CheckKind.PAGE_FLAGS: Err.BadPageLink,
    CheckKind.CROSS_LINK: Err.BadPageLink,
    CheckKind.SPACE_TREE: Err.SPOwnExtCorrupted,
    CheckKind.OWNED_TWICE: Err.SPOwnExtCorrupted,
    CheckKind.NOT_OWNED: Err.SPOwnExtCorrupted,
    CheckKind.PRIMARY_KEY: Err.PrimaryIndexCorrupted,
    CheckKind.INDEX_MISSING: Err.SecondaryIndexCorrupted,
    CheckKind.INDEX_EXTRA: Err.SecondaryIndexCorrupted,
    CheckKind.INDEX_COUNT: Err.SecondaryIndexCorrupted,
    CheckKind.LV_CHUNK: Err.LVCorrupted,
    CheckKind.LV_ROOT: Err.LVCorrupted,
    CheckKind.LV_REFERENCES_LOW: Err.LVCorrupted,
    CheckKind.CATALOG: Err.CatalogCorrupted,
    CheckKind.SHADOW: Err.CatalogCorrupted,
}


def code_of(kind: CheckKind, severity: Severity) -> int:
    """Return the engine's error code for an error of this kind, 0 for what is no error."""
    return _CODES.get(kind, Err.DatabaseCorrupted) if severity is Severity.ERROR else 0


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing that is wrong, or worth knowing.

    `code` is the engine's error for it, 0 when it is no error.  `page` is the page it is about (0: none), `line` the
    place of a node on that page, from 0.  `table` names the table, `tree` the index, "LV", or which space tree;
    both are empty for the file and the system root.
    """

    kind: CheckKind
    severity: Severity
    detail: str
    code: int = 0
    table: str = ""
    tree: str = ""
    page: int = 0
    line: int | None = None

    @property
    def is_error(self) -> bool:
        """Whether the database is damaged."""
        return self.severity is Severity.ERROR

    @property
    def name(self) -> str:
        """Name of the engine's error, empty when there is none."""
        return error_name(self.code) if self.code else ""

    @property
    def where(self) -> str:
        """The object and the place, in words; empty for the file as a whole."""
        parts = [".".join(each for each in (self.table, self.tree) if each)]
        if self.page:
            parts.append(f"page {self.page}" if self.line is None else f"page {self.page} line {self.line}")
        return " ".join(each for each in parts if each)
