"""How a record type is declared, and how records are read and written.

A record class is a NamedTuple of its fields (with bytes fields for the variable parts) joined with `Record`.  Its
`LAYOUT` tells what lies in the file behind the type byte, in order, one token a field::

    pgno:I              a number, by its struct letter (B H h I i Q q)
    time:time           8 bytes that become a LogTime; also pos (LgPos), sig (Signature), dbms (DbmsParam)
    reserved:32s        bytes as they are
    len(data):H         not a field: the length of the variable part `data`
    body:I              not a field: the number of bytes that follow it (the ignorable wrapper)

and `TAIL` names the variable parts in their order; a part whose length is nowhere told takes the rest of the body.
Lengths are computed when a record is packed, so they cannot disagree with the parts.

Reading is table driven: the type byte chooses a function that was built once from the declaration.  This is a hot
path (`benchmarks/log_records.py` measures it); a record costs about one struct call, one slice a variable part,
and one tuple.
Source: log reference 2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, ClassVar, Final, NamedTuple, NoReturn, TypeAlias, TypeVar, cast

from engine.errors import Err, EseError
from engine.format.dbms_param import DbmsParam
from engine.format.lr.types import WRAPPED_TYPES, LrType
from engine.types import LgPos, LogTime, Signature

Decoder: TypeAlias = Callable[[bytes, int, int], "tuple[Record, int]"]
"""(buffer, start, limit) -> record and end."""

WRAPPER: Final = "body:I "
"""Layout of the ignorable wrapper, behind the type byte."""

_CONVERTERS: Final[dict[str, tuple[str, Callable[[bytes], Any]]]] = {
    "pos": ("8s", LgPos.unpack),
    "time": ("8s", LogTime),
    "sig": ("28s", Signature.unpack),
    "dbms": ("567s", DbmsParam.unpack),
}
_TOKEN = re.compile(r"(?:len\((?P<tail>\w+)\)|(?P<name>\w+)):(?P<kind>\w+)")
_R = TypeVar("_R", bound="type[Record]")


class Record:
    """What all record classes share.  Records are immutable; equal when type and fields are."""

    __slots__ = ()
    LAYOUT: ClassVar[str]
    TAIL: ClassVar[str] = ""
    TYPE: ClassVar[LrType]
    """Set on registration, from the name of the class."""

    @property
    def type(self) -> LrType:
        """The type number, whose name is the name of the class."""
        return self.TYPE

    def pack(self) -> bytes:
        """Return the bytes of the record, type byte included; -1003 when a field does not fit its place."""
        return _WRITERS[type(self)](self)  # type: ignore[arg-type]  # every record is the tuple of its fields

    def fields(self) -> dict[str, Any]:
        """Return the fields by name, in their order."""
        return dict(zip(_field_names(type(self)), _values(self), strict=True))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _values(self) == _values(other)

    def __ne__(self, other: object) -> bool:
        # The tuple's own would win otherwise, and it knows no types.
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), *_values(self)))


def _values(record: object) -> tuple[Any, ...]:
    """Return the record as the tuple that every record also is."""
    return tuple(cast("tuple[Any, ...]", record))


def _field_names(cls: type[Record]) -> tuple[str, ...]:
    """Return the field names of the NamedTuple that every record class also is."""
    return cast("tuple[str, ...]", cls._fields)  # type: ignore[attr-defined]


class _Unknown(NamedTuple):
    number: int
    body: bytes


class UnknownRecord(Record, _Unknown):
    """A record in the ignorable wrapper whose type is not known; `body` is what the wrapper holds."""

    __slots__ = ()

    @property
    def type(self) -> LrType:
        """The type number."""
        return LrType(self.number)

    def pack(self) -> bytes:
        """Return the bytes of the record."""
        return struct.pack("<BI", self.number, len(self.body)) + self.body


def corrupt(detail: str, at: int) -> NoReturn:
    """Raise -501 for the record at `at`."""
    raise EseError.from_code(Err.LogFileCorrupt, detail, offset=at)


def decode_at(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
    """Read the record at `at`, which must end at or before `limit`; return it and where it ends.

    -501 with the offset `at` for an unknown type or a record that leaves the limit.
    """
    if not 0 <= at < limit <= len(buffer):
        corrupt("no record there", at)
    return _DECODERS[buffer[at]](buffer, at, limit)


def decode(buffer: bytes | bytearray | memoryview, at: int = 0, limit: int | None = None) -> Record:
    """Read the record at `at`; -501 with the offset when there is none that ends by `limit`."""
    data = buffer if isinstance(buffer, bytes) else bytes(buffer)
    return decode_at(data, at, len(data) if limit is None else limit)[0]


def record_size(buffer: bytes | bytearray | memoryview, at: int = 0, limit: int | None = None) -> int:
    """Return the size in bytes of the record at `at`; -501 as `decode`."""
    data = buffer if isinstance(buffer, bytes) else bytes(buffer)
    return decode_at(data, at, len(data) if limit is None else limit)[1] - at


def record_class(kind: LrType) -> type[Record] | None:
    """Return the class that reads records of this type, or None when they are not understood."""
    return _CLASSES.get(kind)


def wire(cls: _R) -> _R:
    """Register a record class by its declaration (class decorator)."""
    kind = LrType[cls.__name__]
    layout = _Layout(kind, cls.LAYOUT, cls.TAIL.split())
    expected = layout.names + layout.tails
    if _field_names(cls) != expected:
        raise TypeError(f"{cls.__name__}: fields {_field_names(cls)}, layout {expected}")
    register(cls, layout.decoder(cls), layout.writer())
    return cls


def register(cls: type[Record], decoder: Decoder, writer: Callable[[tuple[Any, ...]], bytes]) -> None:
    """Register a record class that has functions of its own."""
    kind = cls.TYPE = LrType[cls.__name__]
    _DECODERS[kind] = decoder
    _WRITERS[cls] = writer
    _CLASSES[kind] = cls


class _Layout:
    """A declaration taken apart.

    The values of the struct are the fields in their order, among them the lengths, which are then picked out.
    """

    def __init__(self, kind: LrType, layout: str, tails: Sequence[str]) -> None:
        self.kind = kind
        self.tails = tuple(tails)
        names: list[str] = []
        formats: list[str] = []
        self.converted: list[tuple[int, Callable[[bytes], Any]]] = []
        self.length_at: dict[str, int] = {}
        self.body_at: int | None = None
        self.body_end = 0
        for position, token in enumerate(layout.split()):
            match = _TOKEN.fullmatch(token)
            if match is None:
                raise TypeError(f"{kind.name}: bad token {token!r}")
            form, converter = _CONVERTERS.get(match["kind"], (match["kind"], None))
            formats.append(form)
            if converter is not None:
                self.converted.append((len(names), converter))
            if match["tail"]:
                self.length_at[match["tail"]] = position
            elif match["name"] == "body":
                self.body_at = position
                self.body_end = struct.calcsize("<x" + "".join(formats))
            else:
                names.append(match["name"])
        self.names = tuple(names)
        self.count = len(formats)
        lengths = {*self.length_at.values(), self.body_at}
        self.kept = [position for position in range(self.count) if position not in lengths]
        self.struct = struct.Struct("<x" + "".join(formats))
        self.packer = struct.Struct("<B" + "".join(formats))
        unmeasured = [tail for tail in self.tails if tail not in self.length_at]
        if unmeasured and (self.body_at is None or unmeasured != [self.tails[-1]]):
            raise TypeError(f"{kind.name}: nothing tells the length of {unmeasured}")

    def decoder(self, cls: type[Record]) -> Decoder:
        """Return the function that reads this type, as lean as the declaration allows."""
        if self.body_at is not None:
            return self._wrapped_decoder(cls)
        decode_raw = self._variable_decoder(cls) if self.tails else self._fixed_decoder(cls)
        if not self.converted:
            return decode_raw
        converted = self.converted

        def converting(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
            record, end = decode_raw(buffer, at, limit)
            fields = [*_values(record)]
            for index, converter in converted:
                fields[index] = converter(fields[index])
            return _make(cls, fields), end

        return converting

    def _fixed_decoder(self, cls: type[Record]) -> Decoder:
        """Return the function that reads a type without variable parts."""
        unpack, size, name, make = self.struct.unpack_from, self.struct.size, self.kind.name, _make

        def fixed(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
            end = at + size
            if end > limit:
                corrupt(f"{name} record cut off", at)
            return make(cls, unpack(buffer, at)), end

        return fixed

    def _variable_decoder(self, cls: type[Record]) -> Decoder:
        """Return the function that reads a type whose parts have their lengths in the fixed part."""
        unpack, size, name, make = self.struct.unpack_from, self.struct.size, self.kind.name, _make
        lengths = tuple(self.length_at[tail] for tail in self.tails)
        pick = _picker(self.kept)

        def variable(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
            end = at + size
            if end > limit:
                corrupt(f"{name} record cut off", at)
            values = unpack(buffer, at)
            parts = []
            for length in lengths:
                start = end
                end += values[length]
                parts.append(buffer[start:end])
            if end > limit:
                corrupt(f"{name} record of {end - at} bytes leaves its place", at)
            return make(cls, (*pick(values), *parts)), end

        return variable

    def _wrapped_decoder(self, cls: type[Record]) -> Decoder:
        """Return the function that reads a type in the wrapper: the last part takes what is left of the body."""
        unpack, size, name, body_end = self.struct.unpack_from, self.struct.size, self.kind.name, self.body_end
        body_at = self.body_at or 0
        converted, pick = self.converted, _picker(self.kept)

        def wrapped(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
            if at + size > limit:
                corrupt(f"{name} record cut off", at)
            values = unpack(buffer, at)
            end = at + body_end + values[body_at]
            if not at + size <= end <= limit:
                corrupt(f"{name} record claims a body of {values[body_at]} bytes", at)
            fields = [*pick(values), buffer[at + size : end]]
            for index, converter in converted:
                fields[index] = converter(fields[index])
            return _make(cls, fields), end

        return wrapped

    def writer(self) -> Callable[[tuple[Any, ...]], bytes]:
        """Return the function that packs the fields."""
        if self.body_at is None and not self.converted:
            return self._plain_writer()
        kept, count, packer, kind = self.kept, self.count, self.packer, int(self.kind)
        fields = len(self.names)
        lengths = [(index, self.length_at[tail]) for index, tail in enumerate(self.tails) if tail in self.length_at]
        body_at, after_body = self.body_at, self.struct.size - self.body_end
        converted = {index for index, _ in self.converted}

        def write(record: tuple[Any, ...]) -> bytes:
            values: list[Any] = [0] * count
            for index, position in enumerate(kept):
                values[position] = record[index].pack() if index in converted else record[index]
            parts = record[fields:]
            for index, position in lengths:
                values[position] = len(parts[index])
            if body_at is not None:
                values[body_at] = after_body + sum(map(len, parts))
            try:
                fixed = packer.pack(kind, *values)
            except struct.error as error:
                detail = f"a field of {LrType(kind).name} does not fit: {error}"
                raise EseError.from_code(Err.InvalidParameter, detail) from None
            return fixed + b"".join(parts)

        return write

    def _plain_writer(self) -> Callable[[tuple[Any, ...]], bytes]:
        """Return the function for types of numbers and parts only: what live work writes all the time."""
        packer, kind, fields = self.packer, int(self.kind), len(self.names)
        source = {position: index for index, position in enumerate(self.kept)}
        source |= {self.length_at[tail]: fields + index for index, tail in enumerate(self.tails)}
        arrange = _picker([source[position] for position in range(self.count)])

        def write_plain(record: tuple[Any, ...]) -> bytes:
            parts = record[fields:]
            try:
                fixed = packer.pack(kind, *arrange((*record[:fields], *map(len, parts))))
            except struct.error as error:
                detail = f"a field of {LrType(kind).name} does not fit: {error}"
                raise EseError.from_code(Err.InvalidParameter, detail) from None
            return b"".join((fixed, *parts)) if parts else fixed

        return write_plain


_make = cast("Callable[[type[Record], Iterable[Any]], Record]", tuple.__new__)
"""Makes a record of its values, without the cost of a call into Python."""


def _picker(positions: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function that picks these positions out of a tuple, always as a tuple."""
    if not positions:
        return lambda _: ()
    if len(positions) == 1:
        only = positions[0]
        return lambda values: (values[only],)
    return cast("Callable[[tuple[Any, ...]], tuple[Any, ...]]", itemgetter(*positions))


def _no_such_type(buffer: bytes, at: int, _limit: int) -> tuple[Record, int]:
    corrupt(f"record type {buffer[at]} is not known", at)


def _unknown_wrapped(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
    if limit - at < _WRAPPER_SIZE:
        corrupt("record cut off", at)
    end = at + _WRAPPER_SIZE + int.from_bytes(buffer[at + 1 : at + _WRAPPER_SIZE], "little")
    if end > limit:
        corrupt(f"record of unknown type {buffer[at]} and {end - at} bytes leaves its place", at)
    return UnknownRecord(buffer[at], buffer[at + _WRAPPER_SIZE : end]), end


_WRAPPER_SIZE: Final = 5
_DECODERS: Final[list[Decoder]] = [
    _unknown_wrapped if number in WRAPPED_TYPES else _no_such_type for number in range(256)
]
_WRITERS: Final[dict[type[Record], Callable[[tuple[Any, ...]], bytes]]] = {}
_CLASSES: Final[dict[LrType, type[Record]]] = {}
