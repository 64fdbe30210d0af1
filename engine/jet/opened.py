"""Databases and tables that sessions have opened, and the columns of tables by number.

A table has one cursor over its current index, the key that is being made for it, the range that limits it, and the
copy of a row that is being prepared.
Source: jet-api reference 2.4, 4.1.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from engine.errors import Err, EseError
from engine.format.column import FIRST_FIXED, LAST_TAGGED
from engine.jet.handles import HANDLES, bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.format.column import ColumnDef
    from engine.jet.prepared import Prepared
    from engine.store.cursor import Cursor
    from engine.store.database import Database
    from engine.store.table import Table

_Arguments = ParamSpec("_Arguments")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class MadeKey:
    """A key that is being made: its bytes so far, and how many columns they stand for.

    `complete`: no more may be added, because a limit was set or the key was given as a whole.  `used`: a search or
    range has used it up; it can still be read.
    """

    data: bytes
    columns: int
    complete: bool
    used: bool = False


@dataclass(slots=True)
class Range:
    """Where moves end: at a key, `upper` when going forward."""

    key: bytes
    upper: bool
    inclusive: bool

    def holds(self, key: bytes) -> bool:
        """Say whether an entry is within."""
        if key == self.key:
            return self.inclusive
        return key < self.key if self.upper else key > self.key


@dataclass(slots=True)
class OpenDatabase:
    """A database, opened by a session; `exclusive`: by no other one meanwhile."""

    database: Database
    read_only: bool = False
    exclusive: bool = False

    def changing(self) -> None:
        """Refuse a change of a database that was opened for reading only: -1809."""
        if self.read_only:
            raise EseError.from_code(Err.PermissionDenied, f"{self.database.name} was opened for reading only")


@dataclass(slots=True)
class OpenTable:
    """A table, opened by a session."""

    table: Table
    cursor: Cursor
    dbid: int
    """Number of the database in the log."""
    read_only: bool = False
    deny_write: bool = False
    """Whether other sessions must not open it for writing meanwhile."""
    deny_read: bool = False
    """Whether other sessions must not open it at all."""
    key: MadeKey | None = None
    range: Range | None = None
    prepared: Prepared | None = None
    parts: list[bytes | None] = field(default_factory=list)
    """Stored forms of the columns that the key stands for."""
    level: int = 0
    """Level of the transaction in which it was opened."""
    moved_at: int = 0
    """Level in which the cursor was moved; a rollback of that level leaves it before the first row."""

    def moving(self, level: int) -> Cursor:
        """Return the cursor, which is about to move in a transaction of that level; what was prepared is dropped."""
        self.prepared = None
        self.moved_at = level
        return self.cursor

    def rolled_back(self, level: int) -> bool:
        """Go back to a level; say whether the table is still open: it is not when it was opened above."""
        if self.prepared is not None and self.prepared.level > level:
            self.prepared = None
        if self.moved_at > level:
            self.cursor.leave(behind=False)
        self.moved_at = min(self.moved_at, level)
        return self.level <= level

    def committed(self, level: int) -> None:
        """Take what was done above a level as done in it."""
        self.level, self.moved_at = min(self.level, level), min(self.moved_at, level)
        if self.prepared is not None:
            self.prepared.level = min(self.prepared.level, level)

    def choose(self, index: str | None) -> None:
        """Change to an index, to the primary order with None; key and range go.  -1404 for an unknown name."""
        self.cursor = self.table.cursor(index or None)
        self.forget_key()
        self.range = None

    def use_key(self) -> None:
        """Have the key used up, as a search does whatever it finds."""
        if self.key is not None:
            self.key.used = True
        self.parts = []

    def forget_key(self) -> None:
        """Drop the key that was made."""
        self.key = None
        self.parts = []

    def column(self, columnid: int) -> ColumnDef:
        """Return a column by number: -1517 for a number that is none, -1507 when there is no such column."""
        found = next((each for each in self.table.columns.values() if each.id == columnid), None)
        if found is None:
            code = Err.ColumnNotFound if FIRST_FIXED <= columnid <= LAST_TAGGED else Err.BadColumnId
            raise EseError.from_code(code, f"{columnid!r} in {self.table.name}")
        return found

    def changing(self) -> None:
        """Refuse a change of a table that was opened for reading only: -1809."""
        if self.read_only:
            raise EseError.from_code(Err.PermissionDenied, f"{self.table.name} was opened for reading only")


def database(sesid: int, dbid: int) -> OpenDatabase:
    """Return a database that a session has opened; -1104, -1114, -1010."""
    return HANDLES.opened(sesid, dbid, OpenDatabase, Err.InvalidDatabaseId)


def table(sesid: int, tableid: int) -> OpenTable:
    """Return a table that a session has opened; -1104, -1114, -1310."""
    return HANDLES.opened(sesid, tableid, OpenTable, Err.InvalidTableId)


def level_of(sesid: int) -> int:
    """Return the level of a session's transaction; 0 without one."""
    return HANDLES.session(sesid).store.level


@contextmanager
def as_one(sesid: int) -> Iterator[None]:
    """Surround calls that are to be done together or not at all; in a transaction that is at its deepest level too."""
    session = HANDLES.session(sesid)
    store = session.store
    with session.entered():
        store.begin(inner=bool(store.level), lasting=True)
    try:
        yield
    except BaseException:
        with session.entered():
            store.rollback()
        raise
    with session.entered():
        store.commit(lazy=session.lazy_commits)


def allowed(grbit: object, most: int) -> int:
    """Return option bits; -900 for any that are not in `most`."""
    options = bits(grbit)
    if options & ~most:
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    return options


def returns_error(call: Callable[_Arguments, int]) -> Callable[_Arguments, int]:
    """Make a function return the code of an engine's error instead of raising it."""

    @wraps(call)
    def wrapped(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> int:
        try:
            return call(*args, **kwargs)
        except EseError as error:
            return error.code

    return wrapped


def returns_pair(
    empty: _Value,
) -> Callable[[Callable[_Arguments, tuple[int, _Value]]], Callable[_Arguments, tuple[int, _Value]]]:
    """Make a function return (code, `empty`) for an engine's error."""

    def decorate(call: Callable[_Arguments, tuple[int, _Value]]) -> Callable[_Arguments, tuple[int, _Value]]:
        @wraps(call)
        def wrapped(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> tuple[int, _Value]:
            try:
                return call(*args, **kwargs)
            except EseError as error:
                return error.code, empty

        return wrapped

    return decorate
