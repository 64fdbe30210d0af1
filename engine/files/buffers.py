"""Large buffers to read into.

Filling four megabytes of ordinary memory from the page cache costs about as much in address translation as in
copying: a thousand small pages.  Where the system can, the buffer is made of huge pages, and reading into it is up
to twice as fast.  Elsewhere it is plain memory.
"""

from __future__ import annotations

import ctypes
import mmap
from contextlib import suppress
from typing import Final

HUGE_PAGE: Final = 2 << 20
"""Bytes of a huge page on the processors where it matters."""


def io_buffer(size: int) -> memoryview:
    """Return a writable buffer of `size` zero bytes, freed when the last view of it is gone.

    Buffers of at least a huge page begin at the boundary of one; smaller ones are ordinary.
    """
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if size < HUGE_PAGE or advice is None:
        return memoryview(bytearray(size))
    # Private: shared memory of this kind would not get huge pages.
    area = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # A kernel built without huge pages refuses the advice; the memory is good all the same.
    with suppress(OSError):
        area.madvise(advice)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(area)) % HUGE_PAGE
    return memoryview(area)[start : start + size]
