from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esetui import config
from esetui.cli.exit_codes import ExitCode
from esetui.config import Config, ConfigError
from esetui.tui import theme
from tests.cli.running import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.touch()
    monkeypatch.setenv(config.CONFIG_VARIABLE, str(path))
    return path


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert config.load(tmp_path / "none.toml") == Config()


def test_a_file_named_by_the_environment_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(config.CONFIG_VARIABLE, str(tmp_path / "gone.toml"))
    with pytest.raises(ConfigError, match="missing"):
        config.load()


def test_values_come_from_the_file(file: Path) -> None:
    file.write_text('[backup]\ndirectory = "/srv"\n[console]\npaths = ["/a", "/b"]\nrefresh_hz = 5\n', encoding="utf-8")
    loaded = config.load()
    assert loaded.backup.directory == "/srv"
    assert loaded.console.paths == ("/a", "/b")
    assert loaded.console.refresh_hz == 5
    assert loaded.discover == Config().discover


def test_every_setting_is_listed_with_its_source(file: Path) -> None:
    file.write_text("[discover]\nmax_depth = 3\n", encoding="utf-8")
    found = {each.key: each for each in config.settings()}
    assert found["discover.max_depth"].value == 3
    assert found["discover.max_depth"].source == "file"
    assert found["backup.create_path"].source == "default"
    assert all(each.description.endswith(".") for each in found.values())


def test_all_problems_are_found_in_one_pass_with_line_and_nearest_name(file: Path) -> None:
    file.write_text(
        '[backup]\ndirectry = "x"\ncreate_path = 3\n\n[discover]\nmax_depth = 99\n[bacup]\nx = 1\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        config.load()
    found = {(problem.key, problem.line) for problem in caught.value.problems}
    assert found == {
        ("backup.directry", 2),
        ("backup.create_path", 3),
        ("discover.max_depth", 6),
        ("bacup", 7),
    }
    text = str(caught.value)
    assert "did you mean `directory`?" in text
    assert "did you mean `backup`?" in text


@pytest.mark.parametrize(
    ("text", "line"),
    [("[backup\n", 1), ("a = \n", 1), ("\nbackup = 3\n", 2)],
)
def test_broken_files_name_the_line(file: Path, text: str, line: int) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert caught.value.problems[0].line == line
    assert str(file) in str(caught.value)


def test_bytes_that_are_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load()


def test_themes_are_those_of_the_console(file: Path) -> None:
    assert config.THEME_NAMES == theme.THEME_NAMES
    file.write_text('[console]\ntheme = "esetui-day"\n', encoding="utf-8")
    assert config.load(file).console.theme == "esetui-day"
    file.write_text('[console]\ntheme = "nord"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        config.load(file)
    (problem,) = error.value.problems
    assert (problem.line, problem.key) == (2, "console.theme")
    assert "nord" in problem.message
    assert run("demo", "--no-console", "--theme", "nord").code == ExitCode.USAGE
