"""A list whose lines are read, not chosen: it takes the focus, and the keys of a list scroll it."""

from __future__ import annotations

from esetui.tui.widgets.rowlist import RowList


class ReadList(RowList):
    """Lines without a cursor."""

    def selectable(self, index: int) -> bool:  # noqa: ARG002 - lines are read, not chosen
        """No line can be chosen."""
        return False

    def action_move(self, by: int) -> None:
        """Scroll by a line."""
        self.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by a screenful."""
        self.scroll_relative(y=by * max(1, self.size.height - 1), animate=False)

    def action_edge(self, by: int) -> None:
        """Scroll to an end."""
        self.scroll_to(y=0 if by < 0 else self.max_scroll_y, animate=False)
