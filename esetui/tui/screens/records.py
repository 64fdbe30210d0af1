"""The log records of an instance, read as far as they are looked at."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from textual.containers import Vertical
from textual.content import Content

from engine.errors import EseError
from engine.log.stream import LogStream
from esetui.tui.rows import Part
from esetui.tui.screens.dialogs import Dialog
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import ComposeResult

    from engine.discover import FoundInstance
    from engine.files.base import FileSystem

_CHUNK: Final = 500
_MOST: Final = 200_000
"""Records that are kept; for more there is the command."""


class Records(RowList):
    """Rows that grow when the cursor nears their end."""

    def __init__(self, source: Iterator[tuple[str, str, str]]) -> None:
        super().__init__()
        self._source = source
        self._rows: list[tuple[str, str, str]] = []
        self.problem = ""
        self.more()

    def more(self) -> None:
        """Read some more records."""
        if len(self._rows) >= _MOST:
            return
        try:
            self._rows += islice(self._source, _CHUNK)
        except EseError as error:
            self.problem = str(error)

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def lesson(self) -> str:
        """Say why there is nothing."""
        return self.problem or "The log holds no record."

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Move, and read on when the end is near."""
        if index >= len(self._rows) - _CHUNK // 4:
            self.more()
            self.reload()
        super().move_to(index, tell=tell)

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        position, name, text = self._rows[index]
        return (Part(position, "muted"), Part(name, "accent", width=18), Part(text, flex=True))


class RecordsScreen(Dialog):
    """The records on the whole screen, oldest first."""

    def __init__(self, found: FoundInstance, fs: FileSystem) -> None:
        super().__init__()
        self._found, self._fs = found, fs
        self._records = Records(self._read())

    def _read(self) -> Iterator[tuple[str, str, str]]:
        from esetui.cli.describe.log import record_text, type_name  # noqa: PLC0415 - only when asked for

        stream = LogStream.find(self._fs, self._found.log_folder, self._found.base_name)
        if stream is None:
            return
        for each in stream.records():
            yield str(each.pos), type_name(each.record), record_text(each.record)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="dialog wide-dialog view") as box:
            box.border_title = Content("Log records")
            box.border_subtitle = Content("esc back")
            yield self._records

    def on_mount(self) -> None:
        """Go to the first record."""
        self._records.reload()
        self._records.focus()
