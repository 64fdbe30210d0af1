"""System parameters: what an instance and the process are set up with.

`Parameters` is a mapping and has an attribute for each parameter:

    params[Param.CircularLog]   params["CircularLog"]   params[17]   params.circular_log

Setting checks, in this order: the number is known (-1003) and may be set at all (-1003); an advanced one while
EnableAdvanced is false succeeds without effect; type and range (-1003); frozen (-1030, unless it is the present
value); what this engine cannot do is -1001 with the parameter's name.  Nothing is ignored in silence: `describe`
tells what each parameter does here, and an accepted one without effect is noted in the log.

Process-wide values live in `SharedParameters`, one of which (`PROCESS`) all instances use unless told otherwise.
They freeze while an instance exists (`claim`), an instance's own while it runs (`freeze`).

Source: jet-api reference 4.2 and 6.4.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import Err, EseError, error_string
from engine.files.real import RealFileSystem
from engine.format.versions import FORMATS
from engine.param_fields import ParameterFields
from engine.param_ids import Param
from engine.param_table import PARAMETERS, Kind, ParameterRow, Scope, Treatment, When

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import FileSystem

__all__ = [
    "EFV_ALLOW_HIGHER_PERSISTED",
    "EFV_ENGINE_DEFAULT",
    "EFV_PERSISTED",
    "PROCESS",
    "Param",
    "ParameterInfo",
    "Parameters",
    "SharedParameters",
    "Treatment",
]

EFV_ENGINE_DEFAULT = 0x40000001
"""EngineFormatVersion: write the newest format that is the default."""
EFV_PERSISTED = 0x40000002
"""EngineFormatVersion: write the format that the files have."""
EFV_ALLOW_HIGHER_PERSISTED = 0x41000000
"""Added to a version: newer files are no error."""

_COMMIT_LAZY_FLUSH = 1
_CREATE_FLUSH_MAP = 2
"""PersistedLostFlushDetection: make a new flush map at each attach."""

_TEXT = (Kind.STRING, Kind.FOLDER, Kind.PATH)
_KEY_MOST = {2048: 500, 4096: 1000}
_KEY_MOST_LARGE = 2000
_LARGE_PAGE = 16384
_CHUNK_OVERHEAD_SMALL = 82
_LONG_VALUE_CHUNK_LARGE = {16384: 4050, 32768: 8150}

_logger = logging.getLogger("ese.params")
_logger.addHandler(logging.NullHandler())


class ParameterInfo(NamedTuple):
    """What a person wants to know of one parameter."""

    param: Param
    value: object
    default: object
    treatment: Treatment
    honoured: bool
    """Whether the value is acted by, or is kept without acting; False when it has no effect or is refused."""
    reason: str
    """Why it has no effect, why its promise holds by itself, or why it is refused; empty when the engine acts by it."""
    meaning: str
    frozen: bool
    settable: bool
    advanced: bool
    process_wide: bool


class SharedParameters:
    """Values of the parameters that belong to the process, and how many instances hold them still."""

    def __init__(self) -> None:
        self.values: dict[int, object] = {}
        self.claims = 0
        self.lock = threading.Lock()


PROCESS = SharedParameters()
"""The process-wide values that instances share."""


class Parameters(ParameterFields, Mapping["Param | int | str", Any]):
    """The parameters of one instance, and through it those of the process.

    `shared` may be a store of its own, for an instance whose page size must not bind the rest of the process.
    `template` gives starting values (what JetSetSystemParameter sets without an instance).
    """

    def __init__(
        self,
        values: Mapping[Param | int | str, Any] | None = None,
        *,
        shared: SharedParameters = PROCESS,
        template: Parameters | None = None,
        fs: FileSystem | None = None,
    ) -> None:
        self._shared = shared
        self._fs: FileSystem = fs if fs is not None else RealFileSystem()
        self._own: dict[int, object] = {} if template is None else template.own_values()
        self._frozen = False
        self._claimed = False
        if values is not None:
            self.set_all(values)

    # -- mapping

    def __getitem__(self, key: Param | int | str) -> Any:
        row = row_of(key)
        if row.treatment is Treatment.OUTSIDE:
            raise _unavailable(row)
        if row.treatment is Treatment.COMPUTED and row.id in _COMPUTED:
            return _COMPUTED[row.id](self)
        value = self._store(row).get(row.id, row.default)
        if row.kind is Kind.FOLDER and value == row.default and value:
            return self._folder(str(value))  # the working directory of the moment, until somebody says otherwise
        if row.kind is Kind.PATH and value == row.default:
            return self._fs.absolute(str(value))
        return value

    def __setitem__(self, key: Param | int | str, value: Any) -> None:
        row = row_of(key)
        if row.when is When.NEVER:
            raise _invalid(row, "cannot be set")
        if row.treatment is Treatment.OUTSIDE:
            raise _unavailable(row)
        if row.advanced and not self.enable_advanced:
            _logger.info("%s not set to %r: EnableAdvanced is false", row.name, value)
            return
        value = self._checked(row, value)
        if row.treatment is Treatment.IGNORED:
            _logger.info("%s has no effect", row.name)
            return
        if value == self[key]:
            return
        if self.is_frozen(key):
            raise EseError.from_code(Err.AlreadyInitialized, f"{row.name} can no longer be set")
        if row.treatment is Treatment.REFUSED and value != row.default:
            raise _unavailable(row)
        self._check_relations(row, value)
        if row.treatment is Treatment.TUNING:
            _logger.info("%s has no effect: %s", row.name, row.reason)
        self._store(row)[row.id] = value

    def __iter__(self) -> Iterator[Param]:
        """Every parameter that can be read."""
        return (Param(number) for number, row in PARAMETERS.items() if row.treatment is not Treatment.OUTSIDE)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        try:
            return isinstance(key, (int, str)) and row_of(key).treatment is not Treatment.OUTSIDE
        except EseError:
            return False

    def __repr__(self) -> str:
        changed = {Param(number).name: value for number, value in {**self._shared.values, **self._own}.items()}
        return f"Parameters({changed})"

    def reset(self, key: Param | int | str) -> None:
        """Set the default again, under the same checks."""
        self[key] = row_of(key).default

    def own_values(self) -> dict[int, object]:
        """Return what was set of the parameters that belong to the instance, by number."""
        return dict(self._own)

    def set_all(self, values: Mapping[Param | int | str, Any]) -> None:
        """Set several; EnableAdvanced first, so that the order given does not matter.  Stops at the first error."""
        pairs = sorted(values.items(), key=lambda pair: row_of(pair[0]).id != Param.EnableAdvanced)
        for key, value in pairs:
            self[key] = value

    # -- life

    def claim(self) -> None:
        """Freeze the process-wide parameters, for an instance exists from here on.  Idempotent."""
        if not self._claimed:
            with self._shared.lock:
                self._shared.claims += 1
            self._claimed = True

    def freeze(self) -> None:
        """Freeze, for the instance starts; those that may change at any time stay free."""
        self.claim()
        self._frozen = True

    def unfreeze(self) -> None:
        """Unfreeze, for the instance has ended; the process-wide ones when no other instance holds them."""
        self._frozen = False
        if self._claimed:
            self._claimed = False
            with self._shared.lock:
                self._shared.claims -= 1

    def is_frozen(self, key: Param | int | str) -> bool:
        """Return whether setting another value would be -1030 now."""
        row = row_of(key)
        if row.when is not When.BEFORE_INIT:
            return False
        return self._shared.claims > 0 if row.scope is Scope.PROCESS else self._frozen

    def record(self, param: Param, value: int) -> None:
        """Set a parameter that only the engine sets, such as RecoveryCurrentLogfile."""
        self._store(PARAMETERS[param])[int(param)] = value

    # -- in words

    def describe(self) -> tuple[ParameterInfo, ...]:
        """Tell of every parameter what it is set to and what that does here, in the order of the numbers."""
        return tuple(
            ParameterInfo(
                param=Param(row.id),
                value=None if row.treatment is Treatment.OUTSIDE else self[row.id],
                default=row.default,
                treatment=row.treatment,
                honoured=row.treatment in (Treatment.HONOURED, Treatment.HOLDS, Treatment.COMPUTED),
                reason=row.reason,
                meaning=row.meaning,
                frozen=self.is_frozen(row.id),
                settable=row.when is not When.NEVER and row.treatment is not Treatment.OUTSIDE,
                advanced=row.advanced,
                process_wide=row.scope is Scope.PROCESS,
            )
            for row in sorted(PARAMETERS.values())
        )

    @property
    def logging_enabled(self) -> bool:
        """Whether JET_paramRecovery is "on": logs are written, recovery runs, backups are possible."""
        return self.recovery.lower() == "on"

    @property
    def log_file_bytes(self) -> int:
        """Size of a log file in bytes."""
        return self.log_file_size * 1024

    # -- checks

    def _store(self, row: ParameterRow) -> dict[int, object]:
        return self._shared.values if row.scope is Scope.PROCESS else self._own

    def _folder(self, path: str) -> str:
        whole = self._fs.absolute(path)
        return whole if whole.endswith(os.sep) else whole + os.sep

    def _checked(self, row: ParameterRow, value: object) -> object:
        """Return the value in the form that is kept, or raise -1003 naming the parameter."""
        if row.kind is Kind.CALLBACK:
            return value
        if row.kind in _TEXT:
            return self._checked_text(row, value)
        if row.kind is Kind.ANYTHING and isinstance(value, str):
            return value
        if not isinstance(value, int):
            raise _invalid(row, f"a number is needed, not {type(value).__name__}")
        if not row.low <= value <= row.high:
            raise _invalid(row, f"{value} is outside {row.low}..{row.high}")
        if row.kind is Kind.BLOCK_SIZE and value.bit_count() != 1:
            raise _invalid(row, f"{value} is not a power of two")
        if row.id == Param.EngineFormatVersion:
            _check_format_version(value)
        if row.id == Param.CommitDefault and value & ~_COMMIT_LAZY_FLUSH:
            raise EseError.from_code(Err.FeatureNotAvailable, f"{row.name}: only 1, lazy flush, can be the default")
        if row.id == Param.PersistedLostFlushDetection and value & _CREATE_FLUSH_MAP:
            raise EseError.from_code(Err.FeatureNotAvailable, f"{row.name}: new flush maps are left to Windows")
        return bool(value) if row.kind is Kind.BOOLEAN else int(value)

    def _checked_text(self, row: ParameterRow, value: object) -> str:
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            raise _invalid(row, f"a string is needed, not {type(value).__name__}")
        if not row.low <= len(value) <= row.high:
            raise _invalid(row, f"length {len(value)} is outside {row.low}..{row.high}")
        if "\0" in value:
            raise _invalid(row, "NUL character")
        if row.id == Param.BaseName and not (
            value.isascii() and value.isprintable() and not set(value) & set(r'\/:*?"<>|. ')
        ):
            raise _invalid(row, "not usable in a file name")
        if row.id == Param.Recovery and value.lower() not in ("on", "off"):
            if value.lower().startswith("repair"):
                raise EseError.from_code(Err.FeatureNotAvailable, f"{row.name}: errors in recovery are not skipped")
            raise _invalid(row, '"on" or "off" is needed')
        if row.kind is Kind.STRING or not value:
            return value
        whole = self._folder(value) if row.kind is Kind.FOLDER else self._fs.absolute(value)
        if len(whole) > row.high + 1:  # the delimiter is not counted
            raise _invalid(row, f"length {len(whole)} is over {row.high}")
        return whole

    def _check_relations(self, row: ParameterRow, value: object) -> None:
        """Hold the order of the two pairs of cache figures; -1003."""
        for low, high, strict in (
            (Param.CacheSizeMin, Param.CacheSizeMax, False),
            (Param.StartFlushThreshold, Param.StopFlushThreshold, True),
        ):
            if row.id in (low, high):
                lower: Any = value if row.id == low else self[low]
                upper: Any = value if row.id == high else self[high]
                if lower > upper or (strict and lower == upper):
                    raise _invalid(row, f"{low.name} {lower} and {high.name} {upper} contradict each other")


def row_of(key: Param | int | str) -> ParameterRow:
    """Return the row of a parameter given by number or by name; -1003 when there is none.

    A name may be CircularLog, CIRCULAR_LOG, circular_log or JET_paramCircularLog.
    """
    number: int | None
    if isinstance(key, str):
        bare = key.removeprefix("JET_param")
        number = _BY_NAME.get(bare.replace("_", "").lower())
    else:
        number = int(key)
    row = None if number is None else PARAMETERS.get(number)
    if row is None:
        raise EseError.from_code(Err.InvalidParameter, f"no system parameter {key}")
    return row


def _invalid(row: ParameterRow, why: str) -> EseError:
    return EseError.from_code(Err.InvalidParameter, f"{row.name}: {why}")


def _unavailable(row: ParameterRow) -> EseError:
    belongs = "belongs to " if row.treatment is Treatment.OUTSIDE else ""
    return EseError.from_code(Err.FeatureNotAvailable, f"{row.name}: {belongs}{row.reason}")


def _check_format_version(value: int) -> None:
    if value in (EFV_ENGINE_DEFAULT, EFV_PERSISTED, EFV_ALLOW_HIGHER_PERSISTED):
        return
    version = value & ~EFV_ALLOW_HIGHER_PERSISTED if value & EFV_ALLOW_HIGHER_PERSISTED else value
    if version < FORMATS[0].efv:
        raise EseError.from_code(
            Err.EngineFormatVersionNoLongerSupportedTooLow, f"EngineFormatVersion: {version}, least {FORMATS[0].efv}"
        )
    if version > FORMATS[-1].efv:
        raise EseError.from_code(
            Err.EngineFormatVersionNotYetImplementedTooHigh, f"EngineFormatVersion: {version}, most {FORMATS[-1].efv}"
        )


def _long_value_chunk(params: Parameters) -> int:
    page = params.database_page_size
    return _LONG_VALUE_CHUNK_LARGE.get(page, page - _CHUNK_OVERHEAD_SMALL)


def _record_most(params: Parameters) -> int:
    """Return the longest record of a table without primary index."""
    page = params.database_page_size
    return page - 96 if page >= _LARGE_PAGE else page - 50 - 255


_BY_NAME = {row.name.lower(): number for number, row in PARAMETERS.items()}
_COMPUTED = {
    int(Param.ErrorToString): lambda _: error_string(0),
    int(Param.KeyMost): lambda params: _KEY_MOST.get(params.database_page_size, _KEY_MOST_LARGE),
    int(Param.LVChunkSizeMost): _long_value_chunk,
    int(Param.RecordSizeMost): _record_most,
}
