"""Where a command's words go: data to standard output, narration to standard error.

With `--json` standard output carries one JSON object a line, each with

    schema  1; fields may be added, never renamed or removed within a schema
    type    what the line is: job_started, progress, event, file_done, warning, finding, job_finished, ...
    ts      time of writing, UTC, ISO 8601
    job     name of this run of the command, the same on every line
    seq     1, 2, 3, ... without gaps

Lines are pure ASCII, so nothing in a file's name or content can reach the terminal as a control sequence.
Text lines go through `printable` for the same reason.
Source: anchors B.5.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any

from engine.errors import EseError, printable
from engine.types import BkInfo, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

SCHEMA = 1
"""Version of the JSON lines."""


def job_name(command: str) -> str:
    """Return a name for this run: command, UTC time to the second, process id."""
    return f"{command}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


def plain(value: Any) -> Any:
    """Return `value` as JSON can carry it.

    Times in ISO 8601, bytes in hex, enums by name, positions as generation:segment:offset, structures as objects;
    what is not set (a zero position, time or signature) is null.
    """
    if value is None or (isinstance(value, bool | str | int | float) and not isinstance(value, Enum)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, range):
        return {"first": value.start, "last": value.stop - 1} if value else None
    if type(value) in {list, tuple, set, frozenset}:
        return [plain(each) for each in value]
    if isinstance(value, LgPos | LogTime | Signature | BkInfo) and not any(value.pack()):
        return None
    if isinstance(value, Signature):
        return {"random": value.random, "created": plain(value.created), "computer": value.computer.rstrip(b"\0").hex()}
    if is_dataclass(value) and not isinstance(value, LogTime):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value) if each.name != "raw"}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, LogTime):
        when = value.to_datetime()
        return None if when is None else iso(when)
    if isinstance(value, Flag):
        return value.value
    if isinstance(value, Enum):
        return value.name.lower() if isinstance(value, int) else value.value
    if isinstance(value, datetime):
        return iso(value) if value.tzinfo is not None else value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)


def iso(when: datetime) -> str:
    """Return an aware time in UTC to the millisecond, for example "2026-11-22T22:33:53.512Z"."""
    return f"{when.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def error_fields(error: EseError) -> dict[str, Any]:
    """Return an engine error as fields: code, name, message and the parts of the place that are known."""
    known = ("path", "page", "generation", "segment", "offset", "event_id", "stored", "computed", "hint")
    place = {name: getattr(error, name) for name in known if getattr(error, name) is not None}
    return {"code": error.code, "name": error.name, "message": error.message, **place}


@dataclass
class Output:
    """What one run of a command says.  Safe from several threads; a stream whose reader went away is silenced."""

    command: str = ""
    json: bool = False
    quiet: bool = False
    job: str = ""
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    _gone: set[int] = field(default_factory=set)
    _seq: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Name the run, and let no character stop the output whatever the terminal's encoding."""
        self.job = self.job or job_name(self.command or "esetui")
        for stream in (self.out, self.err):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                with contextlib.suppress(OSError, ValueError):
                    reconfigure(errors="backslashreplace")

    @property
    def live(self) -> bool:
        """Whether a progress line may be painted: standard error is a terminal that can go back to a line's start."""
        return not self.json and not self.quiet and is_terminal(self.err)

    @property
    def closed(self) -> bool:
        """Whether nobody reads standard output any more."""
        return id(self.out) in self._gone

    def line(self, text: str = "") -> None:
        """Write one line of data; nothing with `--json`."""
        if not self.json:
            self._write(self.out, printable(text))

    def summary(self, text: str) -> None:
        """Write one line of data that says only that all is well; nothing with `--quiet` or `--json`."""
        if not self.quiet:
            self.line(text)

    def raw(self, text: str) -> None:
        """Write prepared text of ours (a script, a table) as it is, whatever the mode."""
        self._write(self.out, text.rstrip("\n"))

    def record(self, kind: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Write one JSON line of type `kind`; nothing without `--json`.  The five envelope fields win."""
        if not self.json:
            return
        with self._lock:
            self._seq += 1
            body = {
                "schema": SCHEMA,
                "type": kind,
                "ts": iso(datetime.now(UTC)),
                "job": self.job,
                "seq": self._seq,
            }
            for key, value in {**(values or {}), **more}.items():
                body.setdefault(key, plain(value))
            text = json.dumps(body, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
            self._write_locked(self.out, text.replace("\x7f", "\\u007f"))

    def narrate(self, text: str) -> None:
        """Say to a person what is going on; nothing with `--quiet` or `--json`."""
        if not self.quiet and not self.json:
            self._write(self.err, printable(text))

    def warn(self, text: str, /, **more: Any) -> None:
        """Warn: to standard error, and as a `warning` line with `--json`."""
        self.record("warning", message=text, **more)
        self._write(self.err, printable(f"warning: {text}"))

    def complain(self, text: str) -> None:
        """Say what went wrong; always."""
        self._write(self.err, printable(text))

    def fail(self, error: EseError, *, unchanged: str = "", then: str | None = None) -> None:
        """Print an engine error: name, number and place; what is unchanged; what to do next."""
        self.record("error", error_fields(error), unchanged=unchanged or None, next=then)
        self.complain(f"error: {error}")
        if unchanged:
            self.complain(f"  unchanged: {unchanged}")
        if then:
            self.complain(f"  next: {then}")

    def paint(self, text: str) -> None:
        """Replace the progress line; callers check `live` first."""
        self._write(self.err, "\r" + printable(text) + "\x1b[K", end="")

    def unpaint(self) -> None:
        """Take the progress line away."""
        self._write(self.err, "\r\x1b[K", end="")

    def _write(self, stream: TextIO, text: str, end: str = "\n") -> None:
        with self._lock:
            self._write_locked(stream, text, end)

    def _write_locked(self, stream: TextIO, text: str, end: str = "\n") -> None:
        if id(stream) in self._gone:
            return
        try:
            stream.write(text + end)
            stream.flush()
        except BrokenPipeError:
            self._gone.add(id(stream))
            silence(stream)
        except ValueError:
            # The stream was closed under us.
            self._gone.add(id(stream))


def silence(stream: TextIO) -> None:
    """Point a broken stream at nothing, so that the interpreter's last flush does not complain."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands cursor movement."""
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:
        return False


_KIB = 1024


def size_text(size: float) -> str:
    """Return a size in binary units, for example "41.0 MiB"; below 1 KiB in bytes."""
    if size < _KIB:
        return f"{int(size)} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= _KIB
        if size < _KIB:
            return f"{size:.1f} {unit}"
    return f"{size / _KIB:.1f} TiB"


def age_text(when: datetime, now: float | None = None) -> str:
    """Return how long ago `when` was, in words: "just now", "6 h ago", "in the future"."""
    seconds = (time.time() if now is None else now) - when.timestamp()
    if seconds < -1:
        return "in the future"
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (86400 * 365, 86400, "d")):
        if seconds < limit:
            return "just now" if seconds < 1 else f"{int(seconds // unit)} {name} ago"
    return f"{int(seconds // (86400 * 365))} y ago"


def table(rows: Iterable[tuple[str, ...]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as lines with columns of equal width; columns in `right` are set right."""
    cells = [tuple(printable(cell) for cell in row) for row in rows]
    if not cells:
        return []
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
