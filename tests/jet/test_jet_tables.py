"""The JET names of tables and rows, called as a C program calls them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from engine import jet
from engine.errors import Err
from engine.format.column import ColumnType
from engine.jet import JET_MoveFirst, JET_MoveLast, JET_MoveNext, JET_MovePrevious, JetColumnDef
from tests.jet.hosts import (
    ASCII,
    CANCEL,
    COPY,
    EQ,
    GE,
    GT,
    INSERT,
    LE,
    LT,
    MOVE,
    NEW_KEY,
    NORMALIZED,
    REPLACE,
    SET_RANGE,
    SUBSTRING_LIMIT,
    Hosts,
    World,
    good,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_moves(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert hosts.ids() == [10, 20, 30, 40, 50]
    assert jet.JetMove(session, table, 0) == Err.NoCurrentRecord
    assert jet.JetMove(session, table, JET_MoveLast) == 0
    assert jet.JetMove(session, table, -2) == 0
    assert hosts.id == 30
    assert jet.JetMove(session, table, JET_MovePrevious) == 0
    assert jet.JetMove(session, table, 0) == 0
    assert hosts.id == 20
    assert jet.JetMove(session, table, 9) == Err.NoCurrentRecord


@pytest.mark.parametrize(
    ("number", "grbit", "error", "there"),
    [
        (30, EQ, 0, 30),
        (31, EQ, Err.RecordNotFound, None),
        (31, GE, 1039, 40),
        (30, GE, 0, 30),
        (30, GT, 0, 40),
        (31, LE, 1039, 30),
        (30, LT, 0, 20),
        (10, LT, Err.RecordNotFound, None),
        (50, GT, Err.RecordNotFound, None),
    ],
)
def test_searches(hosts: Hosts, number: int, grbit: int, error: int, there: int | None) -> None:
    hosts.key(struct.pack("<i", number))
    assert jet.JetSeek(hosts.session, hosts.table, grbit) == error
    if there is not None:
        assert hosts.id == there


def test_keys_are_checked(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    assert jet.JetSeek(session, table, EQ) == Err.KeyNotMade
    assert jet.JetMakeKey(session, table, b"x", 0) == Err.KeyNotMade
    hosts.key(b"x")
    assert jet.JetMakeKey(session, table, b"y", 0) == Err.KeyIsMade
    assert jet.JetSetCurrentIndex(session, table, "pk") == 0
    assert jet.JetMakeKey(session, table, b"123", NEW_KEY) == Err.InvalidBufferSize
    hosts.key(struct.pack("<i", 20))
    assert jet.JetSeek(session, table, 0) == Err.InvalidParameter
    assert jet.JetSeek(session, table, EQ) == 0
    error, key = jet.JetRetrieveKey(session, table)
    assert (error, key) == (0, bytes.fromhex("7f80000014"))
    assert jet.JetRetrieveKey(session, table, 2) == (1006, key[:2])
    hosts.key(key, NORMALIZED)
    assert jet.JetSeek(session, table, EQ) == 0
    assert hosts.id == 20


def test_a_prefix_of_a_text(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    hosts.key(b"ALPHA", NEW_KEY | SUBSTRING_LIMIT)
    assert jet.JetSeek(session, table, LE) == 1039
    assert hosts.id == 30
    hosts.key(b"alpha", NEW_KEY | 0x400)
    assert jet.JetSeek(session, table, GE) == 1039
    hosts.key(b"alpha", NEW_KEY | 0x800)
    assert jet.JetSetIndexRange(session, table, 0x2) == 0
    assert hosts.ids() == [10, 30]


def test_range_of_one_key(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    hosts.key(b"beta")
    assert jet.JetSeek(session, table, EQ | SET_RANGE) == 0
    assert jet.JetIndexRecordCount(session, table, 1) == (0, 1)
    hosts.key(b"beta")
    assert jet.JetSeek(session, table, EQ | SET_RANGE) == 0
    assert jet.JetIndexRecordCount(session, table) == (0, 2)
    # The count ends the range.
    assert hosts.ids() == [20, 50, 40]
    hosts.key(b"beta")
    assert jet.JetSeek(session, table, EQ | SET_RANGE) == 0
    assert hosts.ids() == [20, 50]
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert hosts.ids() == [10, 30, 20, 50, 40]


def test_ranges(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetSetIndexRange(session, table, 0x2) == Err.KeyNotMade
    assert jet.JetSetIndexRange(session, table, 0x8) == Err.InvalidOperation
    hosts.key(struct.pack("<i", 30))
    assert jet.JetSetIndexRange(session, table, 0x2) == 0
    assert hosts.ids() == [10, 20]
    assert jet.JetMove(session, table, JET_MoveLast) == 0
    hosts.key(struct.pack("<i", 30))
    assert jet.JetSetIndexRange(session, table, 0x1) == 0
    assert jet.JetMove(session, table, -2) == 0
    assert jet.JetMove(session, table, -1) == Err.NoCurrentRecord
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    hosts.key(struct.pack("<i", 5))
    assert jet.JetSetIndexRange(session, table, 0x2) == Err.NoCurrentRecord


def test_other_keys_only(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    hosts.key(b"beta")
    assert jet.JetSeek(session, table, EQ) == 0
    assert jet.JetMove(session, table, JET_MoveNext, 1) == 0
    assert hosts.id == 40
    assert jet.JetMove(session, table, JET_MovePrevious, 1) == 0
    assert hosts.id == 50


def test_bookmarks(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    bookmark = hosts.add(60, "delta")
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetGetBookmark(session, table) == (0, bookmark)
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetMove(session, table, JET_MoveNext) == 0
    assert hosts.id == 40
    assert jet.JetGotoBookmark(session, table, b"") == Err.InvalidBookmark
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetDelete(session, table) == 0
    assert jet.JetMove(session, table, 0) == Err.RecordDeleted
    assert jet.JetGotoBookmark(session, table, bookmark) == Err.RecordDeleted


def test_replace(hosts: Hosts) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetSetColumn(session, table, columns["Name"], b"x") == Err.UpdateNotPrepared
    assert jet.JetUpdate(session, table) == (Err.UpdateNotPrepared, b"")
    assert jet.JetPrepareUpdate(session, table, CANCEL) == Err.UpdateNotPrepared
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == Err.AlreadyPrepared
    assert jet.JetSetColumn(session, table, columns["Name"], b"omega") == 0
    assert hosts.get("Name") == b"alpha"
    assert hosts.get("Name", grbit=1) == b"omega"
    assert jet.JetSetColumn(session, table, columns["Hits"], b"123") == Err.InvalidBufferSize
    assert jet.JetSetColumn(session, table, 9999, b"") == Err.ColumnNotFound
    assert jet.JetSetColumn(session, table, 0x10001, b"") == Err.BadColumnId
    error, _ = jet.JetUpdate(session, table)
    assert error == 0
    assert hosts.get("Name") == b"omega"
    assert jet.JetRollback(session) == 0
    assert hosts.get("Name") == b"alpha"
    assert jet.JetRollback(session) == Err.NotInTransaction


def test_null_default_and_empty(hosts: Hosts) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    bookmark = hosts.add(70, None)
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert hosts.get("Name") is None
    assert hosts.get("Hits") == struct.pack("<i", 5)
    assert jet.JetRetrieveColumn(session, table, columns["Hits"], None, 0x20) == (0, struct.pack("<i", 5))
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetSetColumn(session, table, columns["Name"], b"", 0x20) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert hosts.get("Name") == b""
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetSetColumn(session, table, columns["Name"], b"") == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert hosts.get("Name") is None
    assert jet.JetCommitTransaction(session) == 0


def test_long_value_in_pieces(hosts: Hosts) -> None:
    session, table, notes = hosts.session, hosts.table, hosts.columns["Notes"]
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    whole = bytes(range(256)) * 80
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    for at in range(0, len(whole), 7000):
        assert jet.JetSetColumn(session, table, notes, whole[at : at + 7000], 0x1) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetRetrieveColumn(session, table, notes) == (0, whole)
    assert jet.JetRetrieveColumn(session, table, notes, 10, 0, 1, 300) == (1006, whole[300:310])
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetSetColumn(session, table, notes, b"here", 0x4, 1, 100) == 0
    assert jet.JetSetColumn(session, table, notes, b"x", 0x4, 1, len(whole) + 1) == Err.ColumnNoChunk
    assert jet.JetSetColumn(session, table, notes, bytes(150), 0x8) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetRetrieveColumn(session, table, notes) == (0, whole[:100] + b"here" + whole[104:150])
    assert jet.JetCommitTransaction(session, 1) == 0
    assert jet.JetCommitTransaction(session, 2) == 0


def test_several_values(hosts: Hosts) -> None:
    session, table, tags = hosts.session, hosts.table, hosts.columns["Tags"]
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    assert jet.JetSetColumn(session, table, hosts.columns["Id"], struct.pack("<i", 80)) == 0
    for number in (1, 2, 3):
        assert jet.JetSetColumn(session, table, tags, struct.pack("<i", number), 0, 0) == 0
    assert jet.JetSetColumn(session, table, tags, struct.pack("<i", 9), 0, 2) == 0
    assert jet.JetSetColumn(session, table, tags, None, 0, 1) == 0
    error, bookmark = jet.JetUpdate(session, table)
    assert error == 0
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert [hosts.get("Tags", itagSequence=each) for each in (1, 2, 3)] == [b"\x09\0\0\0", b"\x03\0\0\0", None]


def test_copies(hosts: Hosts) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetPrepareUpdate(session, table, COPY) == 0
    assert jet.JetUpdate(session, table)[0] == Err.KeyDuplicate
    assert jet.JetSetColumn(session, table, columns["Id"], struct.pack("<i", 11)) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetPrepareUpdate(session, table, MOVE) == 0
    assert jet.JetSetColumn(session, table, columns["Id"], struct.pack("<i", 12)) == 0
    error, bookmark = jet.JetUpdate(session, table)
    assert error == 0
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert hosts.get("Name") == b"alpha"
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert hosts.ids() == [11, 12, 20, 30, 40, 50]


def test_escrow_and_locks(world: World, hosts: Hosts) -> None:
    session, table, hits = hosts.session, hosts.table, hosts.columns["Hits"]
    other = good(jet.JetBeginSession(world.instance))
    database = good(jet.JetOpenDatabase(other, world.path))
    theirs = good(jet.JetOpenTable(other, database, "Hosts"))
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    one = struct.pack("<i", 1)
    assert jet.JetEscrowUpdate(session, table, hits, one) == (Err.NotInTransaction, b"")
    for each in (session, other):
        assert jet.JetBeginTransaction(each) == 0
    assert jet.JetEscrowUpdate(session, table, hits, one) == (0, struct.pack("<i", 5))
    assert jet.JetEscrowUpdate(other, theirs, hits, one)[0] == 0
    assert jet.JetEscrowUpdate(other, theirs, hits, b"1")[0] == Err.InvalidBufferSize
    assert jet.JetGetLock(other, theirs, 0x2) == Err.WriteConflict
    for each in (session, other):
        assert jet.JetCommitTransaction(each) == 0
    assert hosts.get("Hits") == struct.pack("<i", 7)
    assert jet.JetGetLock(session, table, 0x2) == Err.NotInTransaction
    for each in (session, other):
        assert jet.JetBeginTransaction(each) == 0
    assert jet.JetGetLock(session, table, 0x2) == 0
    assert jet.JetPrepareUpdate(other, theirs, REPLACE) == Err.WriteConflict
    assert jet.JetRollback(session, 1) == 0
    assert jet.JetPrepareUpdate(other, theirs, REPLACE) == 0
    assert jet.JetEndSession(other) == 0


def test_definitions(world: World, hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    error, described = jet.JetGetTableColumnInfo(session, table, "name")
    assert error == 0
    assert described == JetColumnDef(hosts.columns["Name"], ColumnType.TEXT, ASCII, 100, 0x20)
    assert jet.JetGetTableColumnInfo(session, table, hosts.columns["Hits"])[1].grbit == 0x1 | 0x20 | 0x800
    assert jet.JetGetTableColumnInfo(session, table, "none")[0] == Err.ColumnNotFound
    assert jet.JetAddColumn(session, table, "Bad", JetColumnDef(0, 99))[0] == Err.InvalidColumnType
    assert jet.JetAddColumn(session, table, "Id", JetColumnDef(0, ColumnType.LONG))[0] == Err.ColumnDuplicate
    assert jet.JetDeleteColumn(session, table, "Name") == Err.ColumnInUse
    assert jet.JetCreateIndex(session, table, "bad", 0, "Name\0\0") == Err.IndexInvalidDef
    assert jet.JetCreateIndex(session, table, "byName", 0, "+Name\0\0") == Err.IndexDuplicate
    assert jet.JetCreateIndex(session, table, "one", 0x1, "+Name\0\0") == Err.KeyDuplicate
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    assert jet.JetGetCurrentIndex(session, table) == (0, "byName")
    assert jet.JetDeleteIndex(session, table, "BYNAME") == Err.IndexInUse
    assert jet.JetSetCurrentIndex(session, table, "none") == Err.IndexNotFound
    assert jet.JetSetCurrentIndex(session, table, None) == 0
    assert jet.JetDeleteIndex(session, table, "byName") == 0
    assert jet.JetDeleteColumn(session, table, "Name") == 0
    assert jet.JetRenameTable(session, world.database, "Hosts", "Machines") == 0
    assert jet.JetCloseTable(session, table) == 0
    assert jet.JetMove(session, table, 0) == Err.InvalidTableId
    assert jet.JetOpenTable(session, world.database, "Hosts")[0] == Err.ObjectNotFound
    again = good(jet.JetOpenTable(session, world.database, "Machines", grbit=0x4))
    assert jet.JetPrepareUpdate(session, again, INSERT) == Err.PermissionDenied
    assert jet.JetDelete(session, again) == Err.PermissionDenied
    assert jet.JetCloseTable(session, again) == 0
    assert jet.JetDeleteTable(session, world.database, "Machines") == 0
    assert jet.JetOpenTable(session, world.database, "Machines")[0] == Err.ObjectNotFound


def test_handles_belong_to_their_session(world: World, hosts: Hosts) -> None:
    other = good(jet.JetBeginSession(world.instance))
    assert jet.JetMove(other, hosts.table, 0) == Err.SesidTableIdMismatch
    assert jet.JetMove(12345, hosts.table, 0) == Err.InvalidSesid
    assert jet.JetMove(other, world.database, 0) == Err.InvalidTableId
    assert jet.JetOpenTable(other, 12345, "Hosts")[0] == Err.InvalidDatabaseId
    assert jet.JetCloseDatabase(world.session, world.database) == 0
    assert jet.JetOpenTable(world.session, world.database, "Hosts")[0] == Err.InvalidDatabaseId
    assert jet.JetMove(world.session, hosts.table, 0) == Err.InvalidTableId
    read_only = good(jet.JetOpenDatabase(world.session, world.path, None, 0x1))
    assert jet.JetCreateTable(world.session, read_only, "No")[0] == Err.PermissionDenied
    assert jet.JetBeginTransaction2(world.session, 0x1) == 0
    table = good(jet.JetOpenTable(world.session, read_only, "Hosts"))
    assert jet.JetPrepareUpdate(world.session, table, INSERT) == Err.PermissionDenied
    assert jet.JetRollback(world.session) == 0
    assert jet.JetBeginTransaction2(world.session, 0x2) == Err.InvalidGrbit


def test_nested_levels(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    for _ in range(7):
        assert jet.JetBeginTransaction(session) == 0
    assert jet.JetBeginTransaction(session) == Err.TransTooDeep
    assert jet.JetCommitTransaction(session, 2) == Err.InTransaction
    bookmark = hosts.add(90, "deep")
    assert jet.JetRollback(session) == 0
    assert jet.JetGotoBookmark(session, table, bookmark) == Err.RecordDeleted
    kept = hosts.add(91, "kept")
    for _ in range(6):
        assert jet.JetCommitTransaction(session) == 0
    assert jet.JetCommitTransaction(session) == Err.NotInTransaction
    assert jet.JetGotoBookmark(session, table, kept) == 0


def test_a_new_database(world: World, tmp_path: Path) -> None:
    session, path = world.session, str(tmp_path / "new.edb")
    database = good(jet.JetCreateDatabase2(session, path))
    table = good(jet.JetCreateTable(session, database, "T"))
    column = good(jet.JetAddColumn(session, table, "Id", JetColumnDef(0, ColumnType.LONG)))
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    assert jet.JetSetColumn(session, table, column, struct.pack("<i", 7)) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetCloseDatabase(session, database) == 0
    assert jet.JetCreateDatabase2(session, path)[0] == Err.DatabaseDuplicate
    assert jet.JetCreateDatabase2(session, "")[0] == Err.DatabaseInvalidPath
    assert jet.JetDetachDatabase2(session, path) == 0
    again = good(jet.JetCreateDatabase2A(session, path.encode(), 0, 0x200))
    assert jet.JetOpenTable(session, again, "T")[0] == Err.ObjectNotFound
    assert jet.JetCreateDatabase2(session, path, 0, 0x1)[0] == Err.InvalidGrbit


def test_what_sessions_keep_for_themselves(world: World, hosts: Hosts) -> None:
    session, database = world.session, world.database
    other = good(jet.JetBeginSession(world.instance))
    assert jet.JetOpenDatabase(other, world.path, None, 0x2)[0] == Err.DatabaseInUse
    theirs = good(jet.JetOpenDatabase(other, world.path))
    assert jet.JetOpenTable(other, theirs, "Hosts", grbit=0x2)[0] == Err.TableInUse
    assert jet.JetOpenTable(other, theirs, "Hosts", grbit=0x1)[0] == Err.TableInUse
    assert jet.JetCloseTable(session, hosts.table) == 0
    denied = good(jet.JetOpenTable(other, theirs, "Hosts", grbit=0x1))
    assert jet.JetOpenTable(session, database, "Hosts")[0] == Err.TableLocked
    reading = good(jet.JetOpenTable(session, database, "Hosts", grbit=0x4))
    assert jet.JetOpenTable(other, theirs, "Hosts", grbit=0x2)[0] == Err.TableInUse
    assert jet.JetCloseTable(session, reading) == 0
    assert jet.JetCloseTable(other, denied) == 0
    good(jet.JetOpenTable(other, theirs, "Hosts", grbit=0x2))
    assert jet.JetOpenTable(session, database, "Hosts", grbit=0x4)[0] == Err.TableLocked
    good(jet.JetOpenTable(session, database, "t"))
    assert jet.JetCloseDatabase(session, database) == 0
    assert jet.JetCloseDatabase(other, theirs) == 0
    alone = good(jet.JetOpenDatabase(other, world.path, None, 0x2))
    assert jet.JetOpenDatabase(session, world.path)[0] == Err.DatabaseLocked
    assert jet.JetCloseDatabase(other, alone) == 0
    good(jet.JetOpenDatabase(session, world.path))


def test_a_database_attached_for_reading_only(world: World, hosts: Hosts) -> None:
    session = world.session
    assert jet.JetMove(session, hosts.table, JET_MoveFirst) == 0
    assert jet.JetDetachDatabase2(session, world.path) == 0
    assert jet.JetMove(session, hosts.table, 0) == Err.InvalidDatabaseId
    assert jet.JetAttachDatabase2(session, world.path, 0, 0x1) == 0
    error, database = jet.JetOpenDatabase(session, world.path)
    assert error == 1813
    assert jet.JetOpenDatabase(session, world.path, None, 0x1)[0] == 0
    table = good(jet.JetOpenTable(session, database, "Hosts"))
    assert jet.JetRetrieveColumn(session, table, hosts.columns["Name"]) == (0, b"alpha")
    for prep in (INSERT, REPLACE, COPY):
        assert jet.JetPrepareUpdate(session, table, prep) == Err.PermissionDenied
    assert jet.JetDelete(session, table) == Err.PermissionDenied
    assert jet.JetCreateTable(session, database, "More")[0] == Err.PermissionDenied
