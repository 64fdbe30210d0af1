"""Every event of the engine: number, severity, category, symbol, its strings and a text in our words.

Two lines an event: `number severity category symbol: strings from %4 on`, then the text with %4, %5 … for the
strings.  Before them every event carries %1 the program, %2 the process id, %3 the instance and a colon, or nothing.
`2/3/12` are the categories a page event may carry: cached reads, backup and recovery, maintenance; the first is
taken unless the reporter says otherwise.

Categories: 1 general, 2 database page cache, 3 logging and recovery, 4 space, 5 definitions, 6 records,
7 performance, 8 repair, 9 conversion, 10 online defragmentation, 11 system parameters, 12 database corruption,
13 zeroing, 14 transactions, 15 fault simulation, 16 shadow copy, 17 failure items, 18 device, 19 block cache.

Source: jet-api reference 5.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How grave an event is."""

    INFO = 0
    WARNING = 1
    ERROR = 2


class EventKind(NamedTuple):
    """One row of the table; `fields` names the strings from %4 on, `level` is the least logging level that shows it."""

    id: int
    symbol: str
    severity: Severity
    categories: tuple[int, ...]
    level: int
    fields: tuple[str, ...]
    text: str


CATEGORY_NAMES = {
    1: "general",
    2: "database page cache",
    3: "logging and recovery",
    4: "space",
    5: "definitions",
    6: "records",
    7: "performance",
    8: "repair",
    9: "conversion",
    10: "online defragmentation",
    11: "system parameters",
    12: "database corruption",
    13: "zeroing",
    14: "transactions",
    15: "fault simulation",
    16: "shadow copy",
    17: "failure items",
    18: "device",
    19: "block cache",
}

LEVEL_MINIMUM = 1
LEVEL_MEDIUM = 50
_MEDIUM = {717, 719, 732, 733}  # database scans

