"""The browser: the tables of a database, the rows of one of them, and the row under the cursor.

    tables           | rows, as far as they are in view        | the row, column by column (wide terminals)
    and their indexes|                                         |

All reading is done by one thread; this screen asks, and draws what comes.  However many rows there are, only those
near the view are held.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.message import Message

from engine.errors import EseError
from esetui.action import Action, Scope
from esetui.actions import BY_ID, command_line, quote
from esetui.tui import words
from esetui.tui.browse.closer import look_closer
from esetui.tui.browse.reader import Reader
from esetui.tui.browse.session import Line, Session, Shown, Status
from esetui.tui.doing.reading import export_rows
from esetui.tui.model import Field, Section, Tone
from esetui.tui.screens.dialogs import TextDialog
from esetui.tui.screens.value import ValueScreen
from esetui.tui.screens.view import ViewScreen
from esetui.tui.screens.work import WorkScreen
from esetui.tui.widgets.details import Details
from esetui.tui.widgets.pane import Pane
from esetui.tui.widgets.row_grid import RowGrid
from esetui.tui.widgets.rowlist import RowList
from esetui.tui.widgets.table_list import TableList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from engine.pages.source import PageSource
    from esetui.tui.control import Control

_FINDINGS_SHOWN: Final = 500


class Answer(Message):
    """What the reader has read."""

    def __init__(self, key: str, value: object) -> None:
        super().__init__()
        self.key = key
        self.value = value


class BrowseScreen(WorkScreen):
    """One database open for looking at.

    `pages` are those of a recovery in memory, `close` frees them; `note` says in words in what state it is shown.
    """

    scope: ClassVar[Scope] = Scope.BROWSE
    places: ClassVar[frozenset[Scope]] = frozenset((Scope.BROWSE, Scope.JOB))
    AUTO_FOCUS = "#tables"

    def __init__(
        self, control: Control, path: str, *, pages: PageSource | None = None, close: Any = None, note: str = ""
    ) -> None:
        super().__init__(control)
        self.path = path
        self.session = Session(path, control.fs, pages, close)
        self._note = note
        self._wanted: tuple[str, str | None] = ("", None)
        self._drawn: tuple[str, str | None] | None = None
        """The table and order that the grid has."""
        self._seen: Status = Status()
        self.tables = TableList(id="tables")
        self.grid = RowGrid(id="rows")
        self.details = Details(id="row-details")
        self._reader = Reader(lambda key, value: self.post_message(Answer(key, value)))

    def body(self) -> Iterable[Widget]:
        """Tables on the left, rows beside them, the row on the right."""
        yield Pane(self.tables, 1, "Tables", id="tables-pane", hint="filter: part of a name")
        yield Pane(self.grid, 2, "Rows", id="rows-pane", hint="filter: words, Column:text, !others")
        yield Pane(self.details, 0, "Row", id="row-pane")

    def on_mount(self) -> None:
        """Open the database in the reader's thread."""
        super().on_mount()
        self.grid.lesson = "Choose a table on the left; its rows appear here."
        self._reader.start()
        self._reader.ask("open", self.session.open)

    def on_unmount(self) -> None:
        """Close the database when the reader has done what it is doing."""
        self._reader.close(self.session.close)

    # What was read.

    def on_answer(self, event: Answer) -> None:
        """Draw what was read, or say what went wrong."""
        event.stop()
        value = event.value
        if isinstance(value, EseError):
            self._failed(event.key, value)
        elif event.key == "open" and isinstance(value, tuple):
            self.tables.show(value)
            self._reader.in_background(self.session.work)
            self._open_chosen()
        elif isinstance(value, Shown):
            if (value.name, value.index) == self._wanted:
                self.tables.open(value.name)
                self.grid.show(value.columns)
                self._drawn = self._wanted
                self.refresh_now()
        elif event.key == "window" and isinstance(value, tuple):
            self.grid.take(*value)
        elif isinstance(value, Line):
            self._show_row(value)
        elif isinstance(value, ValueScreen | ViewScreen):
            self.app.push_screen(value)

    def _failed(self, key: str, error: EseError) -> None:
        text = words.safe(f"{error.name} ({error.code}): {error.message}")
        if key == "open":
            self.tables.problem = "It could not be opened."
            self.tables.reload()
            self.grid.lesson = f"{text}\n{error.hint or ''}"
            self.grid.redraw()
        self.app.notify(text, severity="error", markup=False)

    def refresh_now(self) -> None:
        """Take the newest counts."""
        status = self.session.status
        self.tables.count_rows(dict(self.session.counts))
        if self._drawn == self._wanted:
            self.grid.count(status.known, status.total)
        self._seen = status
        name, index = self._wanted
        found = words.plural(status.findings, "damage finding") + ": d" if status.findings else ""
        self.pane("tables-pane").name_it(PurePath(self.path).name, foot=self._note)
        order = f"in the order of {index}" if index else ""
        self.pane("rows-pane").name_it(name or "Rows", note=order, foot=_foot(status, self.grid, found))

    def _show_row(self, line: Line) -> None:
        columns = {each.name: each for each in self.grid.columns}
        if line.problem:
            fields: tuple[Field, ...] = (Field("", line.problem, Tone.BAD),)
        else:
            fields = tuple(
                Field(name, cell.text, Tone.BAD if cell.style == "bad" else Tone.PLAIN)
                for name, cell in line.cells.items()
                if cell.text and name in columns
            )
            nulls = [name for name, cell in line.cells.items() if not cell.text]
            if nulls:
                fields = (*fields, Field("", f"null: {', '.join(nulls)}", Tone.MUTED))
        number = words.count(line.number + 1) if line.number >= 0 else "near the end"
        self.pane("row-pane").name_it("Row", note=number)
        self.details.show(f"{self._wanted} {line.number}", (Section("", fields),))

    # What is asked for.

    def _open_chosen(self) -> None:
        row = self.tables.chosen
        if row is None or self.tables.tables is None or (row.table.name, row.index) == self._wanted:
            return
        name, index = self._wanted = (row.table.name, row.index)
        self.pane("rows-pane").clear_filter()
        self.grid.lesson = "This table has no row."
        self._reader.ask("table", lambda: self.session.show(name, index))
        self._reader.in_background(self.session.work)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show the table under the cursor."""
        if event.rows is self.tables:
            self._open_chosen()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Go to the rows."""
        event.stop()
        if event.rows is self.tables:
            self.grid.focus()

    def on_row_grid_lacking(self) -> None:
        """Read the rows in view."""
        (start, count), names = self.grid.wanted, self.grid.names
        if count:
            self._reader.ask("window", lambda: self.session.window(start, count, names))

    def on_row_grid_moved(self) -> None:
        """Read the row under the cursor, where there is room to show it."""
        line = self.grid.line
        if line is not None and self.has_class("-wide"):
            self._reader.ask("row", lambda: self.session.row(line.number))

    def on_row_grid_chosen(self) -> None:
        """Show the value under the cursor in full."""
        line, column = self.grid.line, self.grid.chosen
        if line is None or column is None:
            return

        def read() -> object:
            entry = self.session.entry(line.number)
            return None if entry is None else ValueScreen(column, line.number, look_closer(entry, column))

        self._reader.ask("value", read)

    def on_pane_filtered(self, event: Pane.Filtered) -> None:
        """Filter the tables by name, the rows by what they hold."""
        if event.pane.body is self.tables:
            self.tables.set_filter(event.text)
            return
        text = event.text

        def begin() -> None:
            self.session.filter(text)
            self._reader.in_background(self.session.work)

        self._reader.ask("filter", begin)
        self.grid.lesson = "No row fits the filter; esc clears it." if text else "This table has no row."
        self.grid.restart()

    # Actions.

    def reason(self, action: Action) -> str:
        """Return why an action cannot be run now, or nothing."""
        shown = self.session.shown
        if action.id == "browse_index" and (shown is None or not shown.indexes):
            return "the table has no index"
        if action.id in {"browse_export", "copy_command"} and shown is None:
            return "no table is open"
        if action.id == "browse_damage" and not self._seen.findings:
            return "no damage was met so far"
        return ""

    def command(self) -> str:
        """Return the command that writes these rows."""
        name, index = self._wanted
        line = command_line(BY_ID["browse_export"], {"file": self.path, "table": name}) if name else None
        if line is None:
            return ""
        order = f" --index {quote(index)}" if index else ""
        return line + order + (" --replay" if self.session.replayed else "")

    def do_filter(self) -> None:
        """Open the filter of the pane with the focus."""
        focused = self.focused
        name = "tables-pane" if focused is self.tables else "rows-pane"
        self.pane(name).open_filter()

    def do_back(self) -> None:
        """Clear the filter of the rows, or leave."""
        pane = self.pane("rows-pane")
        if self.maximized is None and pane.filtering:
            pane.clear_filter()
        else:
            super().do_back()

    def do_pane_1(self) -> None:
        """Go to the tables."""
        self.tables.focus()

    def do_pane_2(self) -> None:
        """Go to the rows."""
        self.grid.focus()

    def do_show(self) -> None:
        """Show the value under the cursor in full."""
        self.on_row_grid_chosen()

    def do_browse_index(self) -> None:
        """Show the rows in the order of the next index."""
        shown = self.session.shown
        if shown is None:
            return
        orders: list[str | None] = [None, *shown.indexes]
        at = orders.index(self._wanted[1]) if self._wanted[1] in orders else 0
        self.tables.choose(shown.name, orders[(at + 1) % len(orders)])

    def do_browse_damage(self) -> None:
        """Show what was damaged on the way."""

        def read() -> ViewScreen:
            found = self.session.findings()
            fields = tuple(
                Field(f"page {each.number}", f"{each.detail} ({each.name}){f', {each.table}' if each.table else ''}")
                for each in found[:_FINDINGS_SHOWN]
            )
            more = len(found) - _FINDINGS_SHOWN
            rest = (Field("", f"and {more:,} more"),) if more > 0 else ()
            text = "What could not be read is left out; everything else is shown."
            return ViewScreen("Damage", (Section("", (Field("", text),)), Section("Findings", (*fields, *rest))), None)

        self._reader.ask("findings", read)

    def do_browse_export(self) -> None:
        """Ask where to write the rows."""
        shown, text = self.session.shown, self._seen.filter
        if shown is None:
            return

        def go(target: object) -> None:
            if isinstance(target, str):
                export_rows(self.control, self.session, shown, text, target, self.command())

        what = f"the rows that fit “{text}”" if text else "all rows"
        hint = f"{what}: CSV for a name that ends in .csv, else JSON lines; must not exist yet"
        name = "".join(each if each.isalnum() or each in "-_." else "_" for each in shown.name)
        self.app.push_screen(TextDialog(f"Export {shown.name}", "file", f"{name}.jsonl", hint), go)


def _foot(status: Status, grid: RowGrid, found: str) -> str:
    """Return what the lower edge of the rows says: where one is, how many there are, what is still being done."""
    said = []
    if status.filter:
        looked = "" if status.total is not None else f", {words.count(status.looked)} looked at …"
        said.append(f"{words.count(status.known)} fit “{status.filter}”{looked}")
    elif status.total is None and grid.columns:
        said.append(f"counting: {words.count(status.known)} …")
    elif status.total is not None:
        place = f"row {words.count(grid.cursor + 1)} of " if status.total else ""
        said.append(place + words.plural(status.total, "row") if not place else place + words.count(status.total))
    if status.cut:
        said.append("more than can be shown")
    if found:
        said.append(found)
    return "   ".join(said)
