"""The catalog of a database: what tables, columns and indexes there are, and where their trees begin."""

from __future__ import annotations

from engine.catalog.defs import IndexColumn, IndexDef, TableDef
from engine.catalog.names import TreeName, tree_names
from engine.catalog.reader import define_tables, read_catalog

__all__ = ["IndexColumn", "IndexDef", "TableDef", "TreeName", "define_tables", "read_catalog", "tree_names"]
