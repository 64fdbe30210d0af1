from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from esetui.action import Action, Safety, Scope
from esetui.actions import ACTIONS, BY_ID, command_line, footer, key_table, quote
from esetui.cli.app import cli

VALUES = {
    "instance": "/srv/dhcp",
    "target": "/srv/backup set",
    "file": "/srv/dhcp/dhcp.mdb",
    "path": "/srv/dhcp",
    "table": "Leases",
    "set": "/srv/dhcp",
    "page": "812",
}
WITH_COMMAND = [action for action in ACTIONS if action.command]
README = Path(__file__).resolve().parents[2] / "README.md"


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(ACTIONS)


def test_a_key_means_one_thing_wherever_it_can_be_pressed() -> None:
    seen: dict[tuple[str, Scope], str] = {}
    for action in ACTIONS:
        for key in action.keys:
            for scope in action.where:
                assert seen.setdefault((key, scope), action.id) == action.id
            if Scope.GLOBAL in action.where:
                others = [other.id for other in ACTIONS if key in other.keys and other is not action]
                assert others == []


def test_no_key_that_terminals_eat() -> None:
    eaten = {"ctrl+enter", "ctrl+slash", "ctrl+z", "ctrl+m", "ctrl+i", "ctrl+h"}
    keys = {key for action in ACTIONS for key in action.keys}
    assert not keys & eaten
    assert not [key for key in keys if key.startswith("alt+")]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_a_key_and_a_sentence(action: Action) -> None:
    assert action.keys
    assert action.help.endswith(".")
    assert action.where


@pytest.mark.parametrize("action", WITH_COMMAND, ids=lambda action: action.id)
def test_the_equivalent_command_is_one_that_the_parser_takes(action: Action) -> None:
    line = command_line(action, VALUES)
    assert line is not None
    words = shlex.split(line)
    assert words[0] == "esetui"
    command = cli.get_command(click.Context(cli), words[1])
    assert command is not None
    context = command.make_context(words[1], words[2:])
    assert "/srv/dhcp" in str(context.params.values())


def test_values_are_quoted_and_never_taken_for_options() -> None:
    action = BY_ID["backup_full"]
    line = command_line(action, {"instance": "-rf", "target": "a b;c"})
    assert line == "esetui backup ./-rf 'a b;c'"
    assert quote("a b", windows=True) == '"a b"'
    assert command_line(action, {"instance": "/srv/dhcp"}) is None
    assert command_line(BY_ID["quit"], VALUES) is None


@pytest.mark.parametrize("scope", list(Scope))
def test_the_footer_has_at_most_eight_and_always_help_and_quit(scope: Scope) -> None:
    shown = footer([scope])
    assert 2 <= len(shown) <= 8
    if scope in {Scope.GLOBAL, Scope.EVENTS, Scope.BACKUPS, Scope.BACKUP_SET}:
        assert {"help", "quit"} <= {action.id for action in shown}


def test_what_deletes_says_so() -> None:
    for action in ACTIONS:
        if action.safety is Safety.DELETES:
            assert re.search(r"delet|truncat|backup", action.help, re.IGNORECASE)


def test_the_readme_has_the_key_table() -> None:
    assert key_table() in README.read_text(encoding="utf-8")
