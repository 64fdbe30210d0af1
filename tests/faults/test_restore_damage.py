"""Sets of the real engine with random damage: a typed error, or databases in which nothing is wrong unseen."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import EseError
from engine.format.checksum import verify_page
from engine.info import database_info
from engine.instance.restore_set import restore_set
from engine.repair import plan_repair, write_repair
from tests.recovery.oracle_files import page_content, writable_copy
from tests.repair.patient import Patient

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = range(400 if os.environ.get("CRASH_ALL") else 40)
PAGE = 8192


def damage(folder: Path, source: random.Random, stranger: Path) -> list[str]:
    """Do one to three things to the files of a folder; return what."""
    done = []
    for _ in range(source.choice((1, 1, 2, 3))):
        files = sorted(each for each in folder.iterdir() if each.suffix in (".edb", ".log") and each.stat().st_size)
        if not files:
            break
        logs = [each for each in files if each.suffix == ".log"]
        databases = [each for each in files if each.suffix == ".edb"]
        path = source.choice(databases if databases and (not logs or source.random() < 0.6) else logs)
        kind = source.choice(("flip", "flip", "cut", "zero", "swap", "stranger", "remove"))
        data = bytearray(path.read_bytes())
        place = source.randrange(len(data))
        if kind == "flip":
            data[place] ^= 1 << source.randrange(8) if source.random() < 0.3 else source.randrange(1, 256)
        elif kind == "cut":
            del data[place // 4096 * 4096 if source.random() < 0.5 else place :]
        elif kind == "zero":
            start = place // 4096 * 4096
            data[start : start + 4096] = bytes(len(data[start : start + 4096]))
        elif kind == "swap" and len(logs) > 1:
            one, two = source.sample(logs, 2)
            one_data, two_data = one.read_bytes(), two.read_bytes()
            one.write_bytes(two_data)
            two.write_bytes(one_data)
            done.append(f"swap {one.name} {two.name}")
            continue
        elif kind == "stranger":
            other = stranger / path.name
            if other.exists():
                shutil.copy(other, path)
                done.append(f"stranger {path.name}")
            continue
        elif kind == "remove":
            path.unlink()
            done.append(f"remove {path.name}")
            continue
        path.write_bytes(data)
        done.append(f"{kind} {path.name} at {place}")
    return done


@pytest.fixture(scope="module")
def truth(oracle: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """The pages of the undamaged set, restored."""
    folder = tmp_path_factory.mktemp("truth")
    restore_set(oracle("restore") / "restore-full-incr2" / "after" / "bk", to=folder)
    return pages(folder / "a.edb")


def pages(path: Path) -> dict[int, bytes]:
    data = path.read_bytes()
    assert len(data) % PAGE == 0
    return {at // PAGE - 1: data[at : at + PAGE] for at in range(2 * PAGE, len(data), PAGE)}


def alike(one: bytes, two: bytes, pgno: int) -> bool:
    if one == two:
        return True
    return any(one) and any(two) and page_content(one, pgno) == page_content(two, pgno)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_set(oracle: Callable[[str], Path], tmp_path: Path, truth: dict[int, bytes], seed: int) -> None:
    source = random.Random(seed)  # noqa: S311 - repeatable on purpose
    writable_copy(oracle("restore") / "restore-full-incr2" / "after" / "bk", tmp_path / "set")
    stranger = oracle("restore") / "restore-uncommitted-incr" / "after" / "bk"
    done = damage(tmp_path / "set", source, stranger)
    (tmp_path / "to").mkdir()
    result = None
    with suppress(EseError):
        result = restore_set(tmp_path / "set", to=tmp_path / "to")
    if result is None:
        assert list((tmp_path / "to").glob("*.edb")) == [], done
        return
    assert list(result.databases.values()) == [str(tmp_path / "to" / "a.edb")]
    restored = tmp_path / "to" / "a.edb"
    assert database_info(restored).clean
    if result.replayed.stop < 8 and any(each.startswith("remove") for each in done):
        # Without the last logs of the chain it is an earlier state, whole all the same.
        assert not [pgno for pgno, page in pages(restored).items() if verify_page(page, pgno) is not None]
        return
    ours = pages(restored)
    for pgno, page in truth.items():
        found = ours.get(pgno)
        assert found is not None, (done, pgno)
        assert verify_page(found, pgno) is not None or alike(found, page, pgno), (done, pgno)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", SEEDS)
def test_a_repair_from_damaged_files(oracle: Callable[[str], Path], tmp_path: Path, seed: int) -> None:
    """Set, logs and database damaged at random: refused, or what is written is what was there."""
    source = random.Random(1000 + seed)  # noqa: S311 - repeatable on purpose
    case = writable_copy(oracle("restore") / "restore-rollforward" / "after", tmp_path / "r")
    patient = Patient(Environment(), str(case / "dest" / "a.edb"), str(case / "bk"), str(case / "inst"))
    good = patient.read()
    pgno = source.randrange(1, len(good) // PAGE - 1)
    patient.flip(pgno, source.randrange(PAGE), source.randrange(1, 256))
    where = source.choice((case / "bk", case / "inst", case / "dest"))
    stranger = oracle("restore") / "restore-rollforward-live" / "after" / where.name
    done = damage(where, source, stranger)
    before = Path(patient.database).read_bytes() if Path(patient.database).exists() else b""
    result = None
    with suppress(EseError):
        made = plan_repair(patient.database, [pgno], source=patient.source, logs=patient.logs)
        result = write_repair(made, env=patient.env)
    if result is None:
        assert not before or Path(patient.database).read_bytes() == before, done
        return
    now = patient.read()
    span = slice((pgno + 1) * PAGE, (pgno + 2) * PAGE)
    assert now[: span.start] + now[span.stop :] == before[: span.start] + before[span.stop :], done
    if pgno in result.pages:
        assert verify_page(now[span], pgno) is None, done
        assert alike(now[span], good[span], pgno), (done, pgno)
