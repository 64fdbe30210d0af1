"""The demonstration's databases: valid, repeatable, of the size asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from engine.build import FormatLevel, make_samples
from engine.errors import EseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.env import Environment


@pytest.mark.parametrize("page_size", [4096, 32768])
def test_samples_are_valid_and_full(
    env: Environment,
    tmp_path: Path,
    audit: Callable[..., Any],
    page_size: int,
) -> None:
    size = 3 << 20
    dhcp, lease = make_samples(env, tmp_path, size=size, page_size=page_size)
    assert dhcp.path == str(tmp_path / "dhcp.mdb")
    assert [table.name for table in dhcp.tables] == ["Scopes", "Reservations", "Leases", "AuditLog"]
    assert [table.name for table in lease.tables] == ["History", "Exports"]
    for made in (dhcp, lease):
        found = audit(made.path)
        assert all(found.trees[table.name].entries for table in made.tables)
        assert made.size == (found.pages + 2) * page_size
    # Large pages cost more at the start: half a megabyte for the system tables alone.
    assert 0.8 * size < dhcp.size + lease.size < (1.6 if page_size == 4096 else 2.5) * size
    assert lease.tables[1].long_values is not None


def test_samples_follow_from_seed_and_clock(new_environment: Callable[[], Environment], tmp_path: Path) -> None:
    images = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        (tmp_path / name).mkdir()
        made = make_samples(new_environment(), tmp_path / name, size=1 << 20, seed=seed, level=FormatLevel.WINDOWS_10)
        images.append([(tmp_path / name / each).read_bytes() for each in ("dhcp.mdb", "lease.mdb")])
        assert made[0].size == len(images[-1][0])
    assert images[0] == images[1]
    assert images[0] != images[2]


def test_existing_samples_are_kept(env: Environment, tmp_path: Path) -> None:
    make_samples(env, tmp_path, size=1 << 20)
    with pytest.raises(EseError):
        make_samples(env, tmp_path, size=1 << 20)
    make_samples(env, tmp_path, size=1 << 20, overwrite=True)


def test_building_loads_numpy_only_when_needed() -> None:
    code = "import sys, engine.build; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
