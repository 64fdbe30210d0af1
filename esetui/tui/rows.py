"""One line of a pane: parts of fixed or flexible width, laid out to exactly the width of the pane.

    compose_row((Part("dhcp.mdb", flex=True), Part("41.0 MiB", width=9, right=True)), 30, palette)

One part may be flexible and takes what the others leave; a part with a `drop` rank disappears, highest rank
first, when the flexible part would otherwise get fewer than `minimum` cells.  Texts are made harmless here,
so no caller can forget it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from esetui.tui.words import crop, crop_middle, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from esetui.tui.theme import Palette


class Part(NamedTuple):
    """A piece of a row.  `width` 0 means as wide as the text."""

    text: str
    style: str = "plain"
    width: int = 0
    right: bool = False
    flex: bool = False
    drop: int = 0
    path: bool = False
    joined: bool = False
    """No gap before this part."""

    @property
    def cells(self) -> int:
        """Cells wanted."""
        return self.width or cell_len(safe(self.text))


def compose_row(
    parts: Sequence[Part],
    width: int,
    palette: Palette,
    base: Style,
    *,
    gap: int = 1,
    minimum: int = 6,
) -> Strip:
    """Return a strip of exactly `width` cells: parts separated by `gap` spaces over the style `base`."""
    kept = [part for part in parts if part.text or part.width or part.flex]
    while True:
        fixed = sum(part.cells for part in kept if not part.flex)
        fixed += gap * sum(1 for part in kept[1:] if not part.joined)
        flexible = next((part for part in kept if part.flex), None)
        need = min(minimum, flexible.cells) if flexible else 0
        droppable = [part for part in kept if part.drop]
        if fixed + need <= width or not droppable:
            break
        kept.remove(max(droppable, key=lambda part: part.drop))
    room = max(0, width - fixed)
    segments: list[Segment] = []
    used = 0
    for index, part in enumerate(kept):
        if index and gap and not part.joined:
            segments.append(Segment(" " * gap, base))
            used += gap
        cells = room if part.flex else part.cells
        cells = max(0, min(cells, width - used))
        text = safe(part.text)
        text = crop_middle(text, cells) if part.path else crop(text, cells)
        blank = cells - cell_len(text)
        padded = " " * blank + text if part.right else text + " " * blank
        segments.append(Segment(padded, base + palette.named(part.style)))
        used += cells
    if used < width:
        segments.append(Segment(" " * (width - used), base))
    return Strip(segments).crop(0, width)


_LONGEST_WRAPPED = 1 << 16
"""Characters of a text that are laid out: what stands in details is there in full, within reason."""


def text_row(text: str, style: str, width: int, palette: Palette, base: Style) -> Strip:
    """Return a strip with one text."""
    return compose_row((Part(text, style, flex=True),), width, palette, base)


def wrap(text: str, width: int) -> list[str]:
    """Break a harmless text into lines of at most `width` cells, at spaces where there are any."""
    lines: list[str] = []
    if width <= 0:
        return lines
    for paragraph in text.split("\n"):
        line = ""
        for word in safe(paragraph, _LONGEST_WRAPPED).split(" "):
            candidate = f"{line} {word}" if line else word
            if cell_len(candidate) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            line = word
            while cell_len(line) > width:
                head = set_cell_size(line, width).rstrip(" ")
                # A wide character may not fit the last cell; always take at least one.
                taken = max(1, len(head))
                lines.append(line[:taken])
                line = line[taken:]
        lines.append(line)
    return lines


def bar(fraction: float, width: int, full: str, part: str, empty: str) -> tuple[str, str]:
    """Return (filled, empty) pieces of a progress bar of `width` cells."""
    fraction = min(1.0, max(0.0, fraction))
    eighths = int(fraction * width * 8)
    whole, rest = divmod(eighths, 8)
    filled = full * whole
    if rest and len(part) > rest and whole < width:
        filled += part[rest]
    return filled, empty * (width - len(filled))


def sparkline(values: Sequence[float], width: int, levels: str, least: float = 0.0) -> str:
    """Return the last `width` values as a line of blocks; the tallest block is the highest value, or `least`."""
    shown = list(values)[-width:] if width > 0 else []
    top = max(0.0, least, *shown)
    if top <= 0:
        return levels[0] * len(shown)
    last = len(levels) - 1
    return "".join(levels[min(last, round(value / top * last))] for value in shown)


def chart(values: Sequence[float], width: int, height: int, levels: str, least: float = 0.0) -> list[str]:
    """Return the last `width` values as `height` lines of blocks, top line first; `least` as in a sparkline."""
    shown = list(values)[-width:] if width > 0 else []
    top = max(0.0, least, *shown)
    lines = []
    steps = len(levels)
    for row in range(height - 1, -1, -1):
        line = ""
        for value in shown:
            filled = (value / top * height * steps if top > 0 else 0) - row * steps
            line += " " if filled <= 0 and row else levels[min(steps - 1, max(0, int(filled) - 1))]
        lines.append(line)
    return lines
