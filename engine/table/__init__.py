"""Tables: rows, cursors and long values, read from a page source; `open_database` is the way in."""

from __future__ import annotations

from engine.table.cursor import Cursor, Seek
from engine.table.database import Database, open_database
from engine.table.long_values import LongValue
from engine.table.row import Row
from engine.table.table import Table
from engine.table.values import Unreadable, Value

__all__ = ["Cursor", "Database", "LongValue", "Row", "Seek", "Table", "Unreadable", "Value", "open_database"]
