"""Layouts by the size of the terminal, as classes that the style sheet knows, and how often a screen looks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.screen import Screen

    from esetui.config import ConsoleSettings

SMALLEST: Final = (60, 15)
WIDE: Final = 120
VERY_WIDE: Final = 160
NARROW: Final = 80
TALL: Final = 36
SHORT: Final = 22


def set_size_classes(screen: Screen[Any], size: Size) -> None:
    """Tell the style sheet how much room there is."""
    width, height = size
    for name, on in (
        ("-tiny", bool(too_small(size))),
        ("-narrow", width < NARROW),
        ("-wide", width >= WIDE),
        ("-very-wide", width >= VERY_WIDE),
        ("-tall", height >= TALL),
        ("-short", height < SHORT),
    ):
        screen.set_class(on, name)


def too_small(size: Size) -> str:
    """Return what is said where nothing fits, or nothing."""
    width, height = size
    if width >= SMALLEST[0] and height >= SMALLEST[1]:
        return ""
    return f"esetui needs {SMALLEST[0]} × {SMALLEST[1]} characters; this is {width} × {height}."


def ticks_a_second(settings: ConsoleSettings) -> float:
    """Return how often a screen looks: less often over SSH."""
    remote = any(name in os.environ for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"))
    return settings.ssh_refresh_hz if remote else settings.refresh_hz
