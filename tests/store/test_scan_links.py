"""Scans of trees whose links lead astray: an error, and no way without an end."""

from __future__ import annotations

import pytest

from engine.errors import Err, EseError
from engine.store.scan import Scan
from engine.store.search import first_place
from engine.table.seeking import Seek
from tests.store.world import World


@pytest.fixture
def world() -> World:
    made = World()
    session = made.session()
    session.begin()
    for number in range(300):
        made.insert(session, number, 0, "x" * 100)
    session.commit()
    made.cleanup.run()
    return made


def test_a_way_down_in_a_circle(world: World) -> None:
    root = world.live.pages.load(world.table.root)
    assert not root.is_leaf
    root.set_data(root.line_count - 1, root.pgno.to_bytes(4, "little"))
    with pytest.raises(EseError) as caught:
        Scan(world.session(), world.table).last()
    assert caught.value.code == Err.DatabaseCorrupted


def test_leaves_in_a_circle(world: World) -> None:
    first = first_place(world.table).page
    second = world.live.pages.load(first.next)
    second.next, first.prev = first.pgno, second.pgno
    with pytest.raises(EseError) as caught:
        list(Scan(world.session(), world.table))
    assert caught.value.code == Err.BadPageLink


@pytest.mark.parametrize("match", [Seek.GE, Seek.LT])
def test_empty_leaves_in_a_circle(world: World, match: Seek) -> None:
    first = first_place(world.table).page
    second = world.live.pages.load(first.next)
    for page, other in ((first, second), (second, first)):
        page.truncate(0)
        page.prev = page.next = other.pgno
    scan = Scan(world.session(), world.table)
    with pytest.raises(EseError) as caught:
        scan.seek(world.record(1, 0, "")[0], match)
    assert caught.value.code == Err.BadPageLink
