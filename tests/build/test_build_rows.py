"""Rows in, rows out: every type and storage, nulls, defaults, multi-values, and what is refused."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.build import ASCII, UNICODE, Column, ColumnType, DatabaseBuilder, FormatLevel, Index, Storage
from engine.build.rows import RowEncoder
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.crash import CrashFileSystem
from engine.format.column import TYPE_SIZES, ColumnDef, ColumnFlags
from engine.format.value import decode_value
from engine.table import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

INTEGERS = {
    ColumnType.UNSIGNED_BYTE: (0, 2**8 - 1),
    ColumnType.SHORT: (-(2**15), 2**15 - 1),
    ColumnType.UNSIGNED_SHORT: (0, 2**16 - 1),
    ColumnType.LONG: (-(2**31), 2**31 - 1),
    ColumnType.UNSIGNED_LONG: (0, 2**32 - 1),
    ColumnType.CURRENCY: (-(2**63), 2**63 - 1),
    ColumnType.LONG_LONG: (-(2**63), 2**63 - 1),
    ColumnType.UNSIGNED_LONG_LONG: (0, 2**64 - 1),
}


def built(
    columns: Sequence[Column],
    rows: Sequence[Any],
    *,
    primary: Index | None = None,
    secondary: Sequence[Index] = (),
    page_size: int = 4096,
    level: FormatLevel = FormatLevel.WIDEST,
) -> list[dict[str, Any]]:
    """Build a table in memory and read it back as values."""
    fs = CrashFileSystem()
    with DatabaseBuilder(Environment(fs=fs), "/x.edb", page_size=page_size, level=level, threaded=False) as build:
        build.add_table("T", columns, primary=primary, secondary=secondary, rows=rows)
    with open_database("/x.edb", fs=fs, strict=True) as database:
        table = database["T"]
        return [
            {
                column.name: _shown(value, column.type, column.code_page)
                for column, value in zip(table.columns.values(), raw, strict=True)
            }
            for raw in table.values(raw=True)
        ]


def _shown(raw: Any, kind: ColumnType, code_page: int) -> Any:
    if isinstance(raw, tuple) and len(raw) == 1:
        raw = raw[0]
    if isinstance(raw, tuple):
        return [decode_value(each, kind, code_page) for each in raw]
    return None if raw is None else decode_value(raw, kind, code_page)


def refused(columns: Sequence[Column], rows: Sequence[Any], **more: Any) -> int:
    """Return the code a build fails with."""
    with pytest.raises(EseError) as caught:
        built(columns, rows, **more)
    return caught.value.code


@pytest.mark.parametrize("storage", [Storage.FIXED, Storage.TAGGED])
@pytest.mark.parametrize("kind", sorted(INTEGERS))
def test_integers_at_their_limits(kind: ColumnType, storage: Storage) -> None:
    low, high = INTEGERS[kind]
    column = Column("V", kind, storage=storage)
    values = [low, high, 0, 1, None]
    assert [row["V"] for row in built([column], [(value,) for value in values])] == values
    for beyond in (low - 1, high + 1, "text", 1.5):
        assert refused([column], [(beyond,)]) == Err.InvalidParameter


def test_floats_dates_bits_and_guids() -> None:
    columns = [
        Column("S", ColumnType.IEEE_SINGLE),
        Column("D", ColumnType.IEEE_DOUBLE),
        Column("When", ColumnType.DATE_TIME),
        Column("B", ColumnType.BIT),
        Column("G", ColumnType.GUID),
    ]
    guid = uuid.UUID("f10a363f-6667-dc46-9af2-0dacf295c2a1")
    when = datetime(2024, 2, 29, 12, tzinfo=UTC)
    rows = built(columns, [(1.5, -1e300, when, True, guid), (-0.0, float("inf"), 2.5, 0, guid.bytes_le), [None] * 5])
    assert rows[0] == {"S": 1.5, "D": -1e300, "When": 45351.5, "B": True, "G": guid}
    assert rows[1] == {"S": 0.0, "D": float("inf"), "When": 2.5, "B": False, "G": guid}
    assert rows[2] == dict.fromkeys(["S", "D", "When", "B", "G"])
    naive = built([columns[2]], [(datetime(2024, 2, 29, 12),)])  # noqa: DTZ001 - naive on purpose
    assert naive[0]["When"] == 45351.5


@pytest.mark.parametrize("page_size", [4096, 32768])
def test_text_and_binary_in_every_storage(page_size: int) -> None:
    columns = [
        Column("FixedText", ColumnType.TEXT, code_page=ASCII, size=6, storage=Storage.FIXED),
        Column("FixedWide", ColumnType.TEXT, size=8, storage=Storage.FIXED),
        Column("FixedBinary", ColumnType.BINARY, size=5, storage=Storage.FIXED),
        Column("Text", ColumnType.TEXT, code_page=ASCII),
        Column("Wide", ColumnType.TEXT),
        Column("Binary", ColumnType.BINARY),
        Column("TaggedWide", ColumnType.TEXT, storage=Storage.TAGGED),
        Column("LongText", ColumnType.LONG_TEXT),
        Column("LongAscii", ColumnType.LONG_TEXT, code_page=ASCII),
        Column("LongBinary", ColumnType.LONG_BINARY),
    ]
    whole = ("abc", "äb", b"\x01\x02", "café", "日本語 \U0001f680", b"\0\xff", "tag", "長" * 3000, "x" * 1023, b"")
    rows = built(columns, [whole, [None] * 10, ("", "", b"", "", "", b"", "", "", "", b"")], page_size=page_size)
    names = [column.name for column in columns]
    assert list(rows[0].values()) == ["abc   ", "äb  ", b"\x01\x02\0\0\0", *whole[3:]]
    assert rows[1] == dict.fromkeys(names)
    assert list(rows[2].values()) == [" " * 6, " " * 4, bytes(5), "", "", b"", "", "", "", b""]


def test_defaults_and_explicit_nulls() -> None:
    columns = [
        Column("Id", ColumnType.LONG),
        Column("F", ColumnType.LONG, default=42),
        Column("V", ColumnType.TEXT, default="défaut"),
        Column("T", ColumnType.LONG, storage=Storage.TAGGED, default=-7),
        Column("L", ColumnType.LONG_TEXT, code_page=ASCII, default="long"),
        Column("Plain", ColumnType.TEXT),
    ]
    for page_size in (8192, 16384):
        rows = built(
            columns,
            [
                {"Id": 1},
                {"Id": 2, "F": None, "V": None, "T": None, "L": None, "Plain": None},
                {"Id": 3, "F": 1, "V": "v", "T": 2, "L": "l", "Plain": "p"},
            ],
            page_size=page_size,
        )
        assert rows[0] == {"Id": 1, "F": 42, "V": "défaut", "T": -7, "L": "long", "Plain": None}
        assert rows[1] == {"Id": 2, "F": None, "V": None, "T": None, "L": None, "Plain": None}
        assert rows[2] == {"Id": 3, "F": 1, "V": "v", "T": 2, "L": "l", "Plain": "p"}


@pytest.mark.parametrize("page_size", [4096, 16384])
def test_multi_values(page_size: int) -> None:
    columns = [
        Column("N", ColumnType.LONG, multi_valued=True),
        Column("T", ColumnType.TEXT, multi_valued=True),
        Column("L", ColumnType.LONG_BINARY, multi_valued=True),
    ]
    values: list[Any] = [
        ([1, 2], ["a", "bc"], [b"x" * 10, b"y" * 5000]),
        ([1], ["only"], [b"z" * 4000]),
        ([1, 2, 3], ["", "b", ""], [b"1" * 900, b"2" * 900, b"3" * 900, b"4" * 900, b"5" * 900]),
        (7, "single", b"single"),
        ([], None, []),
    ]
    rows = built(columns, values, page_size=page_size)
    expected: list[Any] = [
        ([1, 2], ["a", "bc"], [b"x" * 10, b"y" * 5000]),
        (1, "only", b"z" * 4000),
        ([1, 2, 3], ["", "b", ""], [b"1" * 900, b"2" * 900, b"3" * 900, b"4" * 900, b"5" * 900]),
        (7, "single", b"single"),
        (None, None, None),
    ]
    assert [tuple(row.values()) for row in rows] == expected


def test_what_rows_may_not_hold() -> None:
    number = Column("N", ColumnType.LONG, not_null=True)
    text = Column("T", ColumnType.TEXT, code_page=ASCII, size=5)
    tags = Column("M", ColumnType.LONG, multi_valued=True)
    assert refused([number], [(None,)]) == Err.NullInvalid
    assert refused([number, text], [(1,)]) == Err.InvalidParameter
    assert refused([number], [{"N": 1, "Q": 2}]) == Err.ColumnNotFound
    assert refused([number, text], [{"N": 1, "Q": 2}]) == Err.ColumnNotFound
    assert refused([text], [("123456",)]) == Err.ColumnTooBig
    assert refused([text], [("日本",)]) == Err.InvalidParameter
    assert refused([text], [(b"bytes",)]) == Err.InvalidParameter
    assert refused([Column("B", ColumnType.BINARY)], [(5,)]) == Err.InvalidParameter
    assert refused([Column("B", ColumnType.BINARY)], [(bytes(256),)]) == Err.ColumnTooBig
    assert refused([tags], [([1, None],)]) == Err.NullInvalid
    assert refused([Column("S", ColumnType.LONG, storage=Storage.TAGGED)], [([1, 2],)]) == Err.InvalidParameter
    assert refused([Column("L", ColumnType.LONG_BINARY, size=10)], [(bytes(11),)]) == Err.ColumnTooBig
    assert refused([Column("T", ColumnType.TEXT, not_null=True)], [(None,)]) == Err.NullInvalid
    assert refused([Column("T", ColumnType.LONG_TEXT, not_null=True)], [(None,)]) == Err.NullInvalid
    fat = [Column(f"B{n}", ColumnType.BINARY) for n in range(20)]
    assert refused(fat, [[bytes(255)] * 20]) == Err.RecordTooBig
    assert refused([number], [(2,), (1,)], primary=Index("pk", ("N",))) == Err.InvalidParameter


def test_error_tells_the_table_and_the_row() -> None:
    with pytest.raises(EseError) as caught:
        built([Column("N", ColumnType.LONG)], [(1,), (2,), ("x",)])
    assert "table T, row 3" in caught.value.__notes__


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (Column("", ColumnType.LONG), Err.InvalidName),
        (Column("a.b", ColumnType.LONG), Err.InvalidName),
        (Column(" a", ColumnType.LONG), Err.InvalidName),
        (Column("é", ColumnType.LONG), Err.InvalidName),
        (Column("x" * 65, ColumnType.LONG), Err.InvalidName),
        (Column("A", ColumnType.LONG, size=2), Err.ColumnTooBig),
        (Column("A", ColumnType.TEXT, size=256), Err.ColumnTooBig),
        (Column("A", ColumnType.TEXT, compressed=True), Err.ColumnCannotBeCompressed),
        (Column("A", ColumnType.LONG, storage=Storage.VARIABLE), Err.InvalidColumnType),
        (Column("A", ColumnType.LONG_TEXT, storage=Storage.VARIABLE), Err.InvalidColumnType),
        (Column("A", ColumnType.LONG, multi_valued=True, storage=Storage.FIXED), Err.MultiValuedColumnMustBeTagged),
        (Column("A", ColumnType.TEXT, auto_increment=True), Err.InvalidGrbit),
        (Column("A", ColumnType.LONG, escrow=True), Err.InvalidGrbit),
        (Column("A", ColumnType.SHORT, version=True), Err.InvalidGrbit),
        (Column("A", ColumnType.LONG, version=True, storage=Storage.TAGGED), Err.CannotBeTagged),
        (Column("A", ColumnType.LONG, version=True, auto_increment=True), Err.InvalidGrbit),
        (Column("A", ColumnType.LONG, default="text"), Err.InvalidParameter),
        (Column("A", ColumnType.UNSIGNED_LONG, auto_increment=True), Err.InvalidGrbit),
        (Column("A", ColumnType.LONG_BINARY, default=bytes(256)), Err.DefaultValueTooBig),
        (Column("A", ColumnType.BINARY, size=3, default=bytes(4)), Err.DefaultValueTooBig),
        (Column("A", ColumnType.SLV), Err.InvalidColumnType),
        (Column("A", ColumnType.TEXT, code_page=99), Err.FeatureNotAvailable),
    ],
)
def test_columns_that_cannot_be(column: Column, code: int) -> None:
    assert refused([column], []) == code


def test_indexes_that_cannot_be() -> None:
    columns = [
        Column("A", ColumnType.LONG),
        Column("U", ColumnType.TEXT),
        Column("M", ColumnType.LONG, multi_valued=True),
    ]
    assert refused(columns, [], primary=Index("pk", ("Q",))) == Err.ColumnNotFound
    assert refused(columns, [], primary=Index("pk", ())) == Err.IndexInvalidDef
    assert refused(columns, [], primary=Index("pk", ("M",))) == Err.IndexInvalidDef
    assert refused(columns, [], primary=Index("pk", ("U",))) == Err.FeatureNotAvailable
    assert refused(columns, [], primary=Index("pk", ("A",), key_most=1001)) == Err.IndexInvalidDef
    assert refused(columns, [], primary=Index("pk", ("A",), segment_most=256)) == Err.IndexInvalidDef
    assert refused(columns, [], primary=Index("pk", ("A",), if_null=("M",))) == Err.IndexInvalidDef
    assert refused(columns, [], secondary=[Index("i", ("A",), if_null=("M",) * 17)]) == Err.IndexInvalidDef
    for rule in ("ignore_null", "ignore_first_null", "ignore_any_null"):
        assert refused(columns, [], primary=Index("pk", ("A",), **{rule: True})) == Err.InvalidGrbit  # type: ignore[arg-type]
    assert refused(columns, [], primary=Index("pk", ("A",), density=10)) == Err.DensityInvalid
    twice = [Index("a", ("A",)), Index("A", ("M",))]
    assert refused(columns, [], secondary=twice) == Err.IndexDuplicate
    assert refused([columns[0], Column("a", ColumnType.BIT)], []) == Err.ColumnDuplicate
    assert refused([Column(f"C{n}", ColumnType.BIT) for n in range(128)], []) == Err.TooManyColumns


def test_null_rules_of_indexes() -> None:
    columns = [Column("A", ColumnType.LONG), Column("B", ColumnType.LONG)]
    rows = [(1, 1), (None, 1), (1, None), (None, None)]
    counts = {}
    rules: dict[str, dict[str, Any]] = {
        "all": {},
        "not_all_null": {"ignore_null": True},
        "not_first": {"ignore_first_null": True},
        "none": {"ignore_any_null": True},
    }
    for name, options in rules.items():
        fs = CrashFileSystem()
        with DatabaseBuilder(Environment(fs=fs), "/x.edb", threaded=False) as build:
            info = build.add_table("T", columns, secondary=[Index("i", ("A", "B"), **options)], rows=rows)
        counts[name] = info.indexes["i"].entries
    assert counts == {"all": 4, "not_all_null": 3, "not_first": 2, "none": 1}
    assert refused(columns, rows, secondary=[Index("i", ("A",), disallow_null=True)]) == Err.NullKeyDisallowed
    text = [Column("T", ColumnType.TEXT, code_page=ASCII)]
    long_key = [Index("i", ("T",), key_most=10, disallow_truncation=True)]
    assert refused(text, [("x" * 30,)], secondary=long_key) == Err.KeyTruncated


def test_counters() -> None:
    counter = Column("C", ColumnType.LONG, auto_increment=True)
    rows = built([counter, Column("A", ColumnType.BIT)], [{"A": 0}, {"A": 1}, {"C": 10, "A": 0}, {"A": 1}])
    assert [row["C"] for row in rows] == [1, 2, 10, 11]
    assert refused([counter], [{"C": 2**31 - 1}, {}]) == Err.OutOfAutoincrementValues
    assert refused([counter, Column("D", ColumnType.LONG, auto_increment=True)], []) == Err.ColumnRedundant


# ---------------------------------------------------------------------------------------------------------------
# Small tables of any shape.

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGH_0123456789 ", min_size=1, max_size=12).filter(
    lambda name: not name.startswith(" "),
)


@st.composite
def columns_of_any_kind(draw: Callable[..., Any]) -> Column:
    kind = draw(st.sampled_from([each for each in ColumnType if each is not ColumnType.SLV]))
    storages: list[Storage | None] = [None, Storage.TAGGED]
    size = 0
    if kind in TYPE_SIZES:
        storages.append(Storage.FIXED)
    elif not kind.is_long:
        storages += [Storage.VARIABLE, Storage.FIXED]
    storage = draw(st.sampled_from(storages))
    if storage is Storage.FIXED and kind not in TYPE_SIZES:
        size = 2 * draw(st.integers(1, 20))
    multi = draw(st.booleans()) and storage in (None, Storage.TAGGED)
    code_page = draw(st.sampled_from([ASCII, UNICODE]))
    return Column(draw(NAMES), kind, size, code_page, storage, multi_valued=multi)


def values_of(column: Column) -> st.SearchStrategy[Any]:
    kind = column.type
    one: st.SearchStrategy[Any]
    if kind in INTEGERS:
        one = st.integers(*INTEGERS[kind])
    elif kind is ColumnType.BIT:
        one = st.booleans()
    elif kind is ColumnType.GUID:
        one = st.uuids()
    elif kind is ColumnType.IEEE_SINGLE:
        one = st.floats(width=32, allow_nan=False)
    elif kind in (ColumnType.IEEE_DOUBLE, ColumnType.DATE_TIME):
        one = st.floats(allow_nan=False)
    elif kind.is_text:
        letters = (
            st.characters(codec="cp1252") if column.code_page == ASCII else st.characters(exclude_categories=["Cs"])
        )
        most = column.size or (3000 if kind.is_long else 120)
        one = st.text(letters, max_size=most).filter(
            lambda text: (
                len(text.encode("cp1252" if column.code_page == ASCII else "utf-16-le"))
                <= (column.size or (9000 if kind.is_long else 255))
            ),
        )
    else:
        one = st.binary(max_size=column.size or (6000 if kind.is_long else 255))
    return st.one_of(st.none(), one, st.lists(one, min_size=2, max_size=4)) if column.multi_valued else st.none() | one


def padded(column: Column, value: Any) -> Any:
    """What a fixed column makes of a value."""
    if value is None or column.storage is not Storage.FIXED or not column.size:
        return value
    if isinstance(value, bytes):
        return value.ljust(column.size, b"\0")
    if column.code_page == ASCII:
        return value.ljust(column.size)
    return (value.encode("utf-16-le") + " ".encode("utf-16-le") * column.size)[: column.size].decode("utf-16-le")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_small_table_reads_back_equal(data: st.DataObject) -> None:
    columns = data.draw(
        st.lists(columns_of_any_kind(), min_size=1, max_size=8, unique_by=lambda column: column.name.upper()),
    )
    rows = data.draw(st.lists(st.tuples(*map(values_of, columns)), max_size=12))
    page_size = data.draw(st.sampled_from([4096, 8192, 16384, 32768]))
    level = data.draw(st.sampled_from([FormatLevel.WIDEST, FormatLevel.WINDOWS_10, FormatLevel.NEWEST]))
    try:
        read = built(columns, rows, page_size=page_size, level=level)
    except EseError as error:
        # Several short multi-values can be more than a small page holds.
        if error.code != Err.RecordTooBig:
            raise
        return
    expected = [[padded(column, value) for column, value in zip(columns, row, strict=True)] for row in rows]
    assert [[row[column.name] for column in columns] for row in read] == expected


def test_many_rows_in_any_order_of_columns(tmp_path: Path, env: Environment) -> None:
    columns = [Column("T", ColumnType.LONG_TEXT), Column("F", ColumnType.LONG), Column("V", ColumnType.TEXT)]
    rows = [{"V": f"v{n}", "F": n, "T": f"t{n}"} for n in range(3000)]
    with DatabaseBuilder(env, tmp_path / "x.edb") as build:
        build.add_table("T", columns, primary=Index("pk", ("F",)), rows=rows)
    with open_database(tmp_path / "x.edb", strict=True) as database:
        read = list(database["T"].values(["F", "V", "T"], raw=True))
    assert read == [
        (n.to_bytes(4, "little"), f"v{n}".encode("utf-16-le"), f"t{n}".encode("utf-16-le")) for n in range(3000)
    ]


def test_encrypted_columns_are_not_written_in_plain() -> None:
    number = ColumnDef(1, "N", ColumnType.LONG, 4, 0, offset=4)
    secret = ColumnDef(256, "S", ColumnType.LONG_BINARY, 0, 0, ColumnFlags.ENCRYPTED)
    rows = RowEncoder([number, secret], [None, None], 4096, 3000, lambda _: b"", wanted=frozenset())
    assert rows.encode((1, None))
    with pytest.raises(EseError) as caught:
        rows.encode((1, b"plain"))
    assert caught.value.code == Err.FeatureNotAvailable
