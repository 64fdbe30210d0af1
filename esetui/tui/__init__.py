"""The console in the terminal; the only folder that imports textual."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.config import Config


def run(
    paths: Sequence[str],
    *,
    target: str | None = None,
    theme: str | None = None,
    settings: Config | None = None,
    sandbox: str = "",
    play: float | None = None,
) -> int:
    """Open the console on the instances below `paths` and return the exit code.

    `sandbox` is the folder of the demonstration; with `play` its walk goes by itself, with so many seconds after
    each step.
    """
    from esetui.tui.activity.walk import Walk  # noqa: PLC0415
    from esetui.tui.app import Console  # noqa: PLC0415 - textual is imported only when a screen opens
    from esetui.tui.control import Control  # noqa: PLC0415

    control = Control(paths, target=target, settings=settings, sandbox=sandbox)
    if sandbox:
        control.walk = Walk(control, "dhcp", target or sandbox)
    app = Console(control, theme=theme, play=play)
    try:
        code = app.run()
    finally:
        # However the screen ended, nothing is left running or half-made.
        problems = control.close()
    for each in problems:
        sys.stderr.write(f"{each}\n")
    return app.return_code or code or (1 if problems else 0)
