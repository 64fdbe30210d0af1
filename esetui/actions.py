"""One table of actions: name, keys, help and the equivalent command line.

Key bindings, the command palette, the help screen, the footer and the README's key table are all made
from `ACTIONS`, so they cannot disagree.  A command template holds shell words; `{instance}`, `{target}`,
`{file}`, `{path}`, `{set}`, `{table}` and `{page}` stand for whatever has the focus and are quoted by `command_line`.
Source: console design, "Keys" and "Pieces".
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from esetui.action import Action, Safety, Scope, show_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


ACTIONS: tuple[Action, ...] = (
    # What is done to instances, databases and sets.
    Action(
        "backup_full",
        "Backup",
        ("b",),
        "Full backup: every attached database, then the logs it needs; afterwards unneeded logs are deleted.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.BACKUPS),
        "esetui backup {instance} {target}",
        Safety.DELETES,
        10,
    ),
    Action(
        "backup_incremental",
        "Incremental",
        ("i",),
        "Incremental backup: the logs written since the last backup, added to the set; then truncation.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.BACKUPS),
        "esetui backup {instance} {target} --incremental",
        Safety.DELETES,
        20,
    ),
    Action(
        "backup_atomic",
        "Atomic",
        ("a",),
        "Atomic full backup: the previous set in the directory stays whole until the new one is complete.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.BACKUPS),
        "esetui backup {instance} {target} --atomic",
        Safety.DELETES,
        65,
    ),
    Action(
        "verify",
        "Verify",
        ("v",),
        "Check every checksum of what has the focus: database, log, checkpoint, backup set or whole instance.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.BACKUP_SET, Scope.BACKUPS),
        "esetui verify {path}",
        Safety.READS,
        40,
    ),
    Action(
        "start_stop",
        "Start/Stop",
        ("s",),
        "Start the instance (shows what will be written, then attaches its databases), or stop it clean.",
        (Scope.INSTANCE, Scope.DATABASE),
        None,
        Safety.WRITES,
        42,
    ),
    Action(
        "truncate",
        "Truncate",
        ("n",),
        "Delete the logs below the checkpoint without making a backup.  They are gone for recovery afterwards.",
        (Scope.INSTANCE,),
        "esetui truncate {instance} --yes",
        Safety.DELETES,
    ),
    Action(
        "logs",
        "Logs",
        ("l",),
        "List the log records of the instance.",
        (Scope.INSTANCE,),
        "esetui log {instance}",
        Safety.READS,
        60,
    ),
    Action(
        "show",
        "Open",
        ("enter",),
        "Show what has the focus in full: header fields with a verdict in words, or the value of a row.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.BACKUP_SET, Scope.EVENTS, Scope.BROWSE, Scope.CHECK),
        "esetui show {file}",
        Safety.READS,
        70,
    ),
    Action(
        "browse",
        "Browse",
        ("w",),
        "Look into a database: its tables, rows and values; one that was not shut down also as it would be recovered.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.PLAN),
        "esetui tables {file}",
        Safety.READS,
        45,
    ),
    Action(
        "plan",
        "Plan",
        ("p",),
        "Show what recovery would do and what it lacks, before anything is done; from there recover.",
        (Scope.INSTANCE, Scope.DATABASE),
        "esetui plan {instance}",
        Safety.READS,
        43,
    ),
    Action(
        "recover",
        "Recover a copy",
        ("X",),
        "Copy the instance and recover the copy: its logs are replayed, what was never committed is undone.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.PLAN),
        "esetui recover {instance} --into {target}",
        Safety.WRITES,
        55,
    ),
    Action(
        "recover_in_place",
        "In place",
        ("P",),
        "Recover the instance itself instead of a copy; wants its name typed.",
        (Scope.PLAN,),
        "esetui recover {instance} --in-place --yes",
        Safety.WRITES,
        20,
    ),
    Action(
        "restore",
        "Restore",
        ("r",),
        "Restore a backup set: choose the set, the point in time and the folder; newer logs are replayed too.",
        (Scope.INSTANCE, Scope.DATABASE, Scope.BACKUPS, Scope.BACKUP_SET, Scope.RESTORE),
        "esetui restore {set} --to {target}",
        Safety.WRITES,
        47,
    ),
    Action(
        "drill",
        "Drill",
        ("d",),
        "Try a backup set out: restore it to a scratch folder, check what comes back, count its rows, remove it again.",
        (Scope.BACKUPS, Scope.BACKUP_SET, Scope.RESTORE),
        "esetui drill {set}",
        Safety.WRITES,
        48,
    ),
    Action(
        "check",
        "Check",
        ("c",),
        "Check the integrity of a database: trees, space, records, indexes, long values; findings as they are made.",
        (Scope.INSTANCE, Scope.DATABASE),
        "esetui check {file}",
        Safety.READS,
        46,
    ),
    Action(
        "repair_pages",
        "Repair pages",
        ("e",),
        "Rebuild damaged pages of a database from a backup set and the logs since; shows what would be written first.",
        (Scope.DAMAGED, Scope.CHECK),
        "esetui repair-page {file} {page} --from {set}",
        Safety.WRITES,
        8,
    ),
    Action(
        "accept_loss",
        "Accept loss",
        ("A",),
        "Plan the recovery without logs that hold finished work but that no database requires; says what is lost.",
        (Scope.PLAN,),
        None,
        Safety.READS,
        70,
    ),
    Action(
        "activity",
        "Activity",
        ("h",),
        "What goes on in a running instance, as charts: transactions, log, cache, versions, sessions.",
        (Scope.RUNNING,),
        None,
        Safety.READS,
        42,
    ),
    # The demonstration.
    Action(
        "walk",
        "Next step",
        ("u",),
        "Next step of the guided walk, or the walk again: backups among writers, a power failure, recovery, restore.",
        (Scope.WALK,),
        None,
        Safety.WRITES,
        1,
    ),
    Action(
        "more_work",
        "More work",
        ("plus",),
        "Set writers to work, or let them do twice as much; in the demonstration.",
        (Scope.ACTIVITY,),
        None,
        Safety.WRITES,
        10,
    ),
    Action(
        "less_work",
        "Less work",
        ("minus",),
        "Let the writers do half as much; in the demonstration.",
        (Scope.ACTIVITY,),
        None,
        Safety.WRITES,
        11,
    ),
    Action(
        "kill",
        "Cut off",
        ("K",),
        "End the run as a power failure would; in the demonstration.",
        (Scope.ACTIVITY,),
        None,
        Safety.WRITES,
        12,
    ),
    # The browser.
    Action(
        "browse_index",
        "Index",
        ("i",),
        "Show the rows in the order of the next index.",
        (Scope.BROWSE,),
        None,
        Safety.READS,
        20,
    ),
    Action(
        "browse_export",
        "Export",
        ("ctrl+s",),
        "Write the rows to a file, as JSON lines or CSV; those that fit the filter, when there is one.",
        (Scope.BROWSE,),
        "esetui rows {file} {table}",
        Safety.READS,
        30,
    ),
    Action(
        "browse_damage",
        "Damage",
        ("d",),
        "List what could not be read so far: page, table and reason.",
        (Scope.BROWSE,),
        None,
        Safety.READS,
        85,
    ),
    # What is looked at.
    Action(
        "choose_target",
        "Backup directory",
        ("f",),
        "Choose the backup directory that is watched and backed up to.",
        (Scope.GLOBAL,),
    ),
    Action(
        "add_path",
        "Add a folder",
        ("o",),
        "Look for instances below another folder.",
        (Scope.GLOBAL,),
        "esetui discover {path}",
    ),
    Action(
        "rescan",
        "Rescan",
        ("f5",),
        "Read instances and backup directory again.",
        (Scope.GLOBAL,),
        "esetui discover {path}",
    ),
    Action(
        "cancel_job",
        "Cancel",
        ("x",),
        "Cancel the running job; nothing of a half-made backup stays behind.",
        (Scope.JOB,),
        None,
        Safety.READS,
        5,
    ),
    # The event log.
    Action(
        "filter",
        "Filter",
        ("slash",),
        "Filter the pane by text; in the event log also by id and level, for example `id:399` or `level:w`.",
        (Scope.GLOBAL,),
        None,
        Safety.READS,
        80,
    ),
    Action(
        "pause_events",
        "Pause",
        ("space",),
        "Hold the event log still, or let it follow again.",
        (Scope.EVENTS,),
        None,
        Safety.READS,
        30,
    ),
    Action(
        "export_events",
        "Export",
        ("ctrl+s",),
        "Write the shown events to a file, one JSON object a line.",
        (Scope.EVENTS,),
        "esetui events {instance} --json",
        Safety.READS,
        40,
    ),
    # Getting about.
    Action(
        "help",
        "Help",
        ("question_mark", "f1"),
        "All keys; a row can be run.",
        (Scope.GLOBAL,),
        None,
        Safety.READS,
        90,
    ),
    Action("palette", "Palette", ("colon", "ctrl+p"), "Search all actions and views by name.", (Scope.GLOBAL,)),
    Action("back", "Back", ("escape",), "Leave the dialog, filter or maximised pane.", (Scope.GLOBAL,)),
    Action("next_pane", "Next pane", ("tab",), "Move to the next pane.", (Scope.GLOBAL,)),
    Action("previous_pane", "Previous pane", ("shift+tab",), "Move to the previous pane.", (Scope.GLOBAL,)),
    Action("pane_1", "Instances", ("1",), "Go to the instances.", (Scope.GLOBAL,)),
    Action("pane_2", "Backup directory", ("2",), "Go to the backup directory.", (Scope.GLOBAL,)),
    Action("pane_3", "Backup", ("3",), "Go to the running backup.", (Scope.GLOBAL,)),
    Action("pane_4", "Page map", ("4",), "Go to the page map.", (Scope.GLOBAL,)),
    Action("pane_5", "Event log", ("5",), "Go to the event log.", (Scope.GLOBAL,)),
    Action("maximise", "Maximise", ("m",), "Give the whole screen to this pane, or give it back.", (Scope.GLOBAL,)),
    Action("copy_command", "Copy command", ("y",), "Copy the equivalent command line.", (Scope.GLOBAL,)),
    Action("theme", "Theme", ("t",), "Next colour theme.", (Scope.GLOBAL,)),
    Action(
        "quit",
        "Quit",
        ("q", "ctrl+q"),
        "Leave; asks while a job runs.",
        (Scope.GLOBAL,),
        None,
        Safety.READS,
        100,
    ),
)

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}


def quote(value: str, *, windows: bool = os.name == "nt") -> str:
    """Return one argument quoted for the shell of this system."""
    if windows:
        return subprocess.list2cmdline([value])
    return shlex.quote(value)


def command_line(action: Action, values: Mapping[str, str]) -> str | None:
    """Return the equivalent command with every value quoted, or None when there is none or a value is missing."""
    if action.command is None:
        return None
    words = []
    for word in action.command.split():
        if word.startswith("{"):
            value = values.get(word[1:-1])
            if value is None:
                return None
            # A value that looks like an option would be taken for one.
            words.append(quote(f"./{value}" if value.startswith("-") else value))
        else:
            words.append(word)
    return " ".join(words)


def footer(scopes: Iterable[Scope]) -> list[Action]:
    """Return the actions for the footer, at most eight: those that fit what has the focus, help and quit last."""
    wanted = {*scopes, Scope.GLOBAL}
    fitting = [action for action in ACTIONS if action.priority is not None and wanted.intersection(action.where)]
    last = [BY_ID["help"], BY_ID["quit"]]
    others = sorted((each for each in fitting if each not in last), key=lambda action: action.priority or 0)
    return [*others[: 8 - len(last)], *last]


def key_table() -> str:
    """Return the key table in Markdown, as the README shows it."""
    rows = ["| key | action | what it does | as a command |", "|---|---|---|---|"]
    for action in ACTIONS:
        keys = ", ".join(f"`{show_key(key)}`" for key in action.keys)
        command = f"`{action.command}`" if action.command else ""
        rows.append(f"| {keys} | {action.title} | {action.help} | {command} |")
    return "\n".join(rows) + "\n"
