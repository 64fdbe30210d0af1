"""Dialogs: what will be read, written and deleted, in numbers, before the button; the same as a command below it.

A plan is worked out in a thread, so a slow disk does not hold up the keys; the button waits for it.  Destructive
ones want the name typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from esetui.jobs import JobKind
from esetui.tui import words
from esetui.tui.model import Field, PlanView, Tone
from esetui.tui.rows import Part, wrap
from esetui.tui.widgets.drawn import Lines
from esetui.tui.widgets.log_strip import strip_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TONES = {Tone.MUTED: "muted", Tone.WARN: "warn", Tone.BAD: "bad strong", Tone.GOOD: "good"}


class PlanLines(Lines):
    """A plan in words and numbers."""

    def __init__(self) -> None:
        super().__init__(classes="text")
        self.plan: PlanView | None = None

    def show(self, plan: PlanView | None) -> None:
        """Take a plan; None: it is being worked out."""
        self.plan = plan
        self.redraw()
        self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:  # noqa: ARG002
        """Return the lines needed."""
        return max(1, len(self.rows(width, 0)))

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - as many as it takes
        """Return the lines."""
        plan = self.plan
        if plan is None:
            return [(Part("working it out …", "muted", flex=True),)]
        rows: list[Sequence[Part]] = []
        if plan.problem:
            rows += [(Part(line, "bad strong", flex=True),) for line in wrap(f"Cannot: {plan.problem}", width)]
        amounts = (("reads", plan.read), ("writes", plan.written), ("deletes", plan.deleted))
        if any(amount.files for _, amount in amounts):
            for label, amount in amounts:
                text = words.plural(amount.files, "file") if amount.files else "nothing"
                style = "warn" if label == "deletes" and amount.files else "plain"
                size = words.size(amount.bytes) if amount.files else ""
                rows.append(
                    (Part(label, "muted", width=8), Part(text, style, width=12), Part(size, "muted", flex=True))
                )
            if plan.logs.high:
                rows += strip_rows(plan.logs, width, self.glyphs, copied=plan.copied, removed=plan.removed)
        for field in plan.lines:
            rows += _field_rows(field, width, self.glyphs.dot)
        return rows or [(Part("Nothing to do.", "muted", flex=True),)]


def _field_rows(field: Field, width: int, dot: str) -> list[Sequence[Part]]:
    style = _TONES.get(field.tone, "plain")
    text = f"{field.label}: {field.value}" if field.label else field.value
    return [
        (Part("  " if at else f"{dot} ", "muted"), Part(line, style, flex=True, joined=True))
        for at, line in enumerate(wrap(text, max(1, width - 2)))
    ]


class Dialog(ModalScreen[object]):
    """A dialog: escape leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", show=False),
        Binding("y", "copy", "Copy command", show=False),
    ]

    def action_leave(self) -> None:
        """Leave without doing anything."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the command line."""


