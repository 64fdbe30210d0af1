"""Every record type's fixed size, as the catalogue has it, and the round trip of every class."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.dbms_param import DbmsParam
from engine.format.lr import LrType
from engine.types import LgPos, LogTime, Signature

# Sizes of the fixed part (records whose variable parts are empty), reference 2.2-2.12.
FIXED_SIZES = {
    "NOP": 1,
    "Init": 568,
    "Term": 18,
    "Begin": 4,
    "Commit": 4,
    "Rollback": 4,
    "Begin0": 8,
    "Commit0": 8,
    "Refresh": 7,
    "MacroBegin": 11,
    "MacroCommit": 11,
    "MacroAbort": 11,
    "CreateDB": 43,
    "AttachDB": 75,
    "DetachDB": 7,
    "RecoveryUndo": 1,
    "RecoveryQuit": 18,
    "FullBackup": 3,
    "IncBackup": 3,
    "JetOp": 4,
    "Trace": 5,
    "ShutDownMark": 1,
    "CreateMEFDP": 56,
    "CreateSEFDP": 48,
    "ConvertFDP": 60,
    "Split": 102,
    "Merge": 88,
    "Insert": 50,
    "FlagInsert": 48,
    "FlagInsertAndReplaceData": 52,
    "FlagDelete": 44,
    "Replace": 50,
    "ReplaceD": 50,
    "Delete": 44,
    "UndoInfo": 56,
    "Delta": 54,
    "SetExternalHeader": 46,
    "Undo": 51,
    "Checksum": 22,
    "ExtRestore": 3,
    "Backup": 5,
    "EmptyTree": 46,
    "Init2": 576,
    "Term2": 26,
    "RecoveryUndo2": 9,
    "RecoveryQuit2": 26,
    "BeginDT": 8,
    "PrepCommit": 7,
    "PrepRollback": 3,
    "ForceWriteLog": 3,
    "ConvertFDP2": 68,
    "ExtRestore2": 3,
    "Backup2": 35,
    "ForceLogRollover": 5,
    "Split2": 110,
    "Merge2": 96,
    "Scrub": 54,
    "PageMove": 96,
    "PagePatchRequest": 46,
    "MacroInfo": 5,
    "ExtendDB": 10,
    "CommitCtx": 8,
    "ScanCheck": 44,
    "NOP2": 5,
    "ReAttach": 50,
    "MacroInfo2": 10,
    "FreeFDP": 15,
    "FragmentBegin": 7,
    "Fragment": 3,
    "ShrinkDB": 10,
    "CreateDBFinish": 4,
    "RecoveryQuitKeepAttachments": 26,
    "TrimDB": 10,
    "SetDbVersion": 14,
    "Delta64": 58,
    "ShrinkDB2": 10,
    "NewPage": 20,
    "RootPageMove": 16,
    "SignalAttachDb": 2,
    "ScanCheck2": 27,
    "ShrinkDB3": 18,
    "ExtentFreed": 11,
    "ExtentFreed2": 19,
}
NOT_UNDERSTOOD = {"MS", "End", "SLVPageAppend", "SLVSpace", "SLVPageMove", "ForceDetachDB", "UpgradeDB", "DbList"}


def ruled_out() -> set[str]:
    return {kind.name for kind in LrType if lr.record_class(kind) is None}


def sample(kind: LrType, fill: int) -> bytes:
    """Bytes of a record of this type: every fixed byte `fill`, every length 0."""
    size = FIXED_SIZES[kind.name]
    data = bytearray([kind]) + bytes([fill]) * (size - 1)
    if kind in lr.WRAPPED_TYPES:
        data[1:5] = struct.pack("<I", size - 5)
    return bytes(data)


def test_every_type_is_understood_or_known_not_to_be() -> None:
    assert ruled_out() == NOT_UNDERSTOOD | {f"Ignored{number}" for number in range(9, 20)}
    assert set(FIXED_SIZES) == {kind.name for kind in LrType} - ruled_out()


@pytest.mark.parametrize("name", FIXED_SIZES)
def test_fixed_size_and_round_trip(name: str) -> None:
    kind = LrType[name]
    data = sample(kind, 0)
    record = lr.decode(data)
    assert record.type is kind
    assert type(record) is lr.record_class(kind)
    assert lr.record_size(data) == FIXED_SIZES[name]
    assert record.pack() == data
    assert lr.decode(record.pack()) == record
    assert hash(lr.decode(data)) == hash(record)


@pytest.mark.parametrize("name", FIXED_SIZES)
def test_one_byte_less_is_damage(name: str) -> None:
    data = sample(LrType[name], 0)
    for short in {len(data) - 1, len(data) // 2, 1} - {len(data)}:
        if short < 1:
            continue
        with pytest.raises(EseError) as caught:
            lr.decode(data[:short])
        assert caught.value.code == Err.LogFileCorrupt
        assert caught.value.offset == 0


def test_records_of_different_types_differ_even_with_equal_fields() -> None:
    procid_and_dbtime: tuple[Any, Any] = (5, 7)
    assert lr.MacroBegin(*procid_and_dbtime) != lr.MacroCommit(*procid_and_dbtime)
    assert lr.MacroBegin(*procid_and_dbtime) == lr.MacroBegin(*procid_and_dbtime)


def test_unknown_wrapped_type_keeps_its_bytes() -> None:
    data = bytes((88, 3, 0, 0, 0)) + b"abc"
    record = lr.decode(data + b"\x17")
    assert isinstance(record, lr.UnknownRecord)
    assert record.body == b"abc"
    assert record.type is LrType.Ignored16
    assert record.pack() == data
    assert lr.record_size(data + b"\x17") == 8


@pytest.mark.parametrize("number", [3, 4, 40, 41, 43, 44, 47, 56, 102, 127, 255])
def test_other_unknown_type_is_damage_at_its_offset(number: int) -> None:
    with pytest.raises(EseError) as caught:
        lr.decode(b"\x17\x17" + bytes([number]) * 50, 2)
    assert caught.value.code == Err.LogFileCorrupt
    assert caught.value.offset == 2


@pytest.mark.parametrize(
    ("at", "limit"),
    [(-1, 4), (4, 4), (5, 4), (0, 9), (9, 9)],
)
def test_places_outside_the_buffer(at: int, limit: int) -> None:
    with pytest.raises(EseError, match="-501"):
        lr.decode(b"\x17\x17\x17\x17", at, limit)


def test_limit_is_respected() -> None:
    data = lr.Trace.create("hello").pack()
    with pytest.raises(EseError, match="-501"):
        lr.decode(data + bytes(100), 0, len(data) - 1)
    assert lr.decode(data + bytes(100), 0, len(data)) == lr.Trace.create("hello")


@pytest.mark.parametrize("claim", [0xFFFFFFFF, 0x7FFFFFFF, 4097])
def test_a_body_that_leaves_its_place(claim: int) -> None:
    for number in sorted(lr.WRAPPED_TYPES):
        with pytest.raises(EseError, match="-501"):
            lr.decode(struct.pack("<BI", number, claim) + bytes(4000))


TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))
SIGN = Signature(77, TIME)
POS = LgPos(7, 9, 0x268)


@pytest.mark.parametrize(
    "record",
    [
        lr.Init2(DbmsParam().with_paths("C:\\a\\", "C:\\b\\"), TIME),
        lr.Term2(POS, time=TIME),
        lr.RecoveryQuit2(POS, LgPos(1, 1, 0), 0, TIME),
        lr.RecoveryUndo2(TIME),
        lr.ShutDownMark(),
        lr.AttachDB.create(5, 1, "C:\\x\\ü.edb", consistent=POS, sign_db=SIGN, sign_log=SIGN),
        lr.DetachDB.create(5, 1, "C:\\x\\ü.edb"),
        lr.CreateDB.create(5, 1, "C:\\x\\ü.edb", SIGN, cpg_max=10),
        lr.CreateDBFinish(5, 1),
        lr.ReAttach(1, POS, POS, SIGN),
        lr.SetDbVersion(1, 1568, 290, 600),
        lr.ExtendDB(1, 62),
        lr.Backup2(lr.BackupPhase.UPDATE, 0, lr.BackupScope.FULL, 1, POS, TIME, 3, 8),
        lr.NOP2.create(5),
        lr.NOP2.create(4000),
        lr.ForceLogRollover.create("because"),
        lr.ForceWriteLog(3),
        lr.Trace.create("[1/2/2026 3:04:05.678] something"),
        lr.ExtRestore2.create("instance was target of an external restore"),
        lr.CommitCtx(5, 1, b"application"),
        lr.MacroInfo.create((1, 2, 3)),
        lr.MacroInfo2.create(2, (5, 6)),
        lr.FreeFDP(1, 33, 8, 2),
    ],
    ids=lambda record: str(record.type.name),
)
def test_records_that_we_write(record: lr.Record) -> None:
    data = record.pack()
    assert data[0] == record.type
    assert lr.decode(data) == record
    assert lr.record_size(data + b"\0" * 10) == len(data)


def test_texts_and_paths() -> None:
    attach = lr.AttachDB.create(5, 1, "C:\\x\\ü.edb", consistent=POS, sign_db=SIGN, sign_log=SIGN)
    assert attach.path == "C:\\x\\ü.edb"
    assert attach.flags == 8
    detach = lr.DetachDB.create(5, 1, "C:\\x\\ü.edb")
    assert (detach.path, detach.flags) == ("C:\\x\\ü.edb", 0x10)
    create = lr.CreateDB.create(5, 1, "a.edb", SIGN)
    assert (create.path, create.version_info) == ("a.edb", b"\2\0\0\0")
    assert create._replace(flags=create.flags & ~8, path_data=b"a.edb\0\0").path == "a.edb"
    assert lr.ForceLogRollover.create("why").text == "why"
    assert lr.ForceLogRollover(0, "why".encode("utf-16-le") + b"\0\0").text == "why"
    assert lr.ExtRestore(b"ansi\0").text == "ansi"
    assert lr.ExtRestore2.create("uni ü").text == "uni ü"
    assert lr.Trace.create("t").text == "t"
    assert lr.MacroInfo.create((4, 5)).pgnos == (4, 5)
    assert lr.MacroInfo2(1, 9, b"\1\0\0\0\2\0\0\0").pgnos == (1, 2)
    assert lr.Begin0(5, 0x20, 4).begun == 2
    assert (lr.Begin(5, 0x21).level_from, lr.Begin(5, 0x21).begun) == (1, 2)


def test_create_without_version_information() -> None:
    create = lr.CreateDB.create(5, 1, "a.edb", SIGN)
    old = create._replace(flags=8, version_info=b"")
    assert lr.decode(old.pack()) == old
    with pytest.raises(EseError, match="-1003"):
        create._replace(version_info=b"").pack()


def test_fields_that_do_not_fit() -> None:
    too_large: list[lr.Record] = [
        lr.ExtendDB(256, 1),
        lr.Trace(0, bytes(70000)),
        lr.Begin0(5, 0, 1 << 32),
        lr.CreateDB.create(5, 300, "a.edb", SIGN),
    ]
    for record in too_large:
        with pytest.raises(EseError, match="-1003"):
            record.pack()


def test_fields_by_name() -> None:
    assert lr.ExtendDB(1, 62).fields() == {"dbid": 1, "pgno_last": 62, "rest": b""}
    assert list(lr.Insert._fields[:9]) == [
        "procid",
        "dbid",
        "pgno",
        "dbtime",
        "dbtime_before",
        "trx_begin0",
        "level",
        "iline",
        "flags",
    ]


def test_order_of_variable_parts() -> None:
    insert = lr.Insert(5, 1, 2, 3, 4, 5, 1, 0, 4, 9, 8, 7, b"pp", b"suffix", b"data!")
    data = insert.pack()
    assert data[44:50] == struct.pack("<HHH", 6, 2, 5)
    assert data[50:] == b"ppsuffixdata!"
    assert insert.key == b"ppsuffix"
    split = lr.decode(sample(LrType.Split2, 0))
    assert isinstance(split, lr.Split2)
    data = split._replace(key_parent=b"k", prefix_split_old=b"oo", prefix_split_new=b"nnn", image=b"iiii").pack()
    assert struct.unpack_from("<HHH", data, 96) == (2, 3, 1)
    assert struct.unpack_from("<I", data, 106) == (4,)
    assert data[110:] == b"koonnniiii"


def test_empty_tree_lists_its_pages() -> None:
    record = lr.decode(sample(LrType.EmptyTree, 0))
    assert isinstance(record, lr.EmptyTree)
    listed = struct.pack("<qII", 5, 33, 1) + struct.pack("<qII", 6, 34, 0)
    record = record._replace(pages=listed + b"cut")
    assert list(record.empty_pages()) == [lr.EmptyPage(5, 33, 1), lr.EmptyPage(6, 34, 0)]


def test_large_difference_is_marked() -> None:
    record = lr.decode(sample(LrType.ReplaceD, 0))
    assert isinstance(record, lr.ReplaceD)
    record = record._replace(large=True, diff=b"xyz")
    assert record.pack()[44:46] == b"\x03\x80"
    assert lr.decode(record.pack()) == record
    with pytest.raises(EseError, match="-1003"):
        record._replace(diff=bytes(0x8000)).pack()
