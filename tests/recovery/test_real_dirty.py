"""Databases of Windows that were not shut down: one with its logs, one without."""

from __future__ import annotations

import lzma
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from engine.check import Severity, check
from engine.errors import Err, EseError
from engine.info import database_info
from engine.instance import Instance
from engine.recovery.memory import open_recovered
from engine.recovery.plan import plan_recovery
from engine.table import open_database
from tests.recovery.oracle_files import writable_copy
from tests.recovery.test_recovery_oracle import recover

if TYPE_CHECKING:
    from pathlib import Path

    from engine.table import Database


def rows(database: Database, name: str) -> Counter[str]:
    """Count the rows of a table, by what they say."""
    return Counter(repr(row.astuple()) for row in database[name])


@pytest.mark.corpus
@pytest.mark.parametrize("way", ["in place", "in memory"])
def test_the_rows_of_the_recovered_srum_database_are_more_than_those_of_the_repaired(
    corpus: Path, tmp_path: Path, way: str
) -> None:
    """A repair loses what it cannot make sense of; a replay loses nothing."""
    source = corpus / "srum-win10-dirty"
    stack = ExitStack()
    repaired = stack.enter_context(open_database(corpus / "srum-win10-dirty-repaired" / "SRUDB.dat"))
    if way == "in place":
        folder = writable_copy(source, tmp_path / "srum")
        recover(folder)
        assert database_info(folder / "SRUDB.dat").clean
        recovered = stack.enter_context(open_database(folder / "SRUDB.dat"))
        findings = list(check(folder / "SRUDB.dat"))
    else:
        memory = stack.enter_context(open_recovered(source))
        found = memory.database()
        recovered = stack.enter_context(open_database(found.path, pages=found.pages))
        findings = list(check(found.path, pages=found.pages, header=found.header))
    assert not [each for each in findings if each.severity is Severity.ERROR]
    with stack:
        compared = compare(repaired, recovered)
    assert compared > 7_000


def compare(repaired: Database, recovered: Database) -> int:
    compared = 0
    assert set(repaired.tables(system=False)) <= set(recovered.tables(system=False))
    for name in repaired.tables(system=False):
        theirs, ours = rows(repaired, name), rows(recovered, name)
        assert theirs <= ours, name
        compared += theirs.total()
    assert not recovered.findings
    return compared


@pytest.mark.corpus
def test_a_dirty_database_whose_logs_are_lost(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "w" / "Windows.edb"
    path.parent.mkdir()
    with lzma.open(corpus / "windows-search-32k" / "dirty.edb.xz") as packed:
        path.write_bytes(packed.read())
    before = path.read_bytes()
    for way in (plan_recovery, open_recovered):
        with pytest.raises(EseError) as caught:
            way(path)
        assert caught.value.code == Err.MissingLogFile
    # An engine begins a new stream there, and then refuses the database.
    with (
        Instance(path=path.parent, page_size=32768, log_file_size=1024) as instance,
        instance.session() as session,
        pytest.raises(EseError) as caught,
    ):
        session.attach(path)
    assert caught.value.code == Err.DatabaseDirtyShutdown
    assert path.read_bytes() == before
    with open_database(path) as database:
        count = sum(1 for name in database.tables(system=False) for _ in database[name])
        assert count > 1000
        assert database.findings, "it is damaged, and says so"
    findings = list(check(path))
    assert any(each.severity is Severity.ERROR for each in findings)
    assert path.read_bytes() == before
