"""The difference that a ReplaceD record carries.

A sequence of pieces, offsets ascending, relative to the old data::

    small form (pages up to 8 KiB)   u16: bits 0-12 offset, 0x2000 same length, 0x4000 insert, 0x8000 lengths are u16
    large form                       u16 offset, u8: 0x20 same length, 0x40 insert, 0x80 lengths are u16

then the length of the new bytes, then, unless it is an insertion or of the same length, that of the old bytes
(u8 each, or u16), then the new bytes.  Source: log reference 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_DATA: Final = 32768
"""No node's data is longer than the largest page."""

_OFFSET_BITS: Final = 13
_SAME, _INSERT, _WIDE = 0x20, 0x40, 0x80


class DiffPiece(NamedTuple):
    """At `offset` of the old data, `cb_old` bytes are replaced by `data`; `insert`, `same`, `wide` tell the form."""

    offset: int
    cb_old: int
    data: bytes
    insert: bool
    same: bool
    wide: bool


def diff_pieces(diff: bytes, *, large: bool) -> Iterator[DiffPiece]:
    """Yield the pieces; -501 with the offset in `diff` where one is cut off."""
    at = 0
    head = 3 if large else 2
    while at < len(diff):
        start = at
        value = int.from_bytes(diff[at : at + 2], "little")
        offset, flags = (value, diff[at + 2]) if large and at + 2 < len(diff) else _split(value)
        width = 2 if flags & _WIDE else 1
        at += head
        length = int.from_bytes(diff[at : at + width], "little")
        at += width
        cb_old = 0 if flags & _INSERT else length
        if not flags & (_INSERT | _SAME):
            cb_old = int.from_bytes(diff[at : at + width], "little")
            at += width
        end = at + length
        if at > len(diff) or end > len(diff):
            raise EseError.from_code(Err.LogFileCorrupt, "piece of a difference cut off", offset=start)
        yield DiffPiece(offset, cb_old, diff[at:end], bool(flags & _INSERT), bool(flags & _SAME), bool(flags & _WIDE))
        at = end


def apply_diff(old: bytes, diff: bytes, *, large: bool, limit: int = LARGEST_DATA) -> bytes:
    """Return the new data; -501 when the difference does not fit the old data or gives more than `limit` bytes."""
    parts: list[bytes] = []
    at = size = 0
    for piece in diff_pieces(diff, large=large):
        if piece.offset < at or piece.offset + piece.cb_old > len(old):
            detail = f"difference at {piece.offset} of {len(old)} bytes"
            raise EseError.from_code(Err.LogFileCorrupt, detail, offset=piece.offset)
        parts += (old[at : piece.offset], piece.data)
        size += piece.offset - at + len(piece.data)
        at = piece.offset + piece.cb_old
        if size > limit:
            raise EseError.from_code(Err.LogFileCorrupt, f"difference gives more than {limit} bytes", offset=at)
    parts.append(old[at:])
    if size + len(old) - at > limit:
        raise EseError.from_code(Err.LogFileCorrupt, f"difference gives more than {limit} bytes", offset=at)
    return b"".join(parts)


def _split(value: int) -> tuple[int, int]:
    """Take the small form apart; its flags stand where those of the large form stand."""
    return value & ((1 << _OFFSET_BITS) - 1), value >> 8 & (_SAME | _INSERT | _WIDE)
