"""What an instance tells about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.format.dbheader import DatabaseHeader
    from engine.types import LgPos, Signature


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """An attached database.  `size_bytes` is the size of its file."""

    path: str
    dbid: int
    size_bytes: int
    page_size: int
    read_only: bool
    logged: bool
    header: DatabaseHeader


@dataclass(frozen=True, slots=True)
class LogInfo:
    """The log stream of a running instance.

    `generations_on_disk` goes from the lowest closed log present to the current one; `checkpoint` is what the
    checkpoint file says.
    """

    current_generation: int
    checkpoint_generation: int
    checkpoint: LgPos
    generations_on_disk: range
    signature: Signature
    last_full_backup: LgPos
    last_incremental_backup: LgPos


@dataclass(frozen=True, slots=True)
class InstanceInfo:
    """One row of JetGetInstanceInfo: only attached, logged databases are listed."""

    id: int
    name: str
    databases: tuple[str, ...]
