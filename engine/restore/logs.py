"""The logs of a restore: those of the set, and behind them the newer ones of the live log folder.

    set     genLow ................ genHigh          must be there without a gap, of one stream
    live               ....................... current   what follows genHigh is replayed too

A live log that is of another stream, or does not follow, is passed over below and inside the set's range; as the
first one above it, it ends the restore.
Source: log reference 8.2 (step 4), 8.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.logheader import LogHeader, LogHeaderExpectation
from engine.format.names import LogNames, NameKind, detect_names
from engine.log.paths import join
from engine.log.reader import LogFile
from engine.log.stream import LogStream

if TYPE_CHECKING:
    from engine.events import EventLog
    from engine.files.base import FileSystem

_SUBFOLDERS = ("new", "old")


@dataclass(frozen=True, slots=True)
class RestoreLogs:
    """What is replayed: `stream` has the logs of the set and the live ones above, under the live log folder.

    `set_folder` is the folder that the logs of the set lie in, `lowest` and `highest` its range.
    """

    set_folder: str
    names: LogNames
    lowest: int
    highest: int
    stream: LogStream
    first: LogHeader


def find_set_folder(fs: FileSystem, path: str, base: str) -> tuple[str, LogNames, dict[int, str]]:
    """Return the folder of the set, how its logs are named, and their paths: `path`, its `new`, or its `old`.

    -1811 when there is no closed log in any, -1023 when `path` is not a folder.
    """
    stat = fs.stat(path)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, "no such folder", path=path)
    if stat.kind is not FileKind.DIRECTORY:
        raise EseError.from_code(Err.InvalidPath, "not a folder", path=path)
    for folder in (path, *(join(path, each) for each in _SUBFOLDERS)):
        found = _archives(fs, folder, base)
        if found is not None:
            return (folder, *found)
    raise EseError.from_code(Err.FileNotFound, "no log of a backup there, nor in 'new' or 'old'", path=path)


def _archives(fs: FileSystem, folder: str, base: str) -> tuple[LogNames, dict[int, str]] | None:
    stat = fs.stat(folder)
    if stat is None or stat.kind is not FileKind.DIRECTORY:
        return None
    files = [each.name for each in fs.list(folder) if each.kind is FileKind.FILE]
    for names in detect_names(files):
        if names.base.lower() != base.lower():
            continue
        found: dict[int, str] = {}
        for name in files:
            parsed = names.parse(name)
            if parsed is not None and parsed.kind is NameKind.ARCHIVE and parsed.generation is not None:
                found.setdefault(parsed.generation, join(folder, name))
        if found:
            return names, dict(sorted(found.items()))
    return None


def gather(
    fs: FileSystem, events: EventLog, path: str, log_folder: str, *, base: str, page_size: int | None
) -> RestoreLogs:
    """Check the logs of the set at `path` and of the live folder; nothing is written.

    -1811 none, or one missing in the middle; -501 (event 412), -1213, -555 (433), -556 (434) in the set; -565 (450),
    -610 (457), -611 (458) behind it.
    """
    folder, names, archives = find_set_folder(fs, path, base)
    lowest, highest = min(archives), max(archives)
    headers: dict[int, LogHeader] = {}
    for generation in range(lowest, highest + 1):
        if generation not in archives:
            raise EseError.from_code(
                Err.FileNotFound,
                "a log of the set is missing",
                path=join(folder, names.archive(generation)),
                generation=generation,
            )
        headers[generation] = _set_header(fs, events, archives[generation], generation, page_size)
        before = headers.get(generation - 1)
        if before is not None:
            _check_follows(events, archives[generation], before, headers[generation])
    live = None if fs.absolute(folder) == fs.absolute(log_folder) else _live(fs, log_folder, names.base)
    above: dict[int, str] = {}
    if live is not None:
        above = _Live(fs, events, live, headers).above()
    current = live.current if live is not None and live.current_generation in above else None
    stream = LogStream(
        fs=fs,
        folder=log_folder,
        names=names if live is None or not live.archives else live.names,
        archives=archives | {number: at for number, at in above.items() if at != current},
        current=current,
        current_header=live.current_header if live is not None and current is not None else None,
        temp=None,
        checkpoint=None,
        reserves=(),
        header=headers[highest],
    )
    last = max(stream.generations)
    with stream.open(last) as log:
        stream = replace(stream, header=log.header)
    return RestoreLogs(folder, names, lowest, highest, stream, headers[lowest])


def _set_header(fs: FileSystem, events: EventLog, path: str, generation: int, page_size: int | None) -> LogHeader:
    expect = LogHeaderExpectation(page_size=page_size) if page_size is not None else None
    try:
        with LogFile.open(fs, path, generation, expect=expect) as log:
            return log.header
    except EseError as error:
        events.report(412, path, str(error.code))
        raise


def _check_follows(events: EventLog, path: str, before: LogHeader, header: LogHeader) -> None:
    if header.signature != before.signature:
        events.report(433, path)
        raise EseError.from_code(Err.GivenLogFileHasBadSignature, path=path, generation=header.generation, event_id=433)
    if header.previous_created != before.created:
        events.report(434, str(header.generation))
        raise EseError.from_code(
            Err.GivenLogFileIsNotContiguous,
            f"made after a log of {header.previous_created}, not of {before.created}",
            path=path,
            generation=header.generation,
            event_id=434,
        )


def _live(fs: FileSystem, folder: str, base: str) -> LogStream | None:
    stat = fs.stat(folder)
    if stat is None or stat.kind is not FileKind.DIRECTORY:
        return None
    return LogStream.find(fs, folder, base)


class _Live:
    """The check of the live logs, from the lowest up."""

    def __init__(self, fs: FileSystem, events: EventLog, stream: LogStream, headers: dict[int, LogHeader]) -> None:
        self._fs = fs
        self._events = events
        self._stream = stream
        self._headers = headers
        self._low, self._high = min(headers), max(headers)
        self._error: EseError | None = None

    def above(self) -> dict[int, str]:
        """Return the paths of the live logs that follow the set."""
        generations = sorted(self._stream.generations)
        if self._stream.current is not None and self._stream.current_header is None:
            raise EseError.from_code(Err.LogFileCorrupt, "its header cannot be used", path=self._stream.current)
        found: dict[int, str] = {}
        before: LogHeader | None = None
        generation = generations[0] if generations else 1
        last = generations[-1] if generations else 0
        while generation <= last:
            path = self._stream.path(generation)
            if path is None:
                if generation <= self._high:
                    generation, before = self._high + 1, None
                    continue
                self._refuse_missing(generation)
            with LogFile.open(self._fs, path or "", generation) as log:
                header = log.header
            onward = self._judge(header, before, path or "")
            if onward is not None:
                if onward > last or generation > self._high:
                    break
                generation, before = onward, None
                continue
            self._error = None
            if generation > self._high:
                found[generation] = path or ""
            generation, before = generation + 1, header
        if self._error is not None:
            raise self._error
        if self._stream.current_generation is not None and self._stream.current_generation <= self._high:
            raise EseError.from_code(
                Err.ExistingLogFileIsNotContiguous,
                "the current log is older than the set: the log that follows the set cannot be made",
                path=self._stream.current,
                generation=self._stream.current_generation,
                hint="use an empty log folder",
            )
        return found

    def _judge(self, header: LogHeader, before: LogHeader | None, path: str) -> int | None:
        """Return None for a log that fits, else the generation to go on with."""
        generation, low, high = header.generation, self._low, self._high
        if header.signature != self._headers[high].signature:
            self._note(457, Err.ExistingLogFileHasBadSignature, path, header, "of another log stream")
            return generation + 1 if generation >= low else low
        unlinked = before is not None and header.previous_created != before.created
        if unlinked:
            self._note(458, Err.ExistingLogFileIsNotContiguous, path, header, "does not follow the one before")
            return generation + 1 if generation < low else high + 1
        if generation == low - 1 and header.created != self._headers[low].previous_created:
            self._note(458, Err.ExistingLogFileIsNotContiguous, path, header, "the set does not follow it")
            return generation + 1
        if low <= generation <= high and header.created != self._headers[generation].created:
            self._note(458, Err.ExistingLogFileIsNotContiguous, path, header, "the set has another log of that number")
            return high + 1
        if generation == high + 1 and header.previous_created != self._headers[high].created:
            self._note(458, Err.ExistingLogFileIsNotContiguous, path, header, "does not follow the set")
            return generation + 1
        return None

    def _note(self, event: int, code: int, path: str, header: LogHeader, detail: str) -> None:
        self._events.report(event, path, path) if event == 458 else self._events.report(event, path)  # noqa: PLR2004
        self._error = EseError.from_code(
            code, detail, path=path, generation=header.generation, event_id=event, hint="use an empty log folder"
        )

    def _refuse_missing(self, generation: int) -> None:
        path = join(self._stream.folder, self._stream.names.archive(generation))
        self._events.report(450, path)
        raise EseError.from_code(Err.MissingCurrentLogFiles, path=path, generation=generation, event_id=450)
