"""`esetui show FILE`: every header field of one file, and a verdict in words.

Database (and the trailer of a backup copy), log, checkpoint, flush map, reserve log: what `esentutl /mh`, `/ml`
and `/mk` show.  Reads only.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from engine.errors import Err, EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.checkpoint import CHECKPOINT_FILE_SIZE, read_checkpoint
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, FlushMapHeader
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.format.names import FolderNames, detect_names
from engine.format.patch import PatchHeader
from engine.header_file import read_header_from
from esetui.cli.describe.database import LogsNear, database_verdict
from esetui.cli.describe.fields import Row, Verdict, json_fields, rows
from esetui.cli.describe.kinds import FileType, file_type
from esetui.cli.describe.log import log_rows, log_verdict, scan_log
from esetui.cli.describe.others import checkpoint_verdict, flush_map_verdict, reserve_verdict
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH, common
from esetui.cli.output import size_text, table

if TYPE_CHECKING:
    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from esetui.cli.output import Output

_RESERVE_PROBE = 1 << 20


@click.command("show")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@common
def command(out: Output, files: tuple[str, ...]) -> ExitCode:
    """Show a database, log, checkpoint, flush map or trailer, with a verdict in words."""
    fs = ReadOnlyFileSystem(RealFileSystem())
    worst = ExitCode.OK
    for number, name in enumerate(files):
        if number:
            out.line()
        path = fs.absolute(name)
        with fs.open(path) as file:
            worst = max(worst, Shown(out, fs, file).show())
    return worst


class Shown:
    """One open file being shown."""

    def __init__(self, out: Output, fs: FileSystem, file: File) -> None:
        self._out = out
        self._fs = fs
        self._file = file
        self._name = PurePath(file.path).name

    def show(self) -> ExitCode:
        """Recognise the file, print its fields, and return the verdict's exit code."""
        kind = file_type(self._file, self._name)
        match kind:
            case FileType.DATABASE:
                return self._database()
            case FileType.LOG:
                return self._log()
            case FileType.CHECKPOINT:
                return self._checkpoint()
            case FileType.FLUSH_MAP:
                header = FlushMapHeader.parse(self._file.read_at(0, FLUSH_MAP_PAGE_SIZE), path=self._file.path)
                return self._print(kind, flush_map_verdict(header), rows(header), {"header": json_fields(header)})
            case FileType.RESERVE:
                blank = not any(self._file.read_at(0, _RESERVE_PROBE))
                return self._print(kind, reserve_verdict(blank=blank), [], {})
        raise EseError.from_code(
            Err.FileInvalidType,
            "neither a database nor a log, checkpoint or flush map",
            path=self._file.path,
        )

    def _database(self) -> ExitCode:
        read = read_header_from(self._file)
        trailer = self._trailer(read.header) if read.header.is_backup_copy else None
        verdict = database_verdict(read, trailer, logs_near(self._fs, self._file.path, read.header))
        shown = [Row("header copy", read.source.value), *rows(read.header)]
        fields: dict[str, Any] = {
            "header": json_fields(read.header),
            "header_copy": read.source.value,
            "header_problems": [problem._asdict() | {"source": problem.source.value} for problem in read.problems],
            "page_size": read.header.page_size,
        }
        if trailer is not None:
            shown += [Row("trailer", ""), *rows(trailer, indent="  ")]
            fields["trailer"] = json_fields(trailer)
        return self._print(FileType.DATABASE, verdict, shown, fields)

    def _trailer(self, header: DatabaseHeader) -> PatchHeader | None:
        page_size, size = header.page_size, self._file.size()
        last = size // page_size - 1
        with suppress(EseError):
            trailer = PatchHeader.parse(self._file.read_at(last * page_size, page_size), path=self._file.path)
            if trailer.belongs_to(header):
                return trailer
        return None

    def _log(self) -> ExitCode:
        header = LogHeader.parse(self._file.read_at(0, LOG_HEADER_SIZE), path=self._file.path)
        scan = scan_log(self._fs, self._file.path)
        return self._print(
            FileType.LOG,
            log_verdict(header, scan, self._name),
            [*rows(header), *log_rows(scan)],
            {"header": json_fields(header), "content": scan.fields()},
        )

    def _checkpoint(self) -> ExitCode:
        read = read_checkpoint(self._file.read_at(0, CHECKPOINT_FILE_SIZE), path=self._file.path)
        shown = [Row("copy used", str(read.copy)), *rows(read.checkpoint)]
        fields = {
            "header": json_fields(read.checkpoint),
            "copy": read.copy,
            "copies_differ": read.copies_differ,
            "problems": [str(problem) for problem in read.problems],
        }
        return self._print(FileType.CHECKPOINT, checkpoint_verdict(read), shown, fields)

    def _print(self, kind: FileType, verdict: Verdict, shown: list[Row], fields: dict[str, Any]) -> ExitCode:
        out, size = self._out, self._file.size()
        head = [("file", self._file.path), ("kind", f"{kind.value}, {size_text(size)}"), ("verdict", str(verdict))]
        for line in table([*head, *([("", "")] if shown else []), *shown]):
            out.line(line)
        out.record(
            "file",
            path=self._file.path,
            kind=kind.name.lower(),
            size=size,
            verdict=verdict.word,
            sentences=list(verdict.sentences),
            **fields,
        )
        return verdict.code


def logs_near(fs: FileSystem, path: str, header: DatabaseHeader) -> LogsNear | None:
    """Return the logs beside a database that belong to its stream by signature; None when there are none."""
    if not header.sign_log:
        return None
    folder = str(PurePath(path).parent)
    try:
        present = [entry.name for entry in fs.list(folder)]
    except EseError:
        return None
    there = FolderNames(present)
    for names in detect_names(present):
        archives = there.archives(names)
        good: list[int] = []
        current = None
        for generation, name in [*archives.items(), (0, there.actual(names.current))]:
            found = name and _log_header(fs, str(PurePath(folder, name)))
            if not found or found.signature != header.sign_log:
                continue
            if not generation:
                current = found.generation
            elif found.generation == generation:
                good.append(generation)
        if good or current:
            return LogsNear(names.base, tuple(good), current)
    return None


def _log_header(fs: FileSystem, path: str) -> LogHeader | None:
    try:
        with fs.open(path) as file:
            return LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=path)
    except EseError:
        return None
