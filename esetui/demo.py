"""The sample: a folder with two instances of the real format and a backup directory, to try everything on.

    <folder>/dhcp/      dhcp.mdb (addresses), lease.mdb (a larger one), a log stream
    <folder>/tickets/   tickets.edb, 32 KiB pages, circular logging
    <folder>/backup/    empty, to back up to

Everything is made by the engine itself: databases by its builder, the log streams by instances that were started,
given their databases and stopped again.  Nothing of it is special; it may be deleted or kept.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import NamedTuple

from engine.build import Column, ColumnType, DatabaseBuilder, FormatLevel, Index, make_samples
from engine.env import Environment
from engine.instance import Instance

LEASE_BYTES = 96 << 20
"""Size of the large database: enough that a backup can be watched."""

_START = datetime(2026, 1, 1, tzinfo=UTC)
_LOG_KIB = 256
_SMALL_BYTES = 8 << 20


class Demo(NamedTuple):
    """Where the sample lies."""

    folder: str
    instances: tuple[str, ...]
    backup: str


def create_demo(folder: str | None = None, *, lease_bytes: int = LEASE_BYTES, env: Environment | None = None) -> Demo:
    """Make the sample in `folder` (which must be empty or missing), by default in a new temporary one.

    -1201 when there is a sample already.
    """
    env = env or Environment()
    top = PurePath(env.fs.absolute(folder or tempfile.mkdtemp(prefix="esetui-demo-")))
    places = Demo(str(top), (str(top / "dhcp"), str(top / "tickets")), str(top / "backup"))
    for each in (*places.instances, places.backup):
        env.fs.make_directory(each, parents=True)
    dhcp, tickets = (PurePath(each) for each in places.instances)
    _build_dhcp(env, str(dhcp), lease_bytes)
    _run_once(env, dhcp, ("dhcp.mdb", "lease.mdb"), page_size=4096, base="j50")
    _build_tickets(env, str(tickets / "tickets.edb"))
    _run_once(env, tickets, ("tickets.edb",), page_size=32768, base="edb", circular=True)
    return places


def _run_once(
    env: Environment,
    folder: PurePath,
    databases: tuple[str, ...],
    *,
    page_size: int,
    base: str,
    circular: bool = False,
) -> None:
    """Give databases a log stream: an instance is started on an empty folder, they are attached, it is stopped."""
    instance = Instance(
        f"demo {folder.name}",
        path=str(folder),
        base_name=base,
        page_size=page_size,
        log_file_size=_LOG_KIB,
        circular_log=circular,
        env=env,
    )
    with instance, instance.session() as session:
        for name in databases:
            session.attach(str(folder / name))


def _build_dhcp(env: Environment, folder: str, lease_bytes: int) -> None:
    make_samples(env, folder, size=_SMALL_BYTES, level=FormatLevel.WINDOWS_10)
    # A database large enough to be watched takes the place of the small one; it is made at the speed of the disk.
    with DatabaseBuilder(env, f"{folder}/lease.mdb", level=FormatLevel.WINDOWS_10, overwrite=True) as build:
        build.add_filled_table("History", lease_bytes, seed=1)


def _build_tickets(env: Environment, path: str) -> None:
    columns = [
        Column("Id", ColumnType.LONG, auto_increment=True),
        Column("Opened", ColumnType.DATE_TIME),
        Column("Subject", ColumnType.TEXT, size=200),
        Column("Body", ColumnType.LONG_TEXT),
    ]
    rows = (
        {
            "Opened": _START + timedelta(hours=number),
            "Subject": f"Ticket {number}: printer on floor {number % 9} is out of paper",
            "Body": f"It was {number % 100} sheets short. " * (number % 60),
        }
        for number in range(5_000)
    )
    with DatabaseBuilder(env, path, page_size=32768, level=FormatLevel.WINDOWS_10) as build:
        build.add_table("Tickets", columns, secondary=[Index("byOpened", ("Opened",))], rows=rows)
