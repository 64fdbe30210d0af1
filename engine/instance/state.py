"""States of an instance, and what each refuses.

    CREATED --init--> RECOVERING --> RUNNING --stop_service--> STOPPING
                                        |                         |
                                        +------ term -------------+--> TERMINATING --> TERMINATED
    any of the running ones --fatal error--> DOWN --term--> TERMINATED

Source: jet-api reference 1.10 rows 1-7, 2.2, 2.6, 6.4.
"""

from __future__ import annotations

from enum import Enum

from engine.errors import Err, EseError


class InstanceState(Enum):
    """Where an instance is in its life."""

    CREATED = "created"
    RECOVERING = "recovering"
    """Inside init: the log is being opened, and replayed when the last run did not end well."""
    RUNNING = "running"
    STOPPING = "stopping"
    """The service was stopped: only what leads to the end is permitted."""
    TERMINATING = "terminating"
    RESTORING = "restoring"
    DOWN = "down"
    """A fatal error; recovery at the next init sets things right."""
    TERMINATED = "terminated"


ATTACHED_STATES = (InstanceState.RUNNING, InstanceState.STOPPING)
"""States in which databases can be attached."""

_REFUSALS = {
    InstanceState.TERMINATED: (Err.InvalidParameter, "the instance has ended"),
    InstanceState.STOPPING: (Err.ClientRequestToStopJetService, "the service was stopped"),
    InstanceState.DOWN: (Err.InstanceUnavailable, "a fatal error took the instance down"),
    InstanceState.TERMINATING: (Err.TermInProgress, ""),
    InstanceState.RESTORING: (Err.RestoreInProgress, ""),
    InstanceState.CREATED: (Err.NotInitialized, "init has not been called"),
}


def refusal(
    state: InstanceState, *, replaying: bool = False, for_backup: bool = False, stopped_too: bool = False
) -> EseError | None:
    """Return the error that a call gets in `state`, or None when the instance serves it.

    `stopped_too` is for calls that are permitted after `stop_service`.  An instance inside init answers -1031, a
    backup gets -1003 from it while it is `replaying`, else -523.
    """
    if state is InstanceState.RUNNING or (stopped_too and state is InstanceState.STOPPING):
        return None
    if state is InstanceState.RECOVERING:
        if not for_backup:
            return EseError.from_code(Err.InitInProgress)
        code = Err.InvalidParameter if replaying else Err.BackupNotAllowedYet
        return EseError.from_code(code, "the instance is in recovery" if replaying else "init has not finished")
    code, detail = _REFUSALS[state]
    return EseError.from_code(code, detail)
