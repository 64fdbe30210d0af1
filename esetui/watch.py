r"""Change hints for folders: watchdog says *when* to look, a rescan says *what* is there.

Notifications get lost, arrive late, and do not exist for changes made by another machine on a network file
system.  So a hint only makes the next rescan come sooner, and a rescan comes anyway: every few seconds, and
more often where there are no hints.  What a screen shows always comes from a rescan.

    hint ---\\
             >-- (settle 0.2 s) --> rescan --> callback
    clock --/

A changed file is such a hint, but brings about at most one rescan a second.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SETTLE = 0.2
"""Seconds to wait after a hint, so that a burst of changes makes one rescan."""

REST = 1.0
"""Seconds from one rescan to the next that a changed file brings about: the log of a busy instance always changes."""

INTERVAL_HINTED = 15.0
"""Seconds between rescans where hints arrive."""

INTERVAL_POLLED = 3.0
"""Seconds between rescans where none can."""

_NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs",
        "fuse.rclone", "fuse.glusterfs", "fuse.gvfsd-fuse", "ncpfs", "ocfs2", "gfs2", "lustre", "beegfs", "davfs",
        "fuse.davfs2", "drvfs", "virtiofs", "vboxsf", "fuse.vmhgfs-fuse", "prl_fs",
    },
)  # fmt: skip
_OF_READING = frozenset(("opened", "closed_no_write"))
_LOG = logging.getLogger("esetui.watch")


def mounts() -> list[tuple[str, str]]:
    """Return (mount point, file system type) of this system, or nothing where the system does not tell."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as table:  # noqa: PTH123
            rows = [line.split(" ") for line in table]
    except OSError:
        return []
    return [(_unescape(row[1]), row[2]) for row in rows if len(row) > 2]  # noqa: PLR2004 - device, point, type


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def is_network_path(path: str, table: Iterable[tuple[str, str]] | None = None) -> bool:
    """Return whether changes below `path` may be made without this system noticing."""
    if path.startswith(("\\\\", "//")):
        return True
    best, kind = "", ""
    for point, name in mounts() if table is None else table:
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind in _NETWORK


class Watcher:
    """Calls `rescan` in its own thread whenever something may have changed.

    `watch` may be called at any time and from any thread with the folders that matter now.  A folder that
    does not exist is no error: it is looked for at every rescan.
    """

    def __init__(
        self,
        rescan: Callable[[], object],
        *,
        hinted: float = INTERVAL_HINTED,
        polled: float = INTERVAL_POLLED,
        settle: float = SETTLE,
        rest: float = REST,
        use_hints: bool = True,
    ) -> None:
        self._rescan = rescan
        self._hinted = hinted
        self._polled = polled
        self._settle = settle
        self._rest = rest
        self._use_hints = use_hints
        self._wanted: frozenset[str] = frozenset()
        self._watched: dict[str, Any] = {}
        self._observer: Any = None
        self._due = threading.Event()
        self._asked = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the first rescan is made at once."""
        self._due.set()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End; returns when the thread has, or after `timeout` seconds."""
        self._stopping = True
        self._asked.set()
        self._due.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def watch(self, folders: Iterable[str]) -> None:
        """Set the folders that are watched."""
        wanted = frozenset(folders)
        if wanted != self._wanted:
            self._wanted = wanted
            self.hint()

    def hint(self) -> None:
        """Say that something has changed: a rescan comes soon."""
        self._asked.set()
        self._due.set()

    def noticed(self) -> None:
        """Say that a file has changed: a rescan comes soon, but not at once after the last one."""
        self._due.set()

    @property
    def watched(self) -> frozenset[str]:
        """Folders for which hints arrive."""
        return frozenset(self._watched)

    def _run(self) -> None:
        first, ended = True, 0.0
        while True:
            everything = self._wanted and self._wanted <= self._watched.keys()
            hinted = self._due.wait(self._hinted if everything else self._polled)
            if hinted and not first:
                # Asking, and stopping, end the rest.
                self._asked.wait(max(0.0, ended + self._rest - time.monotonic()))
                time.sleep(0.0 if self._stopping else self._settle)
            if self._stopping:
                break
            first = False
            self._due.clear()
            self._asked.clear()
            try:
                self._rescan()
            except Exception:  # noqa: BLE001 - a scan that fails is tried again; the screen keeps what it has
                _LOG.exception("rescan failed")
            ended = time.monotonic()
            # Watches are set after the scan: the first one must not wait for watchdog to be imported.
            self._attend()
        self._close()

    def _attend(self) -> None:
        """Make the watches fit the wanted folders; folders that cannot be watched are polled."""
        if not self._use_hints:
            return
        table = mounts()
        able = {path for path in self._wanted if os.path.isdir(path) and not is_network_path(path, table)}  # noqa: PTH112
        if not able and self._observer is None:
            return
        try:
            observer = self._open()
            for path in [each for each in self._watched if each not in able]:
                observer.unschedule(self._watched.pop(path))
            for path in able - self._watched.keys():
                self._watched[path] = observer.schedule(_handler(self.noticed), path, recursive=False)
        except (OSError, RuntimeError, KeyError) as error:
            # No more watches to be had, or a folder vanished meanwhile: the clock does it.
            _LOG.info("no change hints: %s", error)

    def _open(self) -> Any:
        if self._observer is None:
            from watchdog.observers import Observer  # noqa: PLC0415 - 60 ms that the first paint must not pay

            self._observer = Observer()
            self._observer.daemon = True
            self._observer.start()
        return self._observer

    def _close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(1.0)


def _handler(hint: Callable[[], None]) -> Any:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler  # noqa: PLC0415 - see `_open`

    class Hint(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if tells_of_change(event.event_type, os.fsdecode(event.src_path), folder=event.is_directory):
                hint()

    return Hint()


def tells_of_change(kind: str, path: str, *, folder: bool) -> bool:
    """Return whether an event can be of something that a rescan would see, and is not of a rescan itself.

    Reading a folder or a file is an event too on Linux.  Whether an instance is in use is found out by opening its
    lock file for writing, which counts as a change of the file and of its folder; a real change of a folder is an
    event of the name in it as well.
    """
    if kind in _OF_READING or (folder and kind == "modified"):
        return False
    return not path.endswith(".lock") or kind in {"created", "deleted", "moved"}
