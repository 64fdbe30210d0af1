"""Fixtures of the integrity check: built databases, fresh for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.check.patient import Patient, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return a function from a page size to a database of that size, made once."""
    folder = tmp_path_factory.mktemp("built")

    def of(page_size: int) -> Path:
        path = folder / f"{page_size}.edb"
        if not path.exists():
            build(path, page_size)
        return path

    return of


@pytest.fixture(params=[4096, 32768])
def patient(request: pytest.FixtureRequest, built: Callable[[int], Path], tmp_path: Path) -> Patient:
    """Return a fresh copy of a built database; once with small and once with large pages."""
    path = tmp_path / "patient.edb"
    path.write_bytes(built(request.param).read_bytes())
    return Patient(path, request.param)


@pytest.fixture
def small(built: Callable[[int], Path], tmp_path: Path) -> Patient:
    """Return a fresh copy of a built database with 4 KiB pages."""
    path = tmp_path / "small.edb"
    path.write_bytes(built(4096).read_bytes())
    return Patient(path, 4096)
