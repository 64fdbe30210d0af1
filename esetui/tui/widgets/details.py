"""The details of what has the focus: header fields in words, the log strip, every string of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.model import EventRow, Field, Level, Section, Tone
from esetui.tui.rows import Part, wrap
from esetui.tui.widgets.drawn import Lines
from esetui.tui.widgets.log_strip import strip_rows
from esetui.tui.widgets.readlist import ReadList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.tui.model import LogStrip
    from esetui.tui.theme import Glyphs

_TONES = {
    Tone.PLAIN: "plain",
    Tone.MUTED: "muted",
    Tone.GOOD: "good",
    Tone.WARN: "warn",
    Tone.BAD: "bad strong",
    Tone.INFO: "accent",
}


class Details(ReadList):
    """Sections of labelled values, wrapped to the width."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.heading = ""
        self._sections: tuple[Section, ...] = ()
        self._strip: LogStrip | None = None
        self._early = False
        self._lines: list[Sequence[Part]] = []
        self._width = 0

    def show(
        self, heading: str, sections: tuple[Section, ...], strip: LogStrip | None = None, *, early: bool = False
    ) -> None:
        """Take what is to be shown; an `early` strip comes after the first section, else after all."""
        if (heading, sections, strip) == (self.heading, self._sections, self._strip):
            return
        if heading != self.heading:
            self.scroll_to(y=0, animate=False, force=True)
        self.heading, self._sections, self._strip, self._early = heading, sections, strip, early
        self._lay_out()

    def on_resize(self) -> None:
        """Wrap to the new width."""
        super().on_resize()
        if self.scrollable_content_region.width != self._width:
            self._lay_out()

    def _lay_out(self) -> None:
        # Without the scroll bar: what lies under it cannot be read.
        self._width = self.scrollable_content_region.width
        strip: list[Sequence[Part]] = []
        if self._strip is not None and self._strip.high:
            strip = [(Part("Log files", "accent strong"),), *strip_rows(self._strip, self._width, self.glyphs)]
        first, rest = (self._sections[:1], self._sections[1:]) if self._early else (self._sections, ())
        groups = [section_rows(first, self._width), strip, section_rows(rest, self._width)]
        lines: list[Sequence[Part]] = []
        for group in groups:
            if lines and group:
                lines.append((Part(" "),))
            lines += group
        self._lines = lines
        self.reload()

    def count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a line."""
        return self._lines[index]

    def lesson(self) -> str:
        """Say what will be here."""
        return "The details of what is chosen on the left appear here."


class FieldLines(Lines):
    """A few labelled values, as high as they need."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes="text")
        self._fields: tuple[Field, ...] = ()

    def show(self, fields: tuple[Field, ...]) -> None:
        """Take what is to be shown."""
        if fields != self._fields:
            self._fields = fields
            self.redraw()
            self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:  # noqa: ARG002
        """Return the lines needed."""
        return len(self.rows(width, 0))

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - as many as it takes
        """Return the lines."""
        label = max((len(each.label) for each in self._fields), default=0)
        return [line for each in self._fields for line in field_rows(each, label, width)]


def section_rows(sections: tuple[Section, ...], width: int) -> list[Sequence[Part]]:
    """Return the lines of sections: label in a column, value wrapped beside it, or below it when there is no room."""
    lines: list[Sequence[Part]] = []
    for section in sections:
        if lines:
            lines.append((Part(" "),))
        if section.title:
            lines.append((Part(section.title, "accent strong", flex=True),))
        longest = max((len(each.label) for each in section.fields), default=0)
        label = min(longest, max(8, width * 2 // 5))
        for field in section.fields:
            lines += field_rows(field, label, width)
    return lines


def field_rows(field: Field, label: int, width: int) -> list[Sequence[Part]]:
    """Return the lines of one field."""
    style = _TONES[field.tone]
    if not field.label:
        return [(Part(line, style, flex=True),) for line in wrap(field.value, width)]
    room = max(6, width - label - 1)
    values = wrap(field.value, room) or [""]
    return [
        (Part(words.crop(field.label, label) if not at else " ", "muted", width=label), Part(value, style, flex=True))
        for at, value in enumerate(values)
    ]


def event_sections(row: EventRow, meaning: str = "", advice: str = "") -> tuple[Section, ...]:
    """Return the details of an event: when, what, every string, what it means, what to do."""
    tone = {Level.WARN: Tone.WARN, Level.ERROR: Tone.BAD}.get(row.level, Tone.PLAIN)
    head = [Field("time", words.moment(row.when)), Field("level", row.level.value, tone)]
    if row.event_id is not None:
        head.append(Field("id", f"{row.event_id} {row.name}".strip()))
    if row.instance:
        head.append(Field("instance", row.instance))
    sections = [Section("Event", tuple(head)), Section("Text", (Field("", row.text, tone),))]
    if row.strings:
        strings = tuple(Field(f"%{at}", text) for at, text in enumerate(row.strings, 1))
        sections.append(Section("Strings", strings))
    if meaning:
        sections.append(Section("What it means", (Field("", meaning),)))
    if advice:
        sections.append(Section("What to do", (Field("", advice),)))
    return tuple(sections)


def rows_text(sections: tuple[Section, ...], glyphs: Glyphs | None = None) -> str:  # noqa: ARG001 - one form of text
    """Return sections as plain text, for copying."""
    lines = []
    for section in sections:
        lines.append(section.title)
        lines += [f"  {each.label}: {each.value}" if each.label else f"  {each.value}" for each in section.fields]
    return "\n".join(words.safe(line) for line in lines)
