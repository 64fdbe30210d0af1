"""An attribute for each system parameter: `params.circular_log` is `params[Param.CircularLog]`, typed.

Folders read as absolute paths with a delimiter at the end.  Source: jet-api reference 4.2.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, Self, TypeVar, overload

from engine.param_ids import Param

T = TypeVar("T")


class _Holder(Protocol):
    def __getitem__(self, key: Param) -> Any: ...

    def __setitem__(self, key: Param, value: Any) -> None: ...


class Field(Generic[T]):
    """An attribute that reads and sets a parameter, under the same checks as the mapping."""

    def __init__(self, param: Param) -> None:
        self.param = param

    @overload
    def __get__(self, holder: None, owner: type) -> Self: ...

    @overload
    def __get__(self, holder: _Holder, owner: type) -> T: ...

    def __get__(self, holder: _Holder | None, owner: type) -> Self | T:
        """Return the parameter's value."""
        if holder is None:
            return self
        value: T = holder[self.param]
        return value

    def __set__(self, holder: _Holder, value: T) -> None:
        """Set the parameter."""
        holder[self.param] = value


class ParameterFields:
    """The attributes; mixed into `Parameters`."""

    system_path = Field[str](Param.SystemPath)
    temp_path = Field[str](Param.TempPath)
    log_file_path = Field[str](Param.LogFilePath)
    base_name = Field[str](Param.BaseName)
    event_source = Field[str](Param.EventSource)
    max_sessions = Field[int](Param.MaxSessions)
    max_open_tables = Field[int](Param.MaxOpenTables)
    max_cursors = Field[int](Param.MaxCursors)
    max_ver_pages = Field[int](Param.MaxVerPages)
    max_temporary_tables = Field[int](Param.MaxTemporaryTables)
    log_file_size = Field[int](Param.LogFileSize)
    log_buffers = Field[int](Param.LogBuffers)
    commit_default = Field[int](Param.CommitDefault)
    circular_log = Field[bool](Param.CircularLog)
    db_extension_size = Field[int](Param.DbExtensionSize)
    page_temp_db_min = Field[int](Param.PageTempDBMin)
    page_fragment = Field[int](Param.PageFragment)
    cache_size_max = Field[int](Param.CacheSizeMax)
    checkpoint_depth_max = Field[int](Param.CheckpointDepthMax)
    outstanding_io_max = Field[int](Param.OutstandingIOMax)
    start_flush_threshold = Field[int](Param.StartFlushThreshold)
    stop_flush_threshold = Field[int](Param.StopFlushThreshold)
    recovery = Field[str](Param.Recovery)
    enable_online_defrag = Field[int](Param.EnableOnlineDefrag)
    cache_size = Field[int](Param.CacheSize)
    cache_requests = Field[int](Param.CacheRequests)
    cache_hits = Field[int](Param.CacheHits)
    enable_index_checking = Field[int](Param.EnableIndexChecking)
    delete_old_logs = Field[bool](Param.DeleteOldLogs)
    event_source_key = Field[str](Param.EventSourceKey)
    no_information_event = Field[bool](Param.NoInformationEvent)
    event_logging_level = Field[int](Param.EventLoggingLevel)
    delete_out_of_range_logs = Field[bool](Param.DeleteOutOfRangeLogs)
    access_denied_retry_period = Field[int](Param.AccessDeniedRetryPeriod)
    enable_index_cleanup = Field[bool](Param.EnableIndexCleanup)
    cache_size_min = Field[int](Param.CacheSizeMin)
    preferred_ver_pages = Field[int](Param.PreferredVerPages)
    database_page_size = Field[int](Param.DatabasePageSize)
    backup_chunk_size = Field[int](Param.BackupChunkSize)
    backup_outstanding_reads = Field[int](Param.BackupOutstandingReads)
    log_file_create_asynch = Field[bool](Param.LogFileCreateAsynch)
    zero_database_during_backup = Field[bool](Param.ZeroDatabaseDuringBackup)
    runtime_callback = Field[object](Param.RuntimeCallback)
    cleanup_mismatched_log_files = Field[bool](Param.CleanupMismatchedLogFiles)
    recovery_current_logfile = Field[int](Param.RecoveryCurrentLogfile)
    global_min_ver_pages = Field[int](Param.GlobalMinVerPages)
    os_snapshot_timeout = Field[int](Param.OSSnapshotTimeout)
    exception_action = Field[int](Param.ExceptionAction)
    event_log_cache = Field[int](Param.EventLogCache)
    create_path_if_not_exist = Field[bool](Param.CreatePathIfNotExist)
    one_database_per_session = Field[bool](Param.OneDatabasePerSession)
    max_databases_per_instance = Field[int](Param.MaxDatabasesPerInstance)
    max_instances = Field[int](Param.MaxInstances)
    disable_perfmon = Field[bool](Param.DisablePerfmon)
    alternate_database_recovery_path = Field[str](Param.AlternateDatabaseRecoveryPath)
    ver_page_size = Field[int](Param.VerPageSize)
    configuration = Field[int](Param.Configuration)
    enable_advanced = Field[bool](Param.EnableAdvanced)
    key_most = Field[int](Param.KeyMost)
    checkpoint_io_max = Field[int](Param.CheckpointIOMax)
    legacy_file_names = Field[int](Param.LegacyFileNames)
    io_priority = Field[int](Param.IOPriority)
    waypoint_latency = Field[int](Param.WaypointLatency)
    checkpoint_too_deep = Field[int](Param.CheckpointTooDeep)
    disable_block_verification = Field[bool](Param.DisableBlockVerification)
    aggressive_log_rollover = Field[bool](Param.AggressiveLogRollover)
    periodic_log_rollover_llr = Field[int](Param.PeriodicLogRolloverLLR)
    lv_chunk_size_most = Field[int](Param.LVChunkSizeMost)
    enable_db_scan_in_recovery = Field[int](Param.EnableDBScanInRecovery)
    db_scan_throttle = Field[int](Param.DbScanThrottle)
    db_scan_interval_min_sec = Field[int](Param.DbScanIntervalMinSec)
    db_scan_interval_max_sec = Field[int](Param.DbScanIntervalMaxSec)
    max_transaction_size = Field[int](Param.MaxTransactionSize)
    hung_io_threshold = Field[int](Param.HungIOThreshold)
    hung_io_actions = Field[int](Param.HungIOActions)
    enable_shrink_database = Field[int](Param.EnableShrinkDatabase)
    zero_database_unused_space = Field[bool](Param.ZeroDatabaseUnusedSpace)
    disable_verifications = Field[bool](Param.DisableVerifications)
    persisted_lost_flush_detection = Field[int](Param.PersistedLostFlushDetection)
    engine_format_version = Field[int](Param.EngineFormatVersion)
    replay_throttling_level = Field[int](Param.ReplayThrottlingLevel)
    record_size_most = Field[int](Param.RecordSizeMost)
    use_flush_for_write_durability = Field[bool](Param.UseFlushForWriteDurability)
