"""`esetui repair-page`: the plan, what is written, the exit codes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from engine.env import Environment
from engine.repair import plan_repair
from esetui.cli.app import cli
from esetui.cli.commands.repair_page import parse_pages
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run
from tests.repair.patient import Patient, make_patient

if TYPE_CHECKING:
    from engine.repair import RepairPlan
    from tests.cli.running import Done


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return make_patient(Environment(), str(tmp_path / "p"))


def leaves(patient: Patient) -> list[int]:
    last = len(patient.read()) // patient.page_size - 2
    done = repair(patient, f"1-{last}", "--dry-run")
    return [each["page"] for each in done.of("page") if each["table"] == "t" and each["in_use"]][2:]


def repair(patient: Patient, *words: object) -> Done:
    return run("repair-page", patient.database, *words, "--from", patient.source)


def test_plan_then_write(patient: Patient, tmp_path: Path) -> None:
    pages = leaves(patient)
    good = patient.read()
    patient.flip(pages[0])
    patient.flip(pages[2])
    before = digests(tmp_path)
    planned = repair(patient, pages[0], pages[2], "--dry-run")
    assert planned.code == ExitCode.OK
    assert digests(tmp_path) == before
    assert [(each["page"], each["state"], each["needed"], each["code"]) for each in planned.of("page")] == [
        (pages[0], "damaged", True, -1018),
        (pages[2], "damaged", True, -1018),
    ]
    (about,) = planned.of("repair_plan")
    assert (about["allowed"], about["damaged"], about["older"]) == (True, [], [])
    assert about["replayed"]["last"] > about["from_set"]["last"]
    # Nobody can be asked here.
    assert repair(patient, pages[0], pages[2]).code == ExitCode.USAGE
    assert patient.read() != good
    done = repair(patient, f"{pages[0]}-{pages[2]}", "--yes")
    assert (done.code, done.end["pages"]) == (ExitCode.OK, [pages[0], pages[2]])
    assert [Path(each).exists() for each in done.end["kept"]] == [True, True]
    assert patient.read() == good
    assert run("check", patient.database).code == ExitCode.OK
    again = repair(patient, pages[0])
    assert (again.code, again.end["pages"]) == (ExitCode.OK, [])


def test_in_words(patient: Patient) -> None:
    page = leaves(patient)[0]
    patient.flip(page)
    words = ["repair-page", patient.database, str(page), "--from", patient.source, "--logs", patient.logs, "-y"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == ExitCode.OK
    assert f"page       {page}: checksum wrong; of t; as in the set" in done.stdout
    assert f"repaired   {patient.database}: pages {page}" in done.stdout
    assert "a.edb.page" in done.stdout
    quiet = CliRunner().invoke(cli, [*words[:-1], "--quiet"])
    assert (quiet.exit_code, quiet.stderr) == (ExitCode.OK, "")


def test_what_else_is_wrong_is_something_to_look_at(patient: Patient) -> None:
    pages = leaves(patient)
    last = len(patient.read()) // patient.page_size - 2
    others = repair(patient, f"1-{last}", "--dry-run").of("page")
    other = next(each["page"] for each in others if each["table"] == "MSysLocales" and each["in_use"])
    patient.flip(pages[0])
    patient.flip(other)
    done = repair(patient, pages[0], "--yes")
    assert (done.code, done.end["ok"], done.end["pages"]) == (ExitCode.WARNINGS, True, [pages[0]])
    assert done.of("repair_plan")[0]["damaged"] == [other]
    # Another page of the same table: what would be written could not be proved right.
    patient.flip(pages[0])
    patient.flip(pages[1])
    done = repair(patient, pages[0], "--yes")
    assert (done.code, done.end["ok"]) == (ExitCode.DAMAGE, False)
    assert pages[1] in [each["page"] for each in done.of("finding")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_a_signal_changes_nothing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    page = leaves(patient)[0]
    patient.flip(page)
    before = patient.read()

    def interrupted(*words: Any, **options: Any) -> RepairPlan:
        os.kill(os.getpid(), signal.SIGTERM)
        return plan_repair(*words, **options)

    monkeypatch.setattr("esetui.cli.commands.repair_page.plan_repair", interrupted)
    done = repair(patient, page, "--yes")
    assert (done.code, done.end["ok"], done.end["exit_code"]) == (143, False, 143)
    assert patient.read() == before


def test_what_is_refused(patient: Patient, tmp_path: Path) -> None:
    assert repair(patient, 999999, "--yes").code == ExitCode.USAGE
    assert run("repair-page", patient.database, 5, "--from", tmp_path / "nowhere").code == ExitCode.STORAGE
    assert run("repair-page", patient.database, 5).code == ExitCode.USAGE
    with patient.env.fs.lock(patient.database + ".lock"):
        assert repair(patient, 5, "--yes").code == ExitCode.BUSY
    lost = repair(patient, 5, "--logs", tmp_path)
    assert lost.code == ExitCode.NOT_RECOVERABLE
    assert lost.of("error")[0]["code"] == -543
    for word in ("x", "0", "7-3", "1-99999999"):
        with pytest.raises(click.UsageError):
            parse_pages((word,))
    assert parse_pages(("7", "0x10-18", "8")) == [7, 8, 16, 17, 18]
