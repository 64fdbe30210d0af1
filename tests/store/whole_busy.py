"""Sessions that do much in one step of the machine, each thing drawn from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.files.crash import CrashPolicy
from engine.table.seeking import Seek
from tests.store.whole_base import SESSIONS
from tests.store.whole_definitions import COLUMNS, INDEXES, KINDS, Definitions

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS: Final = st.integers(0, 1 << 32)
USUAL: Final = ("Main", "Plain", "Heap") * 6 + ("Other", "other", "Third")
LOOK: Final = 6
"""Steps of a session between two looks at a table."""
SEVERAL: Final = ((b"one",), (b"", b"t" * 1100), (b"u" * 3000, b"short", b"v" * 2000), (b"w" * 9000, b"x" * 1500))
BEGINS: Final = (0.6, 0.08, 0.04, 0.02)
"""How often a session begins a level, by those it has."""


def values(chance: random.Random) -> dict[str, Any]:
    """Return values for some columns."""
    size = chance.choice((0, 20, 1100, 3000, 9000))
    every = {
        "Group": chance.choice((None, -3, 0, 1, 3)),
        "Code": chance.choice((None, "a", "B", f"{chance.randrange(40)}", f"{chance.randrange(999)}")),
        "Text": chance.choice((None, "t" * chance.randrange(120), "\xdf\u4e00")),
        "Many": chance.choice((None, (1,), (1, 2), (5, 5, 3))),
        "Long": None if chance.random() < 0.2 else chance.randbytes(size),
        "Longs": chance.choice((None, *SEVERAL)),
        "Extra": chance.choice((None, -2, 5)),
        "Tag": chance.choice((None, -2, 5)),
    }
    return {name: value for name, value in every.items() if name in ("Long", "Longs") or chance.random() < 0.6}


DRAWS: Final[dict[str, Callable[[random.Random], Any]]] = {
    "name": lambda chance: chance.choice(USUAL),
    "to": lambda chance: chance.choice(USUAL),
    "kind": lambda chance: chance.choice(KINDS),
    "definition": lambda chance: chance.choice(COLUMNS),
    "index": lambda chance: chance.choice(INDEXES),
    "number": lambda chance: chance.randrange(120),
    "values": values,
    "lazy": lambda chance: chance.random() < 0.7,
    "whole": lambda chance: chance.random() < 0.2,
    "count": lambda _: 1,
    "amount": lambda chance: chance.randrange(-5, 5),
    "column": lambda _: "Hits",
    "how": lambda chance: chance.choice(("write", "append", "resize")),
    "at": lambda chance: chance.randrange(9000),
    "data": lambda chance: chance.randbytes(9),
    "times": lambda chance: chance.choice((1, 500)),
    "beyond": lambda chance: chance.random() < 0.1,
    "value": lambda chance: chance.randrange(-3, 6),
    "match": lambda chance: chance.choice(list(Seek)),
    "which": lambda chance: chance.randrange(6),
    "lower": lambda chance: chance.randrange(60),
    "size": lambda chance: chance.randrange(60),
    "backward": lambda chance: chance.random() < 0.4,
    "steps": lambda chance: chance.randrange(1, 5),
    "deleted": lambda chance: chance.random() < 0.3,
    "width": lambda chance: chance.randrange(120),
    "after": lambda chance: chance.randrange(40),
    "policy": lambda chance: chance.choice(list(CrashPolicy)),
    "seed": lambda chance: chance.randrange(1 << 16),
    "instance": lambda chance: chance.randrange(3),
    "inclusive": lambda chance: chance.random() < 0.5,
}
_ROW: Final = ("who", "name", "number")
THINGS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "commit": (10, ("who", "lazy")),
    "rollback": (4, ("who",)),
    "insert": (20, (*_ROW, "values")),
    "update": (15, (*_ROW, "values", "whole")),
    "delete": (10, (*_ROW, "count")),
    "escrow": (8, (*_ROW, "amount", "column")),
    "lock": (2, _ROW),
    "write_over": (4, (*_ROW, "instance", "at", "data")),
    "change_long": (10, (*_ROW, "how", "at", "data", "times", "beyond")),
    "seek": (5, (*_ROW, "value", "match", "which")),
    "ranges": (3, ("who", "name", "lower", "size", "inclusive")),
    "clean_up": (2, ()),
    "hold": (3, ("who", "name", "which")),
    "move_held": (6, ("who", "backward", "steps")),
    "look_held": (4, ("who",)),
    "change_held": (4, ("who", "deleted", "width")),
    "make_table": (2, ("who", "name", "kind")),
    "delete_table": (1, ("who", "name")),
    "rename_table": (1, ("who", "name", "to")),
    "add_column": (2, ("who", "name", "definition")),
    "delete_column": (2, ("who", "name", "definition")),
    "create_index": (2, ("who", "name", "index")),
    "delete_index": (2, ("who", "name", "index")),
}


class Busy(Definitions):
    """Much at once.  `things` is what a session does: how often, and what is drawn for it."""

    things: ClassVar[dict[str, tuple[int, tuple[str, ...]]]] = THINGS

    @rule(seed=SEEDS, count=st.integers(1, 15))
    def a_little(self, seed: int, count: int) -> None:
        self.burst(seed, count)

    @rule(seed=SEEDS, count=st.integers(15, 60))
    def more(self, seed: int, count: int) -> None:
        self.burst(seed, count)

    @rule(seed=SEEDS, count=st.integers(60, 200))
    def much(self, seed: int, count: int) -> None:
        self.burst(seed, count)

    def burst(self, seed: int, count: int) -> None:
        """Let the sessions work, one step each in any order."""
        chance = random.Random(seed)  # noqa: S311 - the same draws for the same seed
        for number in range(count):
            self.step(chance, chance.randrange(SESSIONS))
            self.after_each()
            if not number % LOOK:
                self.rows_are_seen()

    def step(self, chance: random.Random, who: int) -> None:
        """Do one thing that a session may do."""
        deep = len(self.model.people[who].levels)
        if chance.random() < BEGINS[min(deep, 3)]:
            self.begin(who, not deep and chance.random() < 0.1)
            return
        (thing,) = chance.choices(list(self.things), [often for often, _ in self.things.values()])
        getattr(self, thing)(**{each: who if each == "who" else DRAWS[each](chance) for each in self.things[thing][1]})
