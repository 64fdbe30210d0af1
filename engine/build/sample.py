"""Sample databases for a demonstration: what a small company's DHCP server might keep.

    dhcp.mdb    Scopes        a subnet each
                Reservations  addresses promised to devices
                Leases        addresses in use, with the options that clients sent
                AuditLog      one row an event, with the packet; fills the file up to the wanted size
    lease.mdb   History       past leases
                Exports       nightly exports, long values of some ten kilobytes

Everything follows from the seed and the environment's clock.  Source: none; the tables are made up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from engine.build.database import DatabaseBuilder, FormatLevel
from engine.build.schema import Column, Index
from engine.format.column import ASCII, ColumnType
from engine.format.value import ole_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.build.table import TableInfo
    from engine.env import Environment
    from engine.types import StrPath

DEFAULT_SIZE: Final = 40 << 20
_DHCP_SHARE: Final = 0.75
"""Part of the size that dhcp.mdb gets; the rest is lease.mdb."""
_SCOPES: Final = 12
_HOSTS: Final = 200
_IDLE_SCOPE: Final = 9
_LEASE_ROW: Final = 700
"""Bytes of file that a lease takes with its index entries and options, about."""
_AUDIT_ROW: Final = 1350
_HISTORY_ROW: Final = 130
_EXPORT_BYTES: Final = (8_000, 48_000)
_DAY: Final = 1.0
_HOUR: Final = _DAY / 24
_NETWORK: Final = 10 << 24

_SITES: Final = (
    "Berlin",
    "Lyon",
    "Porto",
    "Gdansk",
    "Turin",
    "Malmo",
    "Graz",
    "Cork",
    "Brno",
    "Ghent",
    "Split",
    "Tartu",
)
_DEVICES: Final = ("laptop", "desktop", "phone", "printer", "camera", "badge-reader", "tablet", "switch", "scanner")
_VENDORS: Final = (b"\x00\x1b\x21", b"\x3c\x52\x82", b"\xa4\xbb\x6d", b"\xdc\xa6\x32", b"\xf0\x18\x98", b"\x00\x50\x56")
_EVENTS: Final = (
    (10, "A new IP address was leased to a client"),
    (11, "A lease was renewed by a client"),
    (12, "A lease was released by a client"),
    (13, "An IP address was found to be in use on the network"),
    (15, "A lease was denied"),
    (17, "A lease was expired and DNS records were deleted"),
    (30, "DNS update request"),
    (32, "DNS update successful"),
)

SCOPE_COLUMNS: Final = (
    Column("Subnet", ColumnType.UNSIGNED_LONG, not_null=True),
    Column("Mask", ColumnType.UNSIGNED_LONG, not_null=True),
    Column("Name", ColumnType.TEXT, size=120),
    Column("Comment", ColumnType.TEXT),
    Column("Active", ColumnType.BIT, default=True),
    Column("LeaseDays", ColumnType.SHORT, default=8),
)
RESERVATION_COLUMNS: Final = (
    Column("Address", ColumnType.UNSIGNED_LONG, not_null=True),
    Column("Hardware", ColumnType.BINARY, size=16),
    Column("Name", ColumnType.TEXT, code_page=ASCII, size=64),
    Column("Comment", ColumnType.TEXT),
    Column("Tags", ColumnType.TEXT, code_page=ASCII, size=32, multi_valued=True),
)
LEASE_COLUMNS: Final = (
    Column("Address", ColumnType.UNSIGNED_LONG, not_null=True),
    Column("Subnet", ColumnType.UNSIGNED_LONG),
    Column("Expires", ColumnType.DATE_TIME),
    Column("State", ColumnType.UNSIGNED_BYTE),
    Column("Client", ColumnType.GUID),
    Column("Hardware", ColumnType.BINARY, size=16),
    Column("HostName", ColumnType.TEXT, code_page=ASCII, size=128),
    Column("Description", ColumnType.TEXT),
    Column("Options", ColumnType.LONG_BINARY),
)
AUDIT_COLUMNS: Final = (
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("When", ColumnType.DATE_TIME),
    Column("Event", ColumnType.SHORT),
    Column("Address", ColumnType.UNSIGNED_LONG),
    Column("Text", ColumnType.TEXT),
    Column("Packet", ColumnType.LONG_BINARY),
)
HISTORY_COLUMNS: Final = (
    Column("Id", ColumnType.LONG_LONG, auto_increment=True),
    Column("Address", ColumnType.UNSIGNED_LONG),
    Column("From", ColumnType.DATE_TIME),
    Column("To", ColumnType.DATE_TIME),
    Column("Renewals", ColumnType.UNSIGNED_SHORT),
    Column("HostName", ColumnType.TEXT, code_page=ASCII, size=128),
)
EXPORT_COLUMNS: Final = (
    Column("Night", ColumnType.DATE_TIME, not_null=True),
    Column("Complete", ColumnType.BIT),
    Column("Content", ColumnType.LONG_BINARY),
)


@dataclass(frozen=True, slots=True)
class SampleDatabase:
    """One database that was made: its path, its size in bytes, its tables."""

    path: str
    size: int
    tables: tuple[TableInfo, ...]


class _Source:
    """Content that follows from a seed."""

    def __init__(self, seed: int, today: float) -> None:
        self.random = random.Random(seed)  # noqa: S311 - made-up content, not a secret
        self.today = today
        # Slices of one pool: making random bytes for each row would take longer than writing them.
        self._pool = self.random.randbytes(1 << 18)

    def blob(self, size: int) -> bytes:
        """Return bytes that look like nothing in particular."""
        at = self.random.randrange(len(self._pool) - size)
        return self._pool[at : at + size]

    def host(self, number: int) -> str:
        """Return a host name."""
        device, site = _DEVICES[number % len(_DEVICES)], _SITES[number // 7 % len(_SITES)]
        return f"{site.lower()}-{device}-{number:05}.corp.example"

    def hardware(self, number: int) -> bytes:
        """Return a hardware address."""
        return _VENDORS[number % len(_VENDORS)] + (number * 2654435761 & 0xFFFFFF).to_bytes(3, "big")

    def scopes(self) -> Iterator[tuple[object, ...]]:
        """Yield a row for each subnet, ascending."""
        for number in range(_SCOPES):
            comment = None if number % 3 else f"Second floor, rack {number}"
            yield _NETWORK + (number << 16), 0xFFFF0000, f"{_SITES[number]} clients", comment, number != _IDLE_SCOPE, 8

    def reservations(self, count: int) -> Iterator[tuple[object, ...]]:
        """Yield reserved addresses, ascending."""
        for number in range(count):
            address = _NETWORK + (number * _SCOPES // count << 16) + 10 + number
            tags = ["static", _DEVICES[number % len(_DEVICES)], f"rack{number % 9}"][: number % 4]
            comment = f"Ticket {number * 37 % 9000 + 1000}: {_SITES[number % _SCOPES]}" if number % 2 else None
            yield address, self.hardware(number), self.host(number), comment, tags

    def leases(self, count: int) -> Iterator[tuple[object, ...]]:
        """Yield leases by address; every seventh client sent no name, some sent many options."""
        source = self.random
        for number in range(count):
            subnet = _NETWORK + (number * _SCOPES // count << 16)
            expires = self.today + source.uniform(-2, 8) * _DAY
            name = self.host(number) if number % 7 else None
            options = self.blob(source.choice((60, 180, 240, 312, 1300)))
            text = None if number % 5 else f"Leased at {_SITES[number % _SCOPES]}, port {number % 48 + 1}"
            client = self.blob(16)
            yield (
                subnet + 2000 + number,
                subnet,
                expires,
                number % 4,
                client,
                self.hardware(number),
                name,
                text,
                options,
            )

    def audit(self, count: int) -> Iterator[tuple[object, ...]]:
        """Yield events in the order in which they happened."""
        source = self.random
        start = self.today - 30 * _DAY
        for number in range(count):
            event, text = _EVENTS[source.randrange(len(_EVENTS))]
            address = _NETWORK + (number % _SCOPES << 16) + 2000 + source.randrange(4000)
            when = start + 30 * _DAY * number / count
            yield number + 1, when, event, address, text, self.blob(source.randrange(900, 1020))

    def history(self, count: int) -> Iterator[tuple[object, ...]]:
        """Yield past leases by the time they began."""
        source = self.random
        for number in range(count):
            begun = self.today - 365 * _DAY * (1 - number / count)
            address = _NETWORK + (number % _SCOPES << 16) + 2000 + source.randrange(4000)
            ended = begun + source.uniform(1, 200) * _HOUR
            yield number + 1, address, begun, ended, source.randrange(40), self.host(source.randrange(6000))

    def exports(self, count: int) -> Iterator[tuple[object, ...]]:
        """Yield nightly exports."""
        for number in range(count):
            size = self.random.randrange(*_EXPORT_BYTES)
            yield self.today - (count - number) * _DAY, number % 11 != 5, self.blob(size)  # noqa: PLR2004 - some failed


def make_samples(
    env: Environment,
    folder: StrPath,
    *,
    size: int = DEFAULT_SIZE,
    seed: int = 2003,
    page_size: int = 4096,
    level: FormatLevel = FormatLevel.WIDEST,
    overwrite: bool = False,
) -> tuple[SampleDatabase, SampleDatabase]:
    """Make dhcp.mdb and lease.mdb in an existing folder, together of about `size` bytes (at least half a megabyte).

    -1201 when one exists, unless `overwrite`.
    """
    midnight = env.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=1)
    source = _Source(seed, ole_date(midnight))
    made = []
    for name, share, fill in (("dhcp.mdb", _DHCP_SHARE, _fill_dhcp), ("lease.mdb", 1 - _DHCP_SHARE, _fill_lease)):
        path = env.fs.absolute(f"{folder}/{name}")
        with DatabaseBuilder(env, path, page_size=page_size, level=level, overwrite=overwrite) as build:
            fill(build, source, int(size * share))
        with env.fs.open(path) as file:
            made.append(SampleDatabase(path, file.size(), tuple(build.tables)))
    return made[0], made[1]


def _fill_dhcp(build: DatabaseBuilder, source: _Source, size: int) -> None:
    leases = max(20, int(size * 0.15) // _LEASE_ROW)
    audit = max(20, int(size * 0.85) // _AUDIT_ROW)
    _add(build, "Scopes", SCOPE_COLUMNS, ("Subnet",), source.scopes())
    _add(
        build,
        "Reservations",
        RESERVATION_COLUMNS,
        ("Address",),
        source.reservations(_HOSTS),
        Index("ByName", ("Name",)),
        Index("ByTag", ("Tags",), ignore_null=True),
    )
    _add(
        build,
        "Leases",
        LEASE_COLUMNS,
        ("Address",),
        source.leases(leases),
        Index("ByHost", ("HostName",), ignore_null=True),
        Index("ByExpiry", ("Expires",)),
        Index("ByHardware", ("Hardware",)),
    )
    _add(build, "AuditLog", AUDIT_COLUMNS, ("Id",), source.audit(audit), Index("ByAddress", ("Address", "-When")))


def _fill_lease(build: DatabaseBuilder, source: _Source, size: int) -> None:
    history = max(20, int(size * 0.3) // _HISTORY_ROW)
    exports = max(5, int(size * 0.7) // (sum(_EXPORT_BYTES) // 2))
    _add(build, "History", HISTORY_COLUMNS, ("Id",), source.history(history), Index("ByAddress", ("Address",)))
    _add(build, "Exports", EXPORT_COLUMNS, ("Night",), source.exports(exports))


def _add(
    build: DatabaseBuilder,
    name: str,
    columns: Sequence[Column],
    key: tuple[str, ...],
    rows: Iterator[tuple[object, ...]],
    *secondary: Index,
) -> None:
    build.add_table(name, columns, primary=Index("Primary", key), secondary=secondary, rows=rows)
