"""What the process answers to its caller.  Frozen: codes are never renumbered, and an unknown code means failure.

Source: anchors B.5.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Exit codes of every command; each member's `__doc__` says when it is used."""

    OK = 0, "The command did all that was asked."
    FAILED = 1, "The command failed for a reason that has no code of its own; the message names it."
    USAGE = 2, "Wrong arguments, options that exclude each other, or a configuration file that is not valid."
    WARNINGS = 3, "Completed, with something to look at: a page was corrected, or a header could not be updated."
    DAMAGE = 4, "Verification found damage: a checksum does not fit, or a file breaks its format."
    NOT_RECOVERABLE = 5, "A database is dirty and what would make it consistent is missing or not available."
    BUSY = 6, "Locked or busy: another program holds the instance, or a backup is already running."
    VERSION = 7, "The file's format version is not supported."
    STORAGE = 8, "Storage or permission: a path is missing, full, not writable, or a device reports an error."
    HANGUP = 129, "Ended by SIGHUP: the terminal went away; a running job was cancelled cleanly."
    INTERRUPTED = 130, "Ended by SIGINT (Ctrl-C); a running job was cancelled cleanly."
    TERMINATED = 143, "Ended by SIGTERM; a running job was cancelled cleanly."

    def __new__(cls, value: int, doc: str = "") -> Self:
        """Keep the sentence beside the number."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.__doc__ = doc
        return member
