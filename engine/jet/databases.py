"""Databases for reading and writing: made, opened, closed.  Source: jet-api reference 4.1, 6.4."""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import Final

from engine.errors import Err, EseError, Wrn
from engine.jet.handles import HANDLES, bits, narrow, wide
from engine.jet.opened import OpenDatabase, OpenTable, allowed, database, returns_error, returns_pair

_READ_ONLY: Final = 0x1
_EXCLUSIVE: Final = 0x2
_OVERWRITE: Final = 0x200


def _create(sesid: int, path: str | None, most_pages: int, grbit: int) -> tuple[int, int]:
    options = allowed(grbit, _OVERWRITE)
    session = HANDLES.session(sesid)
    if not path:
        raise EseError.from_code(Err.DatabaseInvalidPath, "an empty path")
    made = session.create_database(path, overwrite=bool(options & _OVERWRITE), max_pages=bits(most_pages))
    return 0, HANDLES.add_opened(sesid, OpenDatabase(made))


@returns_pair(0)
def JetCreateDatabase2W(sesid: int, szFilename: str, cpgDatabaseSizeMax: int = 0, grbit: int = 0) -> tuple[int, int]:
    """Make a database, attach it and open it; -1201 when the file is there and bit 0x200 is not set.

    Returns (error, database).
    """
    return _create(sesid, wide(szFilename), cpgDatabaseSizeMax, grbit)


@returns_pair(0)
def JetCreateDatabase2A(sesid: int, szFilename: bytes, cpgDatabaseSizeMax: int = 0, grbit: int = 0) -> tuple[int, int]:
    """JetCreateDatabase2W with a path in the ANSI code page."""
    return _create(sesid, narrow(szFilename), cpgDatabaseSizeMax, grbit)


JetCreateDatabase2 = JetCreateDatabase2W


def _open(sesid: int, path: str | None, grbit: int) -> tuple[int, int]:
    options = allowed(grbit, _READ_ONLY | _EXCLUSIVE)
    session = HANDLES.session(sesid)
    if not path:
        raise EseError.from_code(Err.DatabaseInvalidPath, "an empty path")
    only, exclusive = bool(options & _READ_ONLY), bool(options & _EXCLUSIVE)
    home = session.open(path, read_only=only)
    others = [each for each in HANDLES.opened_beside(sesid, OpenDatabase) if each.database.dbid == home.dbid]
    if any(each.exclusive for each in others):
        raise EseError.from_code(Err.DatabaseLocked, "another session has it for itself", path=home.name)
    if others and exclusive:
        raise EseError.from_code(Err.DatabaseInUse, "another session has it open", path=home.name)
    number = HANDLES.add_opened(sesid, OpenDatabase(home, home.read_only, exclusive))
    return Wrn.FileOpenReadOnly if home.read_only and not only else 0, number


@returns_pair(0)
def JetOpenDatabaseW(sesid: int, szFilename: str, szConnect: str | None = None, grbit: int = 0) -> tuple[int, int]:
    """Open an attached database, bit 1 for reading only, bit 2 for this session alone.

    Returns (error, database); 1813 when it is attached for reading only, -1203 not attached, -1202 or -1207 when
    another session has it open.
    """
    del szConnect
    return _open(sesid, wide(szFilename), grbit)


@returns_pair(0)
def JetOpenDatabaseA(sesid: int, szFilename: bytes, szConnect: bytes | None = None, grbit: int = 0) -> tuple[int, int]:
    """JetOpenDatabaseW with a path in the ANSI code page."""
    del szConnect
    return _open(sesid, narrow(szFilename), grbit)


JetOpenDatabase = JetOpenDatabaseW


@returns_error
def JetCloseDatabase(sesid: int, dbid: int, grbit: int = 0) -> int:
    """Let go of a database; it stays attached.  With the last of a session's handles its tables are closed too."""
    allowed(grbit, 0)
    closed = database(sesid, dbid).database
    closed.close()
    HANDLES.forget_opened(dbid)
    if all(each.database.dbid != closed.dbid for each in HANDLES.all_opened(sesid, OpenDatabase).values()):
        for number, opened in HANDLES.all_opened(sesid, OpenTable).items():
            if opened.dbid == closed.dbid:
                HANDLES.forget_opened(number)
    return 0
