"""Numbers of the log record types (lrtyp).

Types 67-75 and 82-91 share a wrapper (type, u32 length of the body), so that an engine which does not know one
can step over it.  Source: log reference 2.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class LrType(IntEnum):
    """Every number that has a name; the classes of the records bear the same names."""

    NOP = 0
    Init = 1
    Term = 2
    MS = 3
    End = 4
    Begin = 5
    Commit = 6
    Rollback = 7
    Begin0 = 8
    Commit0 = 9
    Refresh = 10
    MacroBegin = 11
    MacroCommit = 12
    MacroAbort = 13
    CreateDB = 14
    AttachDB = 15
    DetachDB = 16
    RecoveryUndo = 17
    RecoveryQuit = 18
    FullBackup = 19
    IncBackup = 20
    JetOp = 21
    Trace = 22
    ShutDownMark = 23
    CreateMEFDP = 24
    CreateSEFDP = 25
    ConvertFDP = 26
    Split = 27
    Merge = 28
    Insert = 29
    FlagInsert = 30
    FlagInsertAndReplaceData = 31
    FlagDelete = 32
    Replace = 33
    ReplaceD = 34
    Delete = 35
    UndoInfo = 36
    Delta = 37
    SetExternalHeader = 38
    Undo = 39
    SLVPageAppend = 40
    SLVSpace = 41
    Checksum = 42
    SLVPageMove = 43
    ForceDetachDB = 44
    ExtRestore = 45
    Backup = 46
    UpgradeDB = 47
    EmptyTree = 48
    Init2 = 49
    Term2 = 50
    RecoveryUndo2 = 51
    RecoveryQuit2 = 52
    BeginDT = 53
    PrepCommit = 54
    PrepRollback = 55
    DbList = 56
    ForceWriteLog = 57
    ConvertFDP2 = 58
    ExtRestore2 = 59
    Backup2 = 60
    ForceLogRollover = 61
    Split2 = 62
    Merge2 = 63
    Scrub = 64
    PageMove = 65
    PagePatchRequest = 66
    MacroInfo = 67
    ExtendDB = 68
    CommitCtx = 69
    ScanCheck = 70
    NOP2 = 71
    ReAttach = 72
    MacroInfo2 = 73
    FreeFDP = 74
    Ignored9 = 75
    FragmentBegin = 76
    Fragment = 77
    ShrinkDB = 78
    CreateDBFinish = 79
    RecoveryQuitKeepAttachments = 80
    TrimDB = 81
    Ignored10 = 82
    Ignored11 = 83
    Ignored12 = 84
    Ignored13 = 85
    Ignored14 = 86
    Ignored15 = 87
    Ignored16 = 88
    Ignored17 = 89
    Ignored18 = 90
    Ignored19 = 91
    SetDbVersion = 92
    Delta64 = 93
    ShrinkDB2 = 94
    NewPage = 95
    RootPageMove = 96
    SignalAttachDb = 97
    ScanCheck2 = 98
    ShrinkDB3 = 99
    ExtentFreed = 100
    ExtentFreed2 = 101


WRAPPED_TYPES: Final = frozenset((*range(67, 76), *range(82, 92)))
"""Types that carry the length of their body, so that unknown ones can be stepped over."""
