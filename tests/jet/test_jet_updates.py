"""Details of updates, and of what is there to be asked for, in which the JET names are the engine's to the letter."""

from __future__ import annotations

import struct

from engine import jet
from engine.errors import Err
from engine.format.column import ColumnType
from engine.jet import (
    JET_MoveFirst,
    JET_MoveLast,
    JET_MoveNext,
    JetColumnCreate,
    JetColumnDef,
    JetConditionalColumn,
    JetIndexCreate,
    JetTableCreate,
)
from tests.jet.hosts import ASCII, CANCEL, COPY, INSERT, MOVE, REPLACE, Hosts, World, good
from tests.jet.making import long, made, number_of

NO_LOCK = 4
CHECK_UNIQUENESS, SET_RANGE = 0x40, 0x20
APPEND, OVERWRITE, SIZE, ZERO_LENGTH, UNIQUE, UNIQUE_KEYS, TO_DEFAULT = 0x1, 0x4, 0x8, 0x20, 0x80, 0x100, 0x200
FROM_COPY, FROM_INDEX, IGNORE_DEFAULT = 0x1, 0x2, 0x20


def test_a_new_row_has_its_number_before_it_is_written(world: World) -> None:
    session = world.session
    table = made(
        world,
        JetColumnCreate("C", ColumnType.LONG, 0, 0x10),
        JetColumnCreate("V", ColumnType.LONG, 0, 0x8),
        JetColumnCreate("N", ColumnType.LONG),
        indexes=(JetIndexCreate("pk", "+C\0\0", 0x2),),
    )
    column = number_of(world, table, "C")

    def next_number(prep: int) -> int:
        assert jet.JetPrepareUpdate(session, table, prep) == 0
        error, value = jet.JetRetrieveColumn(session, table, column, None, FROM_COPY)
        assert error == 0
        return int(struct.unpack("<i", value)[0])

    assert next_number(INSERT) == 1
    error, first = jet.JetUpdate(session, table)
    assert (error, first) == (0, bytes.fromhex("7f80000001"))
    assert next_number(INSERT) == 2
    assert jet.JetPrepareUpdate(session, table, CANCEL) == 0
    assert jet.JetGotoBookmark(session, table, first) == 0
    for prep, number in ((COPY, 3), (MOVE, 4)):
        assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
        assert jet.JetSetColumn(session, table, number_of(world, table, "N"), long(7)) == 0
        assert jet.JetUpdate(session, table)[0] == 0
        assert next_number(prep) == number
        error, bookmark = jet.JetUpdate(session, table)
        assert error == 0
        assert bookmark[-1] == number
    assert jet.JetGotoBookmark(session, table, first) == Err.RecordDeleted
    assert jet.JetMove(session, table, JET_MoveLast) == 0
    assert jet.JetRetrieveColumn(session, table, number_of(world, table, "N")) == (0, long(7))
    assert jet.JetRetrieveColumn(session, table, number_of(world, table, "V")) == (0, long(0))


def test_a_replace_without_lock_sees_what_came_between(world: World, hosts: Hosts) -> None:
    other = good(jet.JetBeginSession(world.instance))
    theirs = good(jet.JetOpenTable(other, good(jet.JetOpenDatabase(other, world.path)), "Hosts"))
    session, table, name = hosts.session, hosts.table, hosts.columns["Name"]
    for prep in (REPLACE, NO_LOCK, MOVE):
        for their_change, error in ((False, 0), (True, Err.WriteConflict)):
            assert jet.JetMove(session, table, JET_MoveFirst) == 0
            assert jet.JetMove(other, theirs, JET_MoveFirst) == 0
            assert jet.JetPrepareUpdate(session, table, prep) == 0
            assert jet.JetSetColumn(session, table, name, b"mine") == 0
            if their_change:
                assert jet.JetPrepareUpdate(other, theirs, REPLACE) == 0
                assert jet.JetSetColumn(other, theirs, name, b"theirs " + bytes([97 + prep])) == 0
                assert jet.JetUpdate(other, theirs)[0] == 0
            assert jet.JetUpdate(session, table)[0] == error
            if error:
                # It stays prepared; the next move drops it.
                assert jet.JetPrepareUpdate(session, table, REPLACE) == Err.AlreadyPrepared
    # In a transaction the lock keeps others away, or the snapshot tells of them.
    for prep, first, second in ((REPLACE, Err.WriteConflict, 0), (NO_LOCK, 0, Err.WriteConflict)):
        assert jet.JetBeginTransaction(session) == 0
        assert jet.JetMove(session, table, JET_MoveLast) == 0
        assert jet.JetMove(other, theirs, JET_MoveLast) == 0
        assert jet.JetPrepareUpdate(session, table, prep) == 0
        assert jet.JetSetColumn(session, table, name, b"mine") == 0
        assert jet.JetPrepareUpdate(other, theirs, REPLACE) == 0
        assert jet.JetSetColumn(other, theirs, name, b"theirs, the last") == 0
        assert jet.JetUpdate(other, theirs)[0] == first
        assert jet.JetUpdate(session, table)[0] == second
        assert jet.JetRollback(session) == 0


