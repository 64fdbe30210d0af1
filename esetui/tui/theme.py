"""Colour themes, the palette of named styles that panes draw with, and the glyphs.

Panes never name a colour: they ask the palette for a meaning (`good`, `muted`, `cursor`), and the meaning is
also said in a word or a shape.  Without colour (NO_COLOR, or 16 colours) the palette falls back on bold,
underline and reverse.  Two themes avoid the pairs that colour-blind eyes confuse: one keeps to blue, yellow
and vermilion (for red-green), one to cyan, pink and red (for blue-yellow).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from esetui.tui.model import Level, State, Tone, Verdict

if TYPE_CHECKING:
    from textual.app import App


def _theme(  # noqa: PLR0913 - a theme is a list of colours
    name: str,
    *,
    dark: bool,
    background: str,
    surface: str,
    text: str,
    muted: str,
    line: str,
    accent: str,
    good: str,
    warn: str,
    bad: str,
) -> Theme:
    return Theme(
        name=name,
        primary=accent,
        secondary=accent,
        accent=accent,
        success=good,
        warning=warn,
        error=bad,
        foreground=text,
        background=background,
        surface=surface,
        panel=surface,
        dark=dark,
        variables={
            "muted": muted,
            "line": line,
            "cursor-row": Color.parse(accent).blend(Color.parse(background), 0.72).hex,
            "footer-key-foreground": accent,
            "border": accent,
            "border-blurred": line,
            "input-selection-background": f"{accent} 35%",
            "scrollbar": line,
            "scrollbar-hover": muted,
            "scrollbar-active": accent,
            "scrollbar-background": background,
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "scrollbar-corner-color": background,
        },
    )


THEMES: tuple[tuple[Theme, str], ...] = (
    (
        _theme(
            "esetui-night",
            dark=True,
            background="#10151c",
            surface="#19212b",
            text="#d6dde6",
            muted="#8593a3",
            line="#364350",
            accent="#5fb3f3",
            good="#7cc98a",
            warn="#e5b84b",
            bad="#ff6f6a",
        ),
        "Night",
    ),
    (
        _theme(
            "esetui-day",
            dark=False,
            background="#fbfaf6",
            surface="#efede6",
            text="#20262d",
            muted="#65707c",
            line="#bdbfbc",
            accent="#0a5fb4",
            good="#1b7a3d",
            warn="#8a5a00",
            bad="#c22a26",
        ),
        "Day",
    ),
    (
        _theme(
            "esetui-blue-orange",
            dark=True,
            background="#11141a",
            surface="#1b2029",
            text="#dfe3e8",
            muted="#8f98a5",
            line="#3a4350",
            accent="#b9c4d6",
            good="#56b4e9",
            warn="#f0e442",
            bad="#f2813a",
        ),
        "Blue and orange, safe for red-green colour-blind eyes",
    ),
    (
        _theme(
            "esetui-cyan-red",
            dark=True,
            background="#12141a",
            surface="#1c1f29",
            text="#e2e2e6",
            muted="#9694a0",
            line="#40404d",
            accent="#c9c4d8",
            good="#35c6cf",
            warn="#f5a3c0",
            bad="#ff4d4d",
        ),
        "Cyan and red, safe for blue-yellow colour-blind eyes",
    ),
    (
        Theme(
            name="esetui-terminal",
            ansi=True,
            primary="ansi_cyan",
            secondary="ansi_cyan",
            warning="ansi_yellow",
            error="ansi_red",
            success="ansi_green",
            accent="ansi_cyan",
            foreground="ansi_default",
            background="ansi_default",
            surface="ansi_default",
            panel="ansi_default",
            boost="ansi_default",
            dark=True,
            variables={
                "muted": "ansi_default",
                "line": "ansi_default",
                "cursor-row": "ansi_default",
                "border": "ansi_cyan",
                "border-blurred": "ansi_default",
                "footer-key-foreground": "ansi_cyan",
                "scrollbar": "ansi_default",
                "scrollbar-hover": "ansi_default",
                "scrollbar-active": "ansi_default",
                "block-cursor-foreground": "ansi_default",
                "block-cursor-background": "ansi_default",
                "block-cursor-text-style": "reverse",
                "ansi-background": "ansi_default",
                "ansi-foreground": "ansi_default",
                "input-cursor-background": "ansi_default",
                "input-cursor-foreground": "ansi_default",
                "input-cursor-text-style": "reverse",
                "input-selection-background": "ansi_cyan",
                "input-selection-foreground": "ansi_default",
                "screen-selection-background": "ansi_cyan",
                "screen-selection-foreground": "ansi_default",
                "scrollbar-background": "ansi_default",
                "scrollbar-corner-color": "ansi_default",
                "scrollbar-background-hover": "ansi_default",
                "scrollbar-background-active": "ansi_default",
            },
        ),
        "The terminal's own 16 colours",
    ),
)
"""Each theme and what it is called in words; the first is the default."""

THEME_NAMES: tuple[str, ...] = tuple(theme.name for theme, _ in THEMES)
TERMINAL_THEME = "esetui-terminal"


def next_theme(name: str) -> str:
    """Return the theme after `name`."""
    at = THEME_NAMES.index(name) if name in THEME_NAMES else -1
    return THEME_NAMES[(at + 1) % len(THEME_NAMES)]


def title_of(name: str) -> str:
    """Return what a theme is called in words."""
    return next((title for theme, title in THEMES if theme.name == name), name)


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles by meaning."""

    plain: Style
    muted: Style
    accent: Style
    good: Style
    warn: Style
    bad: Style
    strong: Style
    cursor: Style
    cursor_blurred: Style
    bar: Style
    track: Style
    here: Style

    def named(self, name: str) -> Style:
        """Return a style by its field name; several names joined by a space add up."""
        style = Style.null()
        for each in name.split():
            style += getattr(self, each)
        return style

    def tone(self, tone: Tone) -> str:
        """Return the name of the style for a tone."""
        return {Tone.PLAIN: "plain", Tone.MUTED: "muted", Tone.GOOD: "good", Tone.WARN: "warn", Tone.BAD: "bad"}.get(
            tone,
            "accent",
        )


