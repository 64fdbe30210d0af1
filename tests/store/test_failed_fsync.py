"""A database file that cannot be made durable: nothing goes on as if it had been, and recovery has everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.conftest import Live


def test_a_failed_fsync_takes_the_log_down(new_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch) -> None:
    live = new_live()
    session = live.instance.session()
    rows = session.open(live.database.path)["Rows"]
    for number in range(200):
        rows.insert(Id=number, Name=f"name {number}")
    failures = 0

    def fail() -> None:
        nonlocal failures
        failures += 1
        raise EseError.from_code(Err.DiskIO, "the device reports an error", path=live.database.path)

    monkeypatch.setattr(live.database.file, "fsync", fail)
    with live.journal.latch, pytest.raises(EseError) as caught:
        live.pages.flush()
    assert caught.value.code == Err.DiskIO
    assert failures == 1
    monkeypatch.undo()
    with pytest.raises(EseError) as refused:
        rows.insert(Id=1000, Name="too late")
    assert refused.value.code == Err.LogWriteFail
    again = live.recovered()
    again.end()
    assert [row["Id"] for row in again.rows()] == list(range(200))
    assert again.findings() == []
