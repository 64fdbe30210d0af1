"""What goes on in a running instance, in numbers: sessions, cache, versions, log.

Taken without the latch: each number is right, but they are not all of one moment.
Source: jet-api reference, parameters 9, 24, 41, 60, 128; log reference 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.format.segment import SEGMENT_SIZE

if TYPE_CHECKING:
    from engine.instance.live import LiveStore
    from engine.types import LgPos


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """One session: `level` of its transaction (0: none), changes that it has made in it."""

    procid: int
    level: int
    read_only: bool
    changes: int


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """The store of an instance.

    `cache_pages` of at most `cache_limit` are in memory, `dirty_pages` of them ahead of their files.
    `version_bytes` of at most `version_limit` are kept for `open_transactions` and for the cleanup.  `log_bytes` is
    how far the log has come, in bytes from the beginning of its first generation, `checkpoint_depth` how many bytes
    of it a recovery would replay, which is kept near `checkpoint_depth_goal`.
    """

    sessions: tuple[SessionStatistics, ...]
    cache_pages: int
    cache_limit: int
    dirty_pages: int
    versions: int
    version_bytes: int
    version_limit: int
    open_transactions: int
    log_bytes: int
    generation: int
    checkpoint_generation: int
    checkpoint_depth: int
    checkpoint_depth_goal: int


def statistics(live: LiveStore, checkpoint: LgPos, depth_goal: int) -> StoreStatistics:
    """Return the numbers of this moment."""
    writer = live.journal.writer
    file_bytes = writer.header.file_segments * SEGMENT_SIZE
    tip = writer.last_record
    sessions = []
    for each in list(live.sessions.values()):
        trx = each.trx
        changes = 0 if trx is None else len(trx.written)
        sessions.append(SessionStatistics(each.procid, each.level, each.read_only and trx is not None, changes))
    versions = live.versions
    return StoreStatistics(
        sessions=tuple(sessions),
        cache_pages=live.pool.count,
        cache_limit=live.pool.limit,
        dirty_pages=sum(each.dirty_pages for each in list(live.pool.stores)),
        versions=versions.count,
        version_bytes=versions.used,
        version_limit=versions.limit,
        open_transactions=versions.open_transactions,
        log_bytes=_bytes(tip, file_bytes),
        generation=tip.generation,
        checkpoint_generation=checkpoint.generation,
        checkpoint_depth=max(0, _bytes(tip, file_bytes) - _bytes(checkpoint, file_bytes)),
        checkpoint_depth_goal=depth_goal,
    )


def _bytes(position: LgPos, file_bytes: int) -> int:
    """Return how far a position is from the beginning of the first generation."""
    return (position.generation - 1) * file_bytes + position.segment * SEGMENT_SIZE + position.offset
