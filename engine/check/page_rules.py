"""The rules that one page keeps by itself: number, object, flags, time, tags, free bytes.

Source: database reference 2.1, 2.2, 2.5; 10.1 for what the engine tolerates.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.check.context import KIND_FLAGS
from engine.check.findings import CheckKind
from engine.errors import Err, EseError
from engine.format.page import TAG_SIZE, PageFlags, header_size

if TYPE_CHECKING:
    from engine.check.context import Check, TreeSpec
    from engine.format.page import Page

_TAG = struct.Struct("<HH")
_FREED: Final = PageFlags.EMPTY | PageFlags.PRE_INIT
_SMALL_MASK: Final = 0x1FFF
_LARGE_MASK: Final = 0x7FFF
_SMALLEST_LINE: Final = 4


def check_page(check: Check, spec: TreeSpec, page: Page) -> bool:
    """Hold a page of a tree against the rules; False when its nodes cannot be trusted or are not of this tree."""
    header = page.header
    pgno = page.pgno
    if header.flags & _FREED:
        word = "free" if header.flags & PageFlags.EMPTY else "not yet in use"
        check.error(CheckKind.PAGE_FLAGS, f"the page is marked as {word} (flags {header.flags:#x})", spec, page=pgno)
        return False
    if header.objid != spec.objid:
        detail = f"the page belongs to object {header.objid}, the tree is {spec.objid}"
        check.error(CheckKind.PAGE_OBJECT, detail, spec, page=pgno)
        return False
    if page.large and header.pgno != pgno:
        check.error(CheckKind.PAGE_NUMBER, f"the page says that it is page {header.pgno}", spec, page=pgno)
        return False
    if not _right_sort(check, spec, page):
        return False
    if check.newest is not None and header.dbtime > check.newest:
        detail = f"the page was changed at {header.dbtime}, the header knows of {check.newest}"
        check.error(CheckKind.PAGE_TIME, detail, spec, page=pgno)
    return _tags(check, spec, page)


def _right_sort(check: Check, spec: TreeSpec, page: Page) -> bool:
    """Check the flags; False when the page is of another sort of tree."""
    flags, pgno = page.header.flags, page.pgno
    if bool(flags & PageFlags.SPACE_TREE) != spec.space:
        word = "of a space tree" if flags & PageFlags.SPACE_TREE else "not of a space tree"
        check.error(CheckKind.PAGE_FLAGS, f"the page is {word} (flags {flags:#x})", spec, page=pgno)
        return False
    if spec.kind & ~flags & ~PageFlags.NON_UNIQUE:
        detail = f"flags {flags:#x} lack some of the tree's, {spec.kind:#x}"
        check.error(CheckKind.PAGE_FLAGS, detail, spec, page=pgno)
    elif (flags ^ spec.kind) & KIND_FLAGS:
        # The engine reads such pages and its own check passes them.
        check.warn(CheckKind.PAGE_FLAGS, f"flags {flags:#x} in a tree with {spec.kind:#x}", spec, page=pgno)
    if flags & PageFlags.REPAIRED:
        check.error(CheckKind.PAGE_FLAGS, "the page is marked as repaired", spec, page=pgno)
    is_root = bool(flags & PageFlags.ROOT)
    if is_root and pgno != spec.root:
        # Repaired databases have such pages, and the engine's own check passes them.
        check.warn(
            CheckKind.PAGE_FLAGS, f"a page within the tree is marked as a root (flags {flags:#x})", spec, page=pgno
        )
    elif not is_root and pgno == spec.root:
        check.error(CheckKind.PAGE_FLAGS, f"the root is not marked as one (flags {flags:#x})", spec, page=pgno)
    if flags & PageFlags.LEAF and flags & PageFlags.PARENT_OF_LEAF:
        check.error(CheckKind.LEVELS, f"a leaf that says it is above leaves (flags {flags:#x})", spec, page=pgno)
    if not flags & PageFlags.NEW_RECORD_FORMAT:
        check.warn(CheckKind.PAGE_FLAGS, f"the old format of records (flags {flags:#x})", spec, page=pgno)
    return True


def _tags(check: Check, spec: TreeSpec, page: Page) -> bool:
    """Check tags and free space; False when the tags make no sense."""
    header = page.header
    try:
        page.check()
    except EseError as error:
        if error.code == Err.BadPageLink:
            check.error(CheckKind.SIBLING, error.message, spec, page=page.pgno)
            return True
        sizes = _sizes(page)
        if sizes is not None and sizes + header.free + TAG_SIZE * header.tag_count != page.size - header_size(
            page.size
        ):
            right = page.size - header_size(page.size) - sizes - TAG_SIZE * header.tag_count
            detail = f"{header.free} free bytes noted, {right} are free"
            check.error(CheckKind.FREE_SPACE, detail, spec, page=page.pgno)
            return True
        if sizes is not None and header.uncommitted_free > header.free:
            detail = f"{header.uncommitted_free} bytes not yet free of {header.free} free ones"
            check.error(CheckKind.FREE_SPACE, detail, spec, page=page.pgno)
            return True
        spec.broken = True
        check.error(CheckKind.TAGS, error.message, spec, page=page.pgno)
        return False
    if check.strict:
        tight = max((at + size for at, size in _spans(page) if size), default=0)
        if tight < header.mic_free:
            detail = f"the used part ends at {tight}, noted is {header.mic_free}"
            check.info(CheckKind.FREE_SPACE, detail, spec, page=page.pgno)
    return True


def _spans(page: Page, first: int = 0) -> list[tuple[int, int]]:
    """Return (offset behind the header, size) of blobs from tag `first` on; the tags are known to lie on the page."""
    mask = _LARGE_MASK if page.large else _SMALL_MASK
    found = []
    for tag in range(first, page.header.tag_count):
        size, at = _TAG.unpack_from(page.data, page.size - TAG_SIZE * (tag + 1))
        found.append((at & mask, size & mask))
    return found


def _sizes(page: Page) -> int | None:
    """Return the bytes that blobs use, or None when the tags are broken in themselves."""
    header = page.header
    area = page.size - header_size(page.size)
    if not header.reserved_tags <= header.tag_count <= area // TAG_SIZE or header.mic_free > area:
        return None
    if any(size < _SMALLEST_LINE for _, size in _spans(page, header.reserved_tags)):
        return None
    spans = sorted(each for each in _spans(page) if each[1])
    limit = min(header.mic_free, area - TAG_SIZE * header.tag_count)
    end = 0
    for at, size in spans:
        if at < end or at + size > limit:
            return None
        end = at + size
    return sum(size for _, size in spans)
