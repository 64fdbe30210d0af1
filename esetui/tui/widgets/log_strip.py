"""The log strip: generations as cells from the oldest to the current one, and what happens to them.

    19 ▇▇▇▇▇▇▆▆ 20
             ▲  checkpoint 1F
       ━━━━━━━━ copied
       ╳╳╳╳╳╳   deleted afterwards

Used in the details, in the backup dialog and in the plan of a truncation: always the same strip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.rows import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.tui.model import LogStrip
    from esetui.tui.theme import Glyphs


def strip_rows(  # noqa: C901 - one line after the other
    strip: LogStrip,
    width: int,
    glyphs: Glyphs,
    *,
    copied: tuple[int, int] = (0, 0),
    removed: tuple[int, int] = (0, 0),
    replayed: tuple[int, int] = (0, 0),
) -> list[Sequence[Part]]:
    """Return the strip and one line for each thing to say about it; nothing for a stream without logs."""
    if not strip.high:
        return [(Part("no log files", "muted", flex=True),)]
    low = strip.low or strip.high
    count = strip.high - low + 1
    first, last = words.generation(low), words.generation(strip.high)
    room = max(1, width - len(first) - len(last) - 2)
    each = -(-count // room)
    cells = [range(at, min(at + each, strip.high + 1)) for at in range(low, strip.high + 1, each)]
    missing = set(strip.missing)
    required = range(strip.required_low, strip.required_high + 1) if strip.required_low else range(0)

    parts: list[Part] = [Part(first, "muted"), Part("")]
    joined = False
    for cell in cells:
        if any(generation in missing for generation in cell):
            part = Part(glyphs.bad, "bad strong", joined=joined)
        elif cell[0] < required.stop and cell[-1] >= required.start:
            part = Part(glyphs.required, "warn", joined=joined)
        else:
            part = Part(glyphs.present, "bar", joined=joined)
        parts.append(part)
        joined = True
    rows: list[Sequence[Part]] = [(*_merged(parts), Part(last, "muted"), Part("", flex=True))]

    indent = " " * (len(first) + 1)

    def line(mark: str, low: int, high: int, style: str, text: str) -> None:
        hit = [at for at, cell in enumerate(cells) if cell[0] <= high and cell[-1] >= low]
        if not hit:
            return
        before = indent + " " * hit[0]
        label_at = len(indent) + len(cells)
        marks = mark * (hit[-1] - hit[0] + 1)
        space = max(1, label_at - len(before) - len(marks) + 1)
        if label_at + 1 + len(text) <= width:
            rows.append((Part(before + marks, style), Part(" " * (space - 1) + text, style, joined=False)))
        else:
            rows.append((Part(before + marks, style),))
            rows.append((Part(indent + text, style),))

    if required:
        line(
            glyphs.required,
            required.start,
            required.stop - 1,
            "warn",
            f"recovery needs {_range(required.start, required.stop - 1)}",
        )
    if strip.missing:
        shown = ", ".join(words.generation(each) for each in strip.missing[:4])
        more = f" and {len(strip.missing) - 4} more" if len(strip.missing) > 4 else ""  # noqa: PLR2004 - four are shown
        rows.append((Part(indent + f"{glyphs.bad} missing {shown}{more}", "bad strong", flex=True),))
    if strip.checkpoint:
        line(
            glyphs.checkpoint,
            strip.checkpoint,
            strip.checkpoint,
            "accent",
            f"checkpoint {words.generation(strip.checkpoint)}",
        )
    if copied[1]:
        line("━", copied[0], copied[1], "good", f"copied {_range(*copied)}")
    if replayed[1]:
        line("━", replayed[0], replayed[1], "good", f"replayed {_range(*replayed)}")
    if removed[1]:
        line("×", removed[0], removed[1], "bad", f"deleted {_range(*removed)}")
    return rows


def _range(low: int, high: int) -> str:
    return words.generations(low, high)


def _merged(parts: list[Part]) -> list[Part]:
    """Join neighbours of one style: a thousand generations are few pieces."""
    out: list[Part] = []
    for part in parts:
        if out and part.joined and part.style == out[-1].style:
            out[-1] = out[-1]._replace(text=out[-1].text + part.text)
        else:
            out.append(part)
    return out
