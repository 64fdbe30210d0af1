"""Whether a database takes part in a replay: the rule that compares its header with what the log says of it.

A log names databases in two ways: by an AttachDB record, and in the attach list of a header or checkpoint, which
stands for a record that lies before.  The database that lies at that path now may be

    the one meant, in the state the log expects       it takes part
    ahead: consistent, or attached again, later on    its turn comes, or has come: passed over
    another one, gone, or unreadable                  passed over; at the end that may be an error

Source: log reference 3.8.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import Err, EseError
from engine.format.dbheader import DatabaseHeader, DbState
from engine.types import LGPOS_MIN

if TYPE_CHECKING:
    from engine.types import LgPos, Signature


class Named(NamedTuple):
    """A database as the log names it; `sign_log` is None for an entry of an attach list."""

    dbid: int
    path: str
    position: LgPos
    consistent: LgPos
    sign_db: Signature
    sign_log: Signature | None = None


class Verdict(Enum):
    """What becomes of a database that the log names."""

    NOW = "takes part"
    CONSISTENT_LATER = "consistent in the future"
    ATTACHED_LATER = "attached again in the future"
    OTHER_DATABASE = "another database lies there"
    OTHER_STREAM = "belongs to another log stream"
    MISSING = "file not found"
    UNREADABLE = "header cannot be read"

    @property
    def harmless(self) -> bool:
        """Whether the end of recovery may pass over it: the database is further than the log at this point."""
        return self in (Verdict.CONSISTENT_LATER, Verdict.ATTACHED_LATER)


_REPLAYABLE = (DbState.DIRTY_SHUTDOWN, DbState.CLEAN_SHUTDOWN, DbState.DIRTY_AND_PATCHED)


def judge(named: Named, header: DatabaseHeader, stream: Signature, path: str) -> Verdict:
    """Apply the rule.

    -1206 for a state that cannot be replayed, -551 when the database is not the one that was attached, -1216 when
    its last attach lies before what an attach list says.
    """
    if header.state == DbState.JUST_CREATED:
        return Verdict.UNREADABLE
    if header.state not in _REPLAYABLE:
        raise EseError.from_code(Err.DatabaseCorrupted, f"state {int(header.state)} cannot be replayed", path=path)
    if header.sign_log != stream:
        moved = (
            named.sign_log is not None
            and header.sign_log == named.sign_log
            and header.sign_db == named.sign_db
            and header.lgpos_consistent == named.consistent
        )
        return Verdict.NOW if moved else Verdict.OTHER_STREAM
    if header.sign_db != named.sign_db:
        return Verdict.OTHER_DATABASE
    if header.lgpos_consistent > named.position:
        return Verdict.CONSISTENT_LATER
    if header.lgpos_attach > named.position:
        return Verdict.ATTACHED_LATER
    if header.lgpos_attach < named.position:
        if named.sign_log is None:
            detail = f"last attached at {header.lgpos_attach}, the log says {named.position}"
            raise EseError.from_code(Err.AttachedDatabaseMismatch, detail, path=path, event_id=495)
        consistent = (header.lgpos_consistent, named.consistent)
        if consistent[0] != consistent[1] and LGPOS_MIN not in consistent:
            detail = f"consistent at {header.lgpos_consistent}, the log says {named.consistent}"
            raise EseError.from_code(Err.ConsistentTimeMismatch, detail, path=path, event_id=517)
    return Verdict.NOW
