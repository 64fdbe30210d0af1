"""Errors: one tree, typed by the engine's own categories, carrying code, name and place.

    EseError
    +-- OperationError
    |   +-- FatalError            restart the instance
    |   +-- IOFailure (OSError)   may be transient
    |   +-- ResourceError
    |       +-- MemoryLimitError
    |       +-- QuotaError
    |       +-- DiskFullError
    +-- DataError
    |   +-- CorruptionError       restore or repair
    |   |   +-- ChecksumError     -1018 -612 -1118 -1119 -1021; stored and computed value
    |   +-- InconsistentError     files were mishandled
    |   |   +-- DirtyShutdown     -550
    |   +-- FragmentationError
    +-- ApiError
        +-- UsageError            caller's mistake
        |   +-- InvalidPath (OSError)  -1023
        |   +-- NotInitialized    -1029
        +-- StateError            expected outcome to branch on
        |   +-- BackupInProgress  -505
        |   +-- KeyNotFound (LookupError)  -1601
        |   +-- KeyDuplicate      -1605
        |   +-- WriteConflict     -1102
        +-- ObsoleteError

Source: jet-api reference 3 and 6.2.
"""

from __future__ import annotations

import os
from typing import Any, Self, TypedDict, Unpack

from engine.error_table import CODES, Code, Err, ErrCat, Wrn

__all__ = [
    "ApiError",
    "BackupInProgress",
    "ChecksumError",
    "Code",
    "CorruptionError",
    "DataError",
    "DirtyShutdown",
    "DiskFullError",
    "Err",
    "ErrCat",
    "EseError",
    "EseWarning",
    "FatalError",
    "FragmentationError",
    "IOFailure",
    "InconsistentError",
    "InvalidPath",
    "KeyDuplicate",
    "KeyNotFound",
    "MemoryLimitError",
    "NotInitialized",
    "ObsoleteError",
    "OperationError",
    "Place",
    "QuotaError",
    "ResourceError",
    "StateError",
    "UsageError",
    "WriteConflict",
    "Wrn",
    "error_category",
    "error_name",
    "error_string",
    "printable",
]

_UNKNOWN = "Unknown Error"


def error_name(code: int) -> str:
    """Return "JET_errReadVerifyFailure" for -1018; "Unknown Error" for a number without a name."""
    known = CODES.get(code)
    return _UNKNOWN if known is None else known.full_name


def error_string(code: int) -> str:
    """Return what JET_paramErrorToString gives: name, comma, short text; no space after the comma."""
    known = CODES.get(code)
    return f"{_UNKNOWN},{_UNKNOWN}" if known is None else f"{known.full_name},{known.text}"


def error_category(code: int) -> ErrCat:
    """Return the engine's category of a code, UNKNOWN for warnings and unknown numbers."""
    known = CODES.get(code)
    return ErrCat.UNKNOWN if known is None else known.category


def printable(text: str) -> str:
    r"""Return `text` with control characters, lone surrogates and the like escaped (\x1b), safe for a terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


class Place(TypedDict, total=False):
    """Where an error was met, and what goes with it; every part is optional.

    `page` and `generation` are 1-based numbers, `offset` is bytes from the start of the file, `segment` the
    number within a log file; `stored` and `computed` are the checksums (or page numbers) that disagree.
    """

    path: str | os.PathLike[str] | None
    page: int | None
    generation: int | None
    offset: int | None
    segment: int | None
    event_id: int | None
    stored: int | None
    computed: int | None
    hint: str | None


class EseError(Exception):
    """An engine error: `code`, `name`, `category`, `message` and the place; `args` is `(message,)`.

    `message` is the short text and the detail, without the place; `str()` gives name, code, message and place.
    Made by `from_code`, which picks the class.
    """

    code: int
    name: str
    category: ErrCat
    message: str
    path: str | None
    page: int | None
    generation: int | None
    offset: int | None
    segment: int | None
    event_id: int | None
    stored: int | None
    computed: int | None
    hint: str | None

    def __init__(self, message: str = "", *, code: int = 0, **place: Unpack[Place]) -> None:
        super().__init__(message)
        self.code = int(code)
        self.name = error_name(code) if code else _UNKNOWN
        self.category = error_category(code)
        self.message = message
        path = place.get("path")
        self.path = None if path is None else os.fspath(path)
        self.page = place.get("page")
        self.generation = place.get("generation")
        self.offset = place.get("offset")
        self.segment = place.get("segment")
        self.event_id = place.get("event_id")
        self.stored = place.get("stored")
        self.computed = place.get("computed")
        self.hint = place.get("hint")

    @classmethod
    def from_code(cls, code: int, detail: str = "", **place: Unpack[Place]) -> EseError:
        """Make the error of the class that fits `code`; an unknown code gives a plain `EseError`."""
        known = CODES.get(code)
        text = _UNKNOWN if known is None else known.text
        made = _class_of(code)
        return made(f"{text}: {detail}" if detail else text, code=code, **place)

    def located(self, **place: Unpack[Place]) -> Self:
        """Fill in those parts of the place that are not known yet, and return itself.

        For a caller that knows the file where a parser only knew the offset.
        """
        for part, value in place.items():
            if value is not None and getattr(self, part) is None:
                setattr(self, part, os.fspath(value) if isinstance(value, os.PathLike) else value)
        return self

    def where(self) -> str:
        """Return the place in words: file, page, generation, segment, offset; empty when nothing is known."""
        parts = [] if self.path is None else [printable(self.path)]
        if self.page is not None:
            parts.append(f"page {self.page}")
        if self.generation is not None:
            parts.append(f"generation {self.generation:#x}")
        if self.segment is not None:
            parts.append(f"segment {self.segment}")
        if self.offset is not None:
            parts.append(f"offset {self.offset:#x}")
        return ", ".join(parts)

    def __str__(self) -> str:
        label = f"{self.name} ({self.code})"
        text = f"{label}: {printable(self.message)}" if self.message else label
        if self.stored is not None or self.computed is not None:
            text += f"; stored {_hexadecimal(self.stored)}, computed {_hexadecimal(self.computed)}"
        place = self.where()
        return f"{text} [{place}]" if place else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _hexadecimal(value: int | None) -> str:
    return "-" if value is None else f"{value:#x}"


def _rebuild(kind: type[EseError], args: tuple[Any, ...], state: dict[str, Any]) -> EseError:
    error = kind(*args)
    error.__dict__.update(state)
    return error


class OperationError(EseError):
    """The operation failed; the data may be sound."""


class FatalError(OperationError):
    """The instance must be restarted."""


class IOFailure(OperationError, OSError):  # noqa: N818 - the name under which it is known
    """The operating system failed to read or write; may be transient."""


class ResourceError(OperationError):
    """Something ran out; may be transient."""


class MemoryLimitError(ResourceError):
    """Memory, handles or buffers ran out."""


class QuotaError(ResourceError):
    """A configured limit was reached."""


class DiskFullError(ResourceError):
    """The volume is full."""


class DataError(EseError):
    """Something is wrong with the files."""


class CorruptionError(DataError):
    """Damaged: restore or repair."""


class ChecksumError(CorruptionError):
    """A page or log segment is not what was written: -1018, -612, -1118, -1119, -1021; see `stored`, `computed`."""


class InconsistentError(DataError):
    """The files were mishandled: they do not belong together, or one is missing."""


class DirtyShutdown(InconsistentError):  # noqa: N818 - the name under which it is known
    """-550: the database was not shut down cleanly and needs recovery."""


class FragmentationError(DataError):
    """Numbers are used up: offline defragmentation or a new log stream is needed."""


class ApiError(EseError):
    """The call was not right, or not right now."""


class UsageError(ApiError):
    """The caller's mistake."""


