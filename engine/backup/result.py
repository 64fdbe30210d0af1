"""What a backup gives back.  Source: jet-api reference 6.4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

BackupKind: TypeAlias = Literal["full", "incremental", "truncate"]


class CorrectedUnit(NamedTuple):
    """A page or log segment of `path` that the copy has right: its number and the bits that were wrong."""

    path: str
    kind: Literal["page", "segment"]
    number: int
    bits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A finished backup.

    `target` is the folder that the set lies in now (below the given one for the atomic layout), None for a
    truncation; `files` are its files, in the order of copying, the manifest last.  `first_generation` to
    `last_generation` were copied (both 0 for a truncation); `deleted_logs` were deleted afterwards (missing ones
    within the range were not there before).  `warnings` are events that did not make it fail, by number.
    """

    kind: BackupKind
    target: Path | None
    files: tuple[Path, ...]
    bytes_copied: int
    pages_verified: int
    first_generation: int
    last_generation: int
    deleted_logs: range
    started: datetime
    finished: datetime
    corrected: tuple[CorrectedUnit, ...] = ()
    warnings: tuple[int, ...] = ()
