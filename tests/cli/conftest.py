"""Instances for the tests of the commands: made by the program itself, small, one fresh copy a test."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from esetui import config
from esetui.demo import Demo, create_demo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep journal and configuration of the person who runs the tests out of it."""
    state = tmp_path / "state of the user"
    monkeypatch.setattr(config, "state_folder", lambda: state)
    (tmp_path / "user.toml").touch()
    monkeypatch.setenv(config.CONFIG_VARIABLE, str(tmp_path / "user.toml"))
    # Programs that a test starts get the same.
    monkeypatch.setenv("XDG_STATE_HOME", str(state))


@pytest.fixture(scope="session")
def demo_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the sample once."""
    folder = tmp_path_factory.mktemp("demo") / "sample"
    create_demo(str(folder), lease_bytes=1 << 20)
    return folder


@pytest.fixture
def demo(demo_once: Path, tmp_path: Path) -> Demo:
    """Return a fresh copy of the sample."""
    folder = tmp_path / "sample"
    shutil.copytree(demo_once, folder)
    return Demo(str(folder), (str(folder / "dhcp"), str(folder / "tickets")), str(folder / "backup"))


@pytest.fixture
def windows(corpus: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes a writable copy of an instance of Windows."""

    def copied(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(corpus / name, folder, copy_function=shutil.copyfile)
        return folder

    return copied
