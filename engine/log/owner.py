"""Who has the databases that a log is about, as the log writer sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.format.attachinfo import AttachInfo
    from engine.format.logheader import LogHeader
    from engine.types import LgPos


class LogOwner(Protocol):
    """What the writer asks of the instance when a generation begins.  Called with the writer's lock held."""

    def attach_list(self) -> tuple[AttachInfo, ...]:
        """Return the databases attached at the first byte of the next generation."""

    def checkpoint_position(self) -> LgPos:
        """Return the present checkpoint, for information in the header."""

    def generation_begun(self, header: LogHeader) -> None:
        """Write the new generation into the headers of the attached databases, durably."""