class PlanDialog(Dialog):
    """Title, an optional line to type in, the plan, the command, and two buttons.

    `load(text)` works out the plan for what was typed; `command(text)` gives the command line.  The dialog ends with
    what was typed, or with None.  The plan takes no focus: up, down and the page keys scroll it from anywhere.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll(1)", "Down", show=False),
        Binding("pageup", "scroll(-8)", "Page up", show=False),
        Binding("pagedown", "scroll(8)", "Page down", show=False),
    ]

    def __init__(
        self,
        title: str,
        go: str,
        load: Callable[[str], PlanView],
        command: Callable[[str], str],
        *,
        label: str = "",
        value: str = "",
        must_type: str = "",
        danger: bool = False,
    ) -> None:
        super().__init__()
        self._title = title
        self._go = go
        self._load = load
        self._command = command
        self._label = label
        self._value = value
        self._must_type = must_type
        self._danger = danger
        self._asked = 0
        self.plan = PlanLines()

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(words.safe(self._title))
            box.border_subtitle = Content("esc back")
            if self._label:
                with Horizontal(classes="line"):
                    yield Static(self._label, classes="label")
                    yield Input(self._value, id="typed", compact=True, select_on_focus=False)
            with VerticalScroll(classes="plan", can_focus=False):
                yield self.plan
            if self._must_type:
                with Horizontal(classes="line"):
                    yield Static("type name", classes="label")
                    yield Input(placeholder=self._must_type, id="name", compact=True)
            yield Static("", id="command", classes="text", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(
                    self._go, id="go", variant="error" if self._danger else "primary", compact=True, disabled=True
                )

    def action_scroll(self, lines: int) -> None:
        """Scroll the plan."""
        self.query_one(".plan").scroll_relative(y=lines, animate=False)

    def _say_below(self) -> None:
        """Name the keys, those that scroll where there is more of the plan than fits."""
        keys = ["esc back"]
        if self.query_one(".plan").max_scroll_y > 0:
            keys.insert(0, "up down scroll")
        if self._command(self.typed):
            keys.append("y copy command")
        self.query_one(".dialog").border_subtitle = Content("   ".join(keys))

    def on_mount(self) -> None:
        """Work out the plan, and go where a person types or decides."""
        self._reload()
        if self._must_type:
            self.query_one("#name", Input).focus()
        elif self._label:
            self.query_one("#typed", Input).focus()
        else:
            self.query_one("#go", Button).focus()

    @property
    def typed(self) -> str:
        """What was typed."""
        return self.query_one("#typed", Input).value.strip() if self._label else self._value

    def _reload(self) -> None:
        self._asked += 1
        asked, typed = self._asked, self.typed
        line = self._command(typed)
        self.query_one("#command", Static).update(Content(f"$ {words.safe(line)}" if line else ""))
        self.query_one("#go", Button).disabled = True
        if self._label and not typed:
            self.plan.show(PlanView(problem=f"{self._label} is empty"))
            return
        self.plan.show(None)
        self.run_worker(lambda: self._work_out(asked, typed), thread=True, group="plan", exclusive=False)

    def _work_out(self, asked: int, typed: str) -> None:
        plan = self._load(typed)
        if self.is_attached:
            self.app.call_from_thread(self._loaded, asked, plan)

    def _loaded(self, asked: int, plan: PlanView) -> None:
        if asked == self._asked and self.is_attached:
            self.plan.show(plan)
            self.call_after_refresh(self._say_below)
            self._allow()
            if not self._label and not self._must_type:
                self.query_one("#cancel" if plan.problem else "#go", Button).focus()

    def _allow(self) -> None:
        plan = self.plan.plan
        named = not self._must_type or self.query_one("#name", Input).value == self._must_type
        self.query_one("#go", Button).disabled = plan is None or bool(plan.problem) or not named

    def on_input_changed(self, event: Input.Changed) -> None:
        """Work the plan out again."""
        if event.input.id == "typed":
            self._reload()
        else:
            self._allow()

    def on_input_submitted(self) -> None:
        """Enter does it, when it can be done."""
        self._finish()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do it, or not."""
        if event.button.id == "go":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        if not self.query_one("#go", Button).disabled:
            self.dismiss(self.typed or True)

    def action_copy(self) -> None:
        """Copy the command line."""
        line = self._command(self.typed)
        if not line:
            self.app.notify("There is no command for this.", severity="warning", timeout=3)
            return
        self.app.copy_to_clipboard(line)
        self.app.notify("Command copied.", timeout=2)


class AskDialog(Dialog):
    """A question with two answers."""

    def __init__(self, title: str, text: str, go: str, *, stay: str = "Cancel") -> None:
        super().__init__()
        self._title, self._text, self._go, self._stay = title, text, go, stay

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(words.safe(self._title))
            yield Static(Content(words.safe(self._text)), classes="text")
            with Horizontal(classes="buttons"):
                yield Button(self._stay, id="stay", compact=True)
                yield Button(self._go, id="go", variant="error", compact=True)

    def on_mount(self) -> None:
        """Give the focus to the harmless answer."""
        self.query_one("#stay", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "go")


class ChoiceDialog(Dialog):
    """A question with several answers, the first one suggested; ends with the id of the answer."""

    def __init__(self, title: str, text: str, answers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._text, self._answers = title, text, answers

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(words.safe(self._title))
            box.border_subtitle = Content("esc back")
            yield Static(Content(words.safe(self._text)), classes="text")
            with Horizontal(classes="buttons"):
                for at, (name, label) in enumerate(self._answers):
                    yield Button(label, id=name, variant="default" if at else "primary", compact=True)

    def on_mount(self) -> None:
        """Give the focus to what is suggested."""
        self.query(Button).first().focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id)


class TextDialog(Dialog):
    """One line to type."""

    def __init__(self, title: str, label: str, value: str, hint: str) -> None:
        super().__init__()
        self._title, self._label, self._value, self._hint = title, label, value, hint

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(words.safe(self._title))
            with Horizontal(classes="line"):
                yield Static(self._label, classes="label")
                yield Input(self._value, id="typed", compact=True)
            yield Static(self._hint, classes="text")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("OK", id="go", variant="primary", compact=True)

    def on_input_submitted(self) -> None:
        """Enter takes it."""
        self.dismiss(self.query_one("#typed", Input).value.strip() or None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take it, or not."""
        if event.button.id == "go":
            self.on_input_submitted()
        else:
            self.dismiss(None)


TITLES = {
    JobKind.FULL: "Full backup",
    JobKind.ATOMIC: "Atomic full backup",
    JobKind.INCREMENTAL: "Incremental backup",
}
