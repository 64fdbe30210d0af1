"""Findings: what is wrong with a file, as values.  Nothing is raised for damage that a check was made to find.

A `Finding` is one damaged unit, or a warning about one.  Verification, reading and the integrity check all speak of
damage in this form, so that one screen and one command line show it.

Source: jet-api reference 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from engine.errors import error_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.errors import EseError

MOST_FINDINGS: Final = 10_000
"""Findings that a report or a reader keeps; the others are counted only."""


class UnitKind(Enum):
    """What a finding is about."""

    HEADER = "header"
    """A copy of a header; number 1 or 2."""
    PAGE = "page"
    """A page of a database; its page number."""
    TRAILER = "trailer"
    """The last page of a backup copy."""
    SEGMENT = "segment"
    """A segment of a log; its index."""
    MAP_PAGE = "map page"
    """A page of a flush map, counted from 0."""
    TREE = "tree"
    """A B+-tree as a whole; the number of its root page."""
    RECORD = "record"
    """A node of a page; the number of that page."""
    FILE = "file"
    """The file as a whole, or a file that is missing; number 0, for a missing log its generation."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One damaged unit.

    `number` counts as `kind` says, `offset` is the byte in the file where it begins.  `code` is the engine's error
    for it.  `stored` and `computed` are the checksums, equal or 0 where the damage is of another sort; of a lost write
    the write counters of the flush map and of the page.  `bits` are
    the flipped bits, numbered within the unit, when flipping them back makes it right; `corrected` says that
    this was done.  `claimed` is the page number under which the page would be right.  A `warning` is worth
    knowing but does not make the file bad.  `table` names the table and `tree` the index or the long values, where
    they are known; `line` is the place of a node on its page, from 0.
    """

    path: str
    kind: UnitKind
    number: int
    offset: int
    code: int
    detail: str
    stored: int = 0
    computed: int = 0
    bits: tuple[int, ...] = ()
    claimed: int | None = None
    warning: bool = False
    corrected: bool = False
    table: str = ""
    tree: str = ""
    line: int | None = None

    @property
    def error_code(self) -> int:
        """The same as `code`, under the API's name."""
        return self.code

    @property
    def name(self) -> str:
        """Name of the error, such as JET_errReadVerifyFailure."""
        return error_name(self.code)

    @property
    def correctable(self) -> bool:
        """Whether only single bits are wrong, so that the unit can be put right."""
        return bool(self.bits)

    @property
    def bit(self) -> int | None:
        """The first flipped bit, numbered within the unit, or None."""
        return self.bits[0] if self.bits else None


class Findings:
    """Findings as they come: the first `MOST_FINDINGS` are kept, all are counted and handed on.

    A finding that was met before, such as a damaged page that two walks come across, is passed over.
    """

    def __init__(self, on_finding: Callable[[Finding], object] | None = None) -> None:
        self.kept: list[Finding] = []
        self.count = 0
        self.on_finding = on_finding
        self._known: set[tuple[object, ...]] = set()

    def add(self, finding: Finding) -> None:
        """Take a finding unless it is known."""
        place = (finding.kind, finding.number, finding.offset, finding.line, finding.detail)
        if place in self._known:
            return
        if len(self._known) < MOST_FINDINGS:
            self._known.add(place)
            self.kept.append(finding)
        self.count += 1
        if self.on_finding is not None:
            self.on_finding(finding)


def finding_of(
    error: EseError,
    kind: UnitKind,
    number: int,
    *,
    path: str = "",
    table: str = "",
    tree: str = "",
    line: int | None = None,
    warning: bool = False,
) -> Finding:
    """Return the finding that an error stands for."""
    return Finding(
        path=error.path or path,
        kind=kind,
        number=number,
        offset=error.offset or 0,
        code=error.code,
        detail=error.message,
        stored=error.stored or 0,
        computed=error.computed or 0,
        warning=warning,
        table=table,
        tree=tree,
        line=line,
    )
