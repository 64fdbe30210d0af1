"""Life of an instance: create, init, sessions, attach, detach, stop, term.  Source: jet-api reference 2.2, 2.6."""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.errors import Err, EseError
from engine.instance import InstanceState
from engine.jet.handles import HANDLES, JET_sesidNil, bits, narrow, wide
from engine.recovery.stop import StopPoint
from engine.types import InitOptions, LgPos, LogTime, Progress, Snprog, TermOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.types import ProgressCallback, StatusCallback, StrPath

_SNPROG_SIZE = 12
_ATTACH_READ_ONLY = 1
_ATTACH_HARMLESS = 0x2 | 0x10 | 0x400 | 0x800 | 0x1000
"""Exclusive access (always so here), index options (no index is looked at), maintenance and cache hints."""
_FORCE_DETACH = 1 | 2
_STOP_BITS = 0x2 | 0x4
_STOP_AND_EMIT_LOG = 0x8
_RESUME = 0x80000000


class JetRstInfo(NamedTuple):
    """JET_RSTINFO: databases that moved as (old path, new path), where to stop, and a status callback.

    The replay ends at the stop and what was not committed there is undone, with or without
    JET_bitRecoveryWithoutUndo, which is not offered: no database is left between redo and undo.
    """

    rgrstmap: Sequence[tuple[str, str]] = ()
    lgposStop: LgPos | None = None
    logtimeStop: LogTime | None = None
    pfnStatus: StatusCallback | None = None

    def stop(self) -> StopPoint | None:
        """Return the stop point; -1003 when position and time are both given."""
        time = None if self.logtimeStop is None else self.logtimeStop.to_datetime()
        return None if self.lgposStop is None and time is None else StopPoint(position=self.lgposStop, time=time)


def as_progress(callback: StatusCallback | None) -> ProgressCallback | None:
    """Return a progress callback of the objects that calls a JET_PFNSTATUS; -1003 for something not callable."""
    if callback is None:
        return None
    if not callable(callback):
        raise EseError.from_code(Err.InvalidParameter, "the status callback cannot be called")

    def call(progress: Progress) -> object:
        state = Snprog(_SNPROG_SIZE, progress.done, progress.total)
        return callback(JET_sesidNil, int(progress.snp), int(progress.snt), state)

    return call


def JetCreateInstance(szInstanceName: str | None) -> tuple[int, int]:
    """Make an instance; no file is touched.  Returns (error, handle)."""
    try:
        return 0, HANDLES.create(wide(szInstanceName))
    except EseError as error:
        return error.code, 0


def JetInit3(instance: int | None, prstInfo: JetRstInfo | None = None, grbit: int = 0) -> int:
    """Start an instance, recovering it when needed.  With None, makes and starts the single instance.

    585 or 587 when it was recovered with the loss of finished work that the options allow.
    """
    try:
        options = bits(grbit)
        if options & ~sum(InitOptions):
            raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
        info = prstInfo or JetRstInfo()
        progress = as_progress(info.pfnStatus)
        made = HANDLES.create(None, single=True) if instance is None else None
        found = HANDLES.instance(made if instance is None else instance)
        try:
            places: dict[StrPath, StrPath] = dict(info.rgrstmap)
            result = found.init(InitOptions(options), progress=progress, stop_at=info.stop(), map_databases=places)
        except BaseException:
            if made is not None:
                HANDLES.forget(found)
            raise
    except EseError as error:
        return error.code
    return result.warning


def JetInit(instance: int | None) -> int:
    """JetInit3 without options."""
    return JetInit3(instance)


def JetTerm2(instance: int | None, grbit: int = TermOptions.ABRUPT) -> int:
    """End an instance.  A refusal leaves it running, any other outcome ends the handle.

    Refusals: a backup runs (-505), a transaction is open and the end is to be complete (-1059), it is ending (-1000).
    One that was never started is -1029, and its handle is gone as well.
    """
    try:
        found = HANDLES.instance(instance)
        options = bits(grbit)
        if options & ~sum(TermOptions):
            raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
        options = options or int(TermOptions.ABRUPT)
        if options & TermOptions.COMPLETE and found.open_transactions:
            raise EseError.from_code(Err.TooManyActiveUsers, "JET_bitTermAbrupt takes open transactions back")
    except EseError as error:
        return error.code
    try:
        found.term(TermOptions(options))
    except EseError as error:
        if error.code == Err.NotInitialized:
            found.abandon()
        if found.state is InstanceState.TERMINATED:
            HANDLES.forget(found)
        return error.code
    HANDLES.forget(found)
    return 0


def JetTerm(instance: int | None) -> int:
    """JetTerm2 without options, which means abrupt."""
    return JetTerm2(instance, 0)


