"""backup.json: what a backup set consists of.

    {"schema": 1, "program": "esetui 0.1.0", "crc32c": 305419896, "backups": [ {…}, {…} ]}

One entry a backup, oldest first: a full backup, then the incremental ones that added their logs to the same
folder; each names the one it builds on (`parent`).  A file named by several entries has the content the last of
them says.  `crc32c` covers the bytes of `backups` as they stand in the file, so damage of the manifest itself
is found out.  The manifest is written last: a folder with a valid one is a set that was completed.

Unknown fields are accepted (a later program may add some), an unknown schema is refused.  Names are file
names, never paths.  A set of the real engine has no manifest; an incremental backup that adds to one writes a
manifest with that one entry and no parent.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from engine.backup.crc import crc32c
from engine.errors import Err, EseError
from engine.types import LgPos, Signature
from engine.version import __version__

SCHEMA: Final = 1
PROGRAM: Final = f"esetui {__version__}"

U32: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Size: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 62)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Hex28: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{56}$")]
FileKindName: TypeAlias = Literal["database", "log", "patch"]

_FORBIDDEN = re.compile(r"[/\\\x00]")


class FileEntry(Struct, frozen=True, omit_defaults=True):
    """One file: `pages` for a database (headers and trailer included), `generation` for a log."""

    name: Name
    kind: FileKindName
    size: Size
    crc32c: U32
    pages: Size | None = None
    generation: U32 | None = None


class DatabaseEntry(Struct, frozen=True):
    """One database of the backup: where it was, its signature, and its last page (1-based)."""

    name: Name
    source: str
    signature: Hex28
    page_size: U32
    last_page: U32


class BackupEntry(Struct, frozen=True, omit_defaults=True):
    """One backup.  Generations are those of the logs it copied; `mark` is generation, segment, offset."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    kind: Literal["full", "incremental"]
    instance: str
    started: datetime
    finished: datetime
    log_signature: Hex28
    base_name: Name
    first_generation: U32
    last_generation: U32
    mark: tuple[U32, U32, U32]
    files: tuple[FileEntry, ...]
    databases: tuple[DatabaseEntry, ...] = ()
    parent: str | None = None
    atomic: bool = False
    corrected_pages: int = 0
    """Pages and segments that the copy has right and the source had a wrong bit in."""


class _Envelope(Struct):
    schema: int
    program: str
    crc32c: U32
    backups: msgspec.Raw


class Manifest(Struct, frozen=True):
    """A manifest as read: who wrote it, and its backups, oldest first."""

    program: str
    backups: tuple[BackupEntry, ...]

    def current_files(self) -> dict[str, FileEntry]:
        """Return every file of the set by name, with what the last entry that names it says."""
        return {file.name: file for entry in self.backups for file in entry.files}


def encode(backups: tuple[BackupEntry, ...], program: str = PROGRAM) -> bytes:
    """Return the bytes of backup.json."""
    body = msgspec.json.format(msgspec.json.encode(backups), indent=1)
    envelope = _Envelope(SCHEMA, program, crc32c(body), msgspec.Raw(body))
    return msgspec.json.encode(envelope) + b"\n"


def decode(data: bytes, *, path: str | None = None) -> Manifest:
    """Read backup.json; -1003 with the reason for anything that is not a sound manifest of a known schema."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        if envelope.schema != SCHEMA:
            raise _refuse(f"schema {envelope.schema} is not known, only {SCHEMA}", path)
        body = bytes(envelope.backups)
        if crc32c(body) != envelope.crc32c:
            raise _refuse("its checksum does not fit its content", path)
        backups = msgspec.json.decode(body, type=tuple[BackupEntry, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _refuse(str(error), path) from error
    _check(backups, path)
    return Manifest(envelope.program, backups)


def _refuse(reason: str, path: str | None) -> EseError:
    return EseError.from_code(Err.InvalidParameter, f"not a usable backup manifest: {reason}", path=path)


def _check(backups: tuple[BackupEntry, ...], path: str | None) -> None:
    """Check what the types cannot say: the order of the entries and the links between them."""
    if not backups:
        raise _refuse("it names no backup", path)
    known: set[str] = set()
    for entry in backups:
        if entry.parent is not None and entry.parent not in known:
            raise _refuse(f"backup {entry.id} builds on one that does not come before it", path)
        if entry.id in known or (entry.kind == "full" and known):
            raise _refuse(f"backup {entry.id} is out of place", path)
        known.add(entry.id)
        problem = _problem_of(entry)
        if problem:
            raise _refuse(f"backup {entry.id}: {problem}", path)


def _problem_of(entry: BackupEntry) -> str:
    """Return what is wrong with one entry: times, names, generations; empty when nothing is."""
    if entry.started.tzinfo is None or entry.finished.tzinfo is None:
        return "a time without a zone"
    for name in (*(each.name for each in entry.files), *(each.name for each in entry.databases)):
        if _FORBIDDEN.search(name) or name in {".", ".."}:
            return f"{name!r} is not a file name"
    if len({each.name for each in entry.files}) != len(entry.files):
        return "a file is named twice"
    for file in entry.files:
        if (file.kind == "log") != (file.generation is not None):
            return f"{file.name!r}: a log, and only a log, has a generation"
        if file.generation is not None and not entry.first_generation <= file.generation <= entry.last_generation:
            return f"{file.name!r} lies outside the generations of its backup"
    return ""


def signature_text(signature: Signature) -> str:
    """Return a signature as the manifest spells it: 56 hex digits."""
    return signature.pack().hex()


def signature_of(text: str) -> Signature:
    """Return the signature of such a text."""
    return Signature.unpack(bytes.fromhex(text))


def mark_of(entry: BackupEntry) -> LgPos:
    """Return the mark of a backup as a log position."""
    return LgPos(*entry.mark)


def utc(when: datetime) -> datetime:
    """Return `when` in UTC, to the millisecond, as the manifest keeps times."""
    when = when.astimezone(UTC)
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def build_on(former: bytes | None, entry: BackupEntry, *, path: str | None = None) -> bytes:
    """Return the manifest with `entry` added after those of `former` and linked to the last of them."""
    if former is None:
        return encode((entry,))
    backups = decode(former, path=path).backups
    linked = msgspec.structs.replace(entry, parent=backups[-1].id)
    return encode((*backups, linked))
