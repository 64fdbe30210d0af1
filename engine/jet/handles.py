"""Numbers for instances, sessions and what sessions have open, and the one-instance mode.

Source: jet-api reference 2.4, 2.6.
"""

from __future__ import annotations

import itertools
import locale
import sys
import threading
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from engine.errors import Err, EseError
from engine.instance import Instance
from engine.params import PROCESS, Parameters
from engine.types import JET_SESID_NIL

if TYPE_CHECKING:
    from engine.session import Session

_Kind = TypeVar("_Kind")

JET_instanceNil: Final = (1 << 64) - 1
JET_sesidNil: Final = JET_SESID_NIL
JET_dbidNil: Final = 0xFFFFFFFF


class Mode(Enum):
    """Whether the process has one instance without a handle, or several with."""

    UNDECIDED = "undecided"
    SINGLE = "single"
    MULTI = "multi"


class Handles:
    """The instances and sessions that this layer has handed out."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._instances: dict[int, Instance] = {}
        self._sessions: dict[int, tuple[int, Session]] = {}
        self._opened: dict[int, tuple[int, object]] = {}
        self._single: int | None = None
        self.defaults = Parameters(shared=PROCESS)
        """What JetSetSystemParameter sets without an instance; new instances begin with it."""

    @property
    def mode(self) -> Mode:
        """The mode of the process."""
        if self._single is not None:
            return Mode.SINGLE
        return Mode.MULTI if self._instances else Mode.UNDECIDED

    def create(self, name: str | None, *, single: bool = False) -> int:
        """Make an instance: -1080 while there is a single one, -1081 for a single one beside others."""
        with self._lock:
            if self.mode is Mode.SINGLE:
                raise EseError.from_code(Err.AlreadyInitialized if single else Err.RunningInOneInstanceMode)
            if single and self.mode is Mode.MULTI:
                raise EseError.from_code(Err.RunningInMultiInstanceMode)
            made = Instance(name, template=self.defaults, shared=PROCESS)
            number = next(self._numbers)
            self._instances[number] = made
            if single:
                self._single = number
            return number

    def instance(self, handle: int | None) -> Instance:
        """Return the instance of a handle, None or 0 meaning the single one: -1003 for anything else."""
        with self._lock:
            if handle is None or handle == 0:
                handle = self._single_number()
            found = None if isinstance(handle, bool) else self._instances.get(handle)
            if found is None:
                raise EseError.from_code(Err.InvalidParameter, f"no instance {handle!r}")
            return found

    def single(self) -> Instance:
        """Return the single instance: -1081 in multi-instance mode, -1029 when there is none."""
        return self.instance(self._single_number())

    def _single_number(self) -> int:
        if self._single is not None:
            return self._single
        if self._instances:
            raise EseError.from_code(Err.RunningInMultiInstanceMode)
        raise EseError.from_code(Err.NotInitialized)

    def number_of(self, instance: Instance) -> int:
        """Return the handle of an instance, 0 for one made elsewhere."""
        with self._lock:
            return next((number for number, each in self._instances.items() if each is instance), 0)

    def handle_of_number(self, number: int) -> int:
        """Return the handle of the instance with this number in the registry, 0 for one made elsewhere."""
        with self._lock:
            return next((handle for handle, each in self._instances.items() if each.number == number), 0)

    def forget(self, instance: Instance) -> None:
        """Drop an instance and its sessions."""
        with self._lock:
            number = self.number_of(instance)
            self._instances.pop(number, None)
            for sesid in [each for each, (owner, _) in self._sessions.items() if owner == number]:
                self.forget_session(sesid)
            if self._single == number:
                self._single = None

    def add_session(self, instance: Instance, session: Session) -> int:
        """Return a new number for a session."""
        with self._lock:
            number = next(self._numbers)
            self._sessions[number] = (self.number_of(instance), session)
            return number

    def session(self, sesid: int) -> Session:
        """Return a session: -1104 for a number that is none."""
        with self._lock:
            return self._session(sesid)[1]

    def _session(self, sesid: int) -> tuple[int, Session]:
        found = self._sessions.get(sesid)
        if found is None:
            raise EseError.from_code(Err.InvalidSesid, f"{sesid!r}")
        return found

    def forget_session(self, sesid: int) -> None:
        """Drop a session and what it has open."""
        with self._lock:
            self._sessions.pop(sesid, None)
            for number in [each for each, (owner, _) in self._opened.items() if owner == sesid]:
                del self._opened[number]

    def instance_of(self, sesid: int) -> Instance:
        """Return the instance of a session: -1104 for a number that is none."""
        with self._lock:
            return self._instances[self._session(sesid)[0]]

    def add_opened(self, sesid: int, thing: object) -> int:
        """Return a new number for a database or table that a session has opened: -1104 for no session."""
        with self._lock:
            self.session(sesid)
            number = next(self._numbers)
            self._opened[number] = (sesid, thing)
            return number

    def opened(self, sesid: int, number: int, kind: type[_Kind], missing: int) -> _Kind:
        """Return what a session has opened: -1104 no session, -1114 that of another, else the error `missing`."""
        with self._lock:
            self.session(sesid)
            owner, thing = self._opened.get(number, (sesid, None))
            if not isinstance(thing, kind):
                raise EseError.from_code(missing, f"{number!r}")
            if owner != sesid:
                raise EseError.from_code(Err.SesidTableIdMismatch, f"{number!r}")
            return thing

    def all_opened(self, sesid: int, kind: type[_Kind]) -> dict[int, _Kind]:
        """Return what a session has opened of one kind, by number."""
        with self._lock:
            mine = {number: thing for number, (owner, thing) in self._opened.items() if owner == sesid}
        return {number: thing for number, thing in mine.items() if isinstance(thing, kind)}

    def opened_beside(self, sesid: int, kind: type[_Kind]) -> list[_Kind]:
        """Return what the other sessions of a session's instance have opened of one kind: -1104."""
        with self._lock:
            instance = self._session(sesid)[0]
            others = {each for each, (owner, _) in self._sessions.items() if owner == instance and each != sesid}
            things = [thing for owner, thing in self._opened.values() if owner in others]
        return [thing for thing in things if isinstance(thing, kind)]

    def forget_opened(self, number: int) -> None:
        """Drop a database or table."""
        with self._lock:
            self._opened.pop(number, None)


HANDLES: Final = Handles()
"""The handles of the process."""


def wide(text: object) -> str | None:
    """Return the text of a W argument: -1003 for anything but str and None."""
    if text is None or isinstance(text, str):
        return text
    raise EseError.from_code(Err.InvalidParameter, f"text expected, not {type(text).__name__}")


def narrow(text: object) -> str | None:
    """Return the text of an A argument, bytes in the ANSI code page: -1003 when they cannot be decoded (R3)."""
    if text is None:
        return None
    if not isinstance(text, (bytes, bytearray)):
        raise EseError.from_code(Err.InvalidParameter, f"bytes expected, not {type(text).__name__}")
    encoding = "mbcs" if sys.platform == "win32" else locale.getencoding()
    try:
        return bytes(text).decode(encoding)
    except UnicodeDecodeError as error:
        raise EseError.from_code(Err.InvalidParameter, f"not text in {encoding}") from error


def bits(grbit: object) -> int:
    """Return option bits: -1003 for anything but an unsigned number."""
    if isinstance(grbit, bool) or not isinstance(grbit, int) or grbit < 0:
        raise EseError.from_code(Err.InvalidParameter, f"option bits expected, not {grbit!r}")
    return grbit
