"""Each deliberate damage, with right checksums, is found: its kind, and the page it is on."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from engine.check import CheckKind, Severity
from engine.format.catalog_row import FDP_CATALOG, FDP_NAME_INDEX, FDP_ROOT_OBJECTS_INDEX, FDP_SHADOW, CatalogRow
from engine.format.dbheader import DbState
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size
from engine.format.node import Extent, NodeFlags, SpaceHeader, child_data, decode_node, nodes
from engine.format.page import PageFlags, header_size, page_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.check.patient import Patient

MIDDLE = 2
"""A leaf that has neighbours on both sides."""


def tag_offset(page_size: int, tag: int) -> int:
    return page_size - 4 * (tag + 1)


# ---------------------------------------------------------------------------- pages


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


# ---------------------------------------------------------------------------- trees


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


# ---------------------------------------------------------------------------- space


def test_a_page_owned_twice(patient: Patient) -> None:
    things, log = patient.space(patient.root("Things")), patient.space(patient.root("Log"))
    oe = things.space.pgno_oe
    stolen = patient.leaves(patient.root("Log"))[MIDDLE]
    assert log.space.multiple_extent
    extra = Extent(stolen, 1)
    patient.rebuild(oe, sorted([*patient.entries(oe), (0, extra.key, extra.data)], key=lambda each: each[1]))
    errors = [each for each in patient.errors() if each.kind is CheckKind.OWNED_TWICE]
    assert len(errors) == 1
    assert str(stolen) in errors[0].detail
    assert {errors[0].table, *errors[0].detail.split()} >= {"Things", "Log"}


def test_owned_extents_that_are_too_short(patient: Patient) -> None:
    root = patient.root("Log")
    oe = patient.space(root).space.pgno_oe
    ((flags, key, data),) = patient.entries(oe)
    count = int.from_bytes(data, "little")
    # The extent loses its first page, which is the root.
    patient.rebuild(oe, [(flags, key, (count - 1).to_bytes(4, "little"))])
    found = patient.diagnose(CheckKind.NOT_OWNED, root, table="Log")
    assert "the system root" in found.detail


def test_owned_extents_that_are_too_long(patient: Patient) -> None:
    root = patient.root("Log")
    oe = patient.space(root).space.pgno_oe
    ((flags, key, data),) = patient.entries(oe)
    count = int.from_bytes(data, "little")
    patient.rebuild(oe, [(flags, key, (count + 1).to_bytes(4, "little"))])
    errors = patient.errors()
    assert [each.kind for each in errors] == [CheckKind.OWNED_TWICE]
    assert errors[0].page == oe
    assert errors[0].line == 0


def test_owned_extents_that_overlap(patient: Patient) -> None:
    root = patient.root("Log")
    oe = patient.space(root).space.pgno_oe
    ((_, key, data),) = patient.entries(oe)
    inner = Extent(int.from_bytes(key, "big") - 1, 2)
    patient.rebuild(oe, [(0, inner.key, inner.data), (0, key, data)])
    patient.diagnose(CheckKind.SPACE_TREE, oe, line=1)


def test_available_pages_that_are_in_use(patient: Patient) -> None:
    root = patient.root("Log")
    ae = patient.space(root).space.pgno_ae
    leaf = patient.leaves(root)[MIDDLE]
    extent = Extent(leaf, 1)
    patient.rebuild(ae, sorted([*patient.entries(ae), (0, extent.key, extent.data)], key=lambda each: each[1]))
    patient.diagnose(CheckKind.CROSS_LINK, leaf, table="Log")


def test_available_pages_of_someone_else(patient: Patient) -> None:
    ae = patient.space(patient.root("Log")).space.pgno_ae
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    extent = Extent(leaf, 1)
    patient.rebuild(ae, sorted([*patient.entries(ae), (0, extent.key, extent.data)], key=lambda each: each[1]))
    patient.diagnose(CheckKind.SPACE_TREE, ae)
    patient.diagnose(CheckKind.CROSS_LINK, leaf, table="Things")


def test_leaked_pages_are_a_warning(patient: Patient) -> None:
    oe = patient.space(1).space.pgno_oe
    last = len(patient.data) // patient.page_size - 2
    extra = Extent(last + 3, 3)
    patient.rebuild(oe, [*patient.entries(oe), (0, extra.key, extra.data)])
    patient.data += bytes(3 * patient.page_size)
    (found,) = patient.check()
    assert (found.kind, found.severity, found.page) == (CheckKind.LEAKED, Severity.WARNING, last + 1)
    assert found.detail.endswith(f": {last + 1}-{last + 3}")


def test_a_malformed_extent(patient: Patient) -> None:
    ae = patient.space(1).space.pgno_ae
    entries = patient.entries(ae)
    patient.rebuild(ae, [(0, b"\0\0\1", bytes(4)), *entries])
    patient.diagnose(CheckKind.SPACE_TREE, ae, line=0)


def test_shelved_pages_and_pools_are_fine(patient: Patient) -> None:
    ae = patient.space(1).space.pgno_ae
    extent = Extent(1 << 20, 8, pool=2)
    patient.rebuild(ae, [*patient.entries(ae), (0, extent.key, extent.data)])
    assert patient.check() == []


def space_header(patient: Patient, root: int, **fields: Any) -> None:
    """Change the space header of a root in place."""
    page = patient.page(root)
    old = bytes(page.external_header)
    at = header_size(patient.page_size) + (1 if len(old) > 16 else 0)
    head = patient.space(root).space
    values = {"pages": head.pages, "pgno_parent": head.pgno_parent, "flags": head.flags, "space": head.space}
    patient.poke(root, at, SpaceHeader(**(values | fields)).pack())


def test_a_wrong_parent(patient: Patient) -> None:
    root = patient.root("Things", "byName")
    space_header(patient, root, pgno_parent=1)
    patient.diagnose(CheckKind.ROOT_HEADER, root)


def test_a_wrong_unique_bit(patient: Patient) -> None:
    root = patient.root("Things", "byName")
    space_header(patient, root, flags=patient.space(root).space.flags ^ 2)
    patient.diagnose(CheckKind.ROOT_HEADER, root)


def test_space_trees_that_are_elsewhere(patient: Patient) -> None:
    root = patient.root("Log")
    leaf = patient.leaves(root)[MIDDLE]
    space_header(patient, root, space=leaf)
    patient.diagnose(CheckKind.PAGE_FLAGS, leaf, tree="OE")


def test_a_single_extent_that_is_too_long(patient: Patient) -> None:
    root = patient.root("One")
    space_header(patient, root, pages=2)
    # The next page is that of the next table, which is left with nothing.
    assert {(each.kind, each.table) for each in patient.errors()} == {
        (CheckKind.OWNED_TWICE, "None"),
        (CheckKind.NOT_OWNED, "None"),
    }


def test_a_root_without_space_header(patient: Patient) -> None:
    root = patient.root("Log")
    patient.rebuild(root, patient.entries(root), external=b"\2")
    patient.diagnose(CheckKind.ROOT_HEADER, root)


def test_a_file_that_is_cut_off(patient: Patient) -> None:
    whole = len(patient.data) // patient.page_size - 2
    del patient.data[-3 * patient.page_size :]
    patient.diagnose(CheckKind.BEYOND_END, 2)
    assert str(whole) in patient.errors()[0].detail


def test_a_file_with_part_of_a_page(patient: Patient) -> None:
    patient.data += bytes(100)
    patient.diagnose(CheckKind.FILE_SIZE, 0)


def test_a_file_that_is_longer_is_fine(patient: Patient) -> None:
    patient.data += bytes(5 * patient.page_size)
    (found,) = patient.check()
    assert (found.kind, found.severity) == (CheckKind.FILE_SIZE, Severity.INFO)


# ---------------------------------------------------------------------------- records and indexes


def test_a_broken_record(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Log"))[MIDDLE]
    entries = patient.entries(leaf)
    flags, key, data = entries[5]
    entries[5] = flags, key, data[:2] + b"\xff\x7f" + data[4:]
    patient.rebuild(leaf, entries)
    patient.diagnose(CheckKind.RECORD, leaf, line=5)


def test_a_record_under_a_wrong_key(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[-1]
    entries = patient.entries(leaf)
    flags, key, data = entries[-1]
    entries[-1] = flags, key[:-1] + bytes((key[-1] + 1,)), data
    patient.rebuild(leaf, entries)
    patient.diagnose(CheckKind.PRIMARY_KEY, leaf, line=len(entries) - 1)
    # Every index still names the old key.
    kinds = {each.kind for each in patient.errors()}
    assert kinds == {CheckKind.PRIMARY_KEY, CheckKind.INDEX_MISSING, CheckKind.INDEX_EXTRA}


@pytest.mark.parametrize("name", ["byName", "byGroup", "byTag", "sparse"])
def test_a_lost_index_entry(patient: Patient, name: str) -> None:
    root = patient.root("Things", name)
    leaf = patient.leaves(root)[-1]
    entries = patient.entries(leaf)
    _, key, bookmark = entries.pop(1)
    patient.rebuild(leaf, entries)
    record, line = patient.find(lambda node: node.key == bookmark, patient.root("Things"))
    found = patient.diagnose(CheckKind.INDEX_MISSING, record, tree=name, line=line)
    assert key[:24].hex() in found.detail
    assert len(patient.errors()) == 1


def test_an_index_entry_too_many(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things", "byTag"))[MIDDLE if patient.page_size == 4096 else 0]
    entries = patient.entries(leaf)
    key, bookmark = entries[-1][1], entries[-1][2]
    entries.append((0, key, bookmark + b"\0"))
    patient.rebuild(leaf, entries)
    patient.diagnose(CheckKind.INDEX_EXTRA, leaf, tree="byTag", line=len(entries) - 1)


def test_a_deleted_record_whose_entries_stayed(patient: Patient) -> None:
    root = patient.root("Things")
    leaf = patient.leaves(root)[MIDDLE]
    entries = patient.entries(leaf)
    line = next(line for line, (_, key, _) in enumerate(entries) if int.from_bytes(key[1:], "big") & 0x7FFFFFFF)
    _, bookmark, data = entries[line]
    entries[line] = int(NodeFlags.DELETED), bookmark, data
    patient.rebuild(leaf, entries)
    extra = [each for each in patient.errors() if each.kind is CheckKind.INDEX_EXTRA]
    assert {each.tree for each in extra} >= {"byGroup", "byName"}
    assert {each.kind for each in patient.errors()} <= {CheckKind.INDEX_EXTRA}
    for each in extra:
        assert bookmark.hex() in each.detail


def test_a_deleted_node_is_no_entry(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things", "byName"))[MIDDLE]
    entries = patient.entries(leaf)
    entries.append((int(NodeFlags.DELETED), entries[-1][1] + b"\0", entries[-1][2]))
    patient.rebuild(leaf, entries)
    assert patient.errors() == []


# ---------------------------------------------------------------------------- long values


def long_root(patient: Patient, at_least: int = 0) -> tuple[int, int, int, LongValueRoot]:
    """Return (page, line, id, root) of a long value of some size."""

    def fits(node: Any) -> bool:
        return LongValueKey.unpack(node.key).offset is None and LongValueRoot.unpack(node.data).size >= at_least

    page, line = patient.find(fits, patient.root("Things", "LV"))
    node = decode_node(patient.page(page), line)
    return page, line, LongValueKey.unpack(node.key).lid, LongValueRoot.unpack(node.data)


def change_entry(patient: Patient, page: int, line: int, data: bytes) -> None:
    entries = patient.entries(page)
    entries[line] = entries[line][0], entries[line][1], data
    patient.rebuild(page, entries)


def test_a_count_that_is_too_high(patient: Patient) -> None:
    page, line, lid, root = long_root(patient)
    change_entry(patient, page, line, LongValueRoot(root.references + 1, root.size).pack())
    (found,) = patient.check()
    assert (found.kind, found.severity, found.page, found.line) == (
        CheckKind.LV_REFERENCES_HIGH,
        Severity.WARNING,
        page,
        line,
    )
    assert f"{lid:#x}" in found.detail


@pytest.mark.parametrize("count", [0, 0xFFFFFFFF])
def test_a_count_that_is_too_low(patient: Patient, count: int) -> None:
    page, line, _, root = long_root(patient)
    change_entry(patient, page, line, LongValueRoot(count, root.size).pack())
    found = patient.diagnose(CheckKind.LV_REFERENCES_LOW, page, line=line)
    assert found.name == "JET_errLVCorrupted"


def test_an_orphan(patient: Patient) -> None:
    lv_root = patient.root("Things", "LV")
    leaf = patient.leaves(lv_root)[-1]
    entries = patient.entries(leaf)
    last = LongValueKey.unpack(entries[-1][1]).lid
    lid = last + 7
    entries.append((0, LongValueKey(lid).pack(), LongValueRoot(1, 3).pack()))
    entries.append((0, LongValueKey(lid, 0).pack(), b"abc"))
    patient.rebuild(leaf, entries)
    (found,) = patient.check()
    assert (found.kind, found.severity, found.page) == (CheckKind.LV_ORPHAN, Severity.WARNING, leaf)


def test_dead_long_values_are_counted(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things", "LV"))[-1]
    entries = patient.entries(leaf)
    lid = LongValueKey.unpack(entries[-1][1]).lid + 1
    entries.append((0, LongValueKey(lid).pack(), LongValueRoot(0, 3).pack()))
    patient.rebuild(leaf, entries)
    (found,) = patient.check()
    assert (found.kind, found.severity) == (CheckKind.LV_ORPHAN, Severity.INFO)


def test_a_lost_root(patient: Patient) -> None:
    page, line, lid, _ = long_root(patient)
    entries = patient.entries(page)
    del entries[line]
    patient.rebuild(page, entries)
    errors = patient.errors()
    assert {each.kind for each in errors} == {CheckKind.LV_ROOT}
    assert {each.page for each in errors} >= {page if line < len(entries) else page + 1}
    assert all(f"{lid:#x}" in each.detail for each in errors)


def test_a_lost_chunk(patient: Patient) -> None:
    chunk = chunk_size(patient.page_size)
    _, _, lid, root = long_root(patient, 2 * chunk + 1)
    last = root.size // chunk * chunk
    page, line = patient.find(lambda node: LongValueKey.unpack(node.key) == (lid, last), patient.root("Things", "LV"))
    entries = patient.entries(page)
    del entries[line]
    patient.rebuild(page, entries)
    (found,) = patient.errors()
    assert found.kind is CheckKind.LV_CHUNK
    assert f"{lid:#x}: the chunk at byte {last - chunk:,} is followed by byte {root.size:,}" in found.detail


def test_a_lost_chunk_in_the_middle(patient: Patient) -> None:
    chunk = chunk_size(patient.page_size)
    _, _, lid, _ = long_root(patient, 2 * chunk + 1)
    page, line = patient.find(lambda node: LongValueKey.unpack(node.key) == (lid, chunk), patient.root("Things", "LV"))
    entries = patient.entries(page)
    # It gets the offset of the one behind it, so that two are gone.
    entries[line] = 0, LongValueKey(lid, chunk + 1).pack(), entries[line][2]
    patient.rebuild(page, entries)
    (found,) = patient.errors()
    assert found.kind is CheckKind.LV_CHUNK
    assert f"{lid:#x}" in found.detail


def test_a_size_that_the_chunks_do_not_cover(patient: Patient) -> None:
    page, line, lid, root = long_root(patient)
    change_entry(patient, page, line, LongValueRoot(root.references, root.size + 100_000).pack())
    errors = patient.errors()
    assert [each.kind for each in errors] == [CheckKind.LV_CHUNK]
    assert f"{lid:#x}" in errors[0].detail


def test_a_chunk_of_a_wrong_length(patient: Patient) -> None:
    lv_root = patient.root("Things", "LV")
    page, line = patient.find(
        lambda node: LongValueKey.unpack(node.key).offset is not None and len(node.data) > 100, lv_root
    )
    data = patient.entries(page)[line][2]
    change_entry(patient, page, line, b"\xff" + data[1:-3])
    patient.diagnose(CheckKind.LV_CHUNK, page, line=line)


# ---------------------------------------------------------------------------- catalog and header


def test_a_shadow_that_differs(patient: Patient) -> None:
    leaf = patient.leaves(FDP_SHADOW)[-1]
    entries = patient.entries(leaf)
    row = CatalogRow.unpack(entries[3][2], patient.page_size)
    changed = bytearray(entries[3][2])
    changed[18] ^= 1
    entries[3] = 0, entries[3][1], bytes(changed)
    patient.rebuild(leaf, entries)
    errors = patient.errors()
    assert [each.kind for each in errors] == [CheckKind.SHADOW]
    assert row.name in errors[0].detail
    assert errors[0].page in patient.leaves(FDP_CATALOG)


def test_a_shadow_that_lacks_a_row(patient: Patient) -> None:
    leaf = patient.leaves(FDP_SHADOW)[-1]
    entries = patient.entries(leaf)
    row = CatalogRow.unpack(entries.pop(3)[2], patient.page_size)
    patient.rebuild(leaf, entries)
    (found,) = patient.errors()
    assert found.kind is CheckKind.SHADOW
    assert row.name in found.detail


def test_an_empty_shadow(small: Patient) -> None:
    external = bytes(small.page(FDP_SHADOW).external_header)
    page = small.page(FDP_SHADOW)
    small.header(FDP_SHADOW, flags=(page.flags | PageFlags.LEAF) & ~PageFlags.PARENT_OF_LEAF)
    small.rebuild(FDP_SHADOW, [], external=external)
    found = small.diagnose(CheckKind.SHADOW, FDP_SHADOW)
    assert found.detail == "the shadow is empty"


@pytest.mark.parametrize(("root", "tree"), [(FDP_NAME_INDEX, "Name"), (FDP_ROOT_OBJECTS_INDEX, "RootObjects")])
def test_a_catalog_index_that_lacks_an_entry(patient: Patient, root: int, tree: str) -> None:
    leaf = patient.leaves(root)[-1]
    entries = patient.entries(leaf)
    entries.pop(1)
    patient.rebuild(leaf, entries)
    (found,) = patient.errors()
    assert (found.kind, found.table, found.tree) == (CheckKind.INDEX_MISSING, "MSysObjects", tree)


def without_row(patient: Patient, keep: Callable[[CatalogRow], bool]) -> None:
    """Take rows out of catalog and shadow, as a broken deletion would leave them."""
    for root in (FDP_CATALOG, FDP_SHADOW):
        for leaf in patient.leaves(root):
            entries = [each for each in patient.entries(leaf) if keep(CatalogRow.unpack(each[2], patient.page_size))]
            patient.rebuild(leaf, entries)


def test_a_catalog_without_the_row_of_the_long_values(patient: Patient) -> None:
    objid = patient.tables()["Things"].objid
    without_row(patient, lambda row: (row.objid_table, row.type) != (objid, 4))
    kinds = {each.kind for each in patient.errors()}
    assert kinds >= {CheckKind.OBJECT_IDS, CheckKind.LV_ROOT, CheckKind.INDEX_EXTRA}


def test_an_object_that_is_not_listed_is_a_warning(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("MSysObjids"))[-1]
    entries = patient.entries(leaf)
    entries.pop()
    patient.rebuild(leaf, entries)
    (found,) = patient.check()
    assert (found.kind, found.severity) == (CheckKind.OBJECT_IDS, Severity.WARNING)


def test_a_tree_of_the_catalog_that_is_elsewhere(patient: Patient) -> None:
    """The catalog sends an index to the root of another table."""
    target, table = patient.root("One"), patient.tables()["Things"].objid
    index = next(each for each in patient.tables()["Things"].indexes if each.name == "byName")
    for root in (FDP_CATALOG, FDP_SHADOW):
        page, line = patient.find(
            lambda node: (
                (row := CatalogRow.unpack(node.data, patient.page_size)).id == index.objid
                and (row.objid_table, row.type) == (table, 3)
            ),
            root,
        )
        data = bytearray(patient.entries(page)[line][2])
        data[14:18] = target.to_bytes(4, "little")
        change_entry(patient, page, line, bytes(data))
    errors = {(each.kind, each.tree, each.page) for each in patient.errors()}
    assert (CheckKind.PAGE_OBJECT, "byName", target) in errors


def test_a_catalog_that_is_gone(patient: Patient) -> None:
    for root in (FDP_CATALOG, FDP_SHADOW):
        patient.put(root, bytes(patient.page_size), checksum=False)
    assert {each.kind for each in patient.errors()} == {CheckKind.CATALOG}


def test_a_dirty_database(patient: Patient) -> None:
    patient.change_header(lambda header: header.replace(state=DbState.DIRTY_SHUTDOWN))
    found = patient.diagnose(CheckKind.STATE, 0)
    assert found.code == -550
    assert len(patient.errors()) == 1


def test_a_format_of_the_future(patient: Patient) -> None:
    patient.change_header(lambda header: header.replace(update_major=5000))
    patient.diagnose(CheckKind.VERSION, 0)


def test_a_damaged_header_copy_is_a_warning_and_both_an_error(patient: Patient) -> None:
    patient.data[300] ^= 1
    (found,) = patient.check()
    assert (found.kind, found.severity) == (CheckKind.HEADER, Severity.WARNING)
    patient.data[patient.page_size + 300] ^= 1
    patient.diagnose(CheckKind.HEADER, 0)


def test_findings_of_one_kind_are_counted_in_the_end(small: Patient) -> None:
    root = small.root("Things", "byGroup")
    for leaf in small.leaves(root):
        small.rebuild(leaf, [(flags, key, data + b"\0") for flags, key, data in small.entries(leaf)])
    found = small.check()
    told = [each for each in found if each.kind is CheckKind.INDEX_EXTRA]
    more = [each for each in found if each.kind is CheckKind.MORE]
    assert len(told) == 200
    assert {each.detail for each in more} == {
        "700 more of the kind: index entry missing",
        "700 more of the kind: index entry extra",
    }


def test_strict_tells_of_keys_that_are_not_compressed(patient: Patient) -> None:
    leaf = patient.leaves(patient.root("Things"))[MIDDLE]
    entries = patient.entries(leaf)
    before = list(nodes(patient.page(leaf)))
    assert any(node.flags & NodeFlags.COMPRESSED for node in before)
    patient.rebuild(leaf, entries, external=b"")
    page = bytearray(patient.page(leaf).data)
    assert page
    assert patient.check() == []
    # With a prefix that no key shares there is nothing to tell either.
    assert patient.check(strict=True) == []
