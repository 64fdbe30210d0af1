"""Opening the log stream of an instance: a new one, or the one in the folder continued.

    nothing there          checkpoint (generation 1), then the first log
    current log there      its tail mended, appended to behind the last valid segment
    current log missing,   a crash between the two renames of a roll-over: the finished log in
    prepared one fits      preparation becomes the current one
    current log missing    the highest closed log is the end; a new generation follows it

Whether recovery is needed is decided here, from the last record and the checkpoint; `engine.recovery` does it.
Source: log reference 1.1-1.3, 1.10, 3.9, 5.1, 6.5, 6.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.format.checkpoint import Checkpoint
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader, LogHeaderExpectation, LogHeaderFlags
from engine.format.names import FolderNames, LogNames
from engine.format.segment import SEGMENT_SIZE, canonical_position
from engine.format.versions import FORMATS, FormatVersions, formats_for
from engine.log.checkpoint_file import CheckpointFile, read_checkpoint_file, write_checkpoint_file
from engine.log.paths import join, name_of
from engine.log.reader import LogFile
from engine.log.rollover import finish_rollover
from engine.log.stream import LogStream
from engine.log.tail import Tail, read_tail
from engine.params import EFV_ALLOW_HIGHER_PERSISTED, EFV_ENGINE_DEFAULT, EFV_PERSISTED
from engine.recovery.looking import check_within
from engine.types import LgPos

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.checkpoint import CheckpointRead
    from engine.params import Parameters

DEFAULT_EFV = 9180
"""Format of a new stream when none is asked for: 8.4000.60.140, which Windows reads from 10 1903 on."""

SHORT_DIGITS = 5


@dataclass(slots=True)
class Folders:
    """Where an instance keeps its files."""

    log: str
    system: str


@dataclass(slots=True)
class Opened:
    """A stream that was looked at; nothing is mended yet.

    `header` and `tail` are those of the last log.  `quit_position` is the place of the Term or RecoveryQuit record
    that ends it, None when it does not end so; `current` is the existing name of the current log, None when that is
    missing.
    """

    names: LogNames
    stream: LogStream
    header: LogHeader
    tail: Tail
    current: str | None
    quit_position: LgPos | None
    checkpoint: CheckpointRead | None

    @property
    def clean(self) -> bool:
        """Whether the last run ended well: nothing has to be replayed."""
        if self.quit_position is None or self.current is None:
            return False
        if self.checkpoint is None:
            return True
        return canonical_position(self.checkpoint.checkpoint.checkpoint) == self.quit_position


def dbms_param(params: Parameters, folders: Folders, file_segments: int) -> DbmsParam:
    """Return the settings of the instance as logs and checkpoints carry them."""
    return (
        DbmsParam(
            flags=0,
            sessions=params.max_sessions,
            open_tables=params.max_open_tables,
            version_pages=params.max_ver_pages,
            cursors=params.max_cursors,
            log_buffers=params.log_buffers,
            log_file_segments=file_segments,
            cache_size_max=min(params.cache_size_max, 0xFFFFFFFF),
        )
        .with_paths(_delimited(folders.system), _delimited(folders.log))
        .with_circular(on=params.circular_log)
    )


def _delimited(folder: str) -> str:
    """Return a folder with a delimiter at its end, as headers carry it."""
    return join(folder, "")


def find_names(params: Parameters, listing: list[str], found: LogStream | None) -> LogNames:
    """Return how the logs are named: as those in the folder are, else as the parameters say.

    -513 when names of five digits are met and the parameters do not allow them.
    """
    wanted = LogNames.from_legacy_bits(params.base_name, params.legacy_file_names)
    if found is None:
        return wanted
    five = any(parsed is not None and parsed.digits == SHORT_DIGITS for parsed in map(found.names.parse, listing))
    if five and wanted.eight:
        raise EseError.from_code(
            Err.LogGenerationMismatch,
            "log names of five digits",
            path=found.folder,
            hint="set bit 2 of JET_paramLegacyFileNames",
        )
    if found.archives:
        return found.names
    return LogNames(found.names.base, found.names.ext, wanted.eight)


def open_stream(
    env: Environment, events: EventLog, params: Parameters, folders: Folders, found: LogStream, names: LogNames
) -> Opened:
    """Look at the stream `found`: finish a roll-over that a crash interrupted, check the headers, judge the tail.

    -501 damage (events 412, or 552 and 465), -513 -515 -530 sequence and signature, -1213 page size, -541/-545
    log size.
    """
    found = finish_interrupted_rollover(env, found, names)
    return look_at_stream(env, events, params, folders, found, names)


def look_at_stream(
    env: Environment, events: EventLog, params: Parameters, folders: Folders, found: LogStream, names: LogNames
) -> Opened:
    """Check the header of the last log, judge its tail, read the checkpoint; errors as `open_stream`."""
    expect = LogHeaderExpectation(page_size=params.database_page_size, signature=found.signature)
    path = found.current
    if path is None:
        path = found.archives[max(found.archives)]
    try:
        with LogFile.open(env.fs, path, expect=expect):
            pass
    except EseError as error:
        events.report(412, path, str(error.code))
        raise
    if found.current_generation is not None and max(found.archives, default=0) >= found.current_generation:
        raise EseError.from_code(
            Err.InvalidLogSequence,
            "a closed log is not below the current one",
            path=found.archives[max(found.archives)],
            generation=max(found.archives),
        )
    tail = read_tail(env.fs, path, events)
    with LogFile.open(env.fs, path) as log:
        header = log.header
        quit_position = log.quit_position()
    return Opened(
        names=names,
        stream=found,
        header=header,
        tail=tail,
        current=None if found.current is None else name_of(found.current),
        quit_position=quit_position,
        checkpoint=read_checkpoint(env, events, folders, found, names),
    )


def check_log_size(params: Parameters, opened: Opened) -> None:
    """Raise -545 when the stream, clean by now, has another log size than the parameter says."""
    opened.header.check(
        LogHeaderExpectation(log_file_size=params.log_file_bytes, databases_clean=True), opened.stream.current
    )


def checkpoint_name(env: Environment, folders: Folders, names: LogNames) -> str:
    """Return the name of the checkpoint file, spelled as it exists."""
    if env.fs.stat(folders.system) is None:
        return names.checkpoint
    present = FolderNames(entry.name for entry in env.fs.list(folders.system))
    return present.actual(names.checkpoint) or names.checkpoint


def finish_interrupted_rollover(env: Environment, found: LogStream, names: LogNames) -> LogStream:
    """Rename the log in preparation when the crash came between the renames of a roll-over."""
    if found.current is not None or found.temp is None:
        return found
    before = max(found.archives, default=0)
    generation = found.temp_generation()
    if generation != before + 1:
        return found
    with LogFile.open(env.fs, found.temp) as log:
        prepared = log.header
    if before:
        last = found.open(before)
        with last:
            fits = prepared.signature == last.header.signature and prepared.previous_created == last.header.created
        if not fits:
            return found
    finish_rollover(env.fs, found.folder, names, name_of(found.temp))
    return LogStream.find(env.fs, found.folder, names.base) or found


def read_checkpoint(
    env: Environment, events: EventLog, folders: Folders, stream: LogStream, names: LogNames
) -> CheckpointRead | None:
    """Read the checkpoint of a stream; without a right one recovery starts at the lowest log."""
    path = join(folders.system, checkpoint_name(env, folders, names))
    try:
        read = read_checkpoint_file(env.fs, path, signature=stream.signature)
        check_within(stream, read.checkpoint, path)
    except EseError as error:
        if error.code in (Err.CheckpointFileNotFound, Err.CheckpointCorrupt, Err.BadCheckpointSignature):
            return None
        raise
    if read.problems and read.copy == 2:  # noqa: PLR2004
        events.report(456, path, "4096")
    return read


def new_stream(
    env: Environment, params: Parameters, folders: Folders, names: LogNames
) -> tuple[LogHeader, CheckpointFile]:
    """Write the checkpoint of a new stream and return it with the header of its first log, not yet written."""
    segments = params.log_file_bytes // SEGMENT_SIZE
    formats = stream_format(params)
    settings = dbms_param(params, folders, segments)
    header = LogHeader.create(
        generation=1,
        file_segments=segments,
        page_size=params.database_page_size,
        created=env.log_time(),
        signature=env.new_signature(),
        version=formats.log,
        engine_version=formats.efv,
        dbms_param=settings,
        flags=LogHeaderFlags.CIRCULAR_NOW if params.circular_log else 0,
        checkpoint=LgPos(1, 1, 0),
    )
    checkpoint = Checkpoint.create(
        checkpoint=LgPos(1, 1, 0), signature=header.signature, dbms_param=settings, attachments=()
    )
    path = join(folders.system, checkpoint_name(env, folders, names))
    # Before the first log: a stream without checkpoint would be replayed from its lowest log on.  A left-over
    # checkpoint of another stream goes with this.
    write_checkpoint_file(env.fs, path, checkpoint)
    return header, CheckpointFile(env.fs, path, checkpoint)


def stream_format(params: Parameters) -> FormatVersions:
    """Return the format of a new stream: what JET_paramEngineFormatVersion asks for."""
    wanted = params.engine_format_version
    if wanted in (EFV_ENGINE_DEFAULT, EFV_PERSISTED, EFV_ALLOW_HIGHER_PERSISTED):
        wanted = DEFAULT_EFV
    elif wanted & EFV_ALLOW_HIGHER_PERSISTED:
        wanted &= ~EFV_ALLOW_HIGHER_PERSISTED
    return formats_for(wanted) or FORMATS[0]


def checkpoint_file(env: Environment, params: Parameters, folders: Folders, opened: Opened) -> CheckpointFile:
    """Return the checkpoint of a stream that is continued; without a right one, a value that is not on the disk yet."""
    path = join(folders.system, checkpoint_name(env, folders, opened.names))
    settings = dbms_param(params, folders, opened.header.file_segments)
    read = opened.checkpoint
    if read is not None:
        bad = None if not read.problems else 3 - read.copy
        return CheckpointFile(env.fs, path, read.checkpoint.replace(dbms_param=settings), bad_copy=bad)
    lowest = LgPos(min(opened.stream.generations), 1, 0)
    value = Checkpoint.create(checkpoint=lowest, signature=opened.header.signature, dbms_param=settings)
    return CheckpointFile(env.fs, path, value)
