"""Recovery in memory: the pages that a recovery in place gives, and not one byte of the evidence changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.fault import FaultFileSystem
from engine.files.real import RealFileSystem
from engine.info import database_info
from engine.recovery.memory import Recovered, open_recovered
from engine.table import open_database
from tests.recovery.oracle_files import content, page_content, writable_copy
from tests.recovery.test_recovery_oracle import CASES, recover

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}


def pages_of(recovered: Recovered, name: str) -> dict[int, tuple[object, ...]]:
    (database,) = [each for each in recovered.databases if each.path.endswith(name)]
    found = {}
    for pgno in range(1, database.pages.last_page + 1):
        try:
            found[pgno] = page_content(bytes(database.pages.page(pgno).data), pgno)
        except EseError as error:
            if error.code not in (Err.PageNotInitialized, Err.FileIOBeyondEOF):
                raise
    return found


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_the_pages_of_a_recovery_in_place(oracle: Callable[[str], Path], case: str) -> None:
    """Straight from the read-only archive: nothing can be written there, and nothing is."""
    source = oracle("dirty") / f"dirty-{case}"
    before = digests(source / "before")
    with open_recovered(source / "before") as recovered:
        assert recovered.result.needed
        assert recovered.databases
        for database in recovered.databases:
            name = database.path.rsplit("/", 1)[-1]
            wanted = content(source / "after" / name)
            ours = pages_of(recovered, name)
            assert {pgno: page for pgno, page in ours.items() if pgno in wanted} == wanted
            after = database_info(source / "after" / name)
            assert database.header.clean
            assert database.header.objid_last == after.objid_last
            assert database.header.dbtime_dirtied == after.dbtime_dirtied
    assert digests(source / "before") == before


@pytest.mark.oracle
def test_rows_are_read_through_the_replayed_pages(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    source = oracle("dirty") / "dirty-uncommitted" / "before"
    folder = writable_copy(source, tmp_path / "i")
    recover(folder)
    with open_database(folder / "a.edb") as database:
        wanted = {name: [row.astuple() for row in database[name]] for name in database.tables()}
    with open_recovered(source / "a.edb") as recovered:
        found = recovered.database()
        with open_database(found.path, pages=found.pages) as database:
            assert {name: [row.astuple() for row in database[name]] for name in database.tables()} == wanted
            assert not database.findings
    assert len(wanted["t1"]) == 230


@pytest.mark.oracle
def test_nothing_is_written_anywhere(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-termabrupt" / "before", tmp_path / "i")
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    before = digests(folder)
    watched = FaultFileSystem(RealFileSystem(), fail_at=None)
    with open_recovered(folder, env=Environment(fs=watched)) as recovered:
        assert recovered.databases[0].replayed
    reading = {"open", "read", "read_at", "read_into_at", "stat", "list", "size", "absolute", "close", "walk"}
    assert {name for _, name, _ in watched.operations} <= reading
    assert digests(folder) == before
    folder.chmod(0o755)


@pytest.mark.corpus
def test_the_crashed_srum_instance(corpus: Path) -> None:
    before = digests(corpus / "srum-win10-dirty")
    with open_recovered(corpus / "srum-win10-dirty") as recovered:
        (database,) = recovered.databases
        assert database.header.clean
        with open_database(database.path, pages=database.pages) as tables:
            assert sum(1 for _ in tables["SruDbIdMapTable"]) > 1
            assert not tables.findings
    assert digests(corpus / "srum-win10-dirty") == before


@pytest.mark.oracle
def test_what_cannot_be_recovered_is_refused(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "i")
    (folder / "edb.log").unlink()
    with pytest.raises(EseError) as caught:
        open_recovered(folder)
    assert caught.value.code == Err.RequiredLogFilesMissing
    with pytest.raises(EseError) as caught:
        open_recovered(tmp_path)
    assert caught.value.code == Err.MissingLogFile
