from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import esetui
from esetui.cli.app import COMMANDS, cli
from esetui.cli.exit_codes import ExitCode

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("textual", "watchdog", "rich")


def run(*words: str, **options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **options}
    return subprocess.run(
        [sys.executable, "-m", "esetui", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def modules_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=REPOSITORY,
    )
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()} | set(done.stdout.split())


def test_the_version_is_the_projects() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{esetui.__version__}"' in project
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"esetui {esetui.__version__}\n")


def test_version_and_help_import_next_to_nothing() -> None:
    for words in (["--version"], ["--help"]):
        code = f"from esetui.cli.app import cli\ntry:\n    cli({words!r})\nexcept SystemExit:\n    pass"
        loaded = modules_after(code)
        assert not loaded & {*HEAVY, "numpy", "msgspec", "platformdirs", "filelock", "crc32c", "engine.errors", "json"}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_no_command_imports_the_console(name: str) -> None:
    module = COMMANDS[name].module
    loaded = modules_after(f"import esetui.cli.commands.{module}")
    assert not loaded & set(HEAVY)


def test_the_engine_imports_nothing_of_the_console() -> None:
    walk = """
import pkgutil, importlib, engine
for each in pkgutil.walk_packages(engine.__path__, "engine."):
    importlib.import_module(each.name)
"""
    loaded = modules_after(walk)
    assert "engine.errors" in loaded
    assert not loaded & {*HEAVY, "esetui", "click"}


def test_every_command_is_there_with_help_and_json() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200).rstrip(".") == COMMANDS[name].help.rstrip(".")
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        for leaf in leaves:
            flags = {flag for parameter in leaf.params for flag in parameter.opts}
            assert {"--json", "--quiet"} <= flags


def test_a_word_that_is_neither_command_nor_path_is_a_usage_error() -> None:
    done = run("bakcup")
    assert done.returncode == ExitCode.USAGE
    assert "Did you mean `backup`?" in done.stderr
    assert done.stdout == ""


def test_hostile_words_are_escaped() -> None:
    done = run("\x1b[31m")
    assert done.returncode == ExitCode.USAGE
    assert "\x1b" not in done.stderr


def test_a_path_opens_the_console_which_needs_a_terminal(tmp_path: Path) -> None:
    done = run(str(tmp_path))
    assert done.returncode == ExitCode.USAGE
    assert "needs a terminal" in done.stderr


def test_a_missing_file_is_named_with_the_engines_error(tmp_path: Path) -> None:
    done = run("show", str(tmp_path / "gone.edb"))
    assert done.returncode == ExitCode.STORAGE
    assert "JET_errFileNotFound (-1811)" in done.stderr
    assert "next: " in done.stderr


def test_config_commands(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[discover]\nmax_depth = 3\n", encoding="utf-8")
    done = run("config", "show", "--json", ESETUI_CONFIG=str(file))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"key": "discover.max_depth", "value": 3, "source": "file"}.items() <= next(
        line.items() for line in lines if line["key"] == "discover.max_depth"
    )
    assert run("config", "path", ESETUI_CONFIG=str(file)).stdout == f"{file}\n"
    file.write_text("[discover]\nmax_dept = 3\n", encoding="utf-8")
    done = run("config", "validate", ESETUI_CONFIG=str(file))
    assert done.returncode == ExitCode.USAGE
    assert f"{file}:2: discover.max_dept" in done.stderr


def test_what_config_show_prints_is_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    shown = run("config", "show", ESETUI_CONFIG="").stdout
    file.write_text(shown, encoding="utf-8")
    assert run("config", "validate", ESETUI_CONFIG=str(file)).returncode == 0


def test_info_names_every_library(tmp_path: Path) -> None:
    done = run("info", "--json", SSH_CONNECTION="10.0.0.1 22 10.0.0.2 22")
    line = json.loads(done.stdout)
    assert line["esetui"] == esetui.__version__
    assert line["libraries"]["click"]
    assert "10.0.0.1" not in done.stdout
    assert run("info").stdout.startswith("esetui ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_ESETUI_COMPLETE" in done.stdout


def test_completion_of_commands() -> None:
    done = run(_ESETUI_COMPLETE="bash_complete", COMP_WORDS="esetui sh", COMP_CWORD="1")
    assert "plain,show" in done.stdout


def test_the_runner_sees_the_same_exit_codes() -> None:
    runner = CliRunner()
    assert runner.invoke(cli, ["--version"]).exit_code == 0
    assert runner.invoke(cli, ["config", "path"]).exit_code == 0
    assert runner.invoke(cli, ["completion", "tcsh"]).exit_code == ExitCode.USAGE
