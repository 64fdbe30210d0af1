"""What three sessions do to rows, one call at a time: inserted, changed, deleted, counted, locked, searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from engine.errors import Err
from engine.table.seeking import Seek
from tests.store.desk import code_of
from tests.store.whole_base import HEAP, LEVELS, MAIN, NAMES, NUMBERS, PAGE_SIZES, PLAIN, WHO, Base, mark_of
from tests.store.whole_model import Person, Refused
from tests.store.whole_state import TableState, find, part_of

if TYPE_CHECKING:
    from engine.build import FormatLevel, Index

WITHIN: Final = st.integers(0, 3000)
SEEKS: Final = st.sampled_from(tuple(Seek))
VALUES: Final = st.fixed_dictionaries(
    {},
    optional={
        "Group": st.none() | st.integers(-3, 3),
        "Code": st.none() | st.sampled_from(["a", "A", "b", "long code " * 3, ""]) | st.text("abc01", max_size=3),
        "Text": st.none() | st.text("abcXYZäß\u4e00", max_size=30) | st.sampled_from(["t" * 120, "u" * 60]),
        "Many": st.none() | st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
        "Long": st.none()
        | st.binary(max_size=40)
        | st.integers(1100, 9000).map(lambda size: b"x%d" % size * (size // 4)),
        "Longs": st.none()
        | st.lists(st.sampled_from((b"", b"l" * 20, b"m" * 1100, b"n" * 3000)), min_size=1, max_size=3).map(tuple),
        "Extra": st.none() | st.integers(-2, 2),
        "Tag": st.none() | st.integers(-2, 2),
    },
)
WRONG: Final = st.sampled_from(
    (
        ({"Nowhere": 1}, Err.ColumnNotFound),
        ({"Text": "t" * 200}, Err.ColumnTooBig),
        ({"Group": "text"}, Err.InvalidParameter),
        ({"Group": 1 << 20}, Err.InvalidParameter),
    )
)


def _within(size: int, at: int, data: bytes) -> tuple[int, bytes]:
    """Return a place and a piece that end within a value."""
    place = min(at, size)
    return place, data[: size - place]


class Rows(Base):
    """Rows in and out."""

    @initialize(rows=st.sampled_from((0, 10, 60)), page_size=PAGE_SIZES, level=LEVELS)
    def fill(self, rows: int, page_size: int, level: FormatLevel) -> None:
        self.begin_life(page_size, level)
        for name, kind in (("Main", MAIN), ("Plain", PLAIN), ("Heap", HEAP)):
            self.make(0, name, kind)
            self.many(0, name, 0, rows, 40)

    # Rows.

    def insert_one(self, person: Person, table: TableState, values: dict[str, Any], mark: bytes | None) -> None:
        """Insert a row into the model; the engine has told its bookmark, and its number when it counts."""
        count = table.column("auto_increment")
        if count is not None and mark is not None:
            number: Any = person.database[table.name].get(mark)[count]
            numbers = [row[count] for row in table.rows.values()]
            assert number > max(numbers, default=0)
            values = values | {count: number}
        if table.has_primary:
            assert mark in (None, mark_of(values["Id"]))
            mark = mark_of(values["Id"])
        elif mark is not None:
            assert mark > max(table.rows, default=b"")
        self.model.insert(person, table, values, mark)

    def with_id(self, who: int, name: str, number: int, values: dict[str, Any]) -> dict[str, Any]:
        return self.fits(who, name, {"Id": number} | values)

    @rule(who=WHO, name=NAMES, number=NUMBERS, values=VALUES)
    def insert(self, who: int, name: str, number: int, values: dict[str, Any]) -> None:
        row = self.with_id(who, name, number, values)

        def model(person: Person, mark: bytes | None) -> None:
            table = self.model.table(person, name)
            self.model.write(person, table)
            self.insert_one(person, table, row, mark)

        self.both(who, lambda: self.live(who, name).insert(**row), model)

    @rule(
        who=WHO, name=NAMES, first=st.integers(0, 400), count=st.integers(2, 120), width=st.sampled_from((1, 40, 120))
    )
    def many(self, who: int, name: str, first: int, count: int, width: int) -> None:
        """Insert many rows as one step; the bookmarks of those without a key are found afterwards."""
        rows = [
            self.with_id(
                who,
                name,
                number,
                {"Text": "m" * width, "Group": number % 5, "Long": None if number % 5 else b"long" * 10 * width},
            )
            for number in range(first, first + count)
        ]

        def engine() -> list[bytes]:
            table = self.live(who, name)
            before = {row.bookmark for row in table}
            assert table.insert_many(rows) == len(rows)
            return sorted({row.bookmark for row in table} - before)

        def model(person: Person, marks: list[bytes] | None) -> None:
            table = self.model.table(person, name)
            self.model.write(person, table)
            for place, row in enumerate(rows):
                self.insert_one(person, table, row, None if marks is None else marks[place])

        self.both(who, engine, model)

    @rule(who=WHO, name=NAMES, number=NUMBERS, wrong=WRONG)
    def insert_wrong(self, who: int, name: str, number: int, wrong: tuple[dict[str, Any], int]) -> None:
        values, code = wrong
        row = self.with_id(who, name, number, {}) | values

        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            self.model.write(person, table)
            raise Refused(code if values.keys() <= table.columns.keys() else Err.ColumnNotFound)

        self.both(who, lambda: self.live(who, name).insert(**row), model)

    @rule(who=WHO, name=NAMES, number=NUMBERS, values=VALUES, whole=st.booleans())
    def update(self, who: int, name: str, number: int, values: dict[str, Any], whole: bool) -> None:  # noqa: FBT001
        """Change some columns of a row, or all."""
        mark = self.mark(who, name, number)
        same = int.from_bytes(mark[1:], "big") ^ 0x80000000
        row = self.with_id(who, name, same, values) if whole else self.fits(who, name, values)

        def engine() -> None:
            table = self.live(who, name)
            (table.replace if whole else table.update)(mark, **row)

        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            self.model.write(person, table)
            (self.model.replace if whole else self.model.update)(person, table, mark, row)

        self.both(who, engine, model)

    @rule(who=WHO, name=NAMES, number=NUMBERS, to=NUMBERS)
    def update_key(self, who: int, name: str, number: int, to: int) -> None:
        mark = self.mark(who, name, number)

        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            self.model.write(person, table)
            self.model.update(person, table, mark, {"Id": to})

        self.both(who, lambda: self.live(who, name).update(mark, Id=to), model)

    @rule(who=WHO, name=NAMES, number=NUMBERS, count=st.sampled_from((1, 1, 1, 5, 60)))
    def delete(self, who: int, name: str, number: int, count: int) -> None:
        marks = [self.mark(who, name, each) for each in range(number, number + count)]
        for mark in dict.fromkeys(marks):

            def model(person: Person, _: Any, mark: bytes = mark) -> None:
                table = self.model.table(person, name)
                self.model.write(person, table)
                self.model.delete(person, table, mark)

            self.both(who, lambda mark=mark: self.live(who, name).delete(mark), model)  # type: ignore[misc]

    @rule(
        who=WHO,
        name=NAMES,
        number=NUMBERS,
        amount=st.integers(-5, 5),
        column=st.sampled_from(("Hits", "Hits", "Hits", "Group")),
    )
    def escrow(self, who: int, name: str, number: int, amount: int, column: str) -> None:
        mark = self.mark(who, name, number)

        def model(person: Person, result: int | None) -> None:
            table = self.model.table(person, name)
            self.model.write(person, table)
            before = self.model.escrow(person, table, mark, column, amount)
            assert result in (None, before)

        self.both(who, lambda: self.live(who, name).escrow(mark, column, amount), model)

    @rule(who=WHO, name=NAMES, number=NUMBERS)
    def lock(self, who: int, name: str, number: int) -> None:
        mark = self.mark(who, name, number)
        if not self.model.people[who].levels:
            assert code_of(lambda: self.live(who, "Main").lock(mark)) in (Err.NotInTransaction, Err.ObjectNotFound)
            return
        self.both(
            who,
            lambda: self.live(who, name).lock(mark),
            lambda person, _: self.model.lock(person, self.model.table(person, name), mark),
        )

    @rule(
        who=WHO,
        name=NAMES,
        number=NUMBERS,
        how=st.sampled_from(("write", "append", "resize")),
        at=st.integers(0, 12000),
        data=st.binary(min_size=1, max_size=30),
        times=st.sampled_from((1, 1, 3, 100, 300)),
        beyond=st.sampled_from((False, False, False, True)),
    )
    def change_long(
        self,
        who: int,
        name: str,
        number: int,
        how: str,
        at: int,
        data: bytes,
        times: int,
        beyond: bool,  # noqa: FBT001
    ) -> None:
        """Change a long value piece by piece: at a place, at its end, or its size."""
        mark, piece = self.mark(who, name, number), data * times
        table = find(self.model.view(self.model.people[who]), name)
        row = {} if table is None else table.rows.get(mark, {})
        size = len(row.get("Long") or b"")
        if how == "write" and not beyond:
            at = min(at, size)

        def engine() -> None:
            field = self.live(who, name).long_value(mark, "Long")
            if how == "write":
                field.write(at, piece)
            elif how == "append":
                field.append(piece)
            else:
                field.resize(at)

        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            old = self.model.long_value(table, mark, "Long")
            self.model.write(person, table)
            new: bytes | None = old + piece
            if how == "write":
                new = None if at > len(old) else old[:at] + piece + old[at + len(piece) :]
            elif how == "resize":
                new = old[:at].ljust(at, b"\0")
            self.model.change_long(person, table, mark, "Long", new)

        self.both(who, engine, model)

    @rule(
        who=WHO,
        name=NAMES,
        number=NUMBERS,
        instance=st.integers(0, 3),
        at=st.integers(0, 3000),
        data=st.binary(max_size=9),
    )
    def write_over(self, who: int, name: str, number: int, instance: int, at: int, data: bytes) -> None:
        """Write over bytes of one of several long values."""
        mark = self.mark(who, name, number)

        def engine() -> None:
            field = self.live(who, name).long_value(mark, "Longs", instance)
            field.write(*_within(field.size, at, data))

        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            old = self.model.long_value(table, mark, "Longs", instance)
            self.model.write(person, table)
            values = list(table.rows[mark]["Longs"])
            place, piece = _within(len(old), at, data)
            values[instance] = old[:place] + piece + old[place + len(piece) :]
            self.model.change_long(person, table, mark, "Longs", tuple(values))

        self.both(who, engine, model)

    # Reading.

    @rule(who=WHO, name=NAMES, number=NUMBERS, value=st.integers(-3, 6), match=SEEKS, which=st.integers(0, 5))
    def seek(self, who: int, name: str, number: int, value: int, match: Seek, which: int) -> None:
        """Search by the first column of an index, and read on from there."""
        table = find(self.model.view(self.model.people[who]), name)
        if table is None:
            assert code_of(lambda: self.live(who, name)) == Err.ObjectNotFound
            return
        if not table.indexes:
            return
        chosen = sorted(table.indexes)[which % len(table.indexes)]
        index = table.indexes[chosen].index
        wanted: Any = "abc01"[value % 5] if index.columns[0] == "Code" else value
        wanted = number if index.primary else wanted
        entries, first = table.order(chosen), self._part(index, wanted)
        fit = [place for place, (key, _) in enumerate(entries) if self._matches(key, first, match)]
        cursor = self.live(who, name).cursor(chosen)
        found = cursor.seek(wanted, match=match)
        assert found == bool(fit)
        if not fit:
            assert code_of(lambda: cursor.row) == Err.NoCurrentRecord
            return
        place = fit[-1] if match in (Seek.LE, Seek.LT) else fit[0]
        for step in range(4):
            assert cursor.bookmark == entries[place][1]
            assert dict(cursor.row) == table.rows[entries[place][1]]
            step_back = (number + step) % 3 == 0
            place += -1 if step_back else 1
            assert cursor.move(-1 if step_back else 1) == (0 <= place < len(entries))
            if not 0 <= place < len(entries):
                assert code_of(lambda: cursor.key) == Err.NoCurrentRecord
                return

    @staticmethod
    def _part(index: Index, value: Any) -> Any:
        return mark_of(value) if index.primary else part_of(value, descending=index.columns[0].startswith("-"))

    @staticmethod
    def _matches(key: Any, first: Any, match: Seek) -> bool:
        mine = key if isinstance(key, bytes) else key[0]
        return bool(
            {
                Seek.EQ: mine == first,
                Seek.GE: mine >= first,
                Seek.GT: mine > first,
                Seek.LE: mine <= first,
                Seek.LT: mine < first,
            }[match]
        )

    @rule(who=WHO, name=NAMES, lower=st.integers(0, 60), size=st.integers(0, 60), inclusive=st.booleans())
    def ranges(self, who: int, name: str, lower: int, size: int, inclusive: bool) -> None:  # noqa: FBT001
        """Count and read a range of every index over numbers."""
        table = find(self.model.view(self.model.people[who]), name)
        for index in () if table is None else [each.index for each in table.indexes.values()]:
            if index.columns[0] not in ("Id", "Many", "Extra"):
                continue
            assert table is not None
            low = lower if index.primary else lower % 5
            high = low + (size if index.primary else size % 4)
            least, most = self._part(index, low), self._part(index, high)
            marks = [
                mark
                for key, mark in table.order(index.name)
                if self._matches(key, least, Seek.GE) and self._matches(key, most, Seek.LE if inclusive else Seek.LT)
            ]
            cursor = self.live(who, name).cursor(index.name)
            assert [row.bookmark for row in cursor.range(low, high, inclusive)] == marks
            assert cursor.count(low, high, inclusive=inclusive) == len(marks)
