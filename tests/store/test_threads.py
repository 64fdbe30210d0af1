"""Several threads commit at once, then the power fails: what was acknowledged is there, and nothing half."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.store.versions import ACTIVE
from tests.store.world import World

if TYPE_CHECKING:
    from engine.store.transactions import StoreSession

THREADS: Final = 4
ROWS: Final = 5
"""Rows of one transaction; their names tell which."""


def number_of(who: int, transaction: int, row: int) -> int:
    return (transaction * ROWS + row) * THREADS + who


class Writers:
    """Threads that commit numbered transactions until told to stop; `acknowledged` counts what returned."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged = [0] * THREADS
        self.failures: list[BaseException] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(who,)) for who in range(THREADS)]
        self.sessions = [world.session() for _ in range(THREADS)]

    def _run(self, who: int) -> None:
        try:
            while not self.stop.is_set():
                self._transaction(self.sessions[who], who, self.acknowledged[who])
                self.acknowledged[who] += 1
        except EseError as error:
            # The log of an instance whose power has failed takes nothing.
            if error.code not in {Err.LogWriteFail, Err.DiskIO}:
                self.failures.append(error)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.failures.append(error)

    def _transaction(self, session: StoreSession, who: int, transaction: int) -> None:
        session.begin()
        for row in range(ROWS):
            self.world.insert(session, number_of(who, transaction, row), who, f"{who} {transaction} {'x' * 60}")
            if row == 1:
                session.begin()
                self.world.insert(session, number_of(who, transaction, ROWS + 10**6), 0, "taken back")
                session.rollback()
        if transaction and transaction % 3 == 0:
            self.world.rename(session, number_of(who, transaction - 1, 0), f"{who} {transaction - 1} renamed")
        session.commit()

    def run_until(self, total: int) -> None:
        for thread in self.threads:
            thread.start()
        while sum(self.acknowledged) < total and not self.failures and any(each.is_alive() for each in self.threads):
            self.stop.wait(0.005)

    def join(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads)
        assert self.failures == []


@pytest.mark.parametrize("policy", list(CrashPolicy))
@pytest.mark.parametrize("page_size", [4096, 16384])
def test_what_was_acknowledged_outlives_a_crash(policy: CrashPolicy, page_size: int) -> None:
    world = World(page_size)
    world.cleanup.start()
    writers = Writers(world)
    writers.run_until(60)
    # What returned before the crash was durable before it; what returns from here on counts for nothing.
    least = list(writers.acknowledged)
    disk = world.live.disk.crash(policy, 7)
    writers.join()
    world.cleanup.stop()
    world.live.instance.abandon()
    world.reopen(disk)
    rows, findings = world.after_end()
    # A page that was on its way into a tree is nobody's, in the real engine as well.
    assert [each for each in findings if "CheckKind.LEAKED" not in each] == []
    for who in range(THREADS):
        found = 0
        while number_of(who, found, 0) in rows:
            found += 1
        assert found >= least[who]
        for transaction in range(found):
            for row in range(ROWS):
                assert rows[number_of(who, transaction, row)][0] == who
    # Nothing but whole transactions, and nothing that was taken back.
    assert len(rows) == sum(1 for number in rows if number < THREADS * ROWS * 10**5)
    assert len(rows) % ROWS == 0


def test_threads_that_stop_leave_no_transaction_open() -> None:
    world = World()
    writers = Writers(world)
    writers.run_until(20)
    writers.join()
    assert world.versions.open_transactions == 0
    assert world.versions.oldest == ACTIVE
    world.cleanup.run()
    assert world.versions.count == world.deleted_nodes() == 0
    assert len(world.rows(world.session())) == sum(writers.acknowledged) * ROWS
