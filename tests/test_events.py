from __future__ import annotations

import logging
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.event_table import CATEGORY_NAMES, EVENTS
from engine.events import Event, EventFilter, EventLog, Severity, events
from engine.params import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def settings(*, quiet: bool = False, level: int = 100) -> EventFilter:
    held: Any = SimpleNamespace(no_information_event=quiet, event_logging_level=level)
    answer: EventFilter = held
    return answer


def private(**options: Any) -> EventLog:
    return EventLog(shared=False, **options)


def ticking() -> Iterator[datetime]:
    when = START
    while True:
        yield when
        when += timedelta(seconds=1)


class TestTable:
    def test_rows_of_note(self) -> None:
        for number, symbol, severity, category, fields in (
            (102, "START_INSTANCE_ID", Severity.INFO, 1, 5),
            (105, "START_INSTANCE_DONE_ID", Severity.INFO, 1, 4),
            (206, "DATABASE_MISS_FULL_BACKUP_ERROR_ID", Severity.ERROR, 3, 1),
            (210, "START_FULL_BACKUP_INSTANCE_ID", Severity.INFO, 3, 0),
            (213, "STOP_BACKUP_INSTANCE_ID", Severity.INFO, 3, 0),
            (215, "STOP_BACKUP_ERROR_ABORT_BY_CALLER_INSTANCE_ID", Severity.ERROR, 3, 1),
            (219, "BACKUP_ERROR_INFO_UPDATE", Severity.WARNING, 3, 1),
            (220, "BACKUP_FILE_START", Severity.INFO, 3, 2),
            (227, "BACKUP_TRUNCATE_FOUND_MISSING_LOG_FILES", Severity.WARNING, 3, 1),
            (474, "DATABASE_PAGE_CHECKSUM_MISMATCH_ID", Severity.ERROR, 2, 7),
            (493, "TRANSIENT_READ_ERROR_DETECTED_ID", Severity.ERROR, 3, 5),
            (552, "LOG_CORRUPT_ID", Severity.ERROR, 3, 7),
            (2010, "OS_SNAPSHOT_PREPARE_DIFFERENTIAL_ID", Severity.INFO, 16, 1),
        ):
            kind = EVENTS[number]
            assert (kind.symbol, kind.severity, kind.categories[0], len(kind.fields)) == (
                symbol,
                severity,
                category,
                fields,
            )

    def test_is_whole(self) -> None:
        assert len(EVENTS) == 176
        assert len({kind.symbol for kind in EVENTS.values()}) == len(EVENTS)
        assert EVENTS[474].categories == (2, 3, 12)
        assert EVENTS[224].categories == (3, 16)
        assert {kind.level for kind in EVENTS.values()} == {1, 50}
        assert EVENTS[732].level == 50

    @pytest.mark.parametrize("number", sorted(EVENTS))
    def test_texts_speak_only_of_strings_that_are_there(self, number: int) -> None:
        kind = EVENTS[number]
        asked = {int(each) for each in re.findall(r"%(\d+)", kind.text)}
        assert asked <= set(range(4, 4 + len(kind.fields)))
        assert all(category in CATEGORY_NAMES for category in kind.categories)
        event = private().report(number, *(f"<{field}>" for field in kind.fields))
        assert event is not None
        assert "%" not in event.message
        assert "?" not in event.message


