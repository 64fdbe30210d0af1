"""The JET names: a thin face over the objects, for those who know the C interface.

Every function returns a JET_ERR as an int (0, a positive warning, a negative error), those with output
parameters a tuple that begins with it.  Nothing is raised for an error of the engine; what a caller's own
status callback raises at the very end of a backup is raised again.  The functions ending in W take str, those
ending in A bytes in the ANSI code page, those without a letter are the W form.

Instances and sessions are numbers.  Programs with one instance may begin with JetInit(None) and use the forms
without an instance argument; after JetCreateInstance those are -1081, and JetCreateInstance is -1080 then.

Here are the life of an instance, system parameters, backup, external backup, restore and information.  Table
operations are not among them.
Source: jet-api reference 1, 2.2-2.6, 4, 6.6.
"""

from engine.jet.backup import (
    JetBackup,
    JetBackupA,
    JetBackupInstance,
    JetBackupInstanceA,
    JetBackupInstanceW,
    JetBackupW,
    JetStopBackup,
    JetStopBackupInstance,
)
from engine.jet.external import (
    JetBeginExternalBackup,
    JetBeginExternalBackupInstance,
    JetCloseFileInstance,
    JetEndExternalBackupInstance,
    JetEndExternalBackupInstance2,
    JetGetAttachInfoInstance,
    JetGetLogInfoInstance,
    JetGetLogInfoInstance2,
    JetGetTruncateLogInfoInstance,
    JetOpenFileInstance,
    JetReadFileInstance,
    JetTruncateLogInstance,
)
from engine.jet.handles import JET_dbidNil, JET_instanceNil, JET_sesidNil
from engine.jet.information import (
    DbInfoUpgrade,
    JetGetDatabaseFileInfo,
    JetGetDatabaseFileInfoA,
    JetGetDatabaseFileInfoW,
    JetGetInstanceInfo,
    JetInstanceInfo,
)
from engine.jet.life import (
    JetAttachDatabase2,
    JetAttachDatabase2A,
    JetAttachDatabase2W,
    JetBeginSession,
    JetCreateInstance,
    JetDetachDatabase2,
    JetDetachDatabase2A,
    JetDetachDatabase2W,
    JetEndSession,
    JetInit,
    JetInit3,
    JetRstInfo,
    JetStopService,
    JetStopServiceInstance,
    JetStopServiceInstance2,
    JetTerm,
    JetTerm2,
)
from engine.jet.parameters import JetGetSystemParameter, JetSetSystemParameter
from engine.jet.restore import (
    JetRestore,
    JetRestore2,
    JetRestore2A,
    JetRestore2W,
    JetRestoreA,
    JetRestoreInstance,
    JetRestoreInstanceA,
    JetRestoreInstanceW,
    JetRestoreW,
)

__all__ = [
    "DbInfoUpgrade",
    "JET_dbidNil",
    "JET_instanceNil",
    "JET_sesidNil",
    "JetAttachDatabase2",
    "JetAttachDatabase2A",
    "JetAttachDatabase2W",
    "JetBackup",
    "JetBackupA",
    "JetBackupInstance",
    "JetBackupInstanceA",
    "JetBackupInstanceW",
    "JetBackupW",
    "JetBeginExternalBackup",
    "JetBeginExternalBackupInstance",
    "JetBeginSession",
    "JetCloseFileInstance",
    "JetCreateInstance",
    "JetDetachDatabase2",
    "JetDetachDatabase2A",
    "JetDetachDatabase2W",
    "JetEndExternalBackupInstance",
    "JetEndExternalBackupInstance2",
    "JetEndSession",
    "JetGetAttachInfoInstance",
    "JetGetDatabaseFileInfo",
    "JetGetDatabaseFileInfoA",
    "JetGetDatabaseFileInfoW",
    "JetGetInstanceInfo",
    "JetGetLogInfoInstance",
    "JetGetLogInfoInstance2",
    "JetGetSystemParameter",
    "JetGetTruncateLogInfoInstance",
    "JetInit",
    "JetInit3",
    "JetInstanceInfo",
    "JetOpenFileInstance",
    "JetReadFileInstance",
    "JetRestore",
    "JetRestore2",
    "JetRestore2A",
    "JetRestore2W",
    "JetRestoreA",
    "JetRestoreInstance",
    "JetRestoreInstanceA",
    "JetRestoreInstanceW",
    "JetRestoreW",
    "JetRstInfo",
    "JetSetSystemParameter",
    "JetStopBackup",
    "JetStopBackupInstance",
    "JetStopService",
    "JetStopServiceInstance",
    "JetStopServiceInstance2",
    "JetTerm",
    "JetTerm2",
    "JetTruncateLogInstance",
]
