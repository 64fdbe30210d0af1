"""What a crash leaves: files and folders with a durable part, and the choice of what else survives.

A file's content and a folder's names each exist twice, as they are now and as they are on the disk, with the changes
between them in a list.  A crash starts from what is on the disk and adds some of the changes.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""


class CrashPolicy(Enum):
    """What becomes of what was not synced; see the module's text."""

    DROP_ALL = "drop all"
    KEEP_ALL = "keep all"
    RANDOM = "random subset"
    TORN = "torn at sectors"
    REORDERED = "reordered"


class Write(NamedTuple):
    """One un-synced change of a file's content: bytes at an offset, or (data None) a new size."""

    offset: int
    data: bytes | None


class Inode:
    """A file: its content now, its content on the disk, and what lies between."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.durable = bytearray(content)
        self.pending: list[Write] = []
        self.modified = EPOCH

    def change(self, write: Write) -> None:
        """Change the content, not yet on the disk."""
        _apply(self.content, write)
        self.pending.append(write)

    def sync(self) -> None:
        """Bring all changes to the disk."""
        for write in self.pending:
            _apply(self.durable, write)
        self.pending.clear()


class Folder:
    """A folder: its names now and on the disk."""

    def __init__(self) -> None:
        self.names: dict[str, Inode | Folder] = {}
        self.durable: dict[str, Inode | Folder] = {}


class NameChange(NamedTuple):
    """One step that changes names: (folder, name, what it names afterwards, None for nothing), all or none."""

    parts: tuple[tuple[Folder, str, Inode | Folder | None], ...]

    def keys(self) -> set[tuple[int, str]]:
        """Return the names it touches, each with its folder's identity."""
        return {(id(folder), name) for folder, name, _ in self.parts}

    def apply(self, names_of: str) -> None:
        """Make the change in the "names" or in the "durable" names of its folders."""
        for folder, name, target in self.parts:
            names: dict[str, Inode | Folder] = getattr(folder, names_of)
            if target is None:
                names.pop(name, None)
            else:
                names[name] = target


def _apply(content: bytearray, write: Write) -> None:
    if write.data is None:
        del content[write.offset :]
        content.extend(bytes(write.offset - len(content)))
        return
    if write.offset > len(content):
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.data)] = write.data


def files_below(folder: Folder, path: str) -> Iterator[tuple[str, Inode]]:
    """Yield (path, file) for all files below a folder."""
    for name, each in folder.names.items():
        if isinstance(each, Folder):
            yield from files_below(each, f"{path}{os.sep}{name}")
        else:
            yield f"{path}{os.sep}{name}", each


def survivors(root: Folder, pending: list[NameChange], policy: CrashPolicy, seed: int) -> Folder:
    """Return the root folder as it is found after a crash."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable one is wanted
    names = _durable_names(root, pending)
    lost: set[tuple[int, str]] = set()
    for change in pending:
        # What builds upon a lost change is lost with it: a file is never found under two names.
        if change.keys() & lost or not _stays(policy, chance):
            lost |= change.keys()
            continue
        for folder, name, target in change.parts:
            if target is None:
                names[id(folder)].pop(name, None)
            else:
                names[id(folder)][name] = target
    return _survive(root, names, ({}, {}), policy, chance)


def _durable_names(root: Folder, pending: list[NameChange]) -> dict[int, dict[str, Inode | Folder]]:
    """Return a copy of the durable names of every folder that may survive, by the folder's identity."""
    waiting = [root, *(folder for change in pending for folder, _, _ in change.parts)]
    waiting += [target for change in pending for _, _, target in change.parts if isinstance(target, Folder)]
    names: dict[int, dict[str, Inode | Folder]] = {}
    while waiting:
        folder = waiting.pop()
        if id(folder) not in names:
            names[id(folder)] = dict(folder.durable)
            waiting += [each for each in folder.durable.values() if isinstance(each, Folder)]
    return names


def _stays(policy: CrashPolicy, chance: random.Random) -> bool:
    if policy is CrashPolicy.DROP_ALL:
        return False
    return policy is CrashPolicy.KEEP_ALL or chance.random() < 0.5  # noqa: PLR2004 - heads or tails


def _survive(
    folder: Folder,
    names: dict[int, dict[str, Inode | Folder]],
    made: tuple[dict[int, Folder], dict[int, Inode]],
    policy: CrashPolicy,
    chance: random.Random,
) -> Folder:
    """Return the folder as it is found after the crash, with all below it; `made` holds what was copied already."""
    folders, inodes = made
    if id(folder) in folders:
        return folders[id(folder)]
    after = folders[id(folder)] = Folder()
    for name, each in sorted(names[id(folder)].items()):
        if isinstance(each, Folder):
            after.names[name] = _survive(each, names, made, policy, chance)
        else:
            if id(each) not in inodes:
                inodes[id(each)] = Inode(_surviving_content(each, policy, chance))
            after.names[name] = inodes[id(each)]
    after.durable = dict(after.names)
    return after


def _surviving_content(inode: Inode, policy: CrashPolicy, chance: random.Random) -> bytes:
    content = bytearray(inode.durable)
    writes = list(inode.pending)
    if policy is CrashPolicy.REORDERED:
        chance.shuffle(writes)
    for write in writes:
        if not _stays(policy, chance):
            continue
        if policy is CrashPolicy.TORN and write.data is not None:
            _apply_torn(content, write.offset, write.data, chance)
        else:
            _apply(content, write)
    return bytes(content)


def _apply_torn(content: bytearray, offset: int, data: bytes, chance: random.Random) -> None:
    """Apply the parts of a write that lie in sectors chosen by chance; sectors are counted from the file's start."""
    at = 0
    while at < len(data):
        end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
        if chance.random() < 0.5:  # noqa: PLR2004 - heads or tails
            _apply(content, Write(offset + at, data[at:end]))
        at = end
