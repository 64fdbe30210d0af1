"""Damage to records, indexes, long values, catalog and header: each is found, with its kind and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.check import CheckKind, Severity
from engine.format.catalog_row import CatalogRow
from engine.format.dbheader import DbState
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size
from engine.format.node import NodeFlags, decode_node, nodes
from engine.format.page import PageFlags
from engine.format.system_trees import CATALOG, NAME_INDEX, ROOT_OBJECTS_INDEX, SHADOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.check.patient import Patient

MIDDLE = 2
"""A leaf that has neighbours on both sides."""


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


def test_a_shadow_that_differs(patient: Patient) -> None:
    leaf = patient.leaves(SHADOW.root)[-1]
    entries = patient.entries(leaf)
    row = CatalogRow.unpack(entries[3][2], patient.page_size)
    changed = bytearray(entries[3][2])
    changed[18] ^= 1
    entries[3] = 0, entries[3][1], bytes(changed)
    patient.rebuild(leaf, entries)
    errors = patient.errors()
    assert [each.kind for each in errors] == [CheckKind.SHADOW]
    assert row.name in errors[0].detail
    assert errors[0].page in patient.leaves(CATALOG.root)


def test_a_shadow_that_lacks_a_row(patient: Patient) -> None:
    leaf = patient.leaves(SHADOW.root)[-1]
    entries = patient.entries(leaf)
    row = CatalogRow.unpack(entries.pop(3)[2], patient.page_size)
    patient.rebuild(leaf, entries)
    (found,) = patient.errors()
    assert found.kind is CheckKind.SHADOW
    assert row.name in found.detail


def test_an_empty_shadow(small: Patient) -> None:
    external = bytes(small.page(SHADOW.root).external_header)
    page = small.page(SHADOW.root)
    small.header(SHADOW.root, flags=(page.flags | PageFlags.LEAF) & ~PageFlags.PARENT_OF_LEAF)
    small.rebuild(SHADOW.root, [], external=external)
    found = small.diagnose(CheckKind.SHADOW, SHADOW.root)
    assert found.detail == "the shadow is empty"


@pytest.mark.parametrize(("root", "tree"), [(NAME_INDEX.root, "Name"), (ROOT_OBJECTS_INDEX.root, "RootObjects")])
def test_a_catalog_index_that_lacks_an_entry(patient: Patient, root: int, tree: str) -> None:
    leaf = patient.leaves(root)[-1]
    entries = patient.entries(leaf)
    entries.pop(1)
    patient.rebuild(leaf, entries)
    (found,) = patient.errors()
    assert (found.kind, found.table, found.tree) == (CheckKind.INDEX_MISSING, "MSysObjects", tree)


def without_row(patient: Patient, keep: Callable[[CatalogRow], bool]) -> None:
    """Take rows out of catalog and shadow, as a broken deletion would leave them."""
    for root in (CATALOG.root, SHADOW.root):
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
    for root in (CATALOG.root, SHADOW.root):
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


@pytest.mark.parametrize(("offset", "severity"), [(6, Severity.ERROR), (10, Severity.WARNING)])
def test_a_fixed_column_that_lies_elsewhere(patient: Patient, offset: int, severity: Severity) -> None:
    """The place of "Group", behind "Id" at 4: the engine believes it, and its own check passes a gap."""
    table = patient.tables()["Things"].objid
    for root in (CATALOG.root, SHADOW.root):
        page, line = patient.find(
            lambda node: (
                (row := CatalogRow.unpack(node.data, patient.page_size)).name == "Group" and row.objid_table == table
            ),
            root,
        )
        data = bytearray(patient.entries(page)[line][2])
        data[31:33] = offset.to_bytes(2, "little")
        change_entry(patient, page, line, bytes(data))
    found = [each for each in patient.check() if each.kind is CheckKind.CATALOG]
    assert {each.severity for each in found} == {severity}
    assert any("Group" in each.detail and f"at {offset}" in each.detail.replace("byte ", "") for each in found)


def test_a_catalog_that_is_gone(patient: Patient) -> None:
    for root in (CATALOG.root, SHADOW.root):
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
