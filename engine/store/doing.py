"""A tree that is live, and who changes it.

Every change is a log record, appended and then applied; nothing else touches a page.  All of it happens under
`Journal.latch`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from engine.format.page import TAG_SIZE, header_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.format import lr
    from engine.store.journal import Journal
    from engine.store.pages import StorePages
    from engine.types import LgPos

DEFAULT_DENSITY: Final = 80
"""Percent of a leaf that appends fill."""

make_record = cast("Callable[[type[lr.PageRecord], Iterable[Any]], lr.PageRecord]", tuple.__new__)
"""Makes a record of its values, without the cost of a call into Python."""


class Doer(Protocol):
    """Who does it: a transaction of a session, or a task of the system."""

    @property
    def procid(self) -> int:
        """Number of the session in log records."""

    @property
    def level(self) -> int:
        """Transaction level."""

    @property
    def trx_begin0(self) -> int:
        """Id of the outermost transaction."""

    @property
    def record_flags(self) -> int:
        """Flags that all of its records carry: 0, or `lr.NodeFlags.SYSTEM_TASK`."""

    @property
    def journal(self) -> Journal:
        """The log."""

    def begun(self) -> LgPos | None:
        """Log the beginning of the transaction unless that is done; return where it is (None: no transaction)."""

    def held(self, tree: TreeRef, key: bytes, data: bytes) -> int | None:
        """Tell what versions still need of a node: the largest data that undoing may put back, in bytes.

        None: the node has no version that could be undone or is still read.  `data` is the bookmark's, empty in
        unique trees.
        """


@dataclass(slots=True, eq=False)
class TreeRef:
    """A tree: its root, its object, what its pages are.

    `kind` holds the page flags that all pages of the tree share.  `parent` is the tree that gives it space, None
    for the system root.  A space tree has `owner`, the tree whose extents it lists, and no parent.
    """

    pages: StorePages
    root: int
    objid: int
    unique: bool = True
    kind: int = 0
    density: int = DEFAULT_DENSITY
    parent: TreeRef | None = None
    owner: TreeRef | None = None
    hint: int = 0
    """Leaf where the last search ended."""
    hint_line: int = -1
    """Line of the last insert there."""
    streak: int = 0
    """Inserts in a row that each came right behind the one before."""
    freed: bool = False
    """Whether its pages went back to the parent: what is there now is of others."""

    @property
    def is_space(self) -> bool:
        """Whether it is an OE or AE tree."""
        return self.owner is not None

    slack: int = field(init=False)
    """Bytes of a leaf that appends leave free."""
    capacity: int = field(init=False)
    """Bytes of a page for prefix and nodes."""
    record_flags: int = field(init=False)
    """Flags of its records: 4 unique, 8 space."""
    number: int = field(init=False)
    """What tells it from the other trees of the instance."""

    def __post_init__(self) -> None:
        size = self.pages.page_size
        space = self.owner is not None
        unique = self.owner.unique if self.owner is not None else self.unique
        self.slack = 0 if space else size * (100 - self.density) // 100
        self.capacity = size - header_size(size) - TAG_SIZE
        self.number = self.objid << 8 | self.pages.dbid
        self.record_flags = (4 if unique else 0) | (8 if space else 0)

    @property
    def fdp(self) -> int:
        """Root page that records name: the owner's, for a space tree."""
        return self.owner.root if self.owner is not None else self.root
