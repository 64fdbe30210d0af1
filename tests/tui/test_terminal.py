"""The console in a real terminal: one that stops reading, one that is killed, and tmux."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.backup.sets import read_backup_set
from engine.files.real import RealFileSystem
from engine.info import database_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esetui.demo import Demo

fcntl = pytest.importorskip("fcntl", reason="pseudo-terminals exist on POSIX systems only")
pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")

SLOW_CONSOLE = """
import sys, time
from engine.files.realfile import RealFile
read = RealFile.read_into_at
def slowly(self, offset, buffer):
    count = read(self, offset, buffer)
    time.sleep(count / float(sys.argv[1]))
    return count
RealFile.read_into_at = slowly
from esetui import tui
sys.exit(tui.run(sys.argv[2:-1], target=sys.argv[-1]))
"""
"""The console on a disk that is slowed down, so that a backup lasts long enough to be looked at."""

STALL = 5.0


class Terminal:
    """The console in a pseudo-terminal of 80 x 24."""

    def __init__(self, arguments: list[str]) -> None:
        self.child, self.master = pty.fork()
        if not self.child:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", ESETUI_CONFIG="/nonexistent")
            os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - the program under test
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.code: int | None = None

    def read_until(self, wanted: bytes, timeout: float = 30.0) -> None:
        os.set_blocking(self.master, False)
        seen, deadline = b"", time.monotonic() + timeout
        while wanted not in seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"{wanted!r} never came: {seen[-2000:]!r}")
            try:
                seen += os.read(self.master, 65536)
            except BlockingIOError:
                time.sleep(0.02)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def pending(self) -> int:
        """Bytes that wait to be read."""
        return int(struct.unpack("i", fcntl.ioctl(self.master, termios.FIONREAD, bytes(4)))[0])

    def wait(self, timeout: float = 30.0) -> int:
        os.set_blocking(self.master, False)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                os.read(self.master, 65536)
            except (BlockingIOError, OSError):
                time.sleep(0.02)
            pid, status = os.waitpid(self.child, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                return self.code
        raise AssertionError("the console did not end")

    def close(self) -> None:
        if self.code is None:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Callable[[list[str]], Terminal]]:
    opened: list[Terminal] = []

    def start(arguments: list[str]) -> Terminal:
        opened.append(Terminal(arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def begin_backup(terminal: Terminal, target: Path) -> None:
    terminal.read_until(b"lease.mdb")
    time.sleep(0.3)
    terminal.press("b")
    terminal.read_until(b"copied")
    time.sleep(0.3)
    terminal.press("\r")
    deadline = time.monotonic() + 20
    while not any(target.iterdir()):
        assert time.monotonic() < deadline, "the backup never began"
        time.sleep(0.01)


def test_a_terminal_that_stops_reading_does_not_stall_the_backup(
    terminal: Callable[[list[str]], Terminal], demo: Demo
) -> None:
    size = sum(path.stat().st_size for path in Path(demo.instances[0]).glob("*.mdb"))
    target = Path(demo.backup)
    lasts = 2.5
    console = terminal(["-c", SLOW_CONSOLE, str(size / lasts), demo.instances[0], demo.backup])
    begin_backup(console, target)
    # From here on nobody reads.
    began = time.monotonic()
    finished = None
    while time.monotonic() - began < STALL:
        if finished is None and (target / "backup.json").exists():
            finished = time.monotonic() - began
        time.sleep(0.02)
    assert console.pending() > 1000, "the console had something to say that nobody read"
    assert finished is not None, "the backup waited for the terminal"
    console.read_until(b"finished")
    console.press("q")
    assert console.wait() == 0
    assert read_backup_set(demo.backup, fs=RealFileSystem()).restorable


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_cancels_the_backup_and_leaves_nothing(
    terminal: Callable[[list[str]], Terminal], demo: Demo, number: signal.Signals, code: int
) -> None:
    size = sum(path.stat().st_size for path in Path(demo.instances[0]).glob("*.mdb"))
    console = terminal(["-c", SLOW_CONSOLE, str(size / 4.0), demo.instances[0], demo.backup])
    begin_backup(console, Path(demo.backup))
    time.sleep(0.5)
    os.kill(console.child, number)
    assert console.wait() == code
    assert list(Path(demo.backup).iterdir()) == []
    for name in ("dhcp.mdb", "lease.mdb"):
        header = database_info(Path(demo.instances[0]) / name)
        assert header.state.name == "CLEAN_SHUTDOWN"
        assert not header.bkinfo_full_prev


def start_instance(terminal: Terminal) -> None:
    terminal.read_until(b"lease.mdb")
    time.sleep(0.3)
    terminal.press("s")
    terminal.read_until(b"marked dirty")
    time.sleep(0.3)
    terminal.press("\r")
    terminal.read_until(b"dhcp is running")


def assert_clean(demo: Demo) -> None:
    for name in ("dhcp.mdb", "lease.mdb"):
        assert database_info(Path(demo.instances[0]) / name).state.name == "CLEAN_SHUTDOWN"


def test_a_terminal_that_vanishes_leaves_a_clean_instance_and_no_process(
    terminal: Callable[[list[str]], Terminal], demo: Demo
) -> None:
    console = terminal(["-c", SLOW_CONSOLE, "1e12", demo.instances[0], demo.backup])
    start_instance(console)
    # The kernel sends SIGHUP and SIGCONT to those on the other side.
    os.close(console.master)
    console.master = os.open(os.devnull, os.O_RDWR)
    assert console.wait() == 129
    assert_clean(demo)


def test_a_terminal_that_takes_nothing_does_not_keep_a_signal_away(
    terminal: Callable[[list[str]], Terminal], demo: Demo
) -> None:
    console = terminal(["-c", SLOW_CONSOLE, "1e12", demo.instances[0], demo.backup])
    start_instance(console)
    # Themes draw the whole screen again, until nothing more fits into the terminal.
    for _ in range(60):
        console.press("t")
        time.sleep(0.05)
    os.kill(console.child, signal.SIGTERM)
    deadline = time.monotonic() + 20
    pid = status = 0
    while not pid and time.monotonic() < deadline:
        time.sleep(0.05)
        pid, status = os.waitpid(console.child, os.WNOHANG)
    assert pid, "the console did not end"
    console.code = os.waitstatus_to_exitcode(status)
    assert console.code == 143
    assert_clean(demo)


def test_smoke_in_tmux(demo: Demo, tmp_path: Path) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        assert not os.environ.get("CI"), "tmux is missing"
        pytest.skip("tmux is not installed")
    server = ["tmux", "-L", f"esetui-{os.getpid()}", "-f", "/dev/null"]

    def run(*arguments: str) -> str:
        return subprocess.run([*server, *arguments], check=True, capture_output=True, text=True).stdout

    def wait_for(text: str) -> str:
        screen = ""
        for _ in range(300):
            screen = run("capture-pane", "-p", "-t", "smoke")
            if text in screen:
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{text!r} never came:\n{screen}")

    command = f"{sys.executable} -m esetui {demo.instances[0]} --target {demo.backup}; echo code $?; sleep 60"
    try:
        run("new-session", "-d", "-s", "smoke", "-x", "80", "-y", "24", command)
        wait_for("lease.mdb")
        run("send-keys", "-t", "smoke", "s")
        wait_for("what will be written")
        time.sleep(0.5)
        run("send-keys", "-t", "smoke", "Enter")
        wait_for("s Stop")
        run("send-keys", "-t", "smoke", "1", "b")
        wait_for("reads")
        time.sleep(0.5)
        run("send-keys", "-t", "smoke", "Enter")
        screen = wait_for("done full backup")
        assert "pages verified" in screen.replace("\n", " ")
        run("send-keys", "-t", "smoke", "q")
        wait_for("Quit?")
        run("send-keys", "-t", "smoke", "Tab", "Enter")
        wait_for("code 0")
    finally:
        subprocess.run([*server, "kill-server"], check=False, capture_output=True)
    assert read_backup_set(demo.backup, fs=RealFileSystem()).restorable
    assert database_info(Path(demo.instances[0]) / "lease.mdb").state.name == "CLEAN_SHUTDOWN"