class TestEvent:
    def test_fields_and_text(self) -> None:
        log = private(source="prog", instance="inst", now=lambda: START)
        event = log.report(220, "/db/a.edb", "776 Kb")
        assert event == Event(
            id=220,
            name="BACKUP_FILE_START",
            severity=Severity.INFO,
            category=3,
            time=START,
            source="prog",
            pid=os.getpid(),
            instance="inst",
            strings=("/db/a.edb", "776 Kb"),
            level=1,
        )
        assert event.message == "copy of /db/a.edb (size 776 Kb) begins"
        assert event.all_strings == ("prog", str(os.getpid()), "inst: ", "/db/a.edb", "776 Kb")
        assert event.named_strings == {"file": "/db/a.edb", "size": "776 Kb"}

    def test_two_digit_placeholders(self) -> None:
        event = private().report(474, "a.edb", "4096 (0x1000)", "4096", -1018, "[s]", "[c]", "7 (0x7)")
        assert event is not None
        assert event.message == "page 7 (0x7) of a.edb at 4096 (0x1000): checksum [s] stored, [c] computed; error -1018"

    def test_missing_and_extra_strings_do_not_break_the_text(self) -> None:
        event = private().report(220)
        assert event is not None
        assert event.message == "copy of ? (size ?) begins"
        more = private().report(210, "extra")
        assert more is not None
        assert (more.message, more.named_strings) == ("full backup begins", {"string 4": "extra"})

    def test_repeated_names_stay_apart(self) -> None:
        event = private().report(448, "t", "d", "1", "2")
        assert event is not None
        assert event.named_strings == {"table": "t", "database": "d", "detail": "1", "detail 7": "2"}

    def test_strings_from_files_are_escaped_in_the_text_only(self) -> None:
        event = private().report(221, "/a\x1b[31m%5\n")
        assert event is not None
        assert event.message == "copy of /a\\x1b[31m%5\\n complete"
        assert event.strings == ("/a\x1b[31m%5\n",)

    def test_category_and_severity_may_be_chosen(self) -> None:
        event = private().report(333, "a", "1", "2", "3", category=12, severity=Severity.WARNING)
        assert event is not None
        assert (event.category, event.severity) == (12, Severity.WARNING)

    def test_source_defaults_to_the_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.argv", ["/usr/bin/tool"])
        event = private().report(210)
        assert event is not None
        assert (event.source, event.all_strings[2]) == ("tool", "")

    def test_an_event_of_another_version_has_a_text(self) -> None:
        event = Event(1, "ODD", Severity.INFO, 1, START, "s", 1, "", ("a", "b"))
        assert event.message == "ODD a b"

    def test_unknown_number(self) -> None:
        with pytest.raises(EseError) as error:
            private().report(99999)
        assert error.value.code == Err.InvalidParameter


class TestFilter:
    def test_no_information_event(self) -> None:
        log = private(settings=settings(quiet=True))
        assert log.report(210) is None
        assert log.report(219, -1) is not None
        assert log.report(214, -1018) is not None
        assert [event.id for event in log] == [219, 214]

    def test_level_zero_hides_all(self) -> None:
        log = private(settings=settings(level=0))
        assert log.report(214, -1018) is None
        assert list(log) == []

    @pytest.mark.parametrize(("level", "shown"), [(1, {210}), (49, {210}), (50, {210, 717}), (100, {210, 717})])
    def test_level(self, level: int, shown: set[int]) -> None:
        log = private(settings=settings(level=level))
        log.report(210)
        log.report(717, "a.edb")
        assert {event.id for event in log} == shown

    def test_parameters_are_a_filter(self) -> None:
        params = Parameters({"NoInformationEvent": True})
        log = private(settings=params)
        assert log.report(210) is None
        params.no_information_event = False
        params.event_logging_level = 0
        assert log.report(214, -1) is None
        params.event_logging_level = 1
        assert log.report(210) is not None

    def test_hidden_events_reach_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        log = private(settings=settings(level=0))
        seen: list[Event] = []
        log.subscribe(seen.append)
        with caplog.at_level(logging.INFO, "ese"):
            log.report(214, -1)
        assert (seen, caplog.records, log.total) == ([], [], 0)


