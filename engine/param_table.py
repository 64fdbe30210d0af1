"""Every system parameter: number, name, type, default, range, scope, when it may change, and what we do with it.

Two lines a parameter:

    number name type default low..high scope when [adv] = treatment[: reason]
        meaning

types: s string, f folder, p file path, i integer, b boolean, g option bits, z block size (a power of two),
c callback, a anything.  Ranges of strings are lengths in characters; M is 2^31-1, U is 2^63-1, D is 2^32-1.
scope: G the process, I the instance.  when: pre before JetInit (G: before the first instance exists), any, ro never.
adv: an advanced parameter; setting it does nothing while EnableAdvanced is false.

treatments, so that nothing is ignored in silence:
honoured  the engine acts by it
holds     what it promises is so whatever its value, for the reason given
tuning    it would change speed or memory, never a result; kept, readable, without effect, for the reason given
ignored   accepted without effect by the real engine too
refused   any value but the default is -1001 with the parameter's name
outside   belongs to features that this engine does not have: reading and setting are -1001 with its name
computed  follows from others; cannot be set

Source: jet-api reference 4.2; ExceptionAction's default: 7.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """Type of a parameter."""

    STRING = "s"
    FOLDER = "f"
    PATH = "p"
    INTEGER = "i"
    BOOLEAN = "b"
    BITS = "g"
    BLOCK_SIZE = "z"
    CALLBACK = "c"
    ANYTHING = "a"


class Scope(Enum):
    """Whose parameter it is."""

    PROCESS = "G"
    INSTANCE = "I"


class When(Enum):
    """When it may be set."""

    BEFORE_INIT = "pre"
    ANY_TIME = "any"
    NEVER = "ro"


class Treatment(Enum):
    """What this engine does with it; see the module's text."""

    HONOURED = "honoured"
    HOLDS = "holds"
    TUNING = "tuning"
    IGNORED = "ignored"
    REFUSED = "refused"
    OUTSIDE = "outside"
    COMPUTED = "computed"


Value = int | str | None
"""What a parameter holds; booleans are ints too, a callback is any object or None."""


class ParameterRow(NamedTuple):
    """One row of the table; `low` and `high` bound the number or the string's length, both included."""

    id: int
    name: str
    kind: Kind
    default: Value
    low: int
    high: int
    scope: Scope
    when: When
    advanced: bool
    treatment: Treatment
    reason: str
    meaning: str


