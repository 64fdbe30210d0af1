"""The catalog against itself: its shadow, the list of objects, and where columns lie in records.

    MSysObjects = MSysObjectsShadow         the same rows under the same keys, byte for byte
    MSysObjids                              one row for each table, secondary index and long-value tree
    fixed columns                           one behind the other in a record

Source: database reference 5.1, 5.7, 6.1, 10, 10.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.btree.tree import Tree
from engine.check.digest import Digest, Suspects
from engine.check.findings import CheckKind
from engine.check.tree import shown
from engine.errors import EseError
from engine.format.catalog_row import CatalogRow, CatalogType
from engine.format.column import FIRST_FIXED_OFFSET, Storage
from engine.format.node import nodes
from engine.format.record import RecordLayout
from engine.format.system_trees import CATALOG, SHADOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.catalog import TableDef
    from engine.check.context import Check, TreeSpec
    from engine.format.node import Node

OBJECT_IDS_TABLE: Final = "MSysObjids"
_OBJID, _TABLE, _TYPE = 256, 257, 258


def compare_shadow(check: Check, catalog: TreeSpec, shadow: TreeSpec) -> None:
    """Note the rows in which the catalog and its shadow differ."""
    if catalog.broken or shadow.broken:
        check.info(CheckKind.NOT_COMPARED, "with its shadow: one of the trees is damaged", catalog)
        return
    digest = Digest()
    for key, data, _, _ in _entries(check, CATALOG.root, CATALOG.objid):
        digest.add(key, data)
    for key, data, _, _ in _entries(check, SHADOW.root, SHADOW.objid):
        digest.take(key, data)
    if digest.equal:
        return
    if not digest.taken:
        check.error(CheckKind.SHADOW, "the shadow is empty", shadow, page=SHADOW.root)
    else:
        _differences(check, catalog, shadow, digest.suspects())


def _differences(check: Check, catalog: TreeSpec, shadow: TreeSpec, suspects: Suspects) -> None:
    ours = _kept(check, CATALOG.root, CATALOG.objid, suspects)
    theirs = _kept(check, SHADOW.root, SHADOW.objid, suspects)
    for key, (data, page, line) in ours.items():
        other = theirs.get(key)
        if other is None:
            detail = f"the shadow lacks the row {_named(check, key, data)}"
            check.error(CheckKind.SHADOW, detail, catalog, page=page, line=line)
        elif data != other[0]:
            detail = (
                f"the row {_named(check, key, data)} differs from that of the shadow, page {other[1]} line {other[2]}"
            )
            check.error(CheckKind.SHADOW, detail, catalog, page=page, line=line)
    for key, (data, page, line) in theirs.items():
        if key not in ours:
            detail = f"only the shadow has the row {_named(check, key, data)}"
            check.error(CheckKind.SHADOW, detail, shadow, page=page, line=line)


def _named(check: Check, key: bytes, data: bytes) -> str:
    try:
        row = CatalogRow.unpack(data, check.page_size)
    except EseError:
        return shown(key)
    return f"{shown(key)} ({row.name})"


def _kept(check: Check, root: int, objid: int, suspects: Suspects) -> dict[bytes, tuple[bytes, int, int]]:
    return {
        key: (data, page, line) for key, data, page, line in _entries(check, root, objid) if suspects.holds(key, data)
    }


def _entries(check: Check, root: int, objid: int) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Yield (key, data, page, line) of the live nodes of a tree that was found whole."""
    for page in Tree(check.pages, root, objid=objid).leaves():
        for line, node in enumerate(nodes(page)):
            if not node.deleted:
                yield node.key, bytes(node.data), page.pgno, line


def expected_objects(tables: Mapping[str, TableDef]) -> dict[int, tuple[int, int, str]]:
    """Return (table, kind, name) of every tree that the catalog names, by object id."""
    found: dict[int, tuple[int, int, str]] = {}
    for table in tables.values():
        found[table.objid] = table.objid, CatalogType.TABLE, table.name
        for index in table.indexes:
            if not index.primary:
                found[index.objid] = table.objid, CatalogType.INDEX, f"{table.name}.{index.name}"
        if table.long_values is not None:
            found[table.long_values.id] = table.objid, CatalogType.LONG_VALUE, f"{table.name}.LV"
    return found


def compare_object_ids(check: Check, tables: Mapping[str, TableDef], spec: TreeSpec) -> None:
    """Note where MSysObjids and the catalog differ: a row too many is damage, one too few is not."""
    table = tables[OBJECT_IDS_TABLE]
    if spec.broken:
        check.info(CheckKind.NOT_COMPARED, "with the catalog: the tree is damaged", spec)
        return
    expected = expected_objects(tables)
    layout = RecordLayout(table.columns, check.page_size)
    for page in Tree(check.pages, spec.root, objid=spec.objid).leaves():
        for line, node in enumerate(nodes(page)):
            if node.deleted:
                continue
            row = _row(layout, node)
            if row is None:
                continue  # the walk of the table has told what is wrong
            objid, owner, kind = row
            known = expected.pop(objid, None)
            if known is None:
                detail = f"object {objid} of table {owner} is not in the catalog"
                check.error(CheckKind.OBJECT_IDS, detail, spec, page=page.pgno, line=line)
            elif known[:2] != (owner, kind):
                detail = f"object {objid} is noted as type {kind} of table {owner}, the catalog has {known[2]}"
                check.error(CheckKind.OBJECT_IDS, detail, spec, page=page.pgno, line=line)
    for objid, (_, _, name) in expected.items():
        check.warn(CheckKind.OBJECT_IDS, f"object {objid}, {name}, is not listed", spec, page=spec.root)


def fixed_columns(check: Check, table: TableDef, spec: TreeSpec) -> None:
    """Note gaps between fixed columns: the engine believes the catalog, and reads wrong values.

    Columns that were deleted keep their places; those of a template come first.  What overlaps was told already.
    """
    found = [
        (not each.derived, each.id, each.offset, each.size, each.name)
        for each in table.columns
        if each.storage is Storage.FIXED
    ]
    found += [
        (True, row.id, row.record_offset or 0, row.space_usage, row.name)
        for row in table.gone
        if Storage.of(row.id) is Storage.FIXED
    ]
    expected = FIRST_FIXED_OFFSET
    for _, _, offset, size, name in sorted(found):
        if offset != expected:
            detail = f"column {name} lies at byte {offset} of a record, the one before ends at {expected}"
            check.warn(CheckKind.CATALOG, detail, spec, page=CATALOG.root)
        expected = offset + size


def _row(layout: RecordLayout, node: Node) -> tuple[int, int, int] | None:
    try:
        tagged = {each.id: each.instances for each in layout.decode(node.data).tagged}
    except EseError:
        return None
    numbers = []
    for column in (_OBJID, _TABLE, _TYPE):
        instances = tagged.get(column)
        if not instances:
            return None
        numbers.append(int.from_bytes(instances[0].data, "little"))
    return numbers[0], numbers[1], numbers[2]
