"""The room in memory that the live pages of an instance share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.store.pages import StorePages

DEFAULT_CACHE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of pages that are kept decoded unless the parameters say otherwise."""

FEWEST_PAGES: Final = 64
"""Pages that the cache holds whatever the parameters say: what one operation may need at once, and some."""


class PagePool:
    """The room that the live pages of all databases of an instance share; `limit` in pages."""

    def __init__(self, limit: int) -> None:
        self.limit = max(FEWEST_PAGES, limit)
        self.count = 0
        self.stores: list[StorePages] = []

    @property
    def dirty(self) -> int:
        """Number of pages that are ahead of their files."""
        return sum(each.dirty_pages for each in self.stores)

    def shrink(self) -> None:
        """Let pages go, those not used for longest, of the database that has most; changed ones are written."""
        surplus = self.count - self.limit * 3 // 4
        while surplus > 0:
            largest = max(self.stores, key=lambda each: each.kept_pages)
            going = min(surplus, max(1, largest.kept_pages // 2))
            largest.evict(going)
            surplus -= going