_TABLE = r"""
0 SystemPath f . 0..246 I pre = honoured
    folder of the checkpoint file
1 TempPath p tmp.edb 0..247 I pre = holds: there are no temporary tables, so no temporary database is made
    temporary database; folder or file
2 LogFilePath f . 0..246 I pre = honoured
    folder of the log files; one stream a folder
3 BaseName s edb 3..3 I pre = honoured
    prefix of log and checkpoint names
4 EventSource s "" 0..259 I pre = honoured
    source of events; empty is the program's name
5 MaxSessions i 16 0..30000 I pre adv = honoured
    sessions at one time
6 MaxOpenTables i 300 0..M I pre adv = tuning: tables are opened as memory allows; logs carry the number
    open table descriptors
8 MaxCursors i 1024 0..M I pre adv = tuning: cursors are made as memory allows; logs carry the number
    cursors
9 MaxVerPages i 64 1..M I pre adv = honoured
    ceiling of the version store in its pages
10 MaxTemporaryTables i 20 0..M I pre adv = holds: there are no temporary tables
    temporary tables; 0 is no temporary database
11 LogFileSize i 5120 64..32768 I pre = honoured
    size of a log file in KiB
12 LogBuffers i 126 1..M I pre adv = tuning: records wait in memory for their segment; logs carry the number
    log buffer in sectors of 512 bytes
16 CommitDefault g 0 0..D I any = honoured
    added to the options of each JetCommitTransaction; 1 lazy flush
17 CircularLog b 0 0..1 I pre = honoured
    delete logs below the checkpoint automatically; forbids incremental backups
18 DbExtensionSize i 256 1..M I any adv = honoured
    pages added when a database grows
19 PageTempDBMin i 0 0..M I pre adv = holds: there is no temporary database
    initial pages of the temporary database
20 PageFragment i 8 0..M I pre adv = tuning: extents are chosen when a database is built
    largest extent in pages that is still called a fragment
23 CacheSizeMax i 2000000000 1..U G any adv = honoured
    ceiling of the cache in pages; not below CacheSizeMin
24 CheckpointDepthMax i 20971520 0..U I any = honoured
    bytes of log between checkpoint and tip
30 OutstandingIOMax i 1024 0..65536 G pre adv = tuning: reads and writes are few and large
    outstanding reads and writes
31 StartFlushThreshold i 20000000 0..U G any adv = tuning: pages are written when they are due
    free buffers at which flushing starts; below StopFlushThreshold
32 StopFlushThreshold i 40000000 0..U G any adv = tuning: pages are written when they are due
    free buffers at which flushing stops
34 Recovery s on 0..259 I pre = honoured
    "on" is logging and crash recovery, "off" neither these nor backups; in any case of letters
35 EnableOnlineDefrag g 65535 0..65535 I any = tuning: nothing is defragmented in the background
    what is defragmented online: 0 nothing, 2 databases, 4 space trees, FFFF everything
41 CacheSize i 0 0..U G any adv = honoured
    present cache size in pages; setting it gives the target
45 EnableIndexChecking i 1 0..2 I any = holds: an index of another order of texts is refused when it is used
    check the collation versions of indexes: 0 off, 1 on, 2 when a table is opened
48 DeleteOldLogs b 0 0..1 I pre = ignored
    delete logs of an obsolete version
49 EventSourceKey s "" 0..259 I pre = refused: events go to this program's own log
    event log to write to; empty is the application log
50 NoInformationEvent b 0 0..1 I pre = honoured
    hide information events
51 EventLoggingLevel i 100 0..100 I pre = honoured
    highest level of detail that is reported: 0 off, 1 least, 25 low, 50 medium, 75 high, 100 everything
52 DeleteOutOfRangeLogs b 0 0..1 I pre = honoured
    with JET_bitReplayIgnoreLostLogs, recovery ends before a log that cannot be used; it is put away with all behind it
53 AccessDeniedRetryPeriod i 10000 0..U G any = tuning: a refusal is reported at once
    milliseconds to try again when access is denied
54 EnableIndexCleanup b 1 0..1 I any = holds: an index of another order of texts is refused, never deleted
    repair outdated index entries
60 CacheSizeMin i 1 1..U G any adv = honoured
    floor of the cache in pages; not above CacheSizeMax
63 PreferredVerPages i 58 1..M I any adv = tuning: versions take what they need, up to the ceiling
    preferred size of the version store in its pages
64 DatabasePageSize z 4096 4096..32768 G pre = honoured
    page size in bytes of all databases: 4096, 8192, 16384, 32768
66 BackupChunkSize i 16 1..M I pre adv = ignored
    pages read at a time by a backup
67 BackupOutstandingReads i 8 1..M I pre adv = ignored
    reads in flight of a backup
69 LogFileCreateAsynch b 1 0..1 I pre adv = tuning: a log file is made when it is needed
    prepare the next log file in the background
70 ErrorToString a "" 0..0 G ro = computed
    error code in, text out
71 ZeroDatabaseDuringBackup b 0 0..1 I pre = refused: a backup only reads the database
    scrub deleted data from pages after the backup has read them
73 RuntimeCallback c - 0..0 I pre = refused: there are no runtime callbacks
    runtime callback
77 CleanupMismatchedLogFiles b 0 0..1 I pre = refused: no log is deleted to change the log size
    after recovery with another log size delete the old logs and go on instead of -545
79 RecoveryCurrentLogfile i 0 0..M I ro = computed
    generation under replay
81 GlobalMinVerPages i 64 1..M G pre adv = tuning: versions take what they need, up to the ceiling
    least size of the version store of the process in its pages
82 OSSnapshotTimeout i 70000 0..M G any = refused: there are no shadow copies
    milliseconds that a freeze may last
98 ExceptionAction i 2 0..U G any = refused: Python's exceptions go to the caller
    on an exception: 1 message box, 2 nothing, 4 end the process
99 EventLogCache i 0 0..M G pre = holds: there is no event service that could be down
    bytes of events kept while the event service is down
100 CreatePathIfNotExist b 0 0..1 I any = honoured
    create missing system, log and backup folders
102 OneDatabasePerSession b 0 0..1 I pre = refused: a session may open every attached database
    one open database a session
103 MaxDatabasesPerInstance i 7 7..7 G pre = ignored
    databases an instance; fixed
104 MaxInstances i 16 1..10240 G pre = honoured
    instances a process
107 DisablePerfmon b 0 0..1 G pre = holds: there are no performance counters
    no performance counters
113 AlternateDatabaseRecoveryPath f "" 0..246 I pre = refused: recovery looks where the logs say
    folder in which recovery looks for the databases of the logs
128 VerPageSize z 32768 1024..65536 G pre adv = honoured
    page size of the version store in bytes
129 Configuration i 1 0..2047 I pre = refused: set the parameters one by one
    preset: 1 default, 2 no quotas, 4 low disk, 8 medium disk, 10h low memory, 20h medium memory, 40h low power and more
130 EnableAdvanced b 1 0..1 I any = honoured
    when false, setting an advanced parameter succeeds without effect
134 KeyMost i 0 0..M I ro = computed
    longest key in bytes at this page size
135 CheckpointIOMax i 1 1..1024 G any adv = tuning: the checkpoint is one small write
    checkpoint writes in flight
136 LegacyFileNames g 3 0..255 I pre = honoured
    1 names end in .log and .chk (otherwise .jtx and .jcp), 2 keep 8.3 names as long as possible
152 IOPriority i 0 0..7 I any adv = tuning: the system decides on priorities
    0 normal, 1 low, 2 low for the checkpoint, 4 low for scavenging
153 WaypointLatency i 0 0..1023 I pre = refused: page writes are not held back
    generations that a page write is held back
154 CheckpointTooDeep i 65536 32..65536 I pre = refused: updates go on while an open transaction holds the checkpoint
    generations between checkpoint and tip before updates fail with -614
155 DisableBlockVerification b 0 0..1 G pre = refused: checksums are always verified
    skip all verification of checksums
157 AggressiveLogRollover b 0 0..1 I pre = refused: the log rolls when it is full and for a backup
    roll the log after certain operations
158 PeriodicLogRolloverLLR i 0 0..604800 I pre = refused: the log rolls when it is full and for a backup
    seconds of idleness before the log rolls
169 EnableDBScanInRecovery i 0 0..2 I any adv = refused: use verify
    scan databases during recovery
170 DbScanThrottle i 20 0..60000 I any adv = tuning: nothing is scanned in the background
    milliseconds between the reads of a scan
171 DbScanIntervalMinSec i 86400 0..1814400 I pre adv = tuning: nothing is scanned in the background
    least seconds between scans
172 DbScanIntervalMaxSec i 604800 1..1576800000 I pre adv = tuning: nothing is scanned in the background
    most seconds a scan may take
178 MaxTransactionSize i 100 1..100 I any adv = honoured
    percent of the version store that one transaction may hold
181 HungIOThreshold i 30000 11000..1800000 G pre adv = refused: hung reads and writes are left to the system
    milliseconds after which a read or write counts as hung
182 HungIOActions i 1 0..31 G pre adv = refused: hung reads and writes are left to the system
    1 event, 2 cancel, 4 debug break, 8 crash, 10h time out
184 EnableShrinkDatabase g 0 0..65535 I pre = refused: databases do not shrink
    0 off, 1 on, 2 in real time, 8000h periodic
191 ZeroDatabaseUnusedSpace b 0 0..1 I any adv = refused: free space is not written
    overwrite freed space
192 DisableVerifications b 0 0..1 I any adv = refused: a backup always verifies
    skip the extensive checks while backing up
193 PersistedLostFlushDetection i 5 0..7 I pre adv = honoured
    1 on, 2 new map at attach, 4 fail only for what was detected in this run
194 EngineFormatVersion i 1073741825 0..D I any = honoured
    highest format version to write; 40000001h the engine's default, 40000002h that of the files
195 ReplayThrottlingLevel i 0 0..1 I any adv = tuning: replay goes as fast as it can
    throttle replay
214 UseFlushForWriteDurability b 1 0..1 I pre adv = refused: what must last is flushed
    flush instead of write-through
13 WaitLogFlush a 0 0..U I any = ignored
    obsolete
14 LogCheckpointPeriod a 0 0..U I any = ignored
    obsolete
15 LogWaitingUserMax a 0 0..U I any = ignored
    obsolete
21 PageReadAheadMax a 0 0..U I any = ignored
    obsolete
44 CheckFormatWhenOpenFail a 0 0..U I any = ignored
    obsolete
47 IgnoreLogVersion a 0 0..U I any = ignored
    obsolete
61 LogFileFailoverPath a 0 0..U I any = ignored
    obsolete
124 MaxRandomIOSize a 0 0..U I any = ignored
    obsolete
42 CacheRequests i 0 0..U G ro = computed
    requests to the cache
43 CacheHits i 0 0..U G ro = computed
    requests that the cache answered
163 LVChunkSizeMost i 0 0..M I ro = computed
    bytes of a long value a chunk at this page size
213 RecordSizeMost i 0 0..M I ro = computed
    longest record in bytes at this page size
46 EnableTempTableVersioning a - 0..0 I pre = outside: temporary tables
    versions in temporary tables
105 VersionStoreTaskQueueMax a - 0..0 I pre = outside: the version store
    tasks of the version store
125 CachedClosedTables a - 0..0 I pre = outside: tables
    schemas of closed tables kept
126 EnableFileCache a - 0..0 I pre = outside: the page cache
    use the system's file cache
127 EnableViewCache a - 0..0 I pre = outside: the page cache
    map files into memory
160 DefragmentSequentialBTrees a - 0..0 I pre = outside: defragmentation
    defragment trees that are read in sequence
164 MaxCoalesceReadSize a - 0..0 I pre = outside: the page cache
    bytes of one joined read
165 MaxCoalesceWriteSize a - 0..0 I pre = outside: the page cache
    bytes of one joined write
175 EnableExternalAutoHealing a - 0..0 I pre = outside: page patching
    patch pages from copies
176 PatchRequestTimeout a - 0..0 I pre = outside: page patching
    seconds before a patch is asked for again
177 CachePriority a - 0..0 I pre = outside: the page cache
    priority in the cache
179 PrereadIOMax a - 0..0 I pre = outside: the page cache
    reads ahead in flight
186 ProcessFriendlyName a - 0..0 G pre = outside: performance counters
    name of the process in counters
187 DurableCommitCallback a - 0..0 I pre = outside: transactions
    callback when lazy commits are durable
189 ConfigStoreSpec a - 0..0 I pre = outside: the registry
    where parameters are read from
215 EnableRBS a - 0..0 I pre = outside: revert snapshots
    keep revert snapshots
216 RBSFilePath a - 0..0 I pre = outside: revert snapshots
    folder of revert snapshots
"""

