"""JetSetSystemParameter and JetGetSystemParameter.  Source: jet-api reference 4.2, 6.6.

Without an instance they speak of the process: the process-wide values, and what instances made later begin with.
"""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from engine.errors import Err, EseError, error_string
from engine.jet.handles import HANDLES, JET_instanceNil
from engine.params import Param, Parameters


def _parameters(instance: int | None) -> Parameters:
    if instance is None or instance in {0, JET_instanceNil}:
        return HANDLES.defaults
    return HANDLES.instance(instance).params


def JetSetSystemParameter(instance: int | None, sesid: int | None, paramid: int, value: int | str | None) -> int:
    """Set a parameter; `value` is a number or a text.

    -1003 out of range, unknown or read-only, -1030 too late, -1001 for a feature that is not there.
    """
    try:
        if sesid not in {None, 0}:
            raise EseError.from_code(Err.InvalidParameter, "no parameter belongs to a session here")
        _parameters(instance)[paramid] = value
    except EseError as error:
        return error.code
    return 0


def JetGetSystemParameter(
    instance: int | None, sesid: int | None, paramid: int, lParam: int = 0
) -> tuple[int, int, str]:
    """Return (error, number, text); ErrorToString (70) takes the error code in `lParam`."""
    try:
        if sesid not in {None, 0}:
            raise EseError.from_code(Err.InvalidParameter, "no parameter belongs to a session here")
        if paramid == Param.ErrorToString:
            return 0, lParam, error_string(lParam)
        value = _parameters(instance)[paramid]
    except EseError as error:
        return error.code, 0, ""
    if isinstance(value, str):
        return 0, 0, value
    return 0, int(value) if isinstance(value, int) else 0, ""
