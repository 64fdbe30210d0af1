"""An instance found on disk, started for a piece of work and stopped clean again.

    found --start--> running, its databases attached --stop--> as found, the stream one run longer

Starting is the first write to an instance that was only looked at: a log record that the run begins, and each
attached database's header, which is marked dirty until the instance is stopped.  Stopping takes that back.  The
console and the commands share this, so both do the same and say the same.

What finds and starts instances is imported when it is used: the console is on the screen before it needs them.
Source: jet-api reference 2.6, 6.4; log reference 3.7, 6.5.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from engine.env import Environment
from engine.errors import Err, EseError
from engine.types import TermOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.backup.plan import BackupPlan
    from engine.discover import FoundInstance
    from engine.events import Event
    from engine.files.base import FileSystem
    from engine.instance import Instance
    from esetui.journal import Journal


PROGRAM = "esetui"
"""Source of the events, as in the system's event log."""


def find_instance(path: str, *, fs: FileSystem, max_depth: int, base: str | None = None) -> FoundInstance:
    """Return the one instance at or below `path`.

    -1811 when there is none, -1003 when there are several (with `base`: several of that base name).
    """
    from engine.discover import discover  # noqa: PLC0415 - see the module's text

    found = discover(path, fs=fs, max_depth=max_depth)
    streams = [each for each in found if each.has_log]
    if base is not None:
        streams = [each for each in streams if each.base_name.lower() == base.lower()]
        found = streams
    # A database beside an instance is no second instance, but by itself it can be started with a new stream.
    choice = streams or found
    place = fs.absolute(path)
    if not choice:
        raise EseError.from_code(Err.FileNotFound, "no instance of ESE there", path=place)
    if len(choice) > 1:
        names = ", ".join(f"{each.log_folder} ({each.base_name or 'no log stream'})" for each in choice[:5])
        raise EseError.from_code(
            Err.InvalidParameter,
            f"{len(choice)} instances there: {names}",
            path=place,
            hint="name the folder of one of them, or its base name with --base",
        )
    return choice[0]


def instance_name(found: FoundInstance) -> str:
    """Return a name for an instance: that of its folder."""
    return PurePath(found.log_folder).name or found.base_name or "instance"


def to_attach(found: FoundInstance) -> list[str]:
    """Return the databases to attach: all that were found, but for copies made by a backup."""
    from engine.discover import FoundState  # noqa: PLC0415 - see the module's text

    return [
        each.path
        for each in found.databases
        if each.state is not FoundState.UNREACHABLE and not (each.header is not None and each.header.is_backup_copy)
    ]


def not_attached(found: FoundInstance) -> list[tuple[str, str]]:
    """Return (path, reason) of the databases that are left out, so that nothing is left out silently."""
    kept = set(to_attach(found))
    return [(each.path, each.problem or each.state.value) for each in found.databases if each.path not in kept]


def start_steps(found: FoundInstance, *, attach: bool = True) -> list[str]:
    """Say what starting and stopping writes, besides the backup itself."""
    from engine.discover import FoundState  # noqa: PLC0415 - see the module's text

    current = found.names.current if found.names is not None else "a new log stream"
    steps = [f"start: a record in {current}, so that the log knows of this run"]
    attached = to_attach(found) if attach else []
    steps += [f"attach {path}: its header is marked dirty while the instance runs" for path in attached]
    if found.state is FoundState.DIRTY:
        steps.insert(
            0, "recover: the last run did not end; its log is replayed into the databases from the checkpoint on"
        )
    if found.circular:
        steps.append("circular logging is on: logs below the checkpoint are deleted when the log rolls")
    headers = "headers marked clean, " if attached else ""
    steps.append(f"stop: {headers}log ended, checkpoint brought up to the end")
    return steps


def plan(
    found: FoundInstance,
    target: str | None,
    *,
    fs: FileSystem,
    incremental: bool = False,
    atomic: bool = False,
    create_path: bool = False,
) -> BackupPlan:
    """Work out a backup of an instance that is not running.  Touches nothing; -528 without a log stream."""
    from engine.backup.plan import plan_backup, source_of_found  # noqa: PLC0415 - see the module's text

    kept = set(to_attach(found))
    attached = tuple(each for each in found.databases if each.path in kept)
    source = source_of_found(replace(found, databases=attached), fs, create_path=create_path)
    return plan_backup(source, target, incremental=incremental, atomic=atomic)


class Running:
    """A found instance while it runs, as a context; or `start` it, and `stop` it when the work is done.

    `handlers` get every event of the run, `journal` keeps them.  `check` is called between the steps of starting and
    may raise to stop.
    """

    def __init__(
        self,
        found: FoundInstance,
        *,
        env: Environment | None = None,
        create_path: bool = False,
        attach: bool = True,
        handlers: Iterable[Callable[[Event], object]] = (),
        journal: Journal | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        from engine.instance import Instance  # noqa: PLC0415 - see the module's text
        from engine.params import Param  # noqa: PLC0415 - see the module's text

        self.found = found
        self._attach = attach
        self._check = check
        self.instance = Instance.open_found(
            found,
            name=instance_name(found),
            params={Param.CreatePathIfNotExist: create_path, Param.EventSource: PROGRAM},
            env=env or Environment(),
        )
        told = (*handlers, *([journal.write] if journal is not None else []))
        self._untold = [self.instance.events.subscribe(handler) for handler in told]

    def start(self) -> Instance:
        """Begin the run and attach the databases; after a failure it has ended again.

        The errors of init and attach.
        """
        try:
            self._check()
            self.instance.init()
        except BaseException:
            self.instance.abandon()
            raise
        try:
            if self._attach:
                with self.instance.session() as session:
                    for path in to_attach(self.found):
                        self._check()
                        session.attach(path)
        except BaseException as error:
            self._end(error)
            raise
        return self.instance

    def stop(self) -> None:
        """Detach what is attached and end the run cleanly; harmless when it has ended."""
        self.instance.term(TermOptions.COMPLETE)

    def abandon(self) -> None:
        """Let go as the end of the process does: nothing more is written, and what is gone tells nothing of its end."""
        for untold in self._untold:
            untold()
        self.instance.abandon()

    def __enter__(self) -> Instance:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.stop()
        else:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Stop cleanly after a failure; what fails now must not hide what failed first."""
        try:
            self.stop()
        except EseError as second:
            error.add_note(f"the instance could not be stopped cleanly: {second}")
            with suppress(EseError):
                self.instance.term(TermOptions.ABRUPT)