def JetBeginSession(
    instance: int | None, szUserName: str | None = None, szPassword: str | None = None
) -> tuple[int, int]:
    """Begin a session; user and password have no meaning.  Returns (error, session)."""
    del szUserName, szPassword
    try:
        found = HANDLES.instance(instance)
        return 0, HANDLES.add_session(found, found.session())
    except EseError as error:
        return error.code, JET_sesidNil


def JetEndSession(sesid: int, grbit: int = 0) -> int:
    """End a session; the bit ForceSessionClosed (1) is accepted."""
    try:
        if bits(grbit) & ~1:
            raise EseError.from_code(Err.InvalidGrbit, f"{grbit:#x}")
        HANDLES.session(sesid).close()
        HANDLES.forget_session(sesid)
    except EseError as error:
        return error.code
    return 0


def JetAttachDatabase2W(sesid: int, szFilename: str, cpgDatabaseSizeMax: int = 0, grbit: int = 0) -> int:
    """Attach a database: 0, or 1007 when this instance has it already."""
    try:
        return _attach(sesid, wide(szFilename), cpgDatabaseSizeMax, grbit)
    except EseError as error:
        return error.code


def JetAttachDatabase2A(sesid: int, szFilename: bytes, cpgDatabaseSizeMax: int = 0, grbit: int = 0) -> int:
    """JetAttachDatabase2W with a path in the ANSI code page."""
    try:
        return _attach(sesid, narrow(szFilename), cpgDatabaseSizeMax, grbit)
    except EseError as error:
        return error.code


JetAttachDatabase2 = JetAttachDatabase2W


def _attach(sesid: int, path: str | None, most_pages: int, grbit: int) -> int:
    options = bits(grbit)
    if options & ~(_ATTACH_READ_ONLY | _ATTACH_HARMLESS):
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    session = HANDLES.session(sesid)
    if not path:
        raise EseError.from_code(Err.DatabaseInvalidPath, "an empty path")
    return int(session.attach(path, read_only=bool(options & _ATTACH_READ_ONLY), max_pages=bits(most_pages)))


def JetDetachDatabase2W(sesid: int, szFilename: str | None = None, grbit: int = 0) -> int:
    """Detach a database, or all with None."""
    try:
        return _detach(sesid, wide(szFilename), grbit)
    except EseError as error:
        return error.code


def JetDetachDatabase2A(sesid: int, szFilename: bytes | None = None, grbit: int = 0) -> int:
    """JetDetachDatabase2W with a path in the ANSI code page."""
    try:
        return _detach(sesid, narrow(szFilename), grbit)
    except EseError as error:
        return error.code


JetDetachDatabase2 = JetDetachDatabase2W


def _detach(sesid: int, path: str | None, grbit: int) -> int:
    if bits(grbit) & ~_FORCE_DETACH:
        raise EseError.from_code(Err.InvalidGrbit, f"{grbit:#x}")
    if grbit:
        raise EseError.from_code(Err.ForceDetachNotAllowed, "a database is not detached by force")
    HANDLES.session(sesid).detach(path or None)
    return 0


def JetStopServiceInstance(instance: int | None) -> int:
    """Refuse most calls from now on with -1329; a running backup goes on."""
    return JetStopServiceInstance2(instance, 0)


def JetStopServiceInstance2(instance: int | None, grbit: int = 0) -> int:
    """Stop the service, or a part of it.

    0 stops all, for good; StopAndEmitLog (8, alone) closes the current log first.  BackgroundUserTasks (2) and
    QuiesceCaches (4) concern work that is not done in the background here: they succeed.  Resume (80000000) goes
    with those two; alone -1329.
    """
    try:
        found = HANDLES.instance(instance)
        options = bits(grbit)
        if options & ~(_STOP_BITS | _STOP_AND_EMIT_LOG | _RESUME):
            raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
        if options & _STOP_AND_EMIT_LOG and options != _STOP_AND_EMIT_LOG:
            raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
        if options == _RESUME:
            raise EseError.from_code(Err.ClientRequestToStopJetService, "a stopped service cannot be resumed")
        if found.state is InstanceState.CREATED:
            raise EseError.from_code(Err.InvalidParameter, "the instance is not running")
        found.check_running()
        if options & _STOP_AND_EMIT_LOG:
            found.writer.roll()
        if options in {0, _STOP_AND_EMIT_LOG}:
            found.stop_service()
    except EseError as error:
        return error.code
    return 0


def JetStopService() -> int:
    """JetStopServiceInstance of the single instance."""
    try:
        HANDLES.single().stop_service()
    except EseError as error:
        return error.code
    return 0
