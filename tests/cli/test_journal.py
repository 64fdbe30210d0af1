from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.events import EventLog
from esetui import config, journal
from esetui.cli.app import cli
from esetui.cli.commands.events import Since
from esetui.cli.exit_codes import ExitCode
from esetui.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "state_folder", lambda: tmp_path / "state")
    return journal.journal_path()


def some(folder: str, *events: tuple[int, tuple[str, ...]], max_bytes: int = 1 << 20) -> Journal:
    clock = iter(START + timedelta(hours=hour) for hour in range(1000))
    log = EventLog(instance="dhcp", now=lambda: next(clock), shared=False)
    kept = Journal(folder, "job-1", max_bytes=max_bytes)
    stop = log.subscribe(kept.write)
    for number, strings in events:
        log.report(number, *strings)
    stop()
    return kept


def events(*words: str) -> list[str]:
    done = CliRunner().invoke(cli, ["events", *words])
    assert done.exit_code == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_written_is_read(path: Path) -> None:
    kept = some("/srv/dhcp", (210, ()), (220, ("/srv/dhcp/a.edb", "1 Mb")), (213, ()))
    assert kept.problem is None
    lines = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    assert [line["id"] for line in lines] == [210, 220, 213]
    assert {line["schema"] for line in lines} == {1}
    assert {line["folder"] for line in lines} == {"/srv/dhcp"}
    assert lines[1]["strings"] == ["/srv/dhcp/a.edb", "1 Mb"]
    assert journal.read() == lines


def test_only_the_user_may_read_it(path: Path) -> None:
    some("/srv/dhcp", (210, ()))
    assert path.stat().st_mode & 0o077 == 0


def test_filters(path: Path) -> None:
    some("/srv/dhcp", (210, ()), (215, ("-1018",)), (210, ()))
    some("/srv/dhcp/sub", (213, ()))
    some("/srv/dhcp2", (211, ()))
    assert len(events()) == 5
    assert len(events("/srv/dhcp")) == 4
    assert len(events("/srv/dhcp", "--id", "210")) == 2
    assert len(events("/srv/dhcp", "--level", "error")) == 1
    assert len(events("--limit", "2")) == 2
    assert len(events("--since", (START + timedelta(hours=1)).isoformat())) == 2


def test_ages_count_back_from_now() -> None:
    found = Since().convert("90m", None, None)
    assert abs((datetime.now(UTC) - found) - timedelta(minutes=90)) < timedelta(minutes=1)


def test_as_json_with_its_own_time_and_run(path: Path) -> None:
    some("/srv/dhcp", (210, ()))
    line = json.loads(events("--json")[0])
    assert (line["type"], line["id"], line["origin"]) == ("event", 210, "job-1")
    assert datetime.fromisoformat(line["time"]) == START


def test_a_wrong_time_is_a_usage_error(path: Path) -> None:
    done = CliRunner().invoke(cli, ["events", "--since", "yesterday"])
    assert done.exit_code == ExitCode.USAGE


def test_hostile_strings_are_escaped(path: Path) -> None:
    some("/srv/dhcp", (220, ("a\x1b[31m\n.edb", "1 Mb")))
    text = "".join(events())
    assert "\x1b" not in text
    assert "a\\x1b[31m" in text


def test_torn_and_foreign_lines_are_passed_over(path: Path) -> None:
    some("/srv/dhcp", (210, ()))
    with path.open("ab") as stream:
        stream.write(b'{"type":"event","id":21\n[1,2]\n\xff\xfe\n' + b"x" * 3_000_000 + b"\n")
    some("/srv/dhcp", (213, ()))
    assert [entry["id"] for entry in journal.read()] == [210, 213]


def test_rotation_keeps_one_old_journal(path: Path) -> None:
    many = [(210, ())] * 40
    kept = some("/srv/dhcp", *many, max_bytes=4000)
    assert kept.problem is None
    assert path.with_name(journal.OLD_NAME).is_file()
    sizes = [each.stat().st_size for each in path.parent.glob("*.jsonl")]
    assert all(size < 5000 for size in sizes)
    assert 0 < len(journal.read()) < 40


def test_a_journal_that_cannot_be_written_stops_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.mkdir()
    kept = some("/srv/dhcp", (210, ()), (213, ()))
    assert isinstance(kept.problem, OSError)
    done = CliRunner().invoke(cli, ["events"])
    assert done.exit_code == ExitCode.STORAGE


def test_no_journal_at_all(path: Path) -> None:
    assert journal.read() == []
    done = CliRunner().invoke(cli, ["events"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert str(path) in done.stderr
