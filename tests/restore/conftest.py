"""A set of our own, made once, and a fresh copy of it for each test."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from engine.types import BackupOptions
from tests.restore.made import Made, make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[BackupOptions], Path]:
    known: dict[int, Path] = {}

    def made(options: BackupOptions) -> Path:
        if options not in known:
            known[options] = tmp_path_factory.mktemp("made")
            make(known[options] / "top", options)
        return known[options] / "top"

    return made


@pytest.fixture
def made(once: Callable[[BackupOptions], Path], tmp_path: Path) -> Made:
    shutil.copytree(once(BackupOptions.NONE), tmp_path / "m")
    return Made(tmp_path / "m")
