"""`esetui show FILE`: every header field of one file, and a verdict in words.

Database (and the trailer of a backup copy), log, checkpoint, flush map, reserve log: what `esentutl /mh`, `/ml`
and `/mk` show.  Reads only.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from engine.errors import Err, EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.checkpoint import CHECKPOINT_FILE_SIZE, read_checkpoint
from engine.format.dbheader import HEADER_PROBE_SIZE
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, FlushMapHeader
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.info import EseFileType, identify_bytes, read_database_file
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from esetui.cli.describe.database import LogsNear, database_verdict
from esetui.cli.describe.fields import Row, Verdict, json_fields, rows
from esetui.cli.describe.log import log_rows, log_verdict, scan_log
from esetui.cli.describe.others import checkpoint_verdict, empty_verdict, flush_map_verdict, reserve_verdict
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common
from esetui.cli.output import plain, size_text, table

if TYPE_CHECKING:
    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.types import Signature
    from esetui.cli.output import Output

_RESERVE_NAME = re.compile(r"(.{3}res\d{5}\.jrs|res[12]\.log)", re.IGNORECASE | re.DOTALL)


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
        try:
            with fs.open(fs.absolute(name)) as file:
                code = Shown(out, fs, file).show()
        except EseError as error:
            # One file that cannot be shown does not hide the others.
            out.fail(error, then=next_step(error))
            code = exit_code_for(error)
        worst = max(worst, code)
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
        start = self._file.read_at(0, HEADER_PROBE_SIZE)
        # A reserve log is never read by the engine, so whatever it holds means nothing.
        if _RESERVE_NAME.fullmatch(self._name):
            return self._print("reserve log", reserve_verdict(blank=not any(start)), [], {})
        match identify_bytes(start, self._name).type:
            case EseFileType.DATABASE:
                return self._database()
            case EseFileType.LOG:
                return self._log()
            case EseFileType.CHECKPOINT:
                return self._checkpoint()
            case EseFileType.FLUSH_MAP:
                header = FlushMapHeader.parse(self._file.read_at(0, FLUSH_MAP_PAGE_SIZE), path=self._file.path)
                return self._print(
                    "flush map", flush_map_verdict(header), rows(header), {"header": json_fields(header)}
                )
            case EseFileType.EMPTY:
                return self._print("empty", empty_verdict(self._name), [], {})
        raise EseError.from_code(
            Err.FileInvalidType,
            "neither a database nor a log, checkpoint or flush map",
            path=self._file.path,
        )

    def _database(self) -> ExitCode:
        info = read_database_file(self._file)
        header, trailer = info.header, info.trailer
        shown = [Row("header copy", info.read.source.value), Row("pages", str(info.pages)), *rows(header)]
        fields: dict[str, Any] = {
            "header": json_fields(header),
            "header_copy": info.read.source.value,
            "header_problems": [plain(problem._asdict()) for problem in info.read.problems],
            "page_size": header.page_size,
            "pages": info.pages,
        }
        if trailer is not None:
            shown += [Row("trailer", ""), *rows(trailer, indent="  ")]
            fields["trailer"] = json_fields(trailer)
        verdict = database_verdict(info, logs_near(self._fs, self._file.path, header))
        return self._print("database", verdict, shown, fields)

    def _log(self) -> ExitCode:
        header = LogHeader.parse(self._file.read_at(0, LOG_HEADER_SIZE), path=self._file.path)
        scan = scan_log(self._fs, self._file.path)
        return self._print(
            "log",
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
        return self._print("checkpoint", checkpoint_verdict(read), shown, fields)

    def _print(self, kind: str, verdict: Verdict, shown: list[Row], fields: dict[str, Any]) -> ExitCode:
        out, size = self._out, self._file.size()
        head = [("file", self._file.path), ("kind", f"{kind}, {size_text(size)}"), ("verdict", str(verdict))]
        for line in table([*head, *([("", "")] if shown else []), *shown]):
            out.line(line)
        out.record(
            "file",
            path=self._file.path,
            kind=kind,
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
    try:
        streams = LogStream.find_all(fs, str(PurePath(path).parent))
    except EseError:
        return None
    for stream in streams:
        good = [generation for generation in stream.generations if _is_of(stream, generation, header.sign_log)]
        if good:
            return LogsNear(stream.names.base, tuple(good))
    return None


def _is_of(stream: LogStream, generation: int, signature: Signature) -> bool:
    try:
        with LogFile.open(stream.fs, stream.path(generation) or "") as log:
            return log.header.signature == signature and log.generation == generation
    except EseError:
        return False
