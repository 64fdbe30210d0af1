"""Records go to the log and to the pages; what was committed survives, what was not is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.format import lr
from engine.types import LgPos
from tests.store.by_hand import PROCID, Writer, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.conftest import Live


def test_a_commit_is_there_after_a_crash(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    writer = Writer(live)
    for number in (5, 6, 7):
        writer.insert(number)
    writer.commit()
    again = live.recovered()
    assert again.pages.dirty_pages == 0
    again.end()
    assert values(again) == [0, 5, 6, 7]
    assert again.findings() == []


def test_what_was_not_committed_is_taken_back(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    writer = Writer(live)
    writer.insert(5)
    live.journal.writer.flush()
    again = live.recovered()
    again.end()
    assert values(again) == [0]
    assert "Undo" in [each.record.type.name for each in again.records()]


def test_a_commit_that_was_not_waited_for_may_be_lost(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    writer = Writer(live)
    writer.insert(5)
    live.journal.note(lr.Commit0(PROCID, 0, 8))
    again = live.recovered()
    again.end()
    assert values(again) == [0]


def test_a_clean_end_writes_the_pages(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    writer = Writer(live)
    writer.insert(5)
    writer.commit()
    assert live.pages.dirty_pages == 1
    in_memory = live.pages.load(writer.root)
    dbtime = live.pages.dbtime_last
    live.end()
    assert values(live) == [0, 5]
    assert live.page(writer.root).full() == in_memory.full()
    assert live.findings() == []
    again = live.recovered()
    assert again.instance.keeper().attached()[0].header.dbtime_dirtied == dbtime
    assert again.pages.dbtime_last == dbtime
    again.end()


def test_no_page_is_written_before_its_log(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    writer = Writer(live)
    writer.insert(5)
    last = live.journal.writer.last_record
    assert live.journal.writer.tip <= last
    live.pages.flush()
    assert live.journal.writer.tip > last
    # The page is in the file with an open transaction: undo finds the row there.
    again = live.recovered()
    again.end()
    assert values(again) == [0]
    assert again.findings() == []


def test_a_before_image_is_logged_before_its_page(new_live: Callable[..., Live]) -> None:
    live = new_live(3)
    writer = Writer(live)
    writer.replace(1, 77)
    live.pages.flush()
    assert [each.record.type.name for each in live.records()][-2:] == ["Replace", "UndoInfo"]
    again = live.recovered()
    again.end()
    assert values(again) == [0, 1, 2]


def test_a_before_image_that_was_let_go_is_not_logged(new_live: Callable[..., Live]) -> None:
    live = new_live(3)
    writer = Writer(live)
    image = writer.replace(1, 77)
    writer.commit()
    live.pages.unpin_image(image)
    live.pages.unpin_image(image)
    live.pages.flush()
    assert "UndoInfo" not in [each.record.type.name for each in live.records()]
    live.end()
    assert values(live) == [0, 77, 2]


def test_the_pages_are_given_up_while_a_commit_lets_go_of_them(new_live: Callable[..., Live]) -> None:
    """Another thread ends the instance without a word between two steps of a commit."""
    live = new_live(3)
    writer = Writer(live)
    image = writer.replace(1, 77)

    class Ending(dict[int, Any]):
        def get(self, key: int, default: Any = None) -> Any:
            found = super().get(key, default)
            live.pages.close()
            return found

    live.pages._images = Ending(live.pages._images)
    assert image.pgno in live.pages._images
    live.pages.unpin_image(image, live.journal.writer.tip)
    assert live.pages.dirty_pages == 0


def test_the_checkpoint_stays_before_what_recovery_needs(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    keeper, log = live.instance.keeper(), live.journal.writer
    log.roll()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(2, 1, 0)
    writer = Writer(live)
    assert writer.begin0.generation == 3
    writer.insert(5)
    log.roll()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(3, 1, 0)
    writer.commit()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(3, 1, 0), "the page is not written"
    again = ended(live)
    assert values(again) == [0, 5]


def ended(live: Live) -> Live:
    """Crash, recover, and stop clean."""
    again = live.recovered()
    again.end()
    return again


def test_written_pages_let_the_checkpoint_go(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    keeper, log = live.instance.keeper(), live.journal.writer
    writer = Writer(live)
    writer.insert(5)
    log.roll()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(1, 1, 0)
    live.pages.flush()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(1, 1, 0), "the transaction is open"
    writer.commit()
    live.pages.flush()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(4, 1, 0)
    header = keeper.attached()[0].header
    assert (header.gen_min_required, header.gen_max_required) == (4, 5)
    assert values(ended(live)) == [0, 5]


def test_the_file_grows_and_the_log_says_so(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    pages = live.pages
    last = pages.last_page
    with live.journal.latch:
        assert pages.extend(3, PROCID) == (last + 1, 256)
    assert pages.last_page == last + 256
    assert live.instance.attached()[0].last_owned_page == last + 256
    assert live.instance.attached()[0].size_bytes >= (last + 256 + 2) * 4096
    live.journal.writer.flush()
    assert live.records()[-1].record == lr.ExtendDB(pages.dbid, last + 256)


def test_a_limited_database_does_not_grow_beyond(new_live: Callable[..., Live]) -> None:
    live = new_live(1, params={"DbExtensionSize": 16})
    pages = live.pages
    live.instance.attached()[0].cpg_max = pages.last_page + 20
    first, count = pages.extend(2, PROCID)
    assert (first, count) == (pages.last_page - 15, 16)
    assert pages.extend(2, PROCID)[1] == 4
    with pytest.raises(EseError) as caught:
        pages.extend(1, PROCID)
    assert caught.value.code == Err.OutOfDatabaseSpace


def test_a_record_that_does_not_fit_takes_the_log_down(new_live: Callable[..., Live]) -> None:
    live = new_live(1)
    writer = Writer(live)
    record = lr.Delete(PROCID, live.pages.dbid, writer.root, 1, 0, 4, 1, 0, 0, 0, writer.root, writer.objid)
    with pytest.raises(EseError) as caught:
        live.journal.do(live.pages, record._replace(dbtime=live.pages.next_dbtime(), dbtime_before=3), writer.begin0)
    assert caught.value.code == Err.DbTimeTooNew
    with pytest.raises(EseError) as caught:
        live.journal.note(lr.Commit0(PROCID, 0, 8))
    assert caught.value.code == Err.LogWriteFail


@pytest.mark.parametrize("policy", list(CrashPolicy))
def test_flushes_and_crashes_of_every_kind(new_live: Callable[..., Live], policy: CrashPolicy) -> None:
    live = new_live(1)
    expected = [0]
    for round_ in range(1, 12):
        writer = Writer(live, trx=4 * round_)
        writer.insert(round_)
        if round_ % 3 == 0:
            live.pages.flush()
        if round_ % 4:
            writer.commit()
            expected.append(round_)
        else:
            live.journal.writer.flush()
            live = live.recovered(policy, round_)
    live.end()
    assert values(live) == expected
    assert live.findings() == []


def test_an_older_transaction_that_changes_a_page_later_holds_the_checkpoint_too(new_live: Callable[..., Live]) -> None:
    """Recovery leaves out what a transaction logged whose beginning it has not seen."""
    live = new_live(3)
    keeper, log = live.instance.keeper(), live.journal.writer
    older = Writer(live, 4, procid=5)
    log.roll()
    younger = Writer(live, 8, procid=6)
    younger.replace(0, 70)
    older.replace(1, 71)
    older.commit()
    younger.commit()
    log.roll()
    log.roll()
    assert keeper.checkpoint_position() == LgPos(1, 1, 0)
    assert values(ended(live)) == [70, 71, 2]
