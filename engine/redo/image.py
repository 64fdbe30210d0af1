"""The page image that a split or merge record may carry.

The image is the source page before the change, but already with the record's dbtime.  First compression is
undone, then the gap between nodes and tags is put back.

    compressed   first byte >> 3 = 3: XPRESS, u16 size at 1, data from 3; 6 (XPRESS10) and 7 (LZ4) are refused
    dehydrated   the gap was cut out: the last 4 * n bytes are the n tags, and cbFree lacks the gap

Source: log reference 2.10.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format import xpress
from engine.format.lr import ImageFlags
from engine.format.page import TAG_SIZE
from engine.pages.mutable import MutablePage

if TYPE_CHECKING:
    from engine.format.lr import Merge2, Split2

_XPRESS: Final = 3
_KINDS: Final = {6: "XPRESS10", 7: "LZ4"}
_XPRESS_HEADER: Final = 3
_FREE_OFFSET: Final = 28
_TAG_STATE_OFFSET: Final = 34
_TAG_COUNT_MASK: Final = 0x0FFF
_HEADER: Final = 40
_WORD = struct.Struct("<H")


def load_image(record: Split2 | Merge2, page_size: int, *, path: str | None = None) -> MutablePage:
    """Return the record's page as it was before; -501 when the image makes no sense, -1001 for an unknown packing."""
    image = record.image
    if record.image_flags & ImageFlags.COMPRESSED:
        image = _unpack(image, record.pgno, page_size, path)
    if record.image_flags & ImageFlags.DEHYDRATED:
        image = _rehydrate(image, record.pgno, page_size, path)
    if len(image) != page_size:
        raise _corrupt(f"a page image of {len(image)} bytes", record.pgno, path)
    page = MutablePage.decode(image, record.pgno, path=path)
    page.dbtime = record.dbtime_before
    return page


def _unpack(image: bytes, pgno: int, page_size: int, path: str | None) -> bytes:
    if len(image) < _XPRESS_HEADER:
        raise _corrupt("a compressed page image without header", pgno, path)
    kind = image[0] >> 3
    if kind != _XPRESS:
        name = _KINDS.get(kind, f"kind {kind}")
        raise EseError.from_code(Err.FeatureNotAvailable, f"the page image is packed with {name}", path=path, page=pgno)
    size = _WORD.unpack_from(image, 1)[0]
    if size > page_size:
        raise _corrupt(f"a page image of {size} bytes", pgno, path)
    return xpress.decompress(image[_XPRESS_HEADER:], size)


def _rehydrate(image: bytes, pgno: int, page_size: int, path: str | None) -> bytes:
    length = len(image)
    if not _HEADER <= length <= page_size:
        raise _corrupt(f"a page image of {length} bytes", pgno, path)
    tags = TAG_SIZE * (_WORD.unpack_from(image, _TAG_STATE_OFFSET)[0] & _TAG_COUNT_MASK)
    if tags > length - _HEADER:
        raise _corrupt(f"a page image of {length} bytes with {tags} bytes of tags", pgno, path)
    whole = bytearray(page_size)
    whole[: length - tags] = image[: length - tags]
    whole[page_size - tags :] = image[length - tags :]
    free = _WORD.unpack_from(image, _FREE_OFFSET)[0] + page_size - length
    _WORD.pack_into(whole, _FREE_OFFSET, free & 0xFFFF)
    return bytes(whole)


def _corrupt(detail: str, pgno: int, path: str | None) -> EseError:
    return EseError.from_code(Err.LogFileCorrupt, detail, path=path, page=pgno)
