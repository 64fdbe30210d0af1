"""A database that an instance has attached: its open file and its header in memory.

The header in memory is an immutable value that is replaced as a whole, so a reader takes it once and has one
state.  Writing it out is a step of its own: what may be done after which write is decided by the callers.

Header pages are written here, and what the store hands over. While no page changes, the flush map stays as it is and
stays true. The engine believes a map when the header names the map's own last signature, so that signature is
carried; a map that was not believable before gets no chance to become so by accident. Maps are not kept up to date:
before the first page is changed, `pages_change` takes the signature out of the header, and the engine makes a new map
then.
Source: database reference 1.4, 8.1; log reference 3.7.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol, Self

from engine import header_changes
from engine.format.attachinfo import AttachInfo
from engine.format.dbheader import HeaderSource
from engine.header_file import write_header
from engine.types import LGPOS_MIN, LgPos, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from engine.env import Environment
    from engine.files.base import Buffer, File, FileSystem
    from engine.format.dbheader import DatabaseHeader


class Counters(Protocol):
    """What is ahead of the header while the pages of a database change."""

    @property
    def dbtime_last(self) -> int:
        """The last dbtime given out."""

    @property
    def objid_last(self) -> int:
        """The last object number given out."""

    @property
    def last_page(self) -> int:
        """The last page that the database owns."""


class AttachedDatabase:
    """One attached database.  Safe from any thread.

    `consistent` is the position that the AttachDB record carried, `last_owned_page` the last page of the logical
    size (1-based), `cpg_max` the size limit in pages (0: none).
    """

    def __init__(  # noqa: PLR0913 - what an attachment consists of
        self,
        env: Environment,
        file: File,
        header: DatabaseHeader,
        *,
        dbid: int,
        last_owned_page: int,
        read_only: bool = False,
        logged: bool = True,
        cpg_max: int = 0,
        first_copy: HeaderSource = HeaderSource.PRIMARY,
        flush_map: Signature | None = None,
        consistent: LgPos = LGPOS_MIN,
    ) -> None:
        self.path = file.path
        self.dbid = dbid
        self.page_size = header.page_size
        self.read_only = read_only
        self.logged = logged
        self.cpg_max = cpg_max
        self.consistent = consistent
        self.counters: Counters | None = None
        """Set while the pages are live; headers and attach lists follow it."""
        self.reading = threading.Lock()
        """Held while a piece of the file is read for a backup, and while pages are written."""
        self._last_owned_page = last_owned_page
        self._env = env
        self._file = file
        self._header = header
        self._first_copy = first_copy
        self._flush_map = flush_map
        self._lock = threading.RLock()

    @property
    def header(self) -> DatabaseHeader:
        """The header in memory, as it is now."""
        if self.counters is not None:
            with self._lock:
                self._count()
        return self._header

    @property
    def fs(self) -> FileSystem:
        """The file system that the database lies on."""
        return self._env.fs

    @property
    def file(self) -> File:
        """The open file.  Pages are written to it by the store only."""
        return self._file

    @property
    def last_owned_page(self) -> int:
        """Last page of the logical size (1-based)."""
        return self._last_owned_page if self.counters is None else self.counters.last_page

    @property
    def size_bytes(self) -> int:
        """Size of the file in bytes."""
        return self._file.size()

    def change_header(self, change: Callable[[DatabaseHeader], DatabaseHeader]) -> None:
        """Replace the header in memory by `change(header)`, atomically."""
        with self._lock:
            self._header = change(self._header)

    def update_header(self, **fields: Any) -> None:
        """Replace fields of the header in memory, atomically."""
        self.change_header(lambda header: header.replace(**fields))

    def write_header(self) -> None:
        """Write both copies of the header in memory and make them durable."""
        with self._lock:
            self._count()
            self._header = header_changes.flushed(
                self._header, signature=self._env.new_signature(), flush_map=self._flush_map
            )
            write_header(self._file, self._header, first=self._first_copy)
            self._first_copy = HeaderSource.PRIMARY

    def pages_change(self) -> None:
        """Make the flush map unbelievable, durably: to be called before the first page is written.

        Else the map would contradict pages that are right, and the engine would call them lost writes.
        """
        with self._lock:
            if self._flush_map is not None:
                self._flush_map = None
                self.write_header()

    def write_pages(self, offset: int, data: Buffer) -> None:
        """Write whole pages; not while a backup reads a piece of the file, so that it never meets half a page."""
        with self.reading:
            self._file.write_at(offset, data)

    def resized(self, position: LgPos) -> None:
        """Note that the ExtendDB record at `position` changed the size."""
        if self._header.update_major >= header_changes.LAST_RESIZE_UPDATE:
            self.update_header(lgpos_last_resize=position)

    def _count(self) -> None:
        counters, header = self.counters, self._header
        if counters is not None and (
            counters.dbtime_last > header.dbtime_dirtied or counters.objid_last > header.objid_last
        ):
            self._header = self._header.replace(
                dbtime_dirtied=max(counters.dbtime_last, self._header.dbtime_dirtied),
                objid_last=max(counters.objid_last, self._header.objid_last),
            )

    def attach_info(self) -> AttachInfo:
        """Return the entry for log headers and checkpoints."""
        with self._lock:
            self._count()
            header = self._header
        return AttachInfo.create(
            self.dbid,
            self.path,
            header.sign_db,
            attach=header.lgpos_attach,
            consistent=self.consistent,
            dbtime=header.dbtime_dirtied,
            objid_last=header.objid_last,
            cpg_max=self.cpg_max,
        )

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
