"""Values as a person reads them: sizes, ages, counts, generations, and text from files made harmless.

Text from a database, a path or an event may hold anything: control characters, escape sequences, markup,
letters that turn the writing direction.  `safe` makes every such character visible, so nothing that comes
from a file can move the cursor or change a colour.
Source: console design, "Manner".
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KILO = 1024
_THREE_DIGITS = 1000
_HOSTILE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_MAX_TEXT = 4096


def safe(value: object, limit: int = _MAX_TEXT) -> str:
    r"""Return text without anything a terminal would obey: such characters appear as \\x1b, \\u202e and the like."""
    text = str(value)
    if len(text) > limit:
        text = text[:limit] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(each) for each in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HOSTILE:
        return character
    code = ord(character)
    if code < 0x100:  # noqa: PLR2004 - two hexadecimal digits hold it
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four digits hold it


def crop(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, its end replaced by an ellipsis when it is longer."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"


def crop_middle(text: str, width: int) -> str:
    """Return a path in at most `width` cells: the end, which tells most, and a little of the beginning."""
    if cell_len(text) <= width:
        return text
    if width < 8:  # noqa: PLR2004 - too narrow for two pieces
        return crop(text, width)
    head = max(3, width // 4)
    tail = width - head - 1
    end = text
    while end and cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, head) + "…" + end


def size(count: int) -> str:
    """Return a size with three digits and a binary unit: 41.0 MiB."""
    value = float(count)
    for unit in _UNITS:
        if value < _THREE_DIGITS or unit == _UNITS[-1]:
            break
        value /= _KILO
    if unit == "B":
        return f"{count} B"
    digits = 2 if value < 10 else 1 if value < 100 else 0  # noqa: PLR2004 - three digits in all
    return f"{value:.{digits}f} {unit}"


def rate(bytes_per_second: float) -> str:
    """Return a rate: 1.20 GiB/s."""
    return f"{size(int(bytes_per_second))}/s"


def count(value: int) -> str:
    """Return a count with thousands apart: 3,214."""
    return f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """Return a count and its noun: 1 log, 6 logs."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """Return minutes and seconds, 0:07, or hours, 1:02:03; a dash when unknown."""
    if seconds is None:
        return "-:--"
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def age(when: datetime | None, now: datetime) -> str:
    """Return how long ago `when` was: 6 h ago."""
    if when is None:
        return "never"
    seconds = (now - when).total_seconds()
    if seconds < -_MINUTE:
        return "in the future"
    for unit, name, upto in (
        (1, "s", _MINUTE),
        (_MINUTE, "min", _HOUR),
        (_HOUR, "h", 2 * _DAY),
        (_DAY, "d", 90 * _DAY),
        (30.44 * _DAY, "mo", 2 * 365 * _DAY),
    ):
        if seconds < upto:
            return "just now" if unit == 1 and seconds < 10 else f"{int(seconds / unit)} {name} ago"  # noqa: PLR2004
    return f"{int(seconds / (365.25 * _DAY))} y ago"


def moment(when: datetime | None) -> str:
    """Return date and time in the local zone, with the zone; a dash when unknown."""
    return "-" if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def short_moment(when: datetime | None, now: datetime | None = None) -> str:
    """Return `Nov 22 03:00` in the local zone, or `2019-11-22` for another year."""
    if when is None:
        return "-"
    local = when.astimezone()
    this_year = (now or datetime.now(UTC)).astimezone().year
    return local.strftime("%b %d %H:%M") if local.year == this_year else local.strftime("%Y-%m-%d")


def clock(when: datetime) -> str:
    """Return the local time of day."""
    return when.astimezone().strftime("%H:%M:%S")


def generation(number: int) -> str:
    """Return a generation in hexadecimal as Windows shows it, without leading zeros."""
    return f"{number:X}"


def generations(low: int, high: int) -> str:
    """Return a range of generations: 1A-1F with an en dash, or one of them."""
    if not low and not high:
        return "-"
    return generation(high) if low == high or not low else f"{generation(low)}–{generation(high)}"
