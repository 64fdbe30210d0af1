"""The journal: every event of the instances that esetui started, one JSON object a line.

    {"schema":1,"type":"event","ts":"...","job":"...","id":210,"name":"...","severity":"info","category":3,
     "instance":"dhcp","folder":"/var/dhcp","pid":42,"level":1,"strings":["..."],"message":"..."}

It lies in `<user state folder>/esetui/events.jsonl` and is rotated to `events.1.jsonl` when it has grown.
Appending is one write to a file opened for appending, so several processes may share it.  A journal that
cannot be written never stops the work: the first failure is kept in `problem`.  It is esetui's own file, not
part of any instance, so it does not go through the engine's file system.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from esetui import config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.events import Event

FILE_NAME = "events.jsonl"
OLD_NAME = "events.1.jsonl"
_LONGEST_LINE = 1 << 20
"""Bytes of a line that are read at most; a longer one is not ours."""


def journal_path() -> Path:
    """Return the path of the journal, whether or not it exists."""
    return config.state_folder() / FILE_NAME


def event_fields(event: Event) -> dict[str, Any]:
    """Return an event as fields, as the journal and `--json` write it."""
    return {
        "id": event.id,
        "name": event.name,
        "severity": event.severity.name.lower(),
        "category": event.category,
        "time": event.time.isoformat(),
        "instance": event.instance,
        "source": event.source,
        "pid": event.pid,
        "level": event.level,
        "strings": list(event.strings),
        "message": event.message,
    }


class Journal:
    """Appends events; give `write` to an event log's `subscribe`."""

    def __init__(self, folder: str, job: str, *, max_bytes: int, path: Path | None = None) -> None:
        self.folder = folder
        self.job = job
        self.max_bytes = max_bytes
        self.path = journal_path() if path is None else path
        self.problem: OSError | None = None

    def write(self, event: Event) -> None:
        """Append one event.  Never raises."""
        fields = event_fields(event)
        line = {"schema": 1, "type": "event", "ts": fields.pop("time"), "job": self.job, "folder": self.folder}
        text = json.dumps({**line, **fields}, ensure_ascii=True, separators=(",", ":")) + "\n"
        try:
            self._append(text.encode("ascii"))
        except OSError as error:
            self.problem = self.problem or error

    def _append(self, data: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Only the user may read it: it names folders and databases.
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, data)
            grown = os.fstat(handle).st_size > self.max_bytes
        finally:
            os.close(handle)
        if grown:
            self._rotate()

    def _rotate(self) -> None:
        # Who comes second finds a small file and leaves it.
        with contextlib.suppress(Timeout), FileLock(f"{self.path}.lock", timeout=0):
            if self.path.stat().st_size > self.max_bytes:
                self.path.replace(self.path.with_name(OLD_NAME))


def read(
    *,
    folder: str | None = None,
    limit: int | None = None,
    since: datetime | None = None,
    path: Path | None = None,
) -> list[dict[str, Any]]:
    """Return journal entries, oldest first: those of log folders in or below `folder`, the newest `limit`, since when.

    Lines that are not whole JSON objects (a torn write) are passed over.  Raises OSError when a journal
    is there but cannot be read.
    """
    path = journal_path() if path is None else path
    kept: deque[dict[str, Any]] = deque(maxlen=limit)
    for each in (path.with_name(OLD_NAME), path):
        for entry in _entries(each):
            if folder is not None and not _is_below(str(entry.get("folder")), folder):
                continue
            if since is not None and not _is_since(entry, since):
                continue
            kept.append(entry)
    return list(kept)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_since(entry: dict[str, Any], since: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(entry.get("ts"))) >= since
    except (ValueError, TypeError):
        return False


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        while line := stream.readline(_LONGEST_LINE):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("type") == "event":
                yield entry
