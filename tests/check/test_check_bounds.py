"""Hostile pages: the check ends, soon, with findings; memory goes with pages and not with rows."""

from __future__ import annotations

import random
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

import pytest

from engine.build import Column, DatabaseBuilder, Index
from engine.check import CheckFinding, CheckKind, check
from engine.check.digest import Digest
from engine.check.page_map import PageMap
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.column import ColumnType
from engine.format.node import Extent
from engine.format.page import page_offset
from engine.monitor import Monitor, Phase
from engine.pages.source import FilePages
from tests.check.patient import Patient, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_FINDINGS = 20_000


def test_a_page_map_keeps_what_it_was_told() -> None:
    source = random.Random(1)  # noqa: S311 - repeatable on purpose
    pages, known = PageMap(), dict.fromkeys(range(400_000), 0)
    for number in range(1, 60):
        first = source.randrange(1, 300_000)
        last = first + source.choice((0, 1, 100, 99_000))
        expected = next(((at, known[at]) for at in range(first, last + 1) if known[at]), None)
        assert pages.put(first, last, number) == expected
        for at in range(first, last + 1):
            known[at] = known[at] or number
    assert all(pages.get(at) == known[at] for at in range(0, 400_000, 7))
    assert pages.put(5, 9, 1000, over=known[5]) == next(
        ((at, known[at]) for at in range(5, 10) if known[at] != known[5]), None
    )


def test_runs_that_one_map_lacks() -> None:
    owners, users = PageMap(), PageMap()
    owners.put(10, 200_000, 3)
    users.put(10, 100_000, 3)
    users.put(100_005, 150_000, 3)
    runs = [(number, first, last) for number, first, last in owners.runs_without(users)]
    assert runs[0] == (3, 100_001, 100_004)
    assert runs[1][1] == 150_001
    assert runs[-1][2] == 200_000
    assert sum(last - first + 1 for _, first, last in runs) == 4 + 50_000


def test_a_map_of_a_huge_file_is_small() -> None:
    pages = PageMap()
    tracemalloc.start()
    pages.put(1, (1 << 32) - 2, 7)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 16 << 20
    assert pages.get(1 << 31) == 7


def test_digests_tell_multisets_apart() -> None:
    one = Digest()
    for number in range(1000):
        one.add(b"k%d" % number, b"v")
    for number in reversed(range(1000)):
        one.take(b"k%d" % number, b"v")
    assert one.equal
    two = Digest()
    two.add(b"ab", b"c")
    two.take(b"a", b"bc")
    assert not two.equal
    suspects = two.suspects()
    assert suspects.complete
    assert suspects.holds(b"ab", b"c")
    assert suspects.holds(b"a", b"bc")
    assert sum(suspects.holds(b"k%d" % number, b"v") for number in range(1000)) < 20


def run(path: Path) -> list[CheckFinding]:
    found = []
    for finding in check(path, strict=True):
        found.append(finding)
        assert len(found) < MOST_FINDINGS
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tiny") / "tiny.edb"
    build(path, 4096, count=60)
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(60))
def test_random_bytes_with_right_checksums(tiny: bytes, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "tiny.edb"
    path.write_bytes(tiny)
    patient = Patient(path, 4096)
    source = random.Random(seed)  # noqa: S311 - repeatable on purpose
    last = len(tiny) // 4096 - 2
    # System pages are hit more often: they lead to all the others.
    for _ in range(1 + seed % 8):
        pgno = source.choice((source.randrange(1, 32), source.randrange(1, last + 1)))
        for _ in range(1 + seed % 5):
            offset = source.choice((source.randrange(8, 48), source.randrange(8, 4092), source.randrange(4000, 4092)))
            patient.poke(pgno, offset, source.randbytes(source.choice((1, 2, 4))))
    patient.save()
    run(path)
    assert path.read_bytes() == patient.data


@pytest.mark.parametrize("seed", range(25))
def test_swapped_and_copied_pages(tiny: bytes, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "tiny.edb"
    path.write_bytes(tiny)
    patient = Patient(path, 4096)
    source = random.Random(1000 + seed)  # noqa: S311 - repeatable on purpose
    last = len(tiny) // 4096 - 2
    used = [pgno for pgno in range(1, last + 1) if any(patient.page(pgno).data)]
    one, two = source.sample(used, 2)
    mine, other = bytes(patient.page(one).data), bytes(patient.page(two).data)
    patient.put(one, other)
    if seed % 2:
        patient.put(two, mine)
    patient.save()
    run(path)


@pytest.mark.parametrize("seed", range(20))
def test_cut_and_torn_files(tiny: bytes, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "tiny.edb"
    source = random.Random(seed)  # noqa: S311 - repeatable on purpose
    data = bytearray(tiny[: source.randrange(len(tiny))])
    for _ in range(seed):
        if data:
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    path.write_bytes(data)
    assert run(path)


def test_an_extent_of_four_thousand_million_pages(small: Patient) -> None:
    oe = small.space(1).space.pgno_oe
    extent = Extent(0xFFFFFFFF, 0xFFFFFFFF)
    small.rebuild(oe, [(0, extent.key, extent.data)])
    tracemalloc.start()
    found = small.check()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20
    assert CheckKind.BEYOND_END in {each.kind for each in found}


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(EseError) as caught:
        list(check(tmp_path / "none.edb"))
    assert caught.value.code == Err.FileNotFound


def test_it_can_be_cancelled_and_left(built: Callable[[int], Path]) -> None:
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(EseError) as caught:
        list(check(built(4096), monitor=monitor))
    assert caught.value.code == Err.BackupAbortByCaller
    assert monitor.phase is Phase.CANCELLED


def test_the_file_is_closed_when_the_check_is_left(small: Patient) -> None:
    at = page_offset(small.leaves(small.root("Things"))[0], 4096)
    small.data[at + 100] ^= 1
    small.save()
    running = check(small.path)
    assert next(running).kind is CheckKind.CORRECTED
    # A file that stays open is an error of the run (ResourceWarning).
    running.close()  # type: ignore[attr-defined]


def test_findings_come_while_the_check_goes_on(small: Patient) -> None:
    """The first one is told before most of the pages are read."""
    at = page_offset(small.leaves(small.root("MSysObjects"))[0], 4096)
    small.data[at + 100] ^= 1
    small.save()
    monitor = Monitor()
    running = check(small.path, monitor=monitor)
    next(running)
    early = monitor.pages_verified
    list(running)
    assert 0 < early < monitor.pages_verified / 4


def test_progress(built: Callable[[int], Path]) -> None:
    monitor = Monitor()
    assert list(check(built(4096), monitor=monitor)) == []
    seen = monitor.snapshot()
    assert seen.phase is Phase.DONE
    assert seen.fraction == 1.0
    assert 0 < seen.pages_verified <= seen.map_pages
    assert seen.pages_bad == 0


def test_memory_does_not_go_with_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The cache of pages has a bound of its own; a small one lets the rest be seen.
    monkeypatch.setattr("engine.check.run.FilePages", partial(FilePages, cache_bytes=1 << 19))
    peaks = []
    for count in (4_000, 16_000):
        path = tmp_path / f"{count}.edb"
        with DatabaseBuilder(Environment(fs=RealFileSystem()), path, page_size=4096) as made:
            made.add_table(
                "T",
                [Column("A", ColumnType.LONG), Column("B", ColumnType.LONG)],
                primary=Index("pk", ("A",)),
                secondary=[Index("b", ("-B",))],
                rows=((n, n * 7919 % 100_003) for n in range(count)),
            )
        tracemalloc.start()
        assert list(check(path)) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1 << 19
