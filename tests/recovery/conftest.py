"""The disk of `control_bench`, made once and fresh for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.build import DatabaseBuilder
from engine.env import Environment
from engine.files.crash import CrashFileSystem
from tests.recovery.control_bench import FOLDER, A, B, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def prepared() -> CrashFileSystem:
    disk = CrashFileSystem()
    disk.make_directory(FOLDER)
    for path in (A, B):
        with DatabaseBuilder(Environment(fs=disk), path, threaded=False):
            pass
    disk.sync_all()
    return disk


@pytest.fixture
def bench(prepared: CrashFileSystem) -> Iterator[Bench]:
    made = Bench(prepared)
    yield made
    for each in made.made:
        each.abandon()