_TABLE = """
100 I 1 START_ID: major, minor, build, update
    legacy: engine started, version %4.%5.%6.%7
101 I 1 STOP_ID
    legacy: engine stopped
102 I 1 START_INSTANCE_ID: instance number, major, minor, build, update
    init begins: engine %5.%6.%7.%8 starts instance %4
103 I 1 STOP_INSTANCE_ID: instance number, timings, dirty
    instance %4 stopped; dirty: %6
104 E 1 STOP_INSTANCE_ID_WITH_ERROR: instance number, error, timings
    instance %4 stopped with error %5
105 I 1 START_INSTANCE_DONE_ID: instance number, seconds, timings, additional
    instance %4 ready after %5 s
106 W 1 CONFIG_STORE_PARAM_OVERRIDE_ID: parameter, wanted, effective, store
    parameter %4 overridden from %5 to %6 by %7
204 I 3 START_RESTORE_ID: set folder, live log folder
    restore begins: replay logs in %4, then %5
205 I 3 STOP_RESTORE_ID
    restore ended (success or failure)
206 E 3 DATABASE_MISS_FULL_BACKUP_ERROR_ID: database
    %4 cannot be backed up incrementally before a full backup
210 I 3 START_FULL_BACKUP_INSTANCE_ID
    full backup begins
211 I 3 START_INCREMENTAL_BACKUP_INSTANCE_ID
    incremental backup begins
213 I 3 STOP_BACKUP_INSTANCE_ID
    backup finished successfully
214 E 3 STOP_BACKUP_ERROR_INSTANCE_ID: error
    backup ended with error %4
215 E 3 STOP_BACKUP_ERROR_ABORT_BY_CALLER_INSTANCE_ID: error
    backup ended because the caller aborted or failed (error %4)
216 I 3 DB_LOCATION_CHANGE_DETECTED: old path, new path
    database moved from %4 to %5
217 E 3 BACKUP_ERROR_FOR_ONE_DATABASE: error, file
    error %4 while backing up database %5; that copy cannot be restored
218 E 3 BACKUP_ERROR_READ_FILE: error, file
    error %4 while copying %5
219 W 3 BACKUP_ERROR_INFO_UPDATE: error
    backup information could not be written to headers: error %4
220 I 3 BACKUP_FILE_START: file, size
    copy of %4 (size %5) begins
221 I 3 BACKUP_FILE_STOP_OK: file
    copy of %4 complete
222 I 3 BACKUP_FILE_STOP_BEFORE_END: file, bytes read, bytes total
    copy of %4 closed early: %5 of %6 bytes
223 I 3 BACKUP_LOG_FILES_START: first log, last log
    log copy begins: %4 to %5
224 I 3/16 BACKUP_TRUNCATE_LOG_FILES: first log, last log
    deleting logs %4 to %5
225 I 3/16 BACKUP_NO_TRUNCATE_LOG_FILES
    no log can be deleted
226 E 3 STOP_BACKUP_ERROR_ABORT_BY_SERVER_INSTANCE_ID
    backup stopped early by the server side
227 W 3/16 BACKUP_TRUNCATE_FOUND_MISSING_LOG_FILES: count
    %4 logs of the deletion range were absent
240 I 3 START_INTERNAL_COPY_INSTANCE_ID
    internal copy begins
243 I 3 STOP_INTERNAL_COPY_INSTANCE_ID
    internal copy finished successfully
244 E 3 STOP_INTERNAL_COPY_ERROR_INSTANCE_ID: error
    internal copy ended with error %4
245 E 3 STOP_INTERNAL_COPY_ERROR_ABORT_BY_CALLER_INSTANCE_ID: error
    internal copy ended because the caller aborted or failed (error %4)
252 I 3 INTERNAL_COPY_FILE_STOP_BEFORE_END: file, bytes read, bytes total
    internal copy of %4 closed early: %5 of %6 bytes
256 E 3 STOP_INTERNAL_COPY_ERROR_ABORT_BY_SERVER_INSTANCE_ID
    internal copy stopped early by the server side
300 I 3 START_REDO_ID
    recovery begins
301 I 3 STATUS_REDO_ID: log, statistics, most frequent record, its count
    log %4 replayed; most frequent record %6, %7 times
302 I 3 STOP_REDO_ID
    recovery finished
304 I 3 STOP_REDO_WITHOUT_UNDO_ID
    replay finished, undo skipped
325 I 1 CREATE_DATABASE_DONE_ID: database number, path, seconds, timings, cache, additional
    database %5 (number %4) created in %6 s
326 I 1 ATTACH_DATABASE_DONE_ID: database number, path, seconds, timings, cache, additional
    database %5 (number %4) attached in %6 s
327 I 1 DETACH_DATABASE_DONE_ID: database number, path, seconds, timings, cache, additional
    database %5 (number %4) detached in %6 s
328 I 3 RECOVERY_DB_ATTACH_ID: database, position, answer
    callback for the attach of %4 at %5 answered %6
329 I 3 RECOVERY_DB_DETACH_ID: database, position, answer
    callback for the detach of %4 at %5 answered %6
330 I 1 ATTACH_DATABASE_VERSION_UPGRADE_SKIPPED_ID: database, param, version, default
    format of %4 held at %6 by parameter %5 (default %7)
331 I 1 ATTACH_DATABASE_VERSION_UPGRADED_ID: database, old, new, param
    format of %4 raised from %5 to %6
332 E 1 ATTACH_DATABASE_VERSION_TOO_HIGH_FOR_ENGINE_ID: database, version, maximum
    format %5 of %4 exceeds the engine's %6
333 E 1 ATTACH_DATABASE_VERSION_TOO_HIGH_FOR_PARAM_ID: database, version, maximum, param
    format %5 of %4 exceeds the configured %6 (parameter %7)
335 I 3 REDO_DEFERRED_ATTACH_REASON_ID: operation, database, position, reason, information
    %4 for %5 at %6 deferred: %7 (%8)
398 E 2/3/12 DATABASE_PAGE_CHECK_FAILED_ID: file, offset, length, error, bit, page
    page %9 of %4 at %5: bit %8 corrected, page still invalid (error %7)
399 W 2/3/12 DATABASE_PAGE_CHECKSUM_CORRECTED_ID: file, offset, length, bit, page
    page %8 of %4 at %5: bit %7 corrected
408 E 3 LOG_WRITE_ERROR_ID: log, error
    cannot write log %4: error %5
409 E 3 LOG_HEADER_WRITE_ERROR_ID: log, error
    cannot write header of log %4: error %5
411 E 3 LOG_BAD_VERSION_ERROR_ID: log
    log %4 has an incompatible version
412 E 3 LOG_HEADER_READ_ERROR_ID: log, error
    cannot read header of log %4: error %5
413 E 3 NEW_LOG_ERROR_ID: error
    cannot create a new log: error %4
414 E 3 LOG_FLUSH_WRITE_0_ERROR_ID: log, error
    cannot write section 0 of log %4: error %5
415 E 3 LOG_FLUSH_WRITE_1_ERROR_ID: log, error
    cannot write section 1 of log %4: error %5
416 E 3 LOG_FLUSH_WRITE_2_ERROR_ID: log, error
    cannot write section 2 of log %4: error %5
417 E 3 LOG_FLUSH_WRITE_3_ERROR_ID: log, error
    cannot write section 3 of log %4: error %5
419 E 3 RECOVERY_DATABASE_READ_PAGE_ERROR_ID: database, page, error, position, timestamp
    replay cannot read page %5 of %4 at %7: error %6
420 W 3 RESTORE_DATABASE_READ_HEADER_WARNING_ID: database, error
    cannot read header of %4 (error %5); it may have been moved
421 W 3 RESTORE_DATABASE_PARTIALLY_ERROR_ID: database, first time, second time
    another incarnation of %4 was recovered (%5, %6)
426 E 3 FILE_NOT_FOUND_ERROR_ID: path
    file or folder %4 not found
428 E 3 LOW_LOG_DISK_SPACE
    updates refused: little space for logs
429 E 3 LOG_DISK_FULL: log
    log volume full: %4
430 E 3 DATABASE_PATCH_FILE_MISMATCH_ERROR_ID: database
    backup trailer of %4 does not fit
431 E 3 STARTING_RESTORE_LOG_TOO_HIGH_ERROR_ID: log, needed log
    first log %4 too new, needed %5
432 E 3 ENDING_RESTORE_LOG_TOO_LOW_ERROR_ID: log, needed log
    last log %4 too old, needed %5
433 E 3 RESTORE_LOG_FILE_HAS_BAD_SIGNATURE_ERROR_ID: log
    set log %4 has a foreign signature
434 E 3 RESTORE_LOG_FILE_NOT_CONTIGUOUS_ERROR_ID: log
    set log %4 does not follow its predecessor
435 E 3 RESTORE_LOG_FILE_MISSING_ERROR_ID: log
    set log %4 absent
439 E 3 SHADOW_PAGE_WRITE_FAIL_ID: file, error
    header of %4 could not be written: error %5
440 E 3 LOG_FILE_CORRUPTED_ID: log, error
    log %4 damaged: error %5
443 E 3 LOG_FILE_SYS_ERROR_ID: log, error
    file system error %5 on log %4
446 E 3 REDO_END_ABRUPTLY_ERROR_ID: log, segment, offset
    replay stopped inside log %4 at (%5, %6)
447 E 12 BAD_PAGE_LINKS_ID: error, object, root, database, page, expected, found, tag, fatal
    wrong sibling link in %7, object %5, root %6, page %8: %9 expected, %10 found (error %4)
448 E 12 CORRUPT_LONG_VALUE_ID: table, database, detail, detail
    long values of table %4 in %5 inconsistent (%6, %7)
450 E 3 CURRENT_LOG_FILE_MISSING_ERROR_ID: log
    hole in the log sequence: %4 absent
451 E 3 LOG_FLUSH_WRITE_4_ERROR_ID: log, error
    cannot write section 4 of log %4: error %5
452 E 3 REDO_MISSING_LOW_LOG_ERROR_ID: database, first, last, found
    %4 needs logs %5 to %6, oldest found %7
453 E 3 REDO_MISSING_HIGH_LOG_ERROR_ID: database, first, last, found, first time, last time, found time
    %4 needs logs %5 to %6 (%8 to %9), newest found %7 (%10)
454 E 3 RESTORE_DATABASE_FAIL_ID: error
    recovery or restore failed: error %4
455 E 3 LOG_OPEN_FILE_ERROR_ID: log, error
    cannot open log %4: error %5
456 W 3 PRIMARY_PAGE_READ_FAIL_ID: file, bytes
    primary header of %4 damaged (%5 bytes), shadow used
457 W 3 EXISTING_LOG_FILE_HAS_BAD_SIGNATURE_ERROR_ID_2: log
    live log %4 has a foreign signature
458 W 3 EXISTING_LOG_FILE_NOT_CONTIGUOUS_ERROR_ID_2: log, next log
    live logs %4 and %5 do not follow each other
459 E 3 BACKUP_LOG_FILE_MISSING_ERROR_ID: file
    %4 absent, could not be backed up
460 E 3 LOG_TORN_WRITE_DURING_HARD_RESTORE_ID: log, position
    torn write in set log %4 at %5
461 E 3 LOG_TORN_WRITE_DURING_HARD_RECOVERY_ID: log, position
    torn write in live log %4 at %5 during hard recovery
463 E 3 LOG_CORRUPTION_DURING_HARD_RESTORE_ID: log, position, sector
    corruption in set log %4 at %5, sector %6
464 E 3 LOG_CORRUPTION_DURING_HARD_RECOVERY_ID: log, position, sector
    corruption in log %4 at %5, sector %6, during hard recovery
465 E 3 LOG_CORRUPTION_DURING_SOFT_RECOVERY_ID: log, position, sector
    corruption in log %4 at %5, sector %6, during recovery
466 W 3 LOG_USING_SHADOW_SECTOR_ID: log
    log %4 patched from its shadow sector
467 E 12 INDEX_CORRUPTED_ID: index, table, database, detail
    index %4 of table %5 in %6 damaged (%7)
468 E 3 LOG_FLUSH_WRITE_5_ERROR_ID: log, error
    cannot write section 5 of log %4: error %5
470 E 12 DB_PARTIALLY_ATTACHED_ID: database, stage, error
    %4 only partly attached (stage %5, error %6)
471 E 3 UNDO_FAILED_ID: operation, database, error
    rollback of %4 failed in %5: error %6
472 W 3 SHADOW_PAGE_READ_FAIL_ID: file, bytes
    shadow header of %4 damaged, primary used (%5 bytes)
473 E 12 DB_PARTIALLY_DETACHED_ID: database, error
    %4 only partly detached: error %5
474 E 2/3/12 DATABASE_PAGE_CHECKSUM_MISMATCH_ID: file, offset, length, error, stored, computed, page
    page %10 of %4 at %5: checksum %8 stored, %9 computed; error %7
475 E 2/3/12 DATABASE_PAGE_NUMBER_MISMATCH_ID: file, offset, length, error, expected, found
    page at %5 of %4 carries number %9 instead of %8; error %7
476 E 2/3/12 DATABASE_PAGE_DATA_MISSING_ID: file, offset, length, error, page
    page %8 of %4 at %5 holds no data: error %7
477 E 3 LOG_RANGE_CHECKSUM_MISMATCH_ID: log, offset, length, error, expected, actual
    range of log %4 at %5, %6: checksum %8 expected, %9 found; error %7
481 E 1 OSFILE_READ_ERROR_ID: file, offset, length, error, system error, system text, seconds
    read of %4 at %5, %6 failed after %10 s: error %7, system error %8 (%9)
482 E 1 OSFILE_WRITE_ERROR_ID: file, offset, length, error, system error, system text, seconds
    write of %4 at %5, %6 failed after %10 s: error %7, system error %8 (%9)
483 E 1 OSFS_CREATE_FOLDER_ERROR_ID: path, error, system error, system text
    folder %4 could not be created: error %5, system error %6 (%7)
484 E 1 OSFS_REMOVE_FOLDER_ERROR_ID: path, error, system error, system text
    folder %4 could not be removed: error %5, system error %6 (%7)
485 E 1 OSFS_DELETE_FILE_ERROR_ID: path, error, system error, system text
    %4 could not be deleted: error %5, system error %6 (%7)
486 E 1 OSFS_MOVE_FILE_ERROR_ID: from, to, error, system error, system text
    %4 could not be moved to %5: error %6, system error %7 (%8)
487 E 1 OSFS_COPY_FILE_ERROR_ID: from, to, error, system error, system text
    %4 could not be copied to %5: error %6, system error %7 (%8)
488 E 1 OSFS_CREATE_FILE_ERROR_ID: path, error, system error, system text
    %4 could not be created: error %5, system error %6 (%7)
489 E 1 OSFS_OPEN_FILE_RO_ERROR_ID: path, error, system error, system text
    %4 could not be opened for reading: error %5, system error %6 (%7)
490 E 1 OSFS_OPEN_FILE_RW_ERROR_ID: path, error, system error, system text
    %4 could not be opened for writing: error %5, system error %6 (%7)
492 E 3 LOG_DOWN_ID: log folder
    logging in %4 halted by a fatal error
493 E 3 TRANSIENT_READ_ERROR_DETECTED_ID: file, offset, length, failures, seconds
    backup read of %4 at %5, %6 succeeded after %7 failures and %8 s
494 E 3 ATTACHED_DB_MISMATCH_END_OF_RECOVERY_ID: error, database
    end of recovery: %5 is referenced but absent (error %4)
495 E 3 ATTACHED_DB_MISMATCH_DURING_RECOVERY_ID: error, database
    %5 is not in the state the logs expect (error %4)
496 E 3 REDO_HIGH_LOG_MISMATCH_ERROR_ID: database, log, wanted time, found time
    %4 needs log %5 created at %6, found one of %7
497 E 12 DATABASE_HEADER_ERROR_ID: file
    %4 is not a database or its headers are damaged
498 W 3 DELETE_LOG_FILE_TOO_NEW_ID: last generation, first, last
    out-of-sequence logs %5 to %6 deleted; last generation %4
499 W 3 DELETE_LAST_LOG_FILE_TOO_OLD_ID: last generation, log, generation
    out-of-sequence log %5 (generation %6) deleted; last generation %4
514 W 3 ALMOST_OUT_OF_LOG_SEQUENCE_ID: generation, maximum, left
    log generations nearly used up: %4 of %5, %6 left
516 E 3 DBTIME_MISMATCH_ID: database, page, before, actual, error, after, position, detail, replayed position, context
    page %5 of %4: timestamp %7 does not fit the log record at %10 (%6 before, %9 after); error %8
517 E 3 CONSISTENT_TIME_MISMATCH_ID: error, database
    %5 does not belong to these logs (error %4)
518 E 3 LOG_FILE_MISSING_ID: log, error
    log %4 absent: error %5
519 E 3 LOG_RANGE_MISSING_ID: first log, last log, error
    logs %4 to %5 absent: error %6
520 W 3 BACKUP_LOG_FILE_NOT_COPIED_ID
    truncation refused: not all needed logs were copied
523 E 3 REDO_MISSING_COMMITTED_LOGS_BUT_HAS_LOSSY_RECOVERY_OPTION_ID: database, first, last, reached, missing, folder
    logs %5 to %6 hold finished work of %4; the last found is %7, %8 is missing
524 W 3 REDO_MISSING_COMMITTED_LOGS_LOST_BUT_CONSISTENT_ID: database, count, first, last, reached, folder
    %5 committed logs (%6 to %7) of %4 lost; consistent at %8 with data loss
525 E 3 LOG_FILE_CORRUPTED_BUT_HAS_LOSSY_RECOVERY_OPTION_ID: log, error, folder
    log %4 cannot be used (error %5); recovery without it would lose finished work
526 W 3 REDO_CORRUPT_COMMITTED_LOG_REMOVED_ID: reached, log, generation, error
    log %5 (generation %6) cannot be used (error %7); recovery ends with %4, finished work is lost
527 W 3 REDO_MORE_COMMITTED_LOGS_REMOVED_ID: count, first, last, reached, folder
    %4 logs (%5 to %6) put away; recovery ends with %7
528 E 3 REDO_COMMITTED_LOGS_OUTOFORDERMISSING_BUT_HAS_LOSSY_RECOVERY_OPTION_ID: log, reached, next, missing, folder
    log %6 does not follow log %4 (generation %5), %7 is missing; recovery without it would lose finished work
529 E 3 LOG_CHECKSUM_REC_CORRUPTION_ID: log, offset, length, error
    checksum record of log %4 at %5, %6 damaged: error %7
530 E 2/3/12 DATABASE_PAGE_LOST_FLUSH_ID: file, offset, length, error, page, state, map page, map state, context
    lost write on page %8 of %4 at %5: state %9, map page %10 says %11; error %7
532 E 1 IOMGR_HUNG_READ_IO_DETECTED_ID: file, offset, length, seconds
    read of %4 at %5, %6 hangs for %7 s
533 E 1 IOMGR_HUNG_WRITE_IO_DETECTED_ID: file, offset, length, seconds
    write of %4 at %5, %6 hangs for %7 s
536 E 1 CREATING_TEMP_DB_FAILED_ID: path, error
    temp database %4 could not be created: error %5
543 E 3 LOG_LAST_SEGMENT_CHECKSUM_MISMATCH_ID: log, expected, actual
    log %4: accumulated checksum %5 expected, %6 found
544 E 2/3/12 DATABASE_PAGE_PERSISTED_LOST_FLUSH_ID: file, offset, length, error, page, state, map page, map state, context
    lost write on page %8 of %4 at %5, found through the persisted map: state %9, map page %10 says %11; error %7
546 E 1 LOG_VERSION_TOO_LOW_FOR_ENGINE_ID: generation, version, limit
    version %5 of log generation %4 is below the limit %6
547 E 1 LOG_VERSION_TOO_HIGH_FOR_ENGINE_ID: generation, version, limit
    version %5 of log generation %4 exceeds the engine's %6
548 E 1 LOG_VERSION_TOO_HIGH_FOR_PARAM_ID: generation, version, limit, parameter
    version %5 of log generation %4 exceeds the configured %6 (parameter %7)
551 E 1 OSFILE_FLUSH_ERROR_ID: file, seconds, system error, system text, error
    flush of %4 failed after %5 s: error %8, system error %6 (%7)
552 E 3 LOG_CORRUPT_ID: log, reason, last valid, current segment, stored, computed, error
    log %4 damaged: %5; last valid segment %6, current %7; stored %8, computed %9; error %10
553 E 3 RSTMAP_FAIL_ID: database, error
    no restore-map entry for %4: error %5
554 W 3 LOG_SEGMENT_CHECKSUM_CORRECTED_ID: log, segment, offset, bit
    bit %7 corrected in segment %5 of log %4 at %6
558 E 3 GAP_LOG_FILE_GEN_ID: generation, highest generation
    hole after generation %4, highest %5
567 E 3 REDO_REQUIRED_LOG_CORRUPT: log, error
    required log %4 damaged: error %5
602 W 7 MANY_LOST_COMPACTION_ID: database, version, begin, commit, newest before, newest, error
    cleanup of %4 ended with error %10 and left deleted records: version %5 of %6, committed at %7; newest %9, then %8
619 E 3 ATTACH_TO_BACKUP_SET_DATABASE_ERROR_ID: database
    %4 comes from a backup set and was not restored
623 E 14 VERSION_STORE_REACHED_MAXIMUM_ID: instance, MB
    version store of instance %4 full at %5 MB
624 E 14 VERSION_STORE_OUT_OF_MEMORY_ID: instance, MB
    version store of instance %4 cannot grow: no memory
637 I 1 FLUSHMAP_FILE_CREATED_ID: path
    flush map %4 will be created
638 W 1 FLUSHMAP_DATAPAGE_ERROR_VALIDATE_ID: error, map page, path
    error %4 with page %5 of flush map %6: nothing is known of the pages that it describes
639 E 1 FLUSHMAP_DBTIME_MISMATCH_ID: map page, path, map dbtime, page, dbtime
    page %4 of flush map %5 ends at dbtime %6, page %7 of the database has %8: a write of the map was lost
640 W 1 FLUSHMAP_HEADER_ERROR_VALIDATE_ID: error, path, details
    error %4 with the header of flush map %5, which is not believed: %6
645 E 3 TRAILER_PAGE_MISSING_OR_CORRUPT_ID: database
    backup trailer page of %4 absent or damaged
706 I 13 DATABASE_ZEROING_STARTED_ID: database
    page scrubbing of %4 during the backup begins
707 I 13 DATABASE_ZEROING_STOPPED_ID: database, seconds, error, pages, blank, unchanged, unused, used, records, chunks
    page scrubbing of %4 ended after %5 s, error %6, %7 pages
717 I 10 SCAN_CHECKSUM_START_PASS_ID: database
    scan of database %4 begins
719 I 10 SCAN_CHECKSUM_RESUME_PASS_ID: database, start, days
    scan of database %4 begun at %5 resumes after %6 days
732 I 10 SCAN_CHECKSUM_ONTIME_PASS_ID: database, start, seconds, days, pages, last run
    scan of database %4 begun at %5 finished after %6 s, %8 pages; last run %9
733 I 10 SCAN_CHECKSUM_LATE_PASS_ID: database, start, seconds, days
    scan of database %4 begun at %5 is late: %6 s, %7 days
902 E 14 SESSION_SHARING_VIOLATION_ID: session, context, context thread, thread, trace
    two threads used session %4: %6 holds it, %7 came
903 E 14 SESSION_WRITE_CONFLICT_ID: session, thread, database, table, cursor, owner, bookmark size, trace
    two cursors of session %4 update one record of table %7 in %6
907 E 2 TRANSIENT_IN_MEMORY_CORRUPTION_DETECTED_ID
    memory corruption detected
2001 I 16 OS_SNAPSHOT_FREEZE_START_ID: snapshot
    shadow copy %4: freeze begins
2002 E 16 OS_SNAPSHOT_FREEZE_START_ERROR_ID: snapshot, error
    shadow copy %4: freeze failed: error %5
2003 I 16 OS_SNAPSHOT_FREEZE_STOP_ID: snapshot
    shadow copy %4: freeze ends
2004 E 16 OS_SNAPSHOT_TIME_OUT_ID: snapshot, ms
    shadow copy %4: freeze timed out after %5 ms
2005 I 16 OS_SNAPSHOT_PREPARE_FULL_ID: snapshot
    shadow copy %4: full copy begins
2006 I 16 OS_SNAPSHOT_END_ID: snapshot
    shadow copy %4: done
2007 I 16 OS_SNAPSHOT_ABORT_ID: snapshot
    shadow copy %4: aborted
2008 I 16 OS_SNAPSHOT_PREPARE_INCREMENTAL_ID: snapshot
    shadow copy %4: incremental copy begins
2009 I 16 OS_SNAPSHOT_PREPARE_COPY_ID: snapshot
    shadow copy %4: copy begins
2010 I 16 OS_SNAPSHOT_PREPARE_DIFFERENTIAL_ID: snapshot
    shadow copy %4: differential copy begins
"""  # noqa: E501 - a row is not broken

_ROW = re.compile(r"(\d+) ([IWE]) ([\d/]+) (\w+)(?:: (.+))?\n {4}(.+)")
_SEVERITIES = {"I": Severity.INFO, "W": Severity.WARNING, "E": Severity.ERROR}

EVENTS: dict[int, EventKind] = {
    int(number): EventKind(
        id=int(number),
        symbol=symbol,
        severity=_SEVERITIES[severity],
        categories=tuple(map(int, categories.split("/"))),
        level=LEVEL_MEDIUM if int(number) in _MEDIUM else LEVEL_MINIMUM,
        fields=tuple(fields.split(", ")) if fields else (),
        text=text,
    )
    for number, severity, categories, symbol, fields, text in _ROW.findall(_TABLE)
}
