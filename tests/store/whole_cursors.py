"""Cursors that sessions keep while rows, definitions and transactions change under them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.errors import Err
from tests.store.whole_base import NAMES, WHO
from tests.store.whole_model import Held, Person, Refused
from tests.store.whole_rows import Rows
from tests.store.whole_state import find

if TYPE_CHECKING:
    from tests.store.whole_state import TableState


class Cursors(Rows):
    """One cursor a session: moved, looked at, used for changes."""

    @rule(who=WHO, name=NAMES, which=st.integers(0, 5))
    def hold(self, who: int, name: str, which: int) -> None:
        """Take a cursor over an index, or over the rows as they are kept, and go some entries into it."""
        person = self.model.people[who]
        table = find(self.model.view(person), name)
        if table is None:
            return
        indexes = sorted(table.indexes)
        chosen = indexes[which % len(indexes)] if indexes else None
        known = None if chosen is None else table.indexes[chosen]
        person.held = Held(self.live(who, name).cursor(chosen), table.uid, known)
        self.move_held(who, False, which * 2)

    @rule(who=WHO, backward=st.booleans(), steps=st.integers(1, 4))
    def move_held(self, who: int, backward: bool, steps: int) -> None:  # noqa: FBT001 - a drawn value
        """Go on from where the cursor is, whatever has become of the entry there."""
        held = self.model.people[who].held
        for _ in range(steps if held is not None else 0):
            assert held is not None
            cursor = held.cursor

            def model(person: Person, found: bool | None, held: Held = held) -> None:  # noqa: FBT001
                expected = self._step(person, held, backward=backward)
                assert found in (None, expected)

            self.both(who, lambda cursor=cursor: cursor.move(-1 if backward else 1), model)  # type: ignore[misc]

    def _step(self, person: Person, held: Held, *, backward: bool) -> bool:
        """Move in the model; return whether there is an entry."""
        entries = self._entries(person, held)[1]
        if held.entry is not None:
            key = held.named(held.entry)
            beyond = [each for each in entries if (held.named(each) < key if backward else held.named(each) > key)]
        elif held.behind != backward:
            return False
        else:
            beyond = entries
        held.behind = not backward
        held.entry = (beyond[-1] if backward else beyond[0]) if beyond else None
        return bool(beyond)

    def _entries(self, person: Person, held: Held) -> tuple[TableState, list[Any]]:
        """Return the table, and the entries of the index that a cursor is over."""
        table = self.model.view(person).get(held.uid)
        if table is None:
            raise Refused(Err.ObjectNotFound)
        if held.index is None or held.index.index.primary:
            return table, table.order(None)
        if held.index not in table.indexes.values():
            raise Refused(Err.IndexNotFound)
        return table, table.order(held.index.index.name)

    def _at(self, person: Person, held: Held) -> bytes:
        """Return the bookmark of the row at hand."""
        if held.entry is None:
            raise Refused(Err.NoCurrentRecord)
        key = held.named(held.entry)
        entries = self._entries(person, held)[1]
        found = next((mark for *each, mark in entries if held.named((*each, mark)) == key), None)
        if found is None:
            raise Refused(Err.RecordDeleted)
        return bytes(found)

    @rule(who=WHO)
    def look_held(self, who: int) -> None:
        """Read the row at hand."""
        held = self.model.people[who].held
        if held is None:
            return

        def model(person: Person, row: Any) -> None:
            mark = self._at(person, held)
            assert row is None or (row.bookmark, dict(row)) == (mark, self.model.view(person)[held.uid].rows[mark])

        self.both(who, lambda: held.cursor.row, model)

    @rule(who=WHO, deleted=st.booleans(), width=st.integers(0, 100))
    def change_held(self, who: int, deleted: bool, width: int) -> None:  # noqa: FBT001 - a drawn value
        """Change or delete the row at hand."""
        held = self.model.people[who].held
        if held is None:
            return
        cursor, text = held.cursor, {"Text": "h" * width}

        def model(person: Person, _: Any) -> None:
            mark = self._at(person, held)
            table = self.model.view(person)[held.uid]
            self.model.write(person, table)
            if deleted:
                self.model.delete(person, table, mark)
            else:
                self.model.update(person, table, mark, text)

        self.both(who, cursor.delete if deleted else lambda: cursor.update(**text), model)
