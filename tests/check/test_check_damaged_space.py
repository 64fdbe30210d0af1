"""Damage to the space of trees, and to the file, with right checksums: each is found, with its kind and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.check import CheckKind, Severity
from engine.format.node import Extent, SpaceHeader
from engine.format.page import header_size

if TYPE_CHECKING:
    from tests.check.patient import Patient

MIDDLE = 2
"""A leaf that has neighbours on both sides."""


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
