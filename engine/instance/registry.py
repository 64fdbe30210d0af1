"""The instances of this process, and what they hold so that no two hold the same.

Weak references: an instance that was created and dropped leaves no trace.  Two instances are compared only when
they see the same files, that is when both use the operating system or share one simulated file system.
Source: jet-api reference 2.6, 3.2.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Protocol

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.instance.info import InstanceInfo


class Member(Protocol):
    """An instance as the registry sees it."""

    number: int
    name: str
    world: object
    folders: tuple[str, str] | None
    """System and log folder while the instance holds them."""
    database_paths: dict[str, bool]
    """Databases it holds: path, and whether it may write to it."""

    def info(self) -> InstanceInfo:
        """Return its row."""


def world_of(fs: FileSystem) -> object:
    """Return what tells whether two instances see the same files."""
    return RealFileSystem if isinstance(fs, RealFileSystem) else fs


class Registry:
    """All instances of the process.  Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._members: weakref.WeakValueDictionary[int, Member] = weakref.WeakValueDictionary()

    def add(self, member: Member, *, limit: int) -> int:
        """Take in a new instance and return its number: -1214 too many, -1086 the name is in use."""
        with self._lock:
            present = list(self._members.values())
            if len(present) >= limit:
                raise EseError.from_code(Err.TooManyInstances, f"{limit} instances at most")
            if member.name and any(each.name == member.name for each in present):
                raise EseError.from_code(Err.InstanceNameInUse, f"{member.name!r}")
            number = next(self._numbers)
            self._members[number] = member
            return number

    def remove(self, number: int) -> None:
        """Forget an instance; harmless when it is unknown."""
        with self._lock:
            self._members.pop(number, None)

    def claim_folders(self, member: Member, system: str, log: str, base: str) -> None:
        """Note the folders of an instance that starts: -1083 or -1084 when another one has its stream there."""
        claim = (f"{system}\0{base.lower()}", f"{log}\0{base.lower()}")
        with self._lock:
            for other in self._others(member):
                if other.folders is None:
                    continue
                if other.folders[0] == claim[0]:
                    raise EseError.from_code(Err.SystemPathInUse, f"by instance {other.name!r}", path=system)
                if other.folders[1] == claim[1]:
                    raise EseError.from_code(Err.LogFilePathInUse, f"by instance {other.name!r}", path=log)
            member.folders = claim

    def claim_database(self, member: Member, path: str, *, writes: bool) -> None:
        """Note a database that is being attached: -1215 when another instance has it and one of them writes."""
        with self._lock:
            for other in self._others(member):
                held = other.database_paths.get(path)
                if held is not None and (held or writes):
                    raise EseError.from_code(
                        Err.DatabaseSharingViolation, f"attached by instance {other.name!r}", path=path
                    )
            member.database_paths[path] = writes

    def release_database(self, member: Member, path: str) -> None:
        """Forget a database that was detached."""
        with self._lock:
            member.database_paths.pop(path, None)

    def members(self) -> list[Member]:
        """Return the instances in the order of their numbers."""
        with self._lock:
            return [member for _, member in sorted(self._members.items())]

    def _others(self, member: Member) -> list[Member]:
        return [each for each in self._members.values() if each.number != member.number and each.world == member.world]


REGISTRY = Registry()
"""The instances of this process."""


def instances() -> list[InstanceInfo]:
    """Return what JetGetInstanceInfo lists: the instances of this process and their attached databases."""
    return [member.info() for member in REGISTRY.members()]
