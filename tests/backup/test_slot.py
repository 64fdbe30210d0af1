"""One backup at a time, and who waits for whom."""

from __future__ import annotations

import threading

import pytest

from engine.backup.slot import BackupSlot, BackupState, SlotHolder
from engine.errors import Err, EseError


def test_it_is_taken_once() -> None:
    slot = BackupSlot()
    slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
    assert slot.in_progress
    with pytest.raises(EseError) as caught:
        slot.take(SlotHolder.EXTERNAL, BackupState.DATABASES)
    assert caught.value.code == Err.BackupInProgress
    slot.release()
    assert slot.state is BackupState.NONE
    slot.take(SlotHolder.SURROGATE, BackupState.LOGS)
    with pytest.raises(EseError) as caught:
        slot.check_free()
    assert caught.value.code == Err.SurrogateBackupInProgress


def test_among_threads_one_wins() -> None:
    slot = BackupSlot()
    barrier = threading.Barrier(8)
    won: list[bool] = []

    def attempt() -> None:
        barrier.wait()
        try:
            slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
            won.append(True)
        except EseError:
            won.append(False)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(won) == [False] * 7 + [True]


def test_the_first_request_to_stop_counts() -> None:
    slot = BackupSlot()
    assert not slot.request_stop()
    slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
    slot.check_stop()
    assert slot.request_stop(Err.BackupAbortByServer)
    assert slot.request_stop(Err.TermInProgress)
    with pytest.raises(EseError) as caught:
        slot.check_stop()
    assert caught.value.code == Err.BackupAbortByServer
    slot.release()
    assert slot.stop_code is None


def test_pins_last_as_long_as_the_backup() -> None:
    slot = BackupSlot()
    slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
    slot.pin(7)
    assert slot.pinned_from == 7
    slot.release()
    assert slot.pinned_from is None


def test_waiting_until_it_is_free() -> None:
    slot = BackupSlot()
    assert slot.wait_free(0)
    slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
    assert not slot.wait_free(0.01)
    timer = threading.Timer(0.05, slot.release)
    timer.start()
    assert slot.wait_free(10)


def test_databases_do_not_change_during_a_backup_nor_the_other_way_round() -> None:
    slot = BackupSlot()
    with slot.changing_databases():
        slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
        assert not slot.wait_databases_settled(0.01)
    assert slot.wait_databases_settled(0)
    with pytest.raises(EseError) as caught, slot.changing_databases():
        pytest.fail("entered during a backup")
    assert caught.value.code == Err.BackupInProgress


def test_waiting_for_databases_ends_when_asked_to_stop() -> None:
    slot = BackupSlot()
    with slot.changing_databases():
        slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
        slot.request_stop()
        assert not slot.wait_databases_settled()
