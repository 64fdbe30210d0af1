"""What the pages under the cursor are: by the catalog, without making the asker wait, whatever is damaged."""

from __future__ import annotations

import random
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.table import open_database
from esetui.tui.page_names import MOST_PAGES, PageNames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.files.realfile import RealFile
    from esetui.demo import Demo
    from esetui.tui.page_names import PageName

Open = Any


@pytest.fixture
def names() -> Iterator[PageNames]:
    made = PageNames(RealFileSystem())
    yield made
    made.close()


def told(names: PageNames, path: Path, first: int, last: int | None = None) -> tuple[PageName, ...]:
    for _ in range(500):
        found = names.look(str(path), first, last or first)
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("no answer")


def test_every_tree_of_a_real_database_by_name(corpus: Path, names: PageNames) -> None:
    path = corpus / "srum-win10-clean" / "SRUDB.dat"
    with open_database(path) as database:
        for table in database.tables():
            definition = database.definition(table)
            [page] = told(names, path, definition.root)
            assert (page.owner, page.objid) == (table, definition.objid)
            assert page.part.startswith("root")
            for index in definition.indexes:
                if not index.primary:
                    assert told(names, path, index.root)[0].owner == f"{table}, index {index.name}"
            if definition.long_values is not None:
                [page] = told(names, path, definition.long_values.coltyp_or_pgno)
                assert page.owner == f"{table}, long values"
    assert told(names, path, 1)[0].text == "system root, root and leaf"
    assert told(names, path, 2)[0].text == "system root, root and leaf of its space"
    found = told(names, path, 100, 10_000)
    assert [each.pgno for each in found] == list(range(100, 100 + MOST_PAGES))
    assert told(names, path, 1_000_000)[0].problem == "behind the end of the file"


def test_damage(corpus: Path, names: PageNames, tmp_path: Path) -> None:
    path = tmp_path / "SRUDB.dat"
    shutil.copy(corpus / "srum-win10-clean" / "SRUDB.dat", path)
    whole = told(names, path, 90)[0]
    data = bytearray(path.read_bytes())
    data[91 * 4096 + 200] ^= 0xFF
    path.write_bytes(data)
    names.forget()
    [page] = told(names, path, 90)
    assert (page.owner, page.problem) == (whole.owner, "by its own damaged words")
    # Without its catalog a page has a number for a name.
    for pgno in range(4, 60):
        data[(pgno + 1) * 4096 : (pgno + 2) * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    names.forget()
    assert told(names, path, 90)[0].owner == f"object {whole.objid}"
    path.write_bytes(b"no database")
    names.forget()
    assert told(names, path, 90)[0].problem
    path.unlink()
    names.forget()
    assert told(names, path, 90)[0].problem


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes(corpus: Path, names: PageNames, tmp_path: Path, seed: int) -> None:
    """Bytes wrong anywhere in the catalog: an answer comes."""
    rng = random.Random(seed)  # noqa: S311 - the same in each run
    data = bytearray((corpus / "srum-win10-clean" / "SRUDB.dat").read_bytes()[: 200 * 4096])
    for _ in range(rng.choice((5, 100, 5000))):
        data[rng.randrange(2 * 4096, 60 * 4096)] = rng.randrange(256)
    path = tmp_path / "SRUDB.dat"
    path.write_bytes(data)
    assert len(told(names, path, 1, 198)) == MOST_PAGES


def test_the_asker_never_waits(corpus: Path) -> None:
    """A file that answers late holds nobody up, and of many questions only the newest is still asked."""
    late, asked = threading.Event(), []

    class Late(RealFileSystem):
        def open(self, path: str, mode: OpenMode = OpenMode.READ) -> RealFile:
            asked.append(path)
            late.wait(10)
            return super().open(path, mode)

    names = PageNames(Late())
    path = corpus / "srum-win10-clean" / "SRUDB.dat"
    began = time.monotonic()
    for pgno in range(1, 200):
        assert names.look(str(path), pgno, pgno) is None
    assert time.monotonic() - began < 0.5
    late.set()
    assert told(names, path, 199)[0].owner
    assert len(asked) <= 3
    names.close()


async def test_moving_on_the_map_names_page_object_and_tree(console: Open, demo: Demo) -> None:
    async with console(demo, (120, 40)) as stage:
        await stage.press("down", "v")
        await stage.idle()
        await stage.press("4", "home")
        await stage.sees(
            "from page 1: system root; MSysObjects", "tree   system root", "part   root and leaf of its space"
        )
        await stage.press("right", "right", "right")
        await stage.sees("tree   MSysObjectsShadow", "Page 22", "never used")


async def test_named_at_80x24_too(console: Open, demo: Demo) -> None:
    async with console(demo, (80, 24)) as stage:
        await stage.press("down", "v")
        await stage.idle()
        await stage.press("4", "home")
        await stage.sees("from page 1: system root")
        await stage.press("1")
        await stage.sees("to do")