_LIMITS = {"M": 2**31 - 1, "U": 2**63 - 1, "D": 2**32 - 1}
_ROW = re.compile(
    r"(\d+) (\w+) (\w) (\S+) (\w+)\.\.(\w+) ([GI]) (\w+)( adv)? = (\w+)(?:: (.+))?\n {4}(.+)",
)
_DEFAULTS: dict[str, Value] = {'""': "", "-": None}
_TEXT_KINDS = (Kind.STRING, Kind.FOLDER, Kind.PATH)


def _default(text: str, kind: Kind) -> Value:
    if text in _DEFAULTS:
        return _DEFAULTS[text]
    if kind is Kind.BOOLEAN:
        return text == "1"
    return text if kind in _TEXT_KINDS else int(text)


PARAMETERS: dict[int, ParameterRow] = {
    int(number): ParameterRow(
        id=int(number),
        name=name,
        kind=Kind(kind),
        default=_default(default, Kind(kind)),
        low=int(low),
        high=_LIMITS[high] if high in _LIMITS else int(high),
        scope=Scope(scope),
        when=When(when),
        advanced=bool(advanced),
        treatment=Treatment(treatment),
        reason=reason,
        meaning=meaning,
    )
    for number, name, kind, default, low, high, scope, when, advanced, treatment, reason, meaning in _ROW.findall(
        _TABLE
    )
}
