"""Databases of the real engine: what its own check passes, this one passes; and databases recovered in memory."""

from __future__ import annotations

import json
import lzma
from typing import TYPE_CHECKING

import pytest

from engine.check import CheckFinding, CheckKind, Severity, check
from engine.instance.restore_set import restore_set
from engine.recovery.memory import open_recovered
from tests.recovery.oracle_files import writable_copy
from tests.recovery.test_recovery_oracle import CASES, recover
from tests.table.test_oracle_reading import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAILED = {
    "restore-err-corrupt-log-last",
    "restore-err-corrupt-log",
    "restore-err-missing-first",
    "restore-err-missing-required",
}
"""Restores that the real engine refused half-way; it answered -550 to their databases."""

DEAD = {"dirty-lv": 8, "dirty-lv32k": 3, "restore-writers-incr": 2}
"""Warnings about dead long values in the real engine's check: all that it gave but for the sizes of files."""

RESTORED = (
    "alllogs-incr", "atomic-incr-root", "atomic-root", "corrupt-page", "full-incr1", "full-incr2", "full-incr3",
    "full-only", "multidb-full", "multidb-incr", "p32k", "p4k", "uncommitted-full", "uncommitted-incr",
    "writers-full", "writers-incr",
)  # fmt: skip

LEAKED = {"dirty-ddl": 3, "dirty-index": 8, "dirty-termabrupt": 1, "restore-writers-full": 1}
"""Pages that the real engine lost; its own check does not look for them."""


def errors(found: list[CheckFinding]) -> list[CheckFinding]:
    return [each for each in found if each.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("group", "pattern", "count"),
    [
        ("clean", "*/*/clean.edb", 4),
        ("dirty", "*/after/*.edb", 24),
        ("restore", "*/after/dest/*.edb", 31),
    ],
)
def test_what_the_engine_passes_has_no_error(
    oracle: Callable[[str], Path], group: str, pattern: str, count: int
) -> None:
    seen = 0
    for path in sorted(oracle(group).glob(pattern)):
        name = path.relative_to(oracle(group)).parts[0]
        seen += 1
        found = list(check(path))
        if name in FAILED:
            assert CheckKind.STATE in {each.kind for each in errors(found)}, path
            continue
        assert errors(found) == [], path
        warnings = [each for each in found if each.severity is Severity.WARNING]
        assert {each.kind for each in warnings} <= {CheckKind.LEAKED}, path
        leaked = sum(int(each.detail.split()[0].replace(",", "")) for each in warnings)
        assert leaked == LEAKED.get(name, 0), path
        dead = [int(each.detail.split()[0]) for each in found if each.kind is CheckKind.LV_ORPHAN]
        assert sum(dead) == DEAD.get(name, 0), path
    assert seen == count


def test_every_index_of_the_engine_was_compared(oracle: Callable[[str], Path]) -> None:
    """What is not compared is said, and only keys over Unicode text are not."""
    for path in sorted(oracle("clean").glob("*/*/clean.edb")):
        left_out = {each.tree: each.detail for each in check(path) if each.kind is CheckKind.NOT_COMPARED}
        assert left_out == {
            "iTextU": "only the bookmarks are compared: keys over Unicode text need the sort tables of Windows",
            "iTextMV": "only the number of entries is compared: keys over Unicode text need the sort tables of Windows",
        }


def test_databases_recovered_in_memory_are_whole(oracle: Callable[[str], Path]) -> None:
    seen = 0
    for folder in sorted(oracle("dirty").glob("*/before")):
        with open_recovered(folder) as recovered:
            for database in recovered.databases:
                seen += 1
                found = list(check(database.path, pages=database.pages, header=database.header))
                assert errors(found) == [], folder
                dead = [int(each.detail.split()[0]) for each in found if each.kind is CheckKind.LV_ORPHAN]
                assert sum(dead) == DEAD.get(folder.parent.name, 0), folder
    assert seen == 24


@pytest.mark.parametrize("case", CASES)
def test_databases_recovered_on_disk_are_whole(oracle: Callable[[str], Path], tmp_path: Path, case: str) -> None:
    """The findings are those that the engine's own recovery leaves, rows and index entries those that it returned."""
    source = oracle("dirty") / f"dirty-{case}"
    folder = writable_copy(source / "before", tmp_path / "i")
    recover(folder)
    for theirs in sorted((source / "after").glob("*.edb")):
        ours = folder / theirs.name
        assert list(check(ours)) == list(check(theirs))
        several = source / f"expected-{theirs.stem}.json"
        expected = several if several.is_file() else source / "expected.json"
        if expected.is_file():
            assert compare(ours, json.loads(expected.read_text("utf-8")))["rows"]


@pytest.mark.parametrize("name", RESTORED)
def test_databases_restored_are_whole(oracle: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    case = oracle("restore") / f"restore-{name}"
    restore_set(case / "after" / "bk", to=tmp_path / "to")
    for theirs in sorted((case / "after" / "dest").glob("*.edb")):
        ours = tmp_path / "to" / theirs.name
        assert list(check(ours)) == list(check(theirs))
        several = case / f"expected-{theirs.stem}.json"
        expected = several if several.is_file() else case / "expected.json"
        assert compare(ours, json.loads(expected.read_text("utf-8")))["rows"]


def test_dirty_databases_on_disk_never_pass(oracle: Callable[[str], Path]) -> None:
    for path in sorted(oracle("dirty").glob("*/before/*.edb")):
        found = list(check(path))
        assert CheckKind.STATE in {each.kind for each in errors(found)}, path
        assert len(found) < 3000


@pytest.mark.parametrize(
    ("name", "leaked"),
    [
        ("srum-win10-clean", []),
        ("srum-win10-small", [10]),
        ("srum-win10-dirty-repaired", []),
        ("srum-win11-clean", [1]),
    ],
)
def test_databases_of_windows_are_whole(corpus: Path, name: str, leaked: list[int]) -> None:
    found = list(check(corpus / name / "SRUDB.dat"))
    assert errors(found) == []
    warnings = [each for each in found if each.severity is Severity.WARNING]
    assert {each.kind for each in warnings} <= {CheckKind.LEAKED}
    assert [int(each.detail.split()[0]) for each in warnings] == leaked


def test_dirty_databases_of_windows_lack_only_their_logs(corpus: Path) -> None:
    for path in (corpus / "srum-win10-dirty" / "SRUDB.dat", corpus / "bits-24h2-16k" / "qmgr.db"):
        assert [each.kind for each in errors(list(check(path)))] == [CheckKind.STATE]


def test_windows_search(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "windows-search-32k"
    for name in ("clean", "dirty"):
        (tmp_path / f"{name}.edb").write_bytes(lzma.decompress((folder / f"{name}.edb.xz").read_bytes()))
    clean = list(check(tmp_path / "clean.edb"))
    assert errors(clean) == []
    # The file was repaired once, which left a page below a root that is marked as a root itself.
    warned = {(each.kind, each.page) for each in clean if each.severity is Severity.WARNING}
    assert warned == {(CheckKind.PAGE_FLAGS, 147), (CheckKind.LEAKED, 29), (CheckKind.LEAKED, 43)}
    dirty = {each.kind for each in errors(list(check(tmp_path / "dirty.edb")))}
    assert dirty >= {CheckKind.STATE, CheckKind.CROSS_LINK, CheckKind.SEPARATOR}
