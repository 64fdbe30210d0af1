"""JetRestore and its forms.  Source: jet-api reference 2.1."""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.jet.handles import HANDLES, narrow, wide
from engine.jet.life import as_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.instance import Instance
    from engine.types import StatusCallback


def _restore(instance: Instance, source: str | None, target: str | None, callback: StatusCallback | None) -> int:
    if not source:
        raise EseError.from_code(Err.InvalidParameter, "no backup set named")
    instance.restore(source, target or None, progress=as_progress(callback))
    return 0


def _of_handle(instance: int | None, source: str | None, target: str | None, callback: StatusCallback | None) -> int:
    """Restore with an instance, or for a nil handle with one that is made for the call."""
    if instance:
        return _restore(HANDLES.instance(instance), source, target, callback)
    return _of_single(source, target, callback)


def _of_single(source: str | None, target: str | None, callback: StatusCallback | None) -> int:
    """Restore with the single instance, which is made for the call when there is none: -1081 beside others."""
    try:
        found = HANDLES.single()
    except EseError as error:
        if error.code != Err.NotInitialized:
            raise
    else:
        return _restore(found, source, target, callback)
    made = HANDLES.instance(HANDLES.create(None, single=True))
    try:
        return _restore(made, source, target, callback)
    finally:
        made.abandon()
        HANDLES.forget(made)


def _answer(function: Callable[[], int]) -> int:
    try:
        return function()
    except EseError as error:
        return error.code


def JetRestoreInstanceW(
    instance: int | None, sz: str | None, szDest: str | None = None, pfn: StatusCallback | None = None
) -> int:
    """Restore the set in folder `sz` into folder `szDest`, or with None to where its logs say.

    For an instance that was made and not started; afterwards it is so again, and JetInit may follow.  Newer logs in
    JET_paramLogFilePath are replayed behind those of the set.  Returns 0 or a code of jet-api reference 2.1.
    """
    return _answer(lambda: _of_handle(instance, wide(sz), wide(szDest), pfn))


def JetRestoreInstanceA(
    instance: int | None, sz: bytes | None, szDest: bytes | None = None, pfn: StatusCallback | None = None
) -> int:
    """JetRestoreInstanceW with paths in the ANSI code page; -1003 when one cannot be decoded."""
    return _answer(lambda: _of_handle(instance, narrow(sz), narrow(szDest), pfn))


JetRestoreInstance = JetRestoreInstanceW


def JetRestoreW(sz: str | None, pfn: StatusCallback | None = None) -> int:
    """JetRestoreInstanceW of the single instance, to the original places; -1081 in multi-instance mode."""
    return _answer(lambda: _of_single(wide(sz), None, pfn))


def JetRestoreA(sz: bytes | None, pfn: StatusCallback | None = None) -> int:
    """JetRestoreW with a path in the ANSI code page."""
    return _answer(lambda: _of_single(narrow(sz), None, pfn))


JetRestore = JetRestoreW


def JetRestore2W(sz: str | None, szDest: str | None, pfn: StatusCallback | None = None) -> int:
    """JetRestoreInstanceW of the single instance; -1081 in multi-instance mode."""
    return _answer(lambda: _of_single(wide(sz), wide(szDest), pfn))


def JetRestore2A(sz: bytes | None, szDest: bytes | None, pfn: StatusCallback | None = None) -> int:
    """JetRestore2W with paths in the ANSI code page."""
    return _answer(lambda: _of_single(narrow(sz), narrow(szDest), pfn))


JetRestore2 = JetRestore2W
