"""A live database, as a session has it open: its tables, and making and deleting them.

    database.create_table("Hosts", [Column("Id", ColumnType.LONG)], indexes=[Index("pk", ("Id",), primary=True)])
    hosts = database["Hosts"]
    database.rename_table("Hosts", "Machines"); database.delete_table("Machines")

Source: jet-api reference 6.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.format.catalog_row import TableFlags
from engine.store.definitions import Definitions
from engine.store.doing import DEFAULT_DENSITY
from engine.store.table import Table
from engine.store.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from engine.build.schema import Column, Index
    from engine.files.base import FileSystem
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession
    from engine.store.work import Owner


class Database:
    """One database, open in one session.  `read_only`: whatever would change it is -1809."""

    def __init__(
        self, session: StoreSession, shared: Shared, owner: Owner, fs: FileSystem, *, read_only: bool = False
    ) -> None:
        self.read_only = read_only or shared.pages.read_only
        self._work = Work(session, owner, shared, read_only=self.read_only)
        self._shared = shared
        self._definitions = Definitions(session, shared, fs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Database {self.name}>"

    def close(self) -> None:
        """Let go of the database; it stays attached."""

    @property
    def name(self) -> str:
        """Path of the file."""
        return self._shared.pages.path

    @property
    def dbid(self) -> int:
        """Number of the database in the log."""
        return self._shared.pages.dbid

    @property
    def page_size(self) -> int:
        """Bytes a page."""
        return self._shared.pages.page_size

    def tables(self, *, system: bool = False) -> Iterator[str]:
        """Yield the names of the tables in the order they were made; the engine's own too if `system`."""
        with self._work.reading:
            rows = self._definitions.catalog.table_rows()
        return (row.name for row in rows if system or not row.flags & TableFlags.SYSTEM)

    def table(self, name: str) -> Table:
        """Return a table; -1305 for an unknown name.  Case does not matter."""
        with self._work.reading:
            return Table(name, self._definitions, self._work)

    def __getitem__(self, name: str) -> Table:
        return self.table(name)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        with self._work.reading:
            return self._definitions.catalog.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return self.tables()

    def create_table(
        self,
        name: str,
        columns: Sequence[Column],
        *,
        indexes: Sequence[Index] = (),
        density: int = DEFAULT_DENSITY,
    ) -> Table:
        """Make a table and return it.  One of the indexes may be primary; without, rows are kept as they come.

        -1303 a name in use, -1002 no name; for its columns and indexes see `Table.add_column` and
        `Table.create_index`; -1307 a density outside 20..100.
        """
        with self._work:
            self._definitions.create_table(name, columns, indexes, density)
            return Table(name, self._definitions, self._work)

    def delete_table(self, name: str) -> None:
        """Delete a table; -1305 unknown, -1318 the engine's own, -1319 a template, -1304/-1302 while others use it."""
        with self._work:
            self._definitions.delete_table(name)

    def rename_table(self, name: str, new: str) -> None:
        """Give a table another name; -1305 unknown, -1303 in use, -1002 no name, -1323 a template, -1302."""
        with self._work:
            self._definitions.rename_table(name, new)
