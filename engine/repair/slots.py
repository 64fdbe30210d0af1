"""What the flush map beside a database remembers of a page's write counter.

A map that the engine would take for the database's own is left as it is, so a page that is put in must carry the
counter that the map has for it; the engine takes any other for a lost write.  Source: database reference 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.attached import believable_flush_map
from engine.errors import Err, EseError
from engine.format.checksum import verify_page
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, FLUSH_MAP_SLOTS, flush_type_of
from engine.log.paths import without_extension

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader


@dataclass(slots=True)
class FlushSlots:
    """The slots of the map at `path`; None: there is no map that counts."""

    fs: FileSystem
    path: str | None

    @classmethod
    def of(cls, fs: FileSystem, database: str, header: DatabaseHeader) -> FlushSlots:
        """Return the slots for a database."""
        believed = believable_flush_map(fs, database, header) is not None
        return cls(fs, without_extension(database) + ".jfm" if believed else None)

    def of_page(self, pgno: int) -> int:
        """Return the counter 1..3 that the engine will look for, 0 when it takes any; -1018 for a damaged map page."""
        if self.path is None:
            return 0
        number = pgno // FLUSH_MAP_SLOTS
        with self.fs.open(self.path) as file:
            page = file.read_at((number + 1) * FLUSH_MAP_PAGE_SIZE, FLUSH_MAP_PAGE_SIZE)
        if len(page) < FLUSH_MAP_PAGE_SIZE:
            return 0
        bad = verify_page(page, number)
        if bad is not None:
            raise EseError.from_code(
                Err.ReadVerifyFailure,
                "a page of the flush map is damaged",
                path=self.path,
                page=number,
                hint="delete the map: the engine makes a new one",
            )
        return flush_type_of(page, pgno)