class TestLog:
    def test_is_bounded(self) -> None:
        log = private(capacity=3)
        for number in range(5):
            log.report(214, number)
        assert [event.strings for event in log] == [("2",), ("3",), ("4",)]
        assert (len(log), log.total) == (3, 5)

    def test_tail_gives_what_is_new(self) -> None:
        log = private(capacity=3)
        assert log.tail(0) == (0, [])
        log.report(214, 0)
        seen, new = log.tail(0)
        assert (seen, [event.strings[0] for event in new]) == (1, ["0"])
        for number in range(1, 6):
            log.report(214, number)
        seen, new = log.tail(seen)
        assert (seen, [event.strings[0] for event in new]) == (6, ["3", "4", "5"])
        assert log.tail(seen) == (6, [])
        assert log.tail(99) == (6, [])

    def test_iteration_is_a_snapshot(self) -> None:
        log = private()
        log.report(210)
        found = []
        for event in log:
            log.report(213)
            found.append(event.id)
        assert found == [210]

    def test_query(self) -> None:
        clock = ticking()
        log = private(now=lambda: next(clock))
        for number, strings in ((210, ()), (219, ("-1",)), (214, ("-1018",)), (211, ())):
            log.report(number, *strings)
        assert [event.id for event in log.query()] == [210, 219, 214, 211]
        assert [event.id for event in log.query(ids={210, 211})] == [210, 211]
        assert [event.id for event in log.query(min_severity=Severity.WARNING)] == [219, 214]
        assert [event.id for event in log.query(since=START + timedelta(seconds=2))] == [214, 211]
        assert [event.id for event in log.query(ids=range(215), min_severity=Severity.ERROR)] == [214]

    def test_subscribe_and_end(self) -> None:
        log = private()
        seen: list[int] = []
        end = log.subscribe(lambda event: seen.append(event.id))
        other = log.subscribe(lambda event: seen.append(-event.id))
        log.report(210)
        end()
        end()
        log.report(213)
        other()
        log.report(211)
        assert seen == [210, -210, -213]

    def test_a_failing_subscriber_hurts_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        log = private()
        seen: list[int] = []

        def fail(_: Event) -> None:
            raise RuntimeError("handler")

        log.subscribe(fail)
        log.subscribe(lambda event: seen.append(event.id))
        assert log.report(210) is not None
        assert seen == [210]
        assert "subscriber" in caplog.text
        assert "RuntimeError: handler" in caplog.text

    def test_a_subscriber_may_report_and_unsubscribe(self) -> None:
        log = private()

        def once(event: Event) -> None:
            end()
            log.report(213)

        end = log.subscribe(once)
        log.report(210)
        assert [event.id for event in log] == [210, 213]

    def test_clear_keeps_subscribers(self) -> None:
        log = private()
        seen: list[Event] = []
        log.subscribe(seen.append)
        log.report(210)
        log.clear()
        assert list(log) == []
        log.report(213)
        assert ([event.id for event in seen], [event.id for event in log]) == ([210, 213], [213])

    def test_everything_reaches_the_log_of_the_process(self) -> None:
        before = events.total
        EventLog(instance="a").report(210)
        EventLog(instance="b").report(211)
        private(instance="c").report(213)
        _, new = events.tail(before)
        assert [(event.instance, event.id) for event in new] == [("a", 210), ("b", 211)]

    def test_logging_gets_it_too(self, caplog: pytest.LogCaptureFixture) -> None:
        log = private(instance="i")
        with caplog.at_level(logging.INFO, "ese"):
            log.report(210)
            log.report(219, -1)
            log.report(214, -1018)
        assert [(record.levelno, record.event_id) for record in caplog.records] == [  # type: ignore[attr-defined]
            (logging.INFO, 210),
            (logging.WARNING, 219),
            (logging.ERROR, 214),
        ]
        assert caplog.records[2].getMessage() == "backup ended with error -1018"

    def test_nothing_is_printed_without_logging_set_up(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("ese").handlers)
        private().report(214, -1)
        assert capfd.readouterr().err == ""

    def test_threads_lose_nothing(self) -> None:
        log = private()
        seen: list[str] = []
        log.subscribe(lambda event: seen.append(event.strings[0]))

        def work(which: int) -> None:
            for number in range(300):
                log.report(214, f"{which}-{number}")

        threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.total == len(log) == 1200
        expected = {f"{which}-{number}" for which in range(4) for number in range(300)}
        assert set(seen) == {event.strings[0] for event in log} == expected
        for which in range(4):
            own = [event.strings[0] for event in log if event.strings[0].startswith(f"{which}-")]
            assert own == [f"{which}-{number}" for number in range(300)]
