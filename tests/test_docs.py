"""What the documentation says is so: its examples run, its links lead somewhere, its tables are the program's own."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine import open_database, restore_set
from esetui import config
from esetui.cli.app import COMMANDS
from esetui.cli.describe.settings import settings_table

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    parser = doctest.DocTestParser()
    text = page.read_text(encoding="utf-8")
    test = parser.get_doctest(text, {"tmp_path": tmp_path}, page.name, str(page), 0)
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert result.failed == 0
    assert result.attempted == text.count("\n>>> ")


def test_the_guide_runs_as_it_is_printed(tmp_path: Path) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = text.partition("## From nothing to a table that is backed up\n")[2].partition("\n## ")[0]
    guide = section.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in guide.splitlines() if line.strip()]) == 10
    (tmp_path / "guide.py").write_text(guide, encoding="utf-8")
    command = [sys.executable, "guide.py"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['nib', 'pen']\nfull\n"
    assert all(f"`{line}`" in section for line in done.stdout.splitlines())
    restore_set(tmp_path / "shop-backup", to=tmp_path / "restored")
    with open_database(tmp_path / "restored" / "shop.edb") as database:
        prices = {row["Name"]: row["Price"] for row in database["Items"]}
    assert prices == {"pen": 130, "ink": 800, "nib": 45}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_table_of_settings(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert settings_table(config.settings(tmp_path / "none.toml")) in text


def test_the_readme_names_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"esetui {name}" in text


def test_the_tests_that_the_pages_name_are_there() -> None:
    for page in PAGES:
        for name in re.findall(r"`(tests/[\w/.]+)`", page.read_text(encoding="utf-8")):
            assert (REPOSITORY / name).exists(), f"{page.name}: {name}"
