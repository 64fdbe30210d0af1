from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

import pytest

from engine.errors import Err, EseError
from engine.types import BackupOptions, BkInfo, LgPos, LogTime, Signature
from esetui.cli.output import Output, age_text, plain, size_text, table

HOSTILE = "a\x1b[31mred\x07\r\nb\x9b2J\u202egpj\udcff[bold]x[/]\x7f"


def made(*, as_json: bool = False, quiet: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(command="test", json=as_json, quiet=quiet, out=out, err=err), out, err


def test_nothing_from_a_file_can_steer_the_terminal() -> None:
    output, out, err = made()
    output.line(HOSTILE)
    output.narrate(HOSTILE)
    output.warn(HOSTILE)
    output.complain(HOSTILE)
    for text in (out.getvalue(), err.getvalue()):
        assert text.replace("\n", "").isprintable()
        assert "[bold]x[/]" in text
    assert out.getvalue().count("\n") == 1


def test_json_lines_are_ascii_and_give_the_text_back() -> None:
    output, out, _ = made(as_json=True)
    output.record("thing", path=HOSTILE)
    text = out.getvalue()
    assert text.rstrip("\n").isascii()
    assert text.rstrip("\n").isprintable()
    assert json.loads(text)["path"] == HOSTILE


def test_the_envelope_is_on_every_line_and_cannot_be_overwritten() -> None:
    output, out, _ = made(as_json=True)
    output.record("one", job="evil", seq=99)
    output.record("two", {"type": "evil", "schema": 9})
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2]
    assert [line["type"] for line in lines] == ["one", "two"]
    assert {line["schema"] for line in lines} == {1}
    assert len({line["job"] for line in lines}) == 1
    assert datetime.fromisoformat(lines[0]["ts"]).tzinfo is not None


def test_modes() -> None:
    output, out, err = made(as_json=True)
    output.line("text")
    output.narrate("narration")
    assert (out.getvalue(), err.getvalue()) == ("", "")
    output, out, err = made(quiet=True)
    output.line("text")
    output.narrate("narration")
    output.warn("careful")
    output.summary("all is well")
    assert (out.getvalue(), err.getvalue()) == ("text\n", "warning: careful\n")


def test_an_engine_error_says_name_number_place_what_is_unchanged_and_what_next() -> None:
    output, out, err = made(as_json=True)
    error = EseError.from_code(Err.ReadVerifyFailure, path="/srv/a\x1b.edb", page=17)
    output.fail(error, unchanged="target and logs", then="verify")
    text = err.getvalue()
    assert "JET_errReadVerifyFailure (-1018)" in text
    assert "page 17" in text
    assert "unchanged: target and logs" in text
    assert "next: verify" in text
    assert "\x1b" not in text
    line = json.loads(out.getvalue())
    assert (line["type"], line["code"], line["name"], line["page"]) == (
        "error",
        -1018,
        "JET_errReadVerifyFailure",
        17,
    )


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_silences_and_does_not_stop() -> None:
    output = Output(command="test", json=True, out=Broken(), err=io.StringIO())
    output.record("one")
    assert output.closed
    output.record("two")
    output.complain("still said")
    assert "still said" in str(output.err.getvalue())  # type: ignore[attr-defined]


class Colour(IntEnum):
    RED = 1


@dataclass
class Thing:
    colour: Colour
    raw: bytes
    where: LgPos


def test_values_as_json() -> None:
    assert plain(Thing(Colour.RED, b"x", LgPos(26, 1, 0))) == {"colour": "red", "where": "0000001A:0001:0000"}
    assert plain(BackupOptions.ATOMIC | BackupOptions.INCREMENTAL) == 5
    assert plain(range(3, 6)) == {"first": 3, "last": 5}
    assert plain(range(0)) is None
    assert plain(b"\x01\xff") == "01ff"
    assert plain(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"
    assert plain(LogTime()) is None
    assert plain(LgPos(0, 0, 0)) is None
    assert plain(Signature()) is None
    assert plain(Signature(7)) == {"random": 7, "created": None, "computer": ""}
    assert plain(BkInfo(gen_low=1)) == {"mark": None, "time": None, "gen_low": 1, "gen_high": 0}
    assert plain({1: (True, 2.5)}) == {"1": [True, 2.5]}
    assert plain(Path("/x")) == "/x"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (41 << 20, "41.0 MiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_are_binary(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (59, "59 s ago"), (3600 * 6, "6 h ago"), (86400 * 3, "3 d ago"), (86400 * 800, "2 y ago")],
)
def test_ages(seconds: int, text: str) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    assert age_text(when, when.timestamp() + seconds) == text
    assert age_text(when, when.timestamp() - 60) == "in the future"


def test_tables_align_and_escape() -> None:
    lines = table([("name", "size"), ("a\x1bb", "1"), ("c", "1000")], right=frozenset({1}))
    assert lines == ["name    size", "a\\x1bb     1", "c       1000"]
    assert table([]) == []