class InvalidPath(UsageError, OSError):  # noqa: N818 - the name under which it is known
    """-1023: a path is unusable, or is not there."""


class NotInitialized(UsageError):  # noqa: N818 - the name under which it is known
    """-1029: the instance was not initialised."""


class StateError(ApiError):
    """An expected outcome to branch on."""


class BackupInProgress(StateError):  # noqa: N818 - the name under which it is known
    """-505: another backup of the instance is running."""


class KeyNotFound(StateError, LookupError):  # noqa: N818 - the name under which it is known
    """-1601: no record for the key."""


class KeyDuplicate(StateError):  # noqa: N818 - the name under which it is known
    """-1605: the key exists already in a unique index."""


class WriteConflict(StateError):  # noqa: N818 - the name under which it is known
    """-1102: another transaction holds the record."""


class ObsoleteError(ApiError):
    """An error that current engines no longer produce."""


class EseWarning(UserWarning):
    """A positive code that a caller may want to know of: `code`, `name`; `args` is `(message,)`."""

    def __init__(self, message: str = "", *, code: int = 0) -> None:
        super().__init__(message)
        self.code = int(code)
        self.name = error_name(code) if code else _UNKNOWN
        self.message = message

    @classmethod
    def from_code(cls, code: int, detail: str = "") -> EseWarning:
        """Make the warning of a code, with its short text."""
        known = CODES.get(code)
        text = _UNKNOWN if known is None else known.text
        return cls(f"{text}: {detail}" if detail else text, code=code)

    def __str__(self) -> str:
        return f"{self.name} ({self.code}): {printable(self.message)}"


_BY_CODE: dict[int, type[EseError]] = {
    Err.ReadVerifyFailure: ChecksumError,
    Err.LogReadVerifyFailure: ChecksumError,
    Err.ReadPgnoVerifyFailure: ChecksumError,
    Err.ReadLostFlushVerifyFailure: ChecksumError,
    Err.DiskReadVerificationFailure: ChecksumError,
    Err.DatabaseDirtyShutdown: DirtyShutdown,
    Err.InvalidPath: InvalidPath,
    Err.NotInitialized: NotInitialized,
    Err.BackupInProgress: BackupInProgress,
    Err.RecordNotFound: KeyNotFound,
    Err.KeyDuplicate: KeyDuplicate,
    Err.WriteConflict: WriteConflict,
}

_BY_CATEGORY: dict[ErrCat, type[EseError]] = {
    ErrCat.OPERATION: OperationError,
    ErrCat.FATAL: FatalError,
    ErrCat.IO: IOFailure,
    ErrCat.RESOURCE: ResourceError,
    ErrCat.MEMORY: MemoryLimitError,
    ErrCat.QUOTA: QuotaError,
    ErrCat.DISK: DiskFullError,
    ErrCat.DATA: DataError,
    ErrCat.CORRUPTION: CorruptionError,
    ErrCat.INCONSISTENT: InconsistentError,
    ErrCat.FRAGMENTATION: FragmentationError,
    ErrCat.API: ApiError,
    ErrCat.USAGE: UsageError,
    ErrCat.STATE: StateError,
    ErrCat.OBSOLETE: ObsoleteError,
}


def _class_of(code: int) -> type[EseError]:
    return _BY_CODE.get(code) or _BY_CATEGORY.get(error_category(code), EseError)
