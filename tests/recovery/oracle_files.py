"""Copies of the real engine's files, and what their pages say."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from engine.files.real import RealFileSystem
from engine.info import database_info
from engine.pages.mutable import MutablePage
from engine.space import owned_pages

if TYPE_CHECKING:
    from pathlib import Path


def writable_copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def content(path: Path) -> dict[int, tuple[object, ...]]:
    """Return what each owned page says, without order of blobs, write counters and version marks."""
    size = database_info(path).page_size
    with RealFileSystem().open(str(path)) as file:
        last = owned_pages(file, size).last
    data = path.read_bytes()
    pages: dict[int, tuple[object, ...]] = {}
    for pgno in range(1, last + 1):
        piece = data[(pgno + 1) * size : (pgno + 2) * size]
        if not any(piece):
            continue
        pages[pgno] = page_content(piece, pgno)
    return pages


def page_content(piece: bytes, pgno: int) -> tuple[object, ...]:
    """Return what one page says."""
    page = MutablePage.decode(piece, pgno)
    if page.flags & 0x8:
        return ("empty", page.dbtime)
    nodes = tuple((flags & ~1, key, value) for flags, key, value in page.full())
    flags = page.flags & 0x23FFF & ~0x2800
    return page.dbtime, flags, page.prev, page.next, page.objid, page.free, page.external, nodes
