"""A small database for the JET layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small database, a.edb, of 4 KiB pages."""
    folder = tmp_path_factory.mktemp("built")
    with DatabaseBuilder(Environment(), folder / "a.edb", threaded=False) as builder:
        rows = [{"id": each} for each in range(100)]
        builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
    return folder
