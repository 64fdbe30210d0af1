"""The catalog rows of tables, columns, indexes and long-value trees.

Source: database reference 5.1-5.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.format.catalog_row import (
    CONDITIONAL,
    DEFAULT_VALUE,
    KEY_SEGMENTS,
    LCMAP_FLAGS,
    LOCALE,
    VAR_SEG_MAC,
    CatalogRow,
    CatalogType,
    TableFlags,
    pack_segments,
)
from engine.format.column import ColumnDef, ColumnFlags, Storage
from engine.format.key import DEFAULT_KEY_MOST
from engine.format.longvalue import LV_DENSITY

if TYPE_CHECKING:
    from engine.build.schema import IndexDef


def table_row(objid: int, name: str, root: int, density: int, pages: int, flags: int = TableFlags.NONE) -> CatalogRow:
    """Return the catalog row of a table."""
    return CatalogRow(objid, CatalogType.TABLE, objid, root, density, flags, pages, name, root_flag=True)


def column_row(objid: int, column: ColumnDef) -> CatalogRow:
    """Return the catalog row of a column."""
    fixed = column.storage is Storage.FIXED
    return CatalogRow(
        objid,
        CatalogType.COLUMN,
        column.id,
        column.type,
        column.size,
        column.flags & ~ColumnFlags.TEMPLATE,
        column.code_page,
        column.name,
        record_offset=column.offset if fixed else None,
        more={} if column.default is None else {DEFAULT_VALUE: column.default},
    )


def index_row(objid_table: int, objid: int, index: IndexDef, root: int) -> CatalogRow:
    """Return the catalog row of an index."""
    key_most = index.index.key_most
    more = {KEY_SEGMENTS: pack_segments(index.segments), LOCALE: index.locale.encode("utf-16-le")}
    if index.index.segment_most is not None:
        more[VAR_SEG_MAC] = index.index.segment_most.to_bytes(2, "little")
    if index.conditions:
        more[CONDITIONAL] = pack_segments(index.conditions)
    return CatalogRow(
        objid_table,
        CatalogType.INDEX,
        objid,
        root,
        index.index.density,
        index.flags,
        0,
        index.index.name,
        lcmap_flags=LCMAP_FLAGS,
        key_most=None if key_most == DEFAULT_KEY_MOST else key_most,
        more=more,
    )


def long_value_row(objid_table: int, objid: int, root: int) -> CatalogRow:
    """Return the catalog row of a long-value tree."""
    return CatalogRow(objid_table, CatalogType.LONG_VALUE, objid, root, LV_DENSITY, 0, 1, "LV")
