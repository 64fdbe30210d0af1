"""Why an action of the first screen cannot be run now, in a few words; nothing when it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from esetui.tui.screens.main import MainScreen

_RECOVERY: Final = frozenset(("plan", "recover"))


def reason_for(name: str, main: MainScreen) -> str:
    """Return the reason, or nothing."""
    rule = _RULES.get(name)
    return "" if rule is None else rule(name, main)


def _instance(name: str, main: MainScreen) -> str:
    view = main.instance
    if view is None:
        return "no instance is chosen"
    if name in _RECOVERY and not view.logs.high:
        return "there is no log stream"
    busy = name != "logs" and main.board.busy(view.key) is not None
    return "a job is running on this instance" if busy else ""


def _activity(_: str, main: MainScreen) -> str:
    view = main.instance
    if view is None:
        return "no instance is chosen"
    return "" if main.control.is_running(view.key) else "the instance is not running; s starts it"


def _database(name: str, main: MainScreen) -> str:
    database = main.database
    if database is None:
        return "choose a database in the first pane"
    view = main.instance
    if name != "browse" and view is not None and main.control.is_running(view.key):
        return "the instance is running; s stops it"
    if name == "repair_pages" and not main.control.damage.pages(database.path):
        return "no damaged page of this database is known; v or c looks for them"
    return ""


def _verify(_: str, main: MainScreen) -> str:
    nothing = main.instance is None and main.choice().backup_set is None
    return "nothing to verify is chosen" if nothing else ""


def _restore(_: str, main: MainScreen) -> str:
    return "" if main.control.overview.folders else "no backup directory is chosen; f chooses one"


def _drill(_: str, main: MainScreen) -> str:
    return "choose a set in the second pane" if main.choice().backup_set is None else ""


def _events(_: str, main: MainScreen) -> str:
    return "" if main.events.feed.version else "the event log is empty"


_RULES: Final[Mapping[str, Callable[[str, MainScreen], str]]] = {
    **dict.fromkeys(
        (*_RECOVERY, "backup_full", "backup_atomic", "backup_incremental", "truncate", "start_stop", "logs"), _instance
    ),
    **dict.fromkeys(("browse", "check", "repair_pages"), _database),
    "activity": _activity,
    "verify": _verify,
    "restore": _restore,
    "drill": _drill,
    "pause_events": _events,
    "export_events": _events,
}
