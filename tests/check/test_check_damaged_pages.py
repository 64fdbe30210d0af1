"""Damage to pages and trees, with right checksums: each is found, with its kind and its page."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from engine.check import CheckKind, Severity
from engine.format.node import NodeFlags, child_data, decode_node
from engine.format.page import PageFlags, header_size, page_offset

if TYPE_CHECKING:
    from tests.check.patient import Patient

MIDDLE = 2
"""A leaf that has neighbours on both sides."""


def tag_offset(page_size: int, tag: int) -> int:
    return page_size - 4 * (tag + 1)


def test_a_good_database_has_nothing_to_tell(patient: Patient) -> None:
    assert patient.check(strict=True) == []


def test_a_bit_too_many_is_put_right_and_told(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    patient.data[page_offset(leaf, patient.page_size) + 200] ^= 0x10
    (found,) = patient.check()
    assert (found.kind, found.severity, found.page) == (CheckKind.CORRECTED, Severity.WARNING, leaf)


def test_a_wrong_checksum(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    at = page_offset(leaf, patient.page_size) + 200
    patient.data[at : at + 3] = bytes(each ^ 0x5A for each in patient.data[at : at + 3])
    found = patient.diagnose(CheckKind.CHECKSUM, leaf, table="Things")
    assert found.name == "JET_errReadVerifyFailure"
    # What the page held is not held against long values and indexes.
    assert len(patient.errors()) == 1


def test_a_page_at_the_wrong_place(patient: Patient) -> None:
    one, two = patient.leaves(patient.root("Things"))[1:3]
    patient.put(two, patient.page(one).data, checksum=False)
    kind = CheckKind.PAGE_NUMBER if patient.errors()[0].code == -1118 else CheckKind.CHECKSUM
    patient.diagnose(kind, two)


def test_a_blank_page(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    patient.put(leaf, bytes(patient.page_size), checksum=False)
    patient.diagnose(CheckKind.BLANK_PAGE, leaf)


def test_a_wrong_free_count(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things", "byName"))[MIDDLE]
    patient.header(leaf, free=patient.page(leaf).header.free + 4)
    found = patient.diagnose(CheckKind.FREE_SPACE, leaf, tree="byName")
    assert len(patient.errors()) == 1, found


def test_more_to_be_freed_than_free(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    patient.header(leaf, uncommitted_free=patient.page(leaf).header.free + 1)
    patient.diagnose(CheckKind.FREE_SPACE, leaf)


@pytest.mark.parametrize("change", ["overlap", "beyond", "short", "count", "mic"])
def test_wrong_tags(patient: Patient, change: str) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    size = patient.page_size
    page = patient.page(leaf)
    at = tag_offset(size, 2)
    blob, place = struct.unpack_from("<HH", page.data, at)
    if change == "overlap":
        patient.poke(leaf, at, struct.pack("<HH", blob, place - 8))
    elif change == "beyond":
        patient.poke(leaf, at, struct.pack("<HH", blob, 0x1FF0 if size == 4096 else 0x7FF0))
    elif change == "short":
        patient.poke(leaf, at, struct.pack("<HH", 3, place))
    elif change == "count":
        patient.header(leaf, tag_state=4000)
    else:
        patient.header(leaf, mic_free=page.header.mic_free - 4)
    patient.diagnose(CheckKind.TAGS, leaf)


def test_a_page_of_another_object(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things", "byName"))[MIDDLE]
    patient.header(leaf, objid=99)
    patient.diagnose(CheckKind.PAGE_OBJECT, leaf)


def test_a_page_from_the_future(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    patient.header(leaf, dbtime=1 << 40)
    patient.diagnose(CheckKind.PAGE_TIME, leaf)


@pytest.mark.parametrize(
    ("flag", "kind"),
    [
        (PageFlags.EMPTY, CheckKind.PAGE_FLAGS),
        (PageFlags.PRE_INIT, CheckKind.PAGE_FLAGS),
        (PageFlags.INDEX, CheckKind.PAGE_FLAGS),
        (PageFlags.SPACE_TREE, CheckKind.PAGE_FLAGS),
        (PageFlags.REPAIRED, CheckKind.PAGE_FLAGS),
        (PageFlags.PARENT_OF_LEAF, CheckKind.LEVELS),
    ],
)
def test_wrong_flags_of_a_leaf(patient: Patient, flag: PageFlags, kind: CheckKind) -> None:
    leaf = patient.leaves(patient.root("Things", "byName"))[MIDDLE]
    patient.header(leaf, flags=patient.page(leaf).flags ^ flag)
    patient.diagnose(kind, leaf)


@pytest.mark.parametrize(("flag", "kind"), [(1, CheckKind.PAGE_FLAGS), (4, CheckKind.LEVELS)])
def test_wrong_flags_of_a_root(patient: Patient, flag: int, kind: CheckKind) -> None:
    root = patient.root("Things")
    patient.header(root, flags=patient.page(root).flags ^ flag)
    patient.diagnose(kind, root)


def test_what_the_engine_tolerates_is_no_error(patient: Patient) -> None:
    one, two, three, *_ = patient.leaves(patient.root("Things"))
    patient.header(one, flags=patient.page(one).flags | PageFlags.SCRUBBED | 0x8000)
    patient.header(two, mic_free=patient.page(two).header.mic_free + 8, uncommitted_free=1)
    patient.header(three, tag_state=patient.page(three).header.tag_state | 0x1000)
    if patient.page_size == 4096:
        at = tag_offset(4096, 2)
        blob = struct.unpack_from("<H", patient.page(one).data, at)[0]
        patient.poke(one, at, struct.pack("<H", blob | 0xA000))
    assert patient.errors() == []


def test_swapped_keys(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things", "byName"))[MIDDLE]
    entries = patient.entries(leaf)
    entries[3], entries[4] = entries[4], entries[3]
    patient.rebuild(leaf, entries)
    found = patient.diagnose(CheckKind.ORDER, leaf, line=4)
    assert len(patient.errors()) == 1, found


def test_a_key_twice(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Log"))[MIDDLE]
    entries = patient.entries(leaf)
    entries[4] = entries[4][0], entries[3][1], entries[4][2]
    patient.rebuild(leaf, entries)
    found = patient.diagnose(CheckKind.ORDER, leaf, line=4)
    assert "is there again" in found.detail


def test_equal_keys_are_told_apart_by_data_where_they_may_be(patient: Patient) -> None:
    leaf, line = patient.find(lambda node: node.key == b"\0", patient.root("Things", "byName"))
    entries = patient.entries(leaf)
    entries[line], entries[line + 1] = entries[line + 1], entries[line]
    patient.rebuild(leaf, entries)
    patient.diagnose(CheckKind.ORDER, leaf, line=line + 1)


def test_a_wrong_separator(patient: Patient) -> None:
    root = patient.root("Things")
    entries = patient.entries(root)
    # The bound between the third and the fourth child moves up by some records.
    flags, _, child = entries[MIDDLE]
    moved = decode_node(patient.page(patient.children(root)[MIDDLE + 1].pgno), 1).key
    entries[MIDDLE] = flags, moved, child
    patient.rebuild(root, entries)
    found = patient.diagnose(CheckKind.SEPARATOR, patient.children(root)[MIDDLE + 1].pgno, line=0)
    assert found.name == "JET_errBadParentPageLink"


def test_separators_out_of_order(patient: Patient) -> None:
    root = patient.root("Things")
    entries = patient.entries(root)
    keys = [key for _, key, _ in entries]
    keys[2], keys[3] = keys[3], keys[2]
    patient.rebuild(root, [(flags, key, data) for (flags, _, data), key in zip(entries, keys, strict=True)])
    patient.diagnose(CheckKind.ORDER, root, line=3)


def test_a_bound_on_the_right_edge(patient: Patient) -> None:
    root = patient.root("Things")
    entries = patient.entries(root)
    entries[-1] = 0, b"\xff", entries[-1][2]
    patient.rebuild(root, entries)
    patient.diagnose(CheckKind.SEPARATOR, root, line=len(entries) - 1)


def test_an_empty_bound_before_the_last_child(patient: Patient) -> None:
    root = patient.root("Things")
    entries = patient.entries(root)
    entries[1] = 0, b"", entries[1][2]
    patient.rebuild(root, entries)
    patient.diagnose(CheckKind.SEPARATOR, root, line=1)


@pytest.mark.parametrize("side", ["pgno_prev", "pgno_next"])
def test_wrong_siblings(patient: Patient, side: str) -> None:
    leaves = patient.leaves(patient.root("Things"))
    patient.header(leaves[MIDDLE], **{side: leaves[0]})
    patient.diagnose(CheckKind.SIBLING, leaves[MIDDLE])
    assert len(patient.errors()) == 1


def test_siblings_at_the_ends(patient: Patient) -> None:
    leaves = patient.leaves(patient.root("Things"))
    patient.header(leaves[0], pgno_prev=leaves[2])
    patient.header(leaves[-1], pgno_next=leaves[2])
    patient.diagnose(CheckKind.SIBLING, leaves[0])
    patient.diagnose(CheckKind.SIBLING, leaves[-1])


def test_a_page_that_is_its_own_neighbour(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    patient.header(leaf, pgno_next=leaf)
    assert {(each.kind, each.page) for each in patient.errors()} == {(CheckKind.SIBLING, leaf)}


def test_an_internal_page_with_a_neighbour(patient: Patient) -> None:
    root = patient.root("Things")
    patient.header(root, pgno_next=7)
    patient.diagnose(CheckKind.SIBLING, root)


def test_a_circle_ends_the_walk(patient: Patient) -> None:
    root = patient.root("Things")
    entries = patient.entries(root)
    entries[1] = 0, entries[1][1], child_data(root)
    patient.rebuild(root, entries)
    found = patient.diagnose(CheckKind.CROSS_LINK, root)
    assert "is there twice" in found.detail


def test_a_page_of_two_trees(patient: Patient) -> None:
    ours, theirs = patient.root("Things"), patient.leaves(patient.root("Log"))[MIDDLE]
    entries = patient.entries(ours)
    entries[1] = 0, entries[1][1], child_data(theirs)
    patient.rebuild(ours, entries)
    errors = {(each.kind, each.table, each.page) for each in patient.errors()}
    assert (CheckKind.NOT_OWNED, "Things", theirs) in errors
    assert (CheckKind.PAGE_OBJECT, "Things", theirs) in errors
    assert (CheckKind.CROSS_LINK, "Log", theirs) in errors


@pytest.mark.parametrize("target", [0, 0x7FFFFFFF])
def test_a_pointer_to_nowhere(patient: Patient, target: int) -> None:
    root = patient.root("Things")
    entries = patient.entries(root)
    entries[1] = 0, entries[1][1], child_data(target)
    patient.rebuild(root, entries)
    patient.diagnose(CheckKind.BEYOND_END if target else CheckKind.CHILD, root)


def test_a_leaf_at_another_level(patient: Patient) -> None:
    root = patient.root("Things", "byName")
    child = patient.children(root)[1]
    page = patient.page(child.pgno)
    other = patient.children(root)[2].pgno
    # A leaf becomes an internal page above its neighbour, which the root no longer names.
    patient.header(child.pgno, flags=page.flags ^ (PageFlags.LEAF | PageFlags.PARENT_OF_LEAF), pgno_prev=0, pgno_next=0)
    entries = patient.entries(root)
    patient.rebuild(child.pgno, [(0, entries[2][1], child_data(other))], external=b"")
    patient.rebuild(root, [entries[0], (0, entries[2][1], child_data(child.pgno)), *entries[3:]])
    patient.diagnose(CheckKind.LEVELS, other)
    patient.diagnose(CheckKind.LEVELS, root)


def test_an_internal_page_without_children(patient: Patient) -> None:
    root = patient.root("Things")
    patient.rebuild(root, [])
    patient.diagnose(CheckKind.EMPTY_PAGE, root)


def test_a_leaf_without_entries(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Log"))[MIDDLE]
    patient.rebuild(leaf, [], external=b"")
    patient.diagnose(CheckKind.EMPTY_PAGE, leaf)


def test_a_node_whose_key_leaves_it(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Log"))[MIDDLE]
    page = patient.page(leaf)
    place = struct.unpack_from("<H", page.data, tag_offset(patient.page_size, 3) + 2)[0] & 0x1FFF
    # The last size word of the head, whether the key is compressed or not.
    at = header_size(patient.page_size) + place + (2 if page.line(2).flags & NodeFlags.COMPRESSED else 0)
    patient.poke(leaf, at, struct.pack("<H", 0x1F00))
    patient.diagnose(CheckKind.NODE, leaf, line=2)


def test_a_compressed_key_on_a_root(patient: Patient) -> None:
    root = patient.root("One")
    size = patient.page_size
    page = patient.page(root)
    place = struct.unpack_from("<H", page.data, tag_offset(size, 1) + 2)[0]
    raw = bytes(page.line(0).data)
    key_size = struct.unpack_from("<H", raw)[0] & 0x1FFF
    # Same length: two bytes of the key become the second size word.
    changed = struct.pack("<HH", 0, key_size - 2) + raw[4:]
    if page.large:
        changed = struct.pack("<H", 4 << 13) + changed[2:]
    else:
        patient.poke(root, tag_offset(size, 1) + 2, struct.pack("<H", place | 4 << 13))
    patient.poke(root, header_size(size) + (place & 0x1FFF), changed)
    patient.diagnose(CheckKind.PREFIX, root, line=0)
