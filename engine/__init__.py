"""ESE (JET Blue) storage engine: the on-disk format, transaction logs, backup.

The names below are fetched when they are first used, so that `import engine` costs nothing and a program that only
reads a header does not load the rest.  `engine.verify.verify`, `engine.discover.discover` and `engine.drill.drill` are
left in their modules, whose names they share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from engine.version import __version__

if TYPE_CHECKING:
    from engine.backup.result import BackupResult
    from engine.build.schema import Column, Index
    from engine.discover import FoundInstance, FoundState
    from engine.drill import DrillResult
    from engine.errors import Err, EseError, EseWarning, error_string
    from engine.events import Event, EventLog
    from engine.format.column import ColumnType, Storage
    from engine.format.key import TextOrder
    from engine.info import checkpoint_info, database_info, log_info
    from engine.instance import Instance, InstanceState, instances
    from engine.instance.recovering import RecoverJob, recover
    from engine.instance.restore_set import restore_set
    from engine.params import Param, Parameters
    from engine.recovery.memory import Recovered, RecoveredDatabase, open_recovered
    from engine.recovery.plan import RecoveryPlan, plan_recovery
    from engine.recovery.result import RecoveryResult
    from engine.recovery.stop import Lose, StopPoint, StopTooEarly
    from engine.repair import RepairPlan, RepairResult, plan_repair, write_repair
    from engine.restore.result import RestoreResult
    from engine.session import AttachResult, Session, Transaction
    from engine.table import Cursor, Database, LongValue, Row, Seek, Table, Unreadable, open_database
    from engine.types import BackupOptions, InitOptions, LgPos, LogTime, Progress, Signature, TermOptions

__all__ = [
    "AttachResult",
    "BackupOptions",
    "BackupResult",
    "Column",
    "ColumnType",
    "Cursor",
    "Database",
    "DrillResult",
    "Err",
    "EseError",
    "EseWarning",
    "Event",
    "EventLog",
    "FoundInstance",
    "FoundState",
    "Index",
    "InitOptions",
    "Instance",
    "InstanceState",
    "LgPos",
    "LogTime",
    "LongValue",
    "Lose",
    "Param",
    "Parameters",
    "Progress",
    "RecoverJob",
    "Recovered",
    "RecoveredDatabase",
    "RecoveryPlan",
    "RecoveryResult",
    "RepairPlan",
    "RepairResult",
    "RestoreResult",
    "Row",
    "Seek",
    "Session",
    "Signature",
    "StopPoint",
    "StopTooEarly",
    "Storage",
    "Table",
    "TermOptions",
    "TextOrder",
    "Transaction",
    "Unreadable",
    "__version__",
    "checkpoint_info",
    "database_info",
    "error_string",
    "instances",
    "log_info",
    "open_database",
    "open_recovered",
    "plan_recovery",
    "plan_repair",
    "recover",
    "restore_set",
    "write_repair",
]

_HOMES = {
    "engine.backup.result": ("BackupResult",),
    "engine.build.schema": ("Column", "Index"),
    "engine.discover": ("FoundInstance", "FoundState"),
    "engine.drill": ("DrillResult",),
    "engine.errors": ("Err", "EseError", "EseWarning", "error_string"),
    "engine.events": ("Event", "EventLog"),
    "engine.format.column": ("ColumnType", "Storage"),
    "engine.format.key": ("TextOrder",),
    "engine.info": ("checkpoint_info", "database_info", "log_info"),
    "engine.instance": ("Instance", "InstanceState", "instances"),
    "engine.params": ("Param", "Parameters"),
    "engine.instance.recovering": ("RecoverJob", "recover"),
    "engine.instance.restore_set": ("restore_set",),
    "engine.recovery.memory": ("Recovered", "RecoveredDatabase", "open_recovered"),
    "engine.recovery.plan": ("RecoveryPlan", "plan_recovery"),
    "engine.recovery.result": ("RecoveryResult",),
    "engine.recovery.stop": ("Lose", "StopPoint", "StopTooEarly"),
    "engine.repair": ("RepairPlan", "RepairResult", "plan_repair", "write_repair"),
    "engine.restore.result": ("RestoreResult",),
    "engine.session": ("AttachResult", "Session", "Transaction"),
    "engine.table": ("Cursor", "Database", "LongValue", "Row", "Seek", "Table", "Unreadable", "open_database"),
    "engine.types": ("BackupOptions", "InitOptions", "LgPos", "LogTime", "Progress", "Signature", "TermOptions"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Fetch a public name from its module (PEP 562)."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
