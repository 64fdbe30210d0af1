"""`esetui log INSTANCE`: the records of a log stream, or of one log file.  Reads only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.lr import LrType
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from esetui.cli.describe.log import pages_of, record_fields, record_text, type_name
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import FileSystem
    from engine.log.records import LogRecord
    from esetui.cli.output import Output


class Generations(click.ParamType[range]):
    """One generation or a range: `31`, `0x1F`, `25-31`, `0x19-0x1F`; hexadecimal as file names spell it with 0x."""

    name = "generation"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """Return the generations as a range."""
        if isinstance(value, range):
            return value
        found = re.fullmatch(r"(0x[0-9a-f]{1,8}|\d{1,10})(?:-(0x[0-9a-f]{1,8}|\d{1,10}))?", str(value), re.IGNORECASE)
        if found is None:
            self.fail(f"{value!r} is neither a generation (31, 0x1F) nor a range of them (25-31)", param, ctx)
        low = int(found[1], 0)
        high = int(found[2], 0) if found[2] else low
        if high < low:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return range(low, high + 1)


class Filter(NamedTuple):
    """Which records are wanted; an empty set or None wants all."""

    generations: range | None
    types: frozenset[str]
    pages: frozenset[int]

    def wants(self, each: LogRecord) -> bool:
        """Whether a record is to be listed."""
        if self.types and type_name(each.record).lower() not in self.types:
            return False
        return not self.pages or not self.pages.isdisjoint(pages_of(each.record))


TYPE_NAMES = {each.name.lower(): each.name for each in LrType}


@click.command("log")
@click.argument("instance", type=PATH)
@click.option("--base", help="Base name of the logs, where a folder has several streams.")
@click.option("-g", "--generation", type=Generations(), help="Only these generations: 31, 0x1F, 25-31.")
@click.option("-t", "--type", "types", multiple=True, help="Only this type of record; may be repeated.")
@click.option("-p", "--page", "pages", multiple=True, type=click.IntRange(min=0), help="Only records that name a page.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Stop after this many records.")
@common
def command(
    out: Output,
    instance: str,
    base: str | None,
    generation: range | None,
    types: tuple[str, ...],
    pages: tuple[int, ...],
    limit: int | None,
) -> ExitCode:
    """List the log records of an instance.

    INSTANCE is the folder of its logs, or one log file.
    """
    unknown = [name for name in types if name.lower() not in TYPE_NAMES and not re.fullmatch(r"type \d+", name)]
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is no type of record; known are {', '.join(sorted(TYPE_NAMES.values()))}",
        )
    wanted = Filter(generation, frozenset(name.lower() for name in types), frozenset(pages))
    listing = Listing(out, wanted, limit)
    fs = ReadOnlyFileSystem(RealFileSystem())
    for path in _files(out, fs, fs.absolute(instance), base, wanted):
        if listing.full:
            break
        listing.file(fs, path)
    listing.summary()
    return listing.code


class Listing:
    """Writes records until there are enough; damage in one file does not hide the next."""

    def __init__(self, out: Output, wanted: Filter, limit: int | None) -> None:
        self._out = out
        self._wanted = wanted
        self._limit = limit
        self._shown = 0
        self.code = ExitCode.OK

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._limit is not None and self._shown >= self._limit

    def file(self, fs: FileSystem, path: str) -> None:
        """List one log file."""
        try:
            with LogFile.open(fs, path) as log:
                for each in log.records():
                    if self.full or self._out.closed:
                        return
                    if self._wanted.wants(each):
                        self._write(each)
        except EseError as error:
            self._out.fail(error, then=next_step(error))
            self.code = max(self.code, exit_code_for(error))

    def summary(self) -> None:
        """Say that there is more than what is listed: leaving out is never silent."""
        if self.full:
            self._out.narrate(f"stopped after {self._shown} records (--limit)")
        elif not self._shown:
            self._out.narrate("no record fits")

    def _write(self, each: LogRecord) -> None:
        self._shown += 1
        if self._out.json:
            self._out.record("record", record_fields(each))
        else:
            self._out.line(f"{each.pos}  {type_name(each.record):<16} {record_text(each.record)}".rstrip())


def _files(out: Output, fs: FileSystem, path: str, base: str | None, wanted: Filter) -> Iterator[str]:
    """Yield the log files to list, oldest first; generations that are missing are named."""
    stat = fs.stat(path)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, path=path)
    if stat.kind is not FileKind.DIRECTORY:
        yield path
        return
    stream = LogStream.find(fs, path, base)
    if stream is None:
        raise EseError.from_code(Err.FileNotFound, "no log stream in this folder", path=path)
    for first, last in stream.missing:
        gap = f"{first:#x}" if first == last else f"{first:#x} to {last:#x}"
        out.warn(f"generations are missing: {gap}", path=path)
    for generation in sorted(stream.generations):
        if wanted.generations is None or generation in wanted.generations:
            yield stream.path(generation) or ""