STATE_STYLE = {
    State.CLEAN: "good",
    State.RUNNING: "accent",
    State.LOCKED: "warn",
    State.UNKNOWN: "muted",
    State.DIRTY: "warn strong",
    State.UNREACHABLE: "bad strong",
    State.DAMAGED: "bad strong",
}

VERDICT_STYLE = {
    Verdict.VERIFIED: "good",
    Verdict.NEVER: "muted",
    Verdict.BROKEN: "bad strong",
    Verdict.UNFINISHED: "warn strong",
    Verdict.UNSEEN: "muted",
    Verdict.NONE: "warn",
}

LEVEL_STYLE = {Level.INFO: "muted", Level.WARN: "warn", Level.ERROR: "bad strong", Level.COMMAND: "accent"}


def palette_of(app: App[Any]) -> Palette:
    """Return the palette of the app's present theme."""
    theme = app.current_theme
    if app.native_ansi_color:
        return _terminal_palette(theme)
    variables = app.theme_variables

    def color(name: str) -> Style:
        return Style(color=Color.parse(variables[name]).rich_color)

    cursor = Color.parse(variables["cursor-row"])
    faint = cursor.blend(Color.parse(variables["background"]), 0.55)
    return Palette(
        plain=color("foreground"),
        muted=color("muted"),
        accent=color("accent"),
        good=color("success"),
        warn=color("warning"),
        bad=color("error"),
        strong=Style(bold=True),
        cursor=Style(bgcolor=cursor.rich_color),
        cursor_blurred=Style(bgcolor=faint.rich_color),
        bar=color("accent"),
        track=color("line"),
        here=Style(bold=True, underline=True),
    )


def _terminal_palette(theme: Theme) -> Palette:
    def color(name: str | None) -> Style:
        return Style(color=Color.parse(name).rich_color) if name else Style.null()

    return Palette(
        plain=Style.null(),
        # Dim would be unreadable on some of these terminals, so what is muted is merely plain.
        muted=Style.null(),
        accent=color(theme.accent),
        good=color(theme.success),
        warn=color(theme.warning),
        bad=color(theme.error),
        strong=Style(bold=True),
        cursor=Style(reverse=True),
        cursor_blurred=Style(underline=True),
        bar=color(theme.accent),
        track=Style.null(),
        here=Style(bold=True, underline=True),
    )


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs that need more than ASCII, with a plain form of each for terminals without them."""

    open: str = "▾"
    closed: str = "▸"
    full_bar: str = "█"
    part_bar: str = " ▏▎▍▌▋▊▉"
    empty_bar: str = "░"
    spark: str = "▁▂▃▄▅▆▇█"
    not_yet: str = "·"
    reading: str = "▶"
    free: str = "□"
    verified: str = "■"
    corrected: str = "◆"
    bad: str = "✗"
    info: str = "·"
    warn: str = "▲"
    error: str = "✗"
    command: str = "›"
    good: str = "✓"
    branch: str = "├"
    last_branch: str = "└"
    cursor: str = "▌"
    present: str = "▇"
    required: str = "▆"
    checkpoint: str = "▲"
    ellipsis: str = "…"
    arrow: str = "→"
    dot: str = "·"


UNICODE_GLYPHS = Glyphs()
ASCII_GLYPHS = Glyphs(
    open="v",
    closed=">",
    full_bar="#",
    part_bar=" ",
    empty_bar=".",
    spark="_.-=+*%#",
    not_yet=".",
    reading=">",
    free="o",
    verified="#",
    corrected="+",
    bad="X",
    info="i",
    warn="!",
    error="X",
    command="$",
    good="ok",
    branch="|",
    last_branch="`",
    cursor=">",
    present="#",
    required="=",
    checkpoint="^",
    ellipsis="~",
    arrow="->",
    dot="-",
)