def test_two_cursors_of_a_session_do_not_replace_one_row(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    again = good(jet.JetDupCursor(session, table))
    assert jet.JetBeginTransaction(session) == 0
    for each in (table, again):
        assert jet.JetMove(session, each, JET_MoveFirst) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetPrepareUpdate(session, again, NO_LOCK) == Err.SessionWriteConflict
    assert jet.JetEscrowUpdate(session, again, hosts.columns["Hits"], long(1))[0] == Err.SessionWriteConflict
    assert jet.JetMove(session, again, JET_MoveNext) == 0
    assert jet.JetPrepareUpdate(session, again, REPLACE) == 0
    assert jet.JetUpdate(session, again)[0] == 0
    assert jet.JetUpdate(session, table)[0] == 0


def test_a_delete_drops_what_was_prepared(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetPrepareUpdate(session, table, MOVE) == 0
    assert jet.JetDelete(session, table) == Err.AlreadyPrepared
    assert jet.JetPrepareUpdate(session, table, CANCEL) == 0
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    assert jet.JetDelete(session, table) == 0
    assert jet.JetUpdate(session, table)[0] == Err.UpdateNotPrepared
    assert jet.JetMove(session, table, 0) == Err.RecordDeleted
    assert jet.JetMove(session, table, JET_MoveNext) == 0
    assert hosts.id == 20


def test_no_room_for_the_bookmark(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    assert jet.JetSetColumn(session, table, hosts.columns["Id"], long(90)) == 0
    assert jet.JetUpdate(session, table, 4) == (Err.BufferTooSmall, b"")
    error, bookmark = jet.JetUpdate(session, table, 5)
    assert (error, len(bookmark)) == (0, 5)
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetUpdate(session, table, 2) == (0, bookmark[:2])


def test_a_transaction_that_only_reads(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetBeginTransaction2(session, 0x1) == 0
    for prep in (INSERT, REPLACE, COPY):
        assert jet.JetPrepareUpdate(session, table, prep) == Err.TransReadOnly
    assert jet.JetDelete(session, table) == Err.TransReadOnly
    assert jet.JetEscrowUpdate(session, table, hosts.columns["Hits"], long(1))[0] == Err.TransReadOnly
    assert jet.JetCommitTransaction(session) == 0


def test_escrow_of_another_column(hosts: Hosts) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetEscrowUpdate(session, table, columns["Id"], long(1)) == (Err.InvalidOperation, b"")
    assert jet.JetEscrowUpdate(session, table, columns["Tags"], long(1)) == (Err.InvalidOperation, b"")
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetEscrowUpdate(session, table, columns["Hits"], long(1)) == (Err.AlreadyPrepared, b"")


def test_at_the_deepest_level(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    for _ in range(7):
        assert jet.JetBeginTransaction(session) == 0
    bookmark = hosts.add(95, "deep")
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetPrepareUpdate(session, table, MOVE) == 0
    assert jet.JetSetColumn(session, table, hosts.columns["Id"], long(96)) == 0
    error, moved = jet.JetUpdate(session, table)
    assert error == 0
    assert jet.JetRollback(session, 1) == 0
    assert jet.JetGotoBookmark(session, table, moved) == Err.RecordDeleted


def test_what_a_rollback_does_to_cursors(world: World, hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    stays = good(jet.JetDupCursor(session, table))
    assert jet.JetMove(session, stays, 2) == 0
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetMove(session, table, JET_MoveLast) == 0
    assert jet.JetBeginTransaction(session) == 0
    opened = good(jet.JetOpenTable(session, world.database, "Hosts"))
    assert jet.JetPrepareUpdate(session, stays, REPLACE) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetCommitTransaction(session) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetRollback(session) == 0
    assert jet.JetMove(session, opened, 0) == Err.InvalidTableId
    assert jet.JetUpdate(session, stays)[0] == Err.UpdateNotPrepared
    assert jet.JetRetrieveColumn(session, stays, hosts.columns["Id"]) == (0, long(20))
    assert jet.JetMove(session, table, 0) == Err.NoCurrentRecord
    assert jet.JetMove(session, table, JET_MoveNext) == 0
    assert hosts.id == 10


# What there is.


def test_definitions_as_they_were_given(world: World) -> None:
    session, database = world.session, world.database
    columns = (
        JetColumnCreate("A", ColumnType.TEXT, 0, 0x4),
        JetColumnCreate("B", ColumnType.LONG_BINARY, 0, 0x80000),
        JetColumnCreate("C", ColumnType.LONG, 77, 0x20, long(3)),
        JetColumnCreate("D", ColumnType.TEXT, 999, 0x2, b"def", 1200),
    )
    indexes = (
        JetIndexCreate("pk", "+A\0-C\0\0", 0x2 | 0x10000 | 0x8000, 70, 0, (), 500),
        JetIndexCreate(
            "some", "+C\0\0", 0x8 | 0x400, 90, 0, (JetConditionalColumn("B", 2), JetConditionalColumn("A", 1))
        ),
        JetIndexCreate("one", "-C\0+A\0\0", 0x1 | 0x20, 90, 100),
        JetIndexCreate("first", "+C\0+A\0\0", 0x40, 90),
        JetIndexCreate("null", "+C\0\0", 0x4, 90),
    )
    table = made(world, *columns, indexes=indexes)
    error, described = jet.JetGetTableColumnInfo(session, table)
    assert error == 0
    assert {name: definition[1:] for name, definition in described} == {
        "A": (ColumnType.TEXT, ASCII, 255, 0x4 | 0x20),
        "B": (ColumnType.LONG_BINARY, 0, 0, 0x80000 | 0x2 | 0x20),
        "C": (ColumnType.LONG, 0, 4, 0x1 | 0x20),
        "D": (ColumnType.TEXT, 1200, 255, 0x2 | 0x20),
    }
    assert jet.JetGetColumnInfo(session, database, "made", "c") == jet.JetGetTableColumnInfo(session, table, "C")
    assert jet.JetGetColumnInfo(session, database, "made") == (0, described)
    assert jet.JetGetColumnInfo(session, database, "U", "C") == (Err.ObjectNotFound, JetColumnDef(0, 0))
    assert jet.JetGetColumnInfo(session, database, "Made", 999) == (Err.ColumnNotFound, JetColumnDef(0, 0))
    error, found = jet.JetGetTableIndexInfo(session, table)
    assert error == 0
    assert sorted(found) == sorted(
        each._replace(grbit=each.grbit | (0x1 if each.grbit & 0x2 else 0)) for each in indexes
    )
    assert jet.JetGetIndexInfo(session, database, "Made", "SOME") == (0, (indexes[1],))
    assert jet.JetGetIndexInfo(session, database, "Made", "none") == (Err.IndexNotFound, ())
    assert jet.JetCloseTable(session, table) == 0
    # What is described makes the same again.
    again = made(world, *columns, indexes=found, name="Again")
    assert jet.JetGetTableIndexInfo(session, again) == (0, found)
    error, objects = jet.JetGetObjectInfo(session, database)
    assert error == 0
    assert [each.objectname for each in objects if not each.flags][-2:] == ["Made", "Again"]
    assert {"MSysObjects", "MSysObjectsShadow"} <= {each.objectname for each in objects if each.flags}
    assert jet.JetGetObjectInfo(session, database, 1, None, "AGAIN") == (0, (objects[-1],))
    assert jet.JetGetObjectInfo(session, database, 1, None, "None") == (Err.ObjectNotFound, ())
    assert jet.JetGetObjectInfo(session, database, 2) == (Err.InvalidParameter, ())


def test_definitions_that_cannot_be(world: World, hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    long_text = JetColumnDef(0, ColumnType.TEXT, ASCII, 300)
    error, number = jet.JetAddColumn(session, table, "Long", long_text)
    assert error == 1512
    assert jet.JetGetTableColumnInfo(session, table, number)[1].cbMax == 255
    for definition, default, code in (
        (JetColumnDef(0, ColumnType.TEXT, 437), None, Err.InvalidCodePage),
        (JetColumnDef(0, ColumnType.LONG, grbit=0x80000), None, Err.ColumnCannotBeCompressed),
        (JetColumnDef(0, ColumnType.LONG), b"123", Err.InvalidBufferSize),
        (JetColumnDef(0, ColumnType.TEXT, 0, 2), b"123", Err.DefaultValueTooBig),
        (JetColumnDef(0, ColumnType.LONG, grbit=0x3), None, Err.InvalidGrbit),
        (JetColumnDef(0, ColumnType.LONG_TEXT, grbit=0x1), None, Err.InvalidGrbit),
        (JetColumnDef(0, ColumnType.SLV), None, Err.InvalidColumnType),
        (JetColumnDef(0, ColumnType.LONG, grbit=0x8000), None, Err.InvalidGrbit),
    ):
        assert jet.JetAddColumn(session, table, "Bad", definition, default) == (code, 0)
    for create, code in (
        (JetIndexCreate("i", "Id\0\0"), Err.IndexInvalidDef),
        (JetIndexCreate("i", "+None\0\0"), Err.ColumnNotFound),
        (JetIndexCreate("i", "+Id\0\0", 0x8000, 0, 0, (), 1001), Err.IndexInvalidDef),
        (JetIndexCreate("i", "+Id\0\0", 0, 0, 0, (JetConditionalColumn("Name", 3),)), Err.InvalidGrbit),
        (JetIndexCreate("i", "+Id\0\0", 0, 10), Err.DensityInvalid),
    ):
        assert jet.JetCreateIndex2(session, table, (JetIndexCreate("good", "+Id\0\0"), create)) == code
    # Only the first column needs a sign, and all indexes are made or none.
    assert jet.JetGetTableIndexInfo(session, table, "good")[0] == Err.IndexNotFound
    assert jet.JetCreateIndex2(session, table, (JetIndexCreate("good", "+Name\0Id\0\0"),)) == 0
    assert jet.JetGetTableIndexInfo(session, table, "good")[1][0].szKey == "+Name\0+Id\0\0"
    assert jet.JetCreateTableColumnIndex(session, world.database, JetTableCreate("Hosts"))[0] == Err.TableDuplicate
