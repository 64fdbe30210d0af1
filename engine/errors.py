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
# OWNER base: from_code picks the class; the table is engine/error_table.py.
