"""A page that breaks a rule of its format is named, and in the debug mode not written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format.page import PageFlags
from engine.info import database_info
from engine.pages.mutable import MutablePage
from engine.pages.page_rules import assert_rules, broken_rule, demand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEAF = int(PageFlags.LEAF)
PARENT = int(PageFlags.PARENT_OF_LEAF)
ROOT = int(PageFlags.ROOT)
LARGEST = 8 << 20


def leaf(*keys: bytes, flags: int = LEAF, prefix: bytes = b"") -> MutablePage:
    page = MutablePage(9, 4096, objid=3, flags=flags)
    page.refill(prefix, [(0, key, b"12345") for key in keys])
    return page


def changed(change: Callable[[MutablePage], object]) -> MutablePage:
    page = leaf(b"a", b"b", b"c")
    change(page)
    return page


def _internal_with_neighbour(page: MutablePage) -> None:
    page.refill(b"", [(0, b"", b"1234")])
    page.flags = PARENT
    page.prev = 4


BROKEN = {
    "order": leaf(b"b", b"a"),
    "twice": leaf(b"a", b"a"),
    "no line": leaf(),
    "no key": leaf(b"", b"a"),
    "root header": leaf(b"a", flags=LEAF | ROOT),
    "leaf above leaves": leaf(b"a", flags=LEAF | PARENT),
    "pointer": leaf(b"a", flags=PARENT),
    "no data": changed(lambda page: page.set_data(1, b"")),
    "its own neighbour": changed(lambda page: setattr(page, "next", 9)),
    "neighbours of an internal page": changed(_internal_with_neighbour),
    "used": changed(lambda page: setattr(page, "used", 3)),
    "node flags": changed(lambda page: page.set_flags(0, add=4)),
}


@pytest.mark.parametrize("page", BROKEN.values(), ids=BROKEN.keys())
def test_each_rule(page: MutablePage) -> None:
    assert broken_rule(page) is not None
    demand(True)
    with pytest.raises(EseError) as error:
        assert_rules(page)
    assert error.value.code == Err.InternalError


def test_a_key_that_should_be_shorter() -> None:
    page = leaf(b"abcdef", b"abcdeg", prefix=b"abcdef")
    assert broken_rule(page) is None
    page.delete(1)
    page.insert(1, 0, 0, b"abcdeg", b"data")
    assert "shared bytes" in (broken_rule(page) or "")


def test_pages_that_hold_nothing_have_no_rules() -> None:
    page = leaf()
    page.make_empty()
    assert broken_rule(page) is None
    assert broken_rule(MutablePage(4, 4096, flags=int(PageFlags.PRE_INIT))) is None
    assert_rules(page)


def test_real_pages_keep_all_of_them(corpus: Path, oracle: Callable[[str], Path]) -> None:
    seen = 0
    for path in (*corpus.rglob("*"), *oracle("clean").rglob("*")):
        if path.suffix.lower() not in {".edb", ".dat"} or path.stat().st_size > LARGEST:
            continue
        try:
            info = database_info(path)
        except EseError:
            continue
        if not info.clean:
            continue
        size, data = info.page_size, path.read_bytes()
        for pgno in range(1, len(data) // size - 1):
            piece = data[(pgno + 1) * size : (pgno + 2) * size]
            if any(piece):
                assert broken_rule(MutablePage.decode(piece, pgno)) is None, f"{path} {pgno}"
                seen += 1
    assert seen > 1000
