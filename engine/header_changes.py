"""What the life of a database in a log stream writes into its header.

Each function takes a header and gives the next one; live work and recovery use the same ones.  None of them
touches a file.

    clean --attach--> dirty --generation_begun--> dirty (newer log) --clean_shutdown--> clean

Generations: "required" is the range of logs without which the pages may be ahead of the log, "committed" the
range that may hold acknowledged work; both are 0 when the database is clean.
Source: log reference 3.7, 3.8, 3.13, 7.9; database reference 1.4, 1.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.format.dbheader import CREATE_UPDATE, DatabaseHeader, DbState
from engine.types import LGPOS_MIN, BkInfo, BkInfoType, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from engine.format.logheader import LogHeader

LAST_RESIZE_UPDATE: Final = 110
"""Update level from which a header carries the position of the last change of size."""
GEN_MAX_REQUIRED_TIME_UPDATE: Final = 150
"""Update level from which a header carries the creation time of the last required log."""

BACKUP_FULL: Final = 1
BACKUP_INCREMENTAL: Final = 2
BACKUP_COPY: Final = 5
BACKUP_DIFFERENTIAL: Final = 6
"""Scopes of a backup record."""

_NO_TIME: Final = LogTime()
_NO_BACKUP: Final = BkInfo()


def _gen_max_fields(header: DatabaseHeader, generation: int, created: LogTime) -> dict[str, Any]:
    with_time = header.update_major >= GEN_MAX_REQUIRED_TIME_UPDATE
    return {
        "gen_max_required": generation,
        "gen_max_committed": generation,
        "logtime_gen_max_create": created,
        "logtime_gen_max_required": created if with_time else _NO_TIME,
    }


def attach(
    header: DatabaseHeader, *, position: LgPos, dbid: int, current: LogHeader, time: LogTime, recovering: bool = False
) -> DatabaseHeader:
    """Return the header of a database whose AttachDB record lies at `position`; `current` is the current log.

    A database that comes from another stream forgets that stream's positions and backups.
    """
    fields: dict[str, Any] = _gen_max_fields(header, current.generation, current.created)
    if header.sign_log != current.signature:
        fields |= {
            "sign_log": current.signature,
            "lgpos_consistent": LGPOS_MIN,
            "lgpos_last_resize": LGPOS_MIN,
            "gen_pre_redo_min_required": 0,
            "gen_pre_redo_min_consistent": 0,
        }
        fields |= _forget_backups()
    if header.update_major >= LAST_RESIZE_UPDATE:
        fields["lgpos_last_resize"] = max(position, fields.get("lgpos_last_resize", header.lgpos_last_resize))
    return header.replace(
        state=DbState.DIRTY_SHUTDOWN,
        gen_min_required=position.generation,
        gen_min_consistent=position.generation,
        gen_recovering=current.generation if recovering else 0,
        lgpos_attach=position,
        logtime_attach=time,
        lgpos_detach=LGPOS_MIN,
        logtime_detach=_NO_TIME,
        lgpos_last_reattach=LGPOS_MIN,
        bkinfo_full_cur=_NO_BACKUP,
        bkinfo_snapshot_cur=_NO_BACKUP,
        dbid=dbid,
        **fields,
    )


def created(
    page_size: int, *, position: LgPos, dbid: int, sign_db: Signature, last: LogHeader, time: LogTime
) -> DatabaseHeader:
    """Return the header of a database that the log builds anew from its CreateDB record at `position`.

    `last` is the last log there is: until that is replayed the database is not consistent.  SetDbVersion records
    raise the level from the one that every new database begins with.
    """
    fields = _gen_max_fields(DatabaseHeader.create(page_size), last.generation, last.created)
    return DatabaseHeader.create(
        page_size,
        sign_db=sign_db,
        state=DbState.DIRTY_SHUTDOWN,
        update_major=CREATE_UPDATE,
        lgpos_attach=position,
        logtime_attach=time,
        dbid=dbid,
        sign_log=last.signature,
        gen_min_required=position.generation,
        gen_min_consistent=position.generation,
        gen_recovering=position.generation,
        **fields,
    )


def attach_unlogged(header: DatabaseHeader, *, dbid: int, time: LogTime, sign_db: Signature) -> DatabaseHeader:
    """Return the header of a database attached for writing with logging off.

    It gets a new signature, because from here on no log stream describes it any more.
    """
    return header.replace(
        state=DbState.DIRTY_SHUTDOWN,
        gen_min_required=0,
        gen_min_consistent=0,
        gen_max_required=0,
        gen_max_committed=0,
        logtime_gen_max_create=_NO_TIME,
        logtime_gen_max_required=_NO_TIME,
        sign_db=sign_db,
        logtime_attach=time,
        lgpos_detach=LGPOS_MIN,
        logtime_detach=_NO_TIME,
        bkinfo_full_cur=_NO_BACKUP,
        bkinfo_snapshot_cur=_NO_BACKUP,
        dbid=dbid,
        **_forget_backups(),
    )


def _forget_backups() -> dict[str, Any]:
    names = ("full", "inc", "copy", "diff")
    fields: dict[str, Any] = {f"bkinfo_{name}_prev": _NO_BACKUP for name in names}
    return fields | {f"bkinfo_type_{name}_prev": int(BkInfoType.NORMAL) for name in names}


def restored(header: DatabaseHeader) -> DatabaseHeader:
    """Return the header of a database that was restored from a backup: it has had no backup yet."""
    return header.replace(bkinfo_full_cur=_NO_BACKUP, bkinfo_snapshot_cur=_NO_BACKUP, **_forget_backups())


def generation_begun(header: DatabaseHeader, generation: int, created: LogTime, *, minimum: int) -> DatabaseHeader:
    """Return the header when log `generation`, created at `created`, has begun and recovery would start at `minimum`.

    The range never starts before the log that holds the attach, and never moves back.
    """
    lowest = max(minimum, header.lgpos_attach.generation, header.gen_min_required)
    return header.replace(
        gen_min_required=lowest, gen_min_consistent=lowest, **_gen_max_fields(header, generation, created)
    )


def minimum_moved(header: DatabaseHeader, *, minimum: int) -> DatabaseHeader:
    """Return the header when recovery would start in log `minimum` from now on."""
    lowest = max(minimum, header.lgpos_attach.generation, header.gen_min_required)
    return header.replace(gen_min_required=lowest, gen_min_consistent=lowest)


def generation_range(header: DatabaseHeader, generation: int, created: LogTime) -> DatabaseHeader:
    """Return the header when log `generation`, created at `created`, is the last one that the database needs."""
    return header.replace(**_gen_max_fields(header, generation, created))


def clean_shutdown(header: DatabaseHeader, *, position: LgPos, time: LogTime) -> DatabaseHeader:
    """Return the header of a database that is detached at `position` (ShutDownMark or DetachDB record)."""
    fields: dict[str, Any] = {"lgpos_consistent": position, "lgpos_detach": position}
    if header.update_major >= LAST_RESIZE_UPDATE:
        fields["lgpos_last_resize"] = position
    return clean_shutdown_unlogged(header, time=time).replace(**fields)


def clean_shutdown_unlogged(header: DatabaseHeader, *, time: LogTime) -> DatabaseHeader:
    """Return the header of a database that was attached with logging off and is detached."""
    return header.replace(
        state=DbState.CLEAN_SHUTDOWN,
        gen_min_required=0,
        gen_max_required=0,
        gen_max_committed=0,
        gen_min_consistent=0,
        gen_recovering=0,
        gen_pre_redo_min_required=0,
        gen_pre_redo_min_consistent=0,
        logtime_gen_max_create=_NO_TIME,
        logtime_gen_max_required=_NO_TIME,
        logtime_consistent=time,
        logtime_detach=time,
        bkinfo_snapshot_cur=_NO_BACKUP,
    )


def backup_finished(header: DatabaseHeader, info: BkInfo, *, kind: int, scope: int) -> DatabaseHeader:
    """Return the header with what a finished backup leaves: `scope` is one of BACKUP_*, `kind` a BkInfoType.

    A full backup makes earlier incremental and differential ones meaningless.
    """
    fields: dict[str, Any]
    if scope == BACKUP_FULL:
        fields = {
            "bkinfo_full_prev": info,
            "bkinfo_type_full_prev": kind,
            "bkinfo_inc_prev": _NO_BACKUP,
            "bkinfo_diff_prev": _NO_BACKUP,
            "bkinfo_snapshot_cur": _NO_BACKUP,
        }
    elif scope == BACKUP_INCREMENTAL:
        fields = {"bkinfo_inc_prev": info, "bkinfo_type_inc_prev": kind}
    elif scope == BACKUP_COPY:
        fields = {"bkinfo_copy_prev": info, "bkinfo_type_copy_prev": kind}
    elif scope == BACKUP_DIFFERENTIAL:
        fields = {"bkinfo_diff_prev": info, "bkinfo_type_diff_prev": kind}
    else:
        return header
    return header.replace(**fields)


def flushed(header: DatabaseHeader, *, signature: Signature, flush_map: Signature | None) -> DatabaseHeader:
    """Return the header as it goes to the file.

    Every write of the header gets a signature of its own.  `flush_map` is the signature of the flush map that
    belongs to the database, or None when it has none: the map is trusted when either signature agrees.
    """
    return header.replace(
        sign_db_hdr_flush=signature, sign_flush_map_hdr_flush=Signature() if flush_map is None else flush_map
    )
