"""Bulk builder: valid databases from rows, in constant memory."""

from engine.build.database import DatabaseBuilder, FormatLevel
from engine.build.rows import Row
from engine.build.sample import make_samples
from engine.build.schema import Column, Index
from engine.build.table import TableInfo, TreeInfo
from engine.format.column import ASCII, UNICODE, ColumnType, Storage

__all__ = [
    "ASCII",
    "UNICODE",
    "Column",
    "ColumnType",
    "DatabaseBuilder",
    "FormatLevel",
    "Index",
    "Row",
    "Storage",
    "TableInfo",
    "TreeInfo",
    "make_samples",
]
