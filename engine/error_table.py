"""Every error and warning code of the engine: number, name, category and a short text.

One line a code.  `Err.ReadVerifyFailure` is an int (-1018) that also knows its name, category and text;
`CODES` finds it by number.  An obsolete code keeps its number and is never produced.

Source: jet-api reference 3.1 to 3.4.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ErrCat(IntEnum):
    """Category of an error (JET_errcat*, 3.1): a tree, told by `parent` and `hierarchy`."""

    UNKNOWN = 0
    ERROR = 1
    OPERATION = 2
    FATAL = 3
    IO = 4
    RESOURCE = 5
    MEMORY = 6
    QUOTA = 7
    DISK = 8
    DATA = 9
    CORRUPTION = 10
    INCONSISTENT = 11
    FRAGMENTATION = 12
    API = 13
    USAGE = 14
    STATE = 15
    OBSOLETE = 16

    @property
    def parent(self) -> ErrCat | None:
        """The category above, or None for the root and for UNKNOWN."""
        return _PARENT.get(self)

    def hierarchy(self) -> bytes:
        """Return the way from the root to this category: 8 bytes, zero padded (Disk is 1, 2, 5, 8)."""
        way: list[int] = []
        at: ErrCat | None = self
        while at:  # UNKNOWN is 0 and has no way
            way.append(at)
            at = at.parent
        return bytes(reversed(way)).ljust(8, b"\0")


_PARENT = {
    ErrCat.OPERATION: ErrCat.ERROR,
    ErrCat.FATAL: ErrCat.OPERATION,
    ErrCat.IO: ErrCat.OPERATION,
    ErrCat.RESOURCE: ErrCat.OPERATION,
    ErrCat.MEMORY: ErrCat.RESOURCE,
    ErrCat.QUOTA: ErrCat.RESOURCE,
    ErrCat.DISK: ErrCat.RESOURCE,
    ErrCat.DATA: ErrCat.ERROR,
    ErrCat.CORRUPTION: ErrCat.DATA,
    ErrCat.INCONSISTENT: ErrCat.DATA,
    ErrCat.FRAGMENTATION: ErrCat.DATA,
    ErrCat.API: ErrCat.ERROR,
    ErrCat.USAGE: ErrCat.API,
    ErrCat.STATE: ErrCat.API,
    ErrCat.OBSOLETE: ErrCat.API,
}

Cat = ErrCat

CODES: dict[int, Code] = {}
"""Every code below, by number."""


class Code(int):
    """A code as an int that knows the rest: `short_name` without prefix, `category`, `text`, `obsolete`."""

    short_name: str
    prefix: str
    category: ErrCat
    text: str
    obsolete: bool

    def __new__(cls, value: int, category: ErrCat, text: str, *, obsolete: bool = False) -> Self:
        """Make and register the code."""
        code = super().__new__(cls, value)
        code.category, code.text, code.obsolete = category, text, obsolete
        CODES[value] = code
        return code

    def __set_name__(self, owner: type, name: str) -> None:
        self.short_name = name
        self.prefix = "JET_wrn" if owner.__name__ == "Wrn" else "JET_err"

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)  # elsewhere a number is all that is needed

    @property
    def full_name(self) -> str:
        """The public name, JET_errReadVerifyFailure."""
        return self.prefix + self.short_name


class Err:
    """Error codes: negative, raised as `EseError` (3.2 and 3.3), and success."""

    Success = Code(0, Cat.UNKNOWN, "success")
    OutOfThreads = Code(-103, Cat.MEMORY, "a worker thread could not be started")
    TooManyIO = Code(-105, Cat.RESOURCE, "too many outstanding I/O requests")
    TaskDropped = Code(-106, Cat.RESOURCE, "an asynchronous task could not be run")
    InternalError = Code(-107, Cat.OPERATION, "internal inconsistency in the engine")
    DisabledFunctionality = Code(-112, Cat.USAGE, "feature absent from a reduced build")
    DatabaseBufferDependenciesCorrupted = Code(
        -255, Cat.CORRUPTION, "page flush dependencies are contradictory, recovery impossible"
    )
    PreviousVersion = Code(-322, Cat.CORRUPTION, "a version met during recovery already exists")
    BadPageLink = Code(-327, Cat.CORRUPTION, "sibling pointer of a page leads to the wrong page")
    NTSystemCallFailed = Code(-334, Cat.OPERATION, "an operating system call failed unexpectedly")
    BadParentPageLink = Code(-338, Cat.CORRUPTION, "parent page points to a wrong child")
    SPAvailExtCorrupted = Code(-341, Cat.CORRUPTION, "space tree of available extents is damaged")
    SPOwnExtCorrupted = Code(-343, Cat.CORRUPTION, "space tree of owned extents is damaged")
    DbTimeCorrupted = Code(-344, Cat.CORRUPTION, "a page carries a dbtime newer than the database's")
    KeyTruncated = Code(-346, Cat.STATE, "key would be cut off on an index that forbids it")
    DatabaseLeakInSpace = Code(-348, Cat.STATE, "some pages can no longer be reached from the space trees")
    BadEmptyPage = Code(-351, Cat.CORRUPTION, "a page that must hold entries is empty")
    BadLineCount = Code(-354, Cat.CORRUPTION, "a page has fewer lines than the operation needs")
    PageTagCorrupted = Code(-357, Cat.CORRUPTION, "a tag array entry of a page is logically wrong")
    NodeCorrupted = Code(-358, Cat.CORRUPTION, "a node's prefix/suffix sizes exceed its line")
    CompressionIntegrityCheckFailed = Code(-431, Cat.CORRUPTION, "decompressed data failed its integrity check")
    LogFileCorrupt = Code(-501, Cat.CORRUPTION, "log file is damaged")
    NoBackupDirectory = Code(-503, Cat.USAGE, "backup called without a target folder")
    BackupDirectoryNotEmpty = Code(-504, Cat.USAGE, "backup directory holds entries it must not hold")
    BackupInProgress = Code(-505, Cat.STATE, "a backup is already running on the instance")
    RestoreInProgress = Code(-506, Cat.STATE, "a restore is running on the instance")
    MissingPreviousLogFile = Code(-509, Cat.CORRUPTION, "log before the expected one is absent")
    LogWriteFail = Code(-510, Cat.IO, "log can no longer be written")
    LogDisabledDueToRecoveryFailure = Code(-511, Cat.FATAL, "logging attempted after recovery failed")
    CannotLogDuringRecoveryRedo = Code(-512, Cat.STATE, "logging attempted during redo")
    LogGenerationMismatch = Code(-513, Cat.INCONSISTENT, "generation inside the log differs from its file name")
    BadLogVersion = Code(-514, Cat.INCONSISTENT, "log format version is not supported")
    InvalidLogSequence = Code(-515, Cat.CORRUPTION, "creation times of adjacent logs do not chain")
    LoggingDisabled = Code(-516, Cat.USAGE, "operation needs logging but logging is off")
    LogBufferTooSmall = Code(-517, Cat.USAGE, "one record is larger than log buffer or log file", obsolete=True)
    LogSequenceEnd = Code(-519, Cat.FRAGMENTATION, "highest generation number is reached")
    NoBackup = Code(-520, Cat.STATE, "no backup is running")
    InvalidBackupSequence = Code(-521, Cat.USAGE, "backup call out of order")
    BackupNotAllowedYet = Code(-523, Cat.STATE, "instance cannot be backed up at this moment")
    DeleteBackupFileFail = Code(-524, Cat.IO, "stale backup file could not be deleted")
    MakeBackupDirectoryFail = Code(-525, Cat.IO, "temporary backup directory could not be made")
    InvalidBackup = Code(-526, Cat.USAGE, "incremental backup conflicts with circular logging")
    RecoveredWithErrors = Code(-527, Cat.STATE, "restore finished but errors were skipped")
    MissingLogFile = Code(-528, Cat.CORRUPTION, "newest log (edb.log) not on disk")
    LogDiskFull = Code(-529, Cat.DISK, "log volume is full")
    BadLogSignature = Code(-530, Cat.INCONSISTENT, "log signature differs from the others")
    BadDbSignature = Code(-531, Cat.OBSOLETE, "database signature does not fit", obsolete=True)
    BadCheckpointSignature = Code(-532, Cat.INCONSISTENT, "checkpoint belongs to another log stream")
    CheckpointCorrupt = Code(-533, Cat.CORRUPTION, "checkpoint absent or damaged")
    MissingPatchPage = Code(-534, Cat.OBSOLETE, "page missing from a patch file", obsolete=True)
    BadPatchPage = Code(-535, Cat.INCONSISTENT, "page in a patch file is invalid")
    RedoAbruptEnded = Code(-536, Cat.CORRUPTION, "replay stopped because the log ends unexpectedly")
    PatchFileMissing = Code(-538, Cat.OBSOLETE, "patch file missing in the backup set", obsolete=True)
    DatabaseLogSetMismatch = Code(-539, Cat.INCONSISTENT, "database and log stream do not belong together")
    LogFileSizeMismatch = Code(-541, Cat.USAGE, "log file size on disk differs from the parameter")
    CheckpointFileNotFound = Code(-542, Cat.INCONSISTENT, "checkpoint file not found")
    RequiredLogFilesMissing = Code(-543, Cat.INCONSISTENT, "logs needed for consistency are missing")
    SoftRecoveryOnBackupDatabase = Code(-544, Cat.USAGE, "database is a backup copy, restore must be used")
    LogFileSizeMismatchDatabasesConsistent = Code(
        -545, Cat.STATE, "recovered, but the log size differs from the parameter"
    )
    LogSectorSizeMismatch = Code(-546, Cat.FRAGMENTATION, "sector size of the log differs from the volume")
    LogSectorSizeMismatchDatabasesConsistent = Code(-547, Cat.STATE, "recovered, but log sector size differs")
    LogSequenceEndDatabasesConsistent = Code(
        -548, Cat.FRAGMENTATION, "recovered, but generations are exhausted; start a new stream"
    )
    DatabaseDirtyShutdown = Code(-550, Cat.INCONSISTENT, "database was not shut down cleanly, recovery needed")
    ConsistentTimeMismatch = Code(-551, Cat.INCONSISTENT, "last consistent time of the database differs from the logs")
    DatabasePatchFileMismatch = Code(
        -552, Cat.OBSOLETE, "backup trailer/patch info belongs to another backup", obsolete=True
    )
    EndingRestoreLogTooLow = Code(-553, Cat.INCONSISTENT, "last available log is older than the database needs")
    StartingRestoreLogTooHigh = Code(-554, Cat.INCONSISTENT, "first available log is newer than the database needs")
    GivenLogFileHasBadSignature = Code(-555, Cat.INCONSISTENT, "a set log has another signature")
    GivenLogFileIsNotContiguous = Code(-556, Cat.INCONSISTENT, "a set log does not follow its predecessor")
    MissingRestoreLogFiles = Code(-557, Cat.INCONSISTENT, "a log of the set is missing")
    MissingFullBackup = Code(-560, Cat.STATE, "incremental asked before any full backup")
    BadBackupDatabaseSize = Code(-561, Cat.OBSOLETE, "size of a backup database is not a page multiple", obsolete=True)
    MissingCurrentLogFiles = Code(-565, Cat.INCONSISTENT, "live logs needed to continue are missing")
    DbTimeTooOld = Code(-566, Cat.CORRUPTION, "page is older than the log record expects (lost write)")
    DbTimeTooNew = Code(-567, Cat.CORRUPTION, "page is newer than the log record expects")
    MissingFileToBackup = Code(-569, Cat.INCONSISTENT, "a log or patch file to copy is absent")
    LogTornWriteDuringHardRestore = Code(-570, Cat.CORRUPTION, "torn write in a log of the set")
    LogTornWriteDuringHardRecovery = Code(-571, Cat.CORRUPTION, "torn write in a live log during hard recovery")
    LogCorruptDuringHardRestore = Code(-573, Cat.CORRUPTION, "corruption in a log of the set")
    LogCorruptDuringHardRecovery = Code(-574, Cat.CORRUPTION, "corruption in a live log during hard recovery")
    BadRestoreTargetInstance = Code(-577, Cat.USAGE, "target instance for restore is unknown or unsuitable")
    RecoveredWithoutUndo = Code(-579, Cat.STATE, "replay done, undo phase skipped on request")
    DatabasesNotFromSameSnapshot = Code(
        -580, Cat.OBSOLETE, "databases stem from different shadow copies", obsolete=True
    )
    SoftRecoveryOnSnapshot = Code(-581, Cat.OBSOLETE, "soft recovery tried on a shadow-copy set", obsolete=True)
    CommittedLogFilesMissing = Code(-582, Cat.CORRUPTION, "committed logs missing; consistency possible only with loss")
    SectorSizeNotSupported = Code(-583, Cat.FATAL, "physical sector size unsupported")
    RecoveredWithoutUndoDatabasesConsistent = Code(-584, Cat.STATE, "undo skipped on request but was not needed")
    CommittedLogFileCorrupt = Code(-586, Cat.CORRUPTION, "committed log damaged; recoverable only with loss")
    LogSequenceChecksumMismatch = Code(-590, Cat.CORRUPTION, "accumulated checksum does not fit the next log")
    PageInitializedMismatch = Code(-596, Cat.CORRUPTION, "page initialised on one side and not on the other")
    ExistingLogFileHasBadSignature = Code(-610, Cat.INCONSISTENT, "an existing live log has another signature")
    ExistingLogFileIsNotContiguous = Code(-611, Cat.INCONSISTENT, "existing live logs have a hole")
    LogReadVerifyFailure = Code(-612, Cat.CORRUPTION, "checksum error in a log file while copying it")
    CheckpointDepthTooDeep = Code(-614, Cat.QUOTA, "checkpoint lags too many generations")
    RestoreOfNonBackupDatabase = Code(-615, Cat.USAGE, "hard recovery tried on a database that is no backup")
    LogFileNotCopied = Code(-616, Cat.USAGE, "truncation refused, a needed log was not copied")
    SurrogateBackupInProgress = Code(-617, Cat.STATE, "a surrogate backup holds the slot")
    TransactionTooLong = Code(-618, Cat.QUOTA, "transaction spans too many generations")
    EngineFormatVersionNoLongerSupportedTooLow = Code(
        -619, Cat.USAGE, "requested format version is no longer supported"
    )
    EngineFormatVersionNotYetImplementedTooHigh = Code(-620, Cat.USAGE, "requested format version is not known yet")
    EngineFormatVersionParamTooLowForRequestedFeature = Code(
        -621, Cat.USAGE, "feature needs a higher format version parameter"
    )
    EngineFormatVersionSpecifiedTooLowForLogVersion = Code(
        -622, Cat.STATE, "log stream is newer than the format parameter"
    )
    EngineFormatVersionSpecifiedTooLowForDatabaseVersion = Code(
        -623, Cat.STATE, "database is newer than the format parameter"
    )
    DbTimeBeyondMaxRequired = Code(-625, Cat.CORRUPTION, "page dbtime exceeds the database's required range")
    LogOperationInconsistentWithDatabase = Code(-626, Cat.CORRUPTION, "log record contradicts the database state")
    BackupAbortByCaller = Code(-800, Cat.OPERATION, "client ended the backup without finishing")
    BackupAbortByServer = Code(-801, Cat.OPERATION, "backup stopped by the server side")
    InvalidGrbit = Code(-900, Cat.USAGE, "unknown or contradictory option bits")
    TermInProgress = Code(-1000, Cat.OPERATION, "instance is terminating")
    FeatureNotAvailable = Code(-1001, Cat.USAGE, "function not offered")
    InvalidName = Code(-1002, Cat.USAGE, "name contains illegal characters or length")
    InvalidParameter = Code(-1003, Cat.USAGE, "argument invalid")
    DatabaseFileReadOnly = Code(-1008, Cat.USAGE, "file is read-only but write access was asked")
    InvalidDatabaseId = Code(-1010, Cat.USAGE, "database id invalid")
    OutOfMemory = Code(-1011, Cat.MEMORY, "memory exhausted")
    OutOfDatabaseSpace = Code(-1012, Cat.QUOTA, "database reached its size limit")
    OutOfCursors = Code(-1013, Cat.MEMORY, "no cursor left")
    OutOfBuffers = Code(-1014, Cat.MEMORY, "no page buffer left")
    TooManyIndexes = Code(-1015, Cat.USAGE, "index limit per table exceeded")
    TooManyKeys = Code(-1016, Cat.USAGE, "index key has more columns than allowed")
    RecordDeleted = Code(-1017, Cat.STATE, "current record was deleted")
    ReadVerifyFailure = Code(-1018, Cat.CORRUPTION, "page checksum wrong")
    PageNotInitialized = Code(-1019, Cat.CORRUPTION, "page is blank")
    OutOfFileHandles = Code(-1020, Cat.MEMORY, "file handles exhausted")
    DiskReadVerificationFailure = Code(-1021, Cat.CORRUPTION, "medium reported a CRC error")
    DiskIO = Code(-1022, Cat.IO, "disk I/O failed")
    InvalidPath = Code(-1023, Cat.USAGE, "path invalid or absent")
    InvalidSystemPath = Code(-1024, Cat.USAGE, "system path invalid (obsolete)", obsolete=True)
    InvalidLogDirectory = Code(-1025, Cat.USAGE, "log path invalid (obsolete)", obsolete=True)
    RecordTooBig = Code(-1026, Cat.STATE, "record too large")
    TooManyOpenDatabases = Code(-1027, Cat.OBSOLETE, "open-database limit exceeded", obsolete=True)
    InvalidDatabase = Code(-1028, Cat.USAGE, "file is not a database")
    NotInitialized = Code(-1029, Cat.USAGE, "instance not initialised")
    AlreadyInitialized = Code(-1030, Cat.USAGE, "instance already initialised / parameter frozen")
    InitInProgress = Code(-1031, Cat.OPERATION, "initialisation running")
    FileAccessDenied = Code(-1032, Cat.IO, "file locked or access refused")
    BufferTooSmall = Code(-1038, Cat.STATE, "caller's buffer too small")
    TooManyColumns = Code(-1040, Cat.USAGE, "too many columns")
    InvalidBookmark = Code(-1045, Cat.USAGE, "bookmark invalid")
    ColumnInUse = Code(-1046, Cat.USAGE, "an index depends on the column")
    InvalidBufferSize = Code(-1047, Cat.STATE, "value size does not fit the column type")
    ColumnNotUpdatable = Code(-1048, Cat.USAGE, "column cannot be changed")
    IndexInUse = Code(-1051, Cat.STATE, "someone still uses the index")
    NullKeyDisallowed = Code(-1053, Cat.USAGE, "null key on an index that forbids it")
    NotInTransaction = Code(-1054, Cat.USAGE, "no transaction open")
    MustRollback = Code(-1057, Cat.USAGE, "transaction must be rolled back")
    TooManyActiveUsers = Code(-1059, Cat.USAGE, "sessions with open transactions block termination")
    InvalidLanguageId = Code(-1062, Cat.USAGE, "language id unknown")
    InvalidCodePage = Code(-1063, Cat.USAGE, "code page unknown")
    InvalidLCMapStringFlags = Code(-1064, Cat.USAGE, "normalisation flags invalid")
    VersionStoreEntryTooBig = Code(-1065, Cat.USAGE, "one version entry exceeds a bucket")
    VersionStoreOutOfMemoryAndCleanupTimedOut = Code(-1066, Cat.USAGE, "version store full and clean-up timed out")
    VersionStoreOutOfMemory = Code(-1069, Cat.QUOTA, "version store full")
    CannotIndex = Code(-1071, Cat.USAGE, "column cannot be indexed")
    TooManyMempoolEntries = Code(-1073, Cat.MEMORY, "too many memory pool entries")
    OutOfObjectIDs = Code(-1074, Cat.FRAGMENTATION, "object ids exhausted")
    OutOfLongValueIDs = Code(-1075, Cat.FRAGMENTATION, "long-value ids exhausted")
    OutOfAutoincrementValues = Code(-1076, Cat.FRAGMENTATION, "auto-increment values exhausted")
    OutOfDbtimeValues = Code(-1077, Cat.FRAGMENTATION, "dbtime values exhausted")
    RunningInOneInstanceMode = Code(-1080, Cat.USAGE, "needs multi-instance mode, engine runs single")
    RunningInMultiInstanceMode = Code(-1081, Cat.USAGE, "needs single-instance mode, engine runs multi")
    SystemParamsAlreadySet = Code(-1082, Cat.STATE, "global parameters already fixed")
    SystemPathInUse = Code(-1083, Cat.USAGE, "system path used by another instance")
    LogFilePathInUse = Code(-1084, Cat.USAGE, "log path used by another instance")
    TempPathInUse = Code(-1085, Cat.USAGE, "temp path used by another instance")
    InstanceNameInUse = Code(-1086, Cat.USAGE, "instance name used")
    SystemParameterConflict = Code(-1087, Cat.USAGE, "global parameters conflict with those in force")
    InstanceUnavailable = Code(-1090, Cat.FATAL, "instance disabled after a fatal error")
    DatabaseUnavailable = Code(-1091, Cat.OBSOLETE, "database disabled after a fatal error", obsolete=True)
    InstanceUnavailableDueToFatalLogDiskFull = Code(
        -1092, Cat.FATAL, "instance disabled because the log volume filled during rollback"
    )
    OutOfSessions = Code(-1101, Cat.MEMORY, "sessions exhausted")
    WriteConflict = Code(-1102, Cat.STATE, "record locked by another transaction")
    TransTooDeep = Code(-1103, Cat.USAGE, "more than 7 nesting levels of transactions")
    InvalidSesid = Code(-1104, Cat.USAGE, "session id invalid")
    WriteConflictPrimaryIndex = Code(-1105, Cat.STATE, "uncommitted primary index blocks the update")
    InTransaction = Code(-1108, Cat.USAGE, "not allowed inside a transaction")
    TransReadOnly = Code(-1110, Cat.USAGE, "read-only transaction tried to write")
    SessionWriteConflict = Code(-1111, Cat.USAGE, "two cursors of one session update the same record")
    RecordTooBigForBackwardCompatibility = Code(-1112, Cat.STATE, "record would not fit the older format")
    CannotMaterializeForwardOnlySort = Code(-1113, Cat.USAGE, "sort options contradict each other")
    SesidTableIdMismatch = Code(-1114, Cat.USAGE, "table id belongs to another session")
    InvalidInstance = Code(-1115, Cat.USAGE, "instance handle invalid")
    DirtyShutdown = Code(-1116, Cat.STATE, "terminated, databases left dirty on request")
    ReadPgnoVerifyFailure = Code(-1118, Cat.CORRUPTION, "page number stored in the page is wrong")
    ReadLostFlushVerifyFailure = Code(-1119, Cat.CORRUPTION, "page is an older version (lost write)")
    FileSystemCorruption = Code(-1121, Cat.CORRUPTION, "file system reports its own damage")
    RecoveryVerifyFailure = Code(-1123, Cat.CORRUPTION, "pages differ from what replay expects")
    DatabaseDuplicate = Code(-1201, Cat.USAGE, "database exists already")
    DatabaseInUse = Code(-1202, Cat.USAGE, "another process holds the database file")
    DatabaseNotFound = Code(-1203, Cat.USAGE, "database not attached / unknown")
    DatabaseInvalidName = Code(-1204, Cat.USAGE, "database name invalid")
    DatabaseInvalidPages = Code(-1205, Cat.USAGE, "page count invalid")
    DatabaseCorrupted = Code(-1206, Cat.CORRUPTION, "header damaged or file foreign")
    DatabaseLocked = Code(-1207, Cat.USAGE, "database locked exclusively")
    CannotDisableVersioning = Code(-1208, Cat.USAGE, "versioning cannot be switched off")
    InvalidDatabaseVersion = Code(-1209, Cat.INCONSISTENT, "database version incompatible")
    PageSizeMismatch = Code(-1213, Cat.INCONSISTENT, "page size differs from the engine's")
    TooManyInstances = Code(-1214, Cat.QUOTA, "too many instances")
    DatabaseSharingViolation = Code(-1215, Cat.USAGE, "another instance uses the database")
    AttachedDatabaseMismatch = Code(-1216, Cat.INCONSISTENT, "an attachment recorded in the logs cannot be matched")
    DatabaseInvalidPath = Code(-1217, Cat.USAGE, "database path invalid")
    ForceDetachNotAllowed = Code(-1219, Cat.USAGE, "forced detach only after a failed detach")
    CatalogCorrupted = Code(-1220, Cat.CORRUPTION, "catalog damaged")
    PartiallyAttachedDB = Code(-1221, Cat.USAGE, "database only partly attached")
    DatabaseSignInUse = Code(-1222, Cat.USAGE, "database signature already in use")
    DatabaseCorruptedNoRepair = Code(-1224, Cat.USAGE, "damaged and repair is not allowed")
    InvalidCreateDbVersion = Code(-1225, Cat.INCONSISTENT, "replayed creation stems from an incompatible version")
    DatabaseAttachedForRecovery = Code(-1231, Cat.USAGE, "attached only by recovery, attach it explicitly")
    TableLocked = Code(-1302, Cat.USAGE, "table locked exclusively")
    TableDuplicate = Code(-1303, Cat.STATE, "table exists already")
    TableInUse = Code(-1304, Cat.STATE, "table in use")
    ObjectNotFound = Code(-1305, Cat.STATE, "object does not exist")
    DensityInvalid = Code(-1307, Cat.USAGE, "density outside 20..100")
    TableNotEmpty = Code(-1308, Cat.USAGE, "table has rows")
    InvalidTableId = Code(-1310, Cat.USAGE, "table id invalid")
    TooManyOpenTables = Code(-1311, Cat.QUOTA, "table descriptors exhausted")
    IllegalOperation = Code(-1312, Cat.USAGE, "operation unsupported on this object")
    CannotDeleteTempTable = Code(-1317, Cat.USAGE, "temp tables are closed, not deleted")
    CannotDeleteSystemTable = Code(-1318, Cat.USAGE, "system tables cannot be deleted")
    CannotDeleteTemplateTable = Code(-1319, Cat.USAGE, "template tables cannot be deleted")
    ExclusiveTableLockRequired = Code(-1322, Cat.USAGE, "needs an exclusive table lock")
    FixedDDL = Code(-1323, Cat.USAGE, "schema of the table is frozen")
    FixedInheritedDDL = Code(-1324, Cat.USAGE, "inherited schema is frozen")
    DDLNotInheritable = Code(-1326, Cat.USAGE, "source is not a template table")
    InvalidSettings = Code(-1328, Cat.USAGE, "parameters contradict each other")
    ClientRequestToStopJetService = Code(-1329, Cat.OPERATION, "service stop requested")
    IndexHasPrimary = Code(-1402, Cat.USAGE, "primary index exists already")
    IndexDuplicate = Code(-1403, Cat.USAGE, "index exists already")
    IndexNotFound = Code(-1404, Cat.STATE, "index does not exist")
    IndexMustStay = Code(-1405, Cat.USAGE, "clustered index cannot be deleted")
    IndexInvalidDef = Code(-1406, Cat.USAGE, "index definition invalid")
    InvalidCreateIndex = Code(-1409, Cat.USAGE, "index creation description invalid")
    MultiValuedIndexViolation = Code(-1411, Cat.USAGE, "multi-value index keys collide")
    IndexBuildCorrupted = Code(-1412, Cat.CORRUPTION, "built index contradicts the table")
    PrimaryIndexCorrupted = Code(-1413, Cat.CORRUPTION, "primary index damaged or collation outdated")
    SecondaryIndexCorrupted = Code(-1414, Cat.CORRUPTION, "secondary index damaged or collation outdated")
    ColumnNoChunk = Code(-1502, Cat.USAGE, "offset lies outside the long value")
    ColumnDoesNotFit = Code(-1503, Cat.USAGE, "field does not fit the record")
    NullInvalid = Code(-1504, Cat.USAGE, "null not permitted")
    ColumnTooBig = Code(-1506, Cat.USAGE, "value exceeds the column maximum")
    ColumnNotFound = Code(-1507, Cat.USAGE, "column does not exist")
    ColumnDuplicate = Code(-1508, Cat.USAGE, "column exists already")
    MultiValuedColumnMustBeTagged = Code(-1509, Cat.USAGE, "multi-valued column must be tagged")
    ColumnRedundant = Code(-1510, Cat.USAGE, "table has such an auto-increment/version column already")
    InvalidColumnType = Code(-1511, Cat.USAGE, "column type invalid")
    NoCurrentIndex = Code(-1515, Cat.USAGE, "no index is current")
    KeyIsMade = Code(-1516, Cat.USAGE, "key already complete")
    BadColumnId = Code(-1517, Cat.USAGE, "column id invalid")
    BadItagSequence = Code(-1518, Cat.STATE, "tag sequence invalid")
    CannotBeTagged = Code(-1521, Cat.USAGE, "tagged storage is not for auto-increment or version columns")
    DefaultValueTooBig = Code(-1524, Cat.USAGE, "default value too large")
    MultiValuedDuplicate = Code(-1525, Cat.STATE, "the column has this value already")
    LVCorrupted = Code(-1526, Cat.CORRUPTION, "long-value tree damaged")
    ColumnCannotBeCompressed = Code(-1538, Cat.USAGE, "only long columns can be compressed")
    RecordNotFound = Code(-1601, Cat.STATE, "no record for the key")
    RecordNoCopy = Code(-1602, Cat.USAGE, "no copy buffer")
    NoCurrentRecord = Code(-1603, Cat.STATE, "cursor has no position")
    RecordPrimaryChanged = Code(-1604, Cat.USAGE, "replace would alter the primary key")
    KeyDuplicate = Code(-1605, Cat.STATE, "duplicate key")
    AlreadyPrepared = Code(-1607, Cat.USAGE, "update already prepared")
    KeyNotMade = Code(-1608, Cat.USAGE, "no key built")
    UpdateNotPrepared = Code(-1609, Cat.USAGE, "update not prepared")
    DecompressionFailed = Code(-1620, Cat.CORRUPTION, "stored data cannot be decompressed")
    UpdateMustVersion = Code(-1621, Cat.USAGE, "no-version bit used on a committed table")
    TempFileOpenError = Code(-1803, Cat.OBSOLETE, "temp file cannot be opened (obsolete)", obsolete=True)
    TooManyAttachedDatabases = Code(-1805, Cat.USAGE, "too many attached databases")
    DiskFull = Code(-1808, Cat.DISK, "disk full")
    PermissionDenied = Code(-1809, Cat.USAGE, "operating system refuses the right")
    FileNotFound = Code(-1811, Cat.STATE, "file does not exist")
    FileInvalidType = Code(-1812, Cat.INCONSISTENT, "file type invalid")
    FileAlreadyExists = Code(-1814, Cat.INCONSISTENT, "file exists already")
    AfterInitialization = Code(-1850, Cat.USAGE, "restore after initialisation")
    LogCorrupted = Code(-1852, Cat.CORRUPTION, "log contents make no sense to the engine")
    InvalidOperation = Code(-1906, Cat.USAGE, "operation invalid now (e.g. API re-entered outside a callback)")
    SessionSharingViolation = Code(-1910, Cat.USAGE, "session used by two threads at once")
    EntryPointNotFound = Code(-1911, Cat.USAGE, "library entry point missing")
    SessionContextAlreadySet = Code(-1912, Cat.USAGE, "session context set already")
    SessionContextNotSetByThisThread = Code(-1913, Cat.USAGE, "session context set by another thread")
    SessionInUse = Code(-1914, Cat.USAGE, "session in use")
    OneDatabasePerSession = Code(-1916, Cat.USAGE, "only one database per session allowed")
    RollbackError = Code(-1917, Cat.FATAL, "rollback failed")
    FlushMapVersionUnsupported = Code(-1918, Cat.USAGE, "flush map of a newer format")
    FlushMapDatabaseMismatch = Code(-1919, Cat.USAGE, "flush map belongs to another database")
    FlushMapUnrecoverable = Code(-1920, Cat.STATE, "flush map was not closed and cannot be brought up to date")
    DatabaseAlreadyRunningMaintenance = Code(-2004, Cat.USAGE, "maintenance already running on the database")
    CallbackFailed = Code(-2101, Cat.STATE, "status or other callback reported failure")
    CallbackNotResolved = Code(-2102, Cat.USAGE, "callback not resolved")
    OSSnapshotInvalidSequence = Code(-2401, Cat.USAGE, "shadow-copy call out of order")
    OSSnapshotTimeOut = Code(-2402, Cat.OPERATION, "shadow copy timed out")
    OSSnapshotNotAllowed = Code(-2403, Cat.STATE, "freeze refused while a backup or recovery runs")
    OSSnapshotInvalidSnapId = Code(-2404, Cat.USAGE, "shadow-copy id invalid")
    InvalidLogDataSequence = Code(-2601, Cat.STATE, "supplied log data out of sequence")
    FileIOBeyondEOF = Code(-4001, Cat.CORRUPTION, "read beyond the end of the file")
    FileCompressed = Code(-4005, Cat.USAGE, "compressed files unsupported")


class Wrn:
    """Warnings: returned, never raised (3.4).  `Nyi` is one although it is negative."""

    Nyi = Code(-1, Cat.USAGE, "feature not implemented")
    RemainingVersions = Code(321, Cat.UNKNOWN, "old versions remain in memory")
    UniqueKey = Code(345, Cat.UNKNOWN, "seek key is unique on a non-unique index")
    SeparateLongValue = Code(406, Cat.UNKNOWN, "value lives outside the record")
    TargetInstanceRunning = Code(578, Cat.UNKNOWN, "target instance of a restore is running")
    CommittedLogFilesLost = Code(585, Cat.UNKNOWN, "committed logs lost, database clean with data loss")
    CommittedLogFilesRemoved = Code(587, Cat.UNKNOWN, "committed logs removed, likewise")
    FinishWithUndo = Code(588, Cat.UNKNOWN, "init finished with undo")
    DatabaseRepaired = Code(595, Cat.UNKNOWN, "corruption repaired")
    ColumnNull = Code(1004, Cat.UNKNOWN, "value is null")
    BufferTruncated = Code(1006, Cat.UNKNOWN, "result truncated to the caller's buffer")
    DatabaseAttached = Code(1007, Cat.UNKNOWN, "database attached already")
    SortOverflow = Code(1009, Cat.UNKNOWN, "sort spilled")
    SeekNotEqual = Code(1039, Cat.UNKNOWN, "seek found a neighbour, no exact match")
    NoIdleActivity = Code(1058, Cat.UNKNOWN, "no idle work done")
    ColumnSetNull = Code(1068, Cat.UNKNOWN, "value set to null")
    ShrinkNotPossible = Code(1122, Cat.UNKNOWN, "file cannot shrink")
    TableInUseBySystem = Code(1327, Cat.UNKNOWN, "system cursor open on table")
    CorruptIndexDeleted = Code(1415, Cat.UNKNOWN, "outdated index was deleted")
    PrimaryIndexOutOfDate = Code(1417, Cat.UNKNOWN, "primary index collation outdated")
    SecondaryIndexOutOfDate = Code(1418, Cat.UNKNOWN, "secondary index collation outdated")
    ColumnMaxTruncated = Code(1512, Cat.UNKNOWN, "maximum cut down")
    ColumnSkipped = Code(1531, Cat.UNKNOWN, "column skipped")
    ColumnNotLocal = Code(1532, Cat.UNKNOWN, "value not local")
    ColumnMoreTags = Code(1533, Cat.UNKNOWN, "more values exist")
    ColumnTruncated = Code(1534, Cat.UNKNOWN, "value cut")
    ColumnDefault = Code(1537, Cat.UNKNOWN, "default value omitted")
    FileOpenReadOnly = Code(1813, Cat.UNKNOWN, "opened read-only")
    IdleFull = Code(1908, Cat.UNKNOWN, "idle callbacks exhausted")
    DefragAlreadyRunning = Code(2000, Cat.UNKNOWN, "defragmentation runs already")
    DefragNotRunning = Code(2001, Cat.UNKNOWN, "defragmentation does not run")
    PreviousLogFileIncomplete = Code(2602, Cat.UNKNOWN, "incomplete log file was removed")
