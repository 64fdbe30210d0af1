"""Configuration: a TOML file with typed, documented keys.

    [backup]
    directory = "/srv/backup/dhcp"      # where `esetui` looks for sets and backs up to
    create_path = true

The file is `config.toml` in the user's configuration folder, or what ESETUI_CONFIG names.  A missing file
means all defaults.  An unknown key or a wrong value is an error that names file, line and the nearest known
key; nothing is ignored.  An option typed on the command line beats the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta, Struct

APP = "esetui"
CONFIG_VARIABLE = "ESETUI_CONFIG"
"""Environment variable that names another configuration file."""


ThemeName: TypeAlias = Literal[
    "", "esetui-night", "esetui-day", "esetui-blue-orange", "esetui-cyan-red", "esetui-terminal"
]
"""The themes of the console by name, and none of them."""
THEME_NAMES: tuple[str, ...] = tuple(each for each in get_args(ThemeName) if each)
THEMES_SAID = ", ".join(f"`{each}`" for each in THEME_NAMES)


class ConsoleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[console]: how the console looks and how often it redraws."""

    theme: Annotated[
        ThemeName,
        Meta(
            description=f"Colour theme: {THEMES_SAID}; empty: what fits the terminal. `t` changes it for the session."
        ),
    ] = ""
    refresh_hz: Annotated[float, Meta(ge=1, le=30, description="Redraws a second on a local terminal.")] = 10.0
    ssh_refresh_hz: Annotated[float, Meta(ge=1, le=30, description="Redraws a second over SSH.")] = 4.0
    paths: Annotated[tuple[str, ...], Meta(description="Folders that `esetui` without arguments opens.")] = ()


class BackupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[backup]: what a backup does unless the command line says otherwise."""

    directory: Annotated[str, Meta(description="Backup directory of the console; empty: none until chosen.")] = ""
    create_path: Annotated[bool, Meta(description="Create missing folders of the backup directory.")] = False


class WatchSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[watch]: how the backup directory is kept current."""

    rescan_seconds: Annotated[float, Meta(ge=1, le=3600, description="Full rescan at least this often.")] = 30.0
    poll_seconds: Annotated[
        float,
        Meta(ge=0, le=3600, description="Poll this often and use no change notices; 0 decides by file system."),
    ] = 0.0


class DiscoverSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[discover]: how instances are found."""

    max_depth: Annotated[int, Meta(ge=0, le=64, description="Folders below the given one that are searched.")] = 8


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[journal]: the record of events of the instances that esetui started."""

    enabled: Annotated[bool, Meta(description="Keep a journal of events.")] = True
    max_bytes: Annotated[int, Meta(ge=65536, description="Size at which the journal is rotated (one old kept).")] = (
        10 * 1024 * 1024
    )


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    console: ConsoleSettings = ConsoleSettings()
    backup: BackupSettings = BackupSettings()
    watch: WatchSettings = WatchSettings()
    discover: DiscoverSettings = DiscoverSettings()
    journal: JournalSettings = JournalSettings()


class ConfigProblem(Struct, frozen=True):
    """One thing wrong in a configuration file; `line` is 1-based, 0 when it has none."""

    path: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        """Return "file:line: key: message"."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(Exception):
    """The configuration file cannot be used; `problems` lists everything found in one pass."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class Setting(Struct, frozen=True):
    """One setting as `config show` lists it; `source` is "default" or "file"."""

    key: str
    value: Any
    default: Any
    source: str
    description: str


def config_path() -> Path:
    """Return the path of the configuration file, whether or not it exists."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_config_dir(APP, appauthor=False)) / "config.toml"


def state_folder() -> Path:
    """Return the folder of the journal and other things that esetui writes for itself."""
    return Path(platformdirs.user_state_dir(APP, appauthor=False))


def load(path: Path | None = None) -> Config:
    """Read the configuration; all defaults when there is no file.  Raises `ConfigError`."""
    path = config_path() if path is None else path
    return _convert(path, *_parse(path))


def settings(path: Path | None = None) -> list[Setting]:
    """Return every setting with its value and where it comes from.  Raises `ConfigError`."""
    path = config_path() if path is None else path
    text, tree = _parse(path)
    config = _convert(path, text, tree)
    return [
        Setting(
            key=f"{section.name}.{each.name}",
            value=getattr(getattr(config, section.name), each.name),
            default=each.default,
            source="file" if each.name in tree.get(section.name, {}) else "default",
            description=_description(section.type, each.name),
        )
        for section in msgspec.structs.fields(Config)
        for each in msgspec.structs.fields(section.type)
    ]


def _description(struct: type[Struct], name: str) -> str:
    hint = get_type_hints(struct, include_extras=True)[name]
    metas = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Meta)]
    return next((meta.description for meta in metas if meta.description), "")


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get(CONFIG_VARIABLE) and path == config_path():
            problem = ConfigProblem(str(path), 0, "", f"named by {CONFIG_VARIABLE} but missing")
            raise ConfigError((problem,)) from None
        return "", {}
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError((ConfigProblem(str(path), 0, "", f"cannot be read: {error}"),)) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigError((ConfigProblem(str(path), int(line[1]) if line else 0, "", str(error)),)) from error


def _convert(path: Path, text: str, tree: dict[str, Any]) -> Config:
    problems: list[ConfigProblem] = []
    sections = {each.name: each.type for each in msgspec.structs.fields(Config)}
    made: dict[str, Any] = {}
    for name, value in tree.items():
        struct = sections.get(name)
        if struct is None:
            problems.append(_problem(path, text, "", name, f"unknown section{_nearest(name, sections)}"))
        elif not isinstance(value, dict):
            problems.append(_problem(path, text, "", name, f"must be a section, [{name}]"))
        else:
            made[name] = _section(path, text, name, struct, value, problems)
    if problems:
        raise ConfigError(tuple(problems))
    return Config(**made)


def _section(
    path: Path,
    text: str,
    section: str,
    struct: type[Struct],
    values: dict[str, Any],
    problems: list[ConfigProblem],
) -> Struct:
    known = {each.name for each in msgspec.structs.fields(struct)}
    good: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            problems.append(_problem(path, text, section, key, f"unknown key{_nearest(key, known)}"))
            continue
        try:
            msgspec.convert({key: value}, struct)
        except msgspec.ValidationError as error:
            message = str(error).split(" - at ")[0]
            problems.append(_problem(path, text, section, key, message[:1].lower() + message[1:]))
        else:
            good[key] = value
    return msgspec.convert(good, struct)


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _problem(path: Path, text: str, section: str, key: str, message: str) -> ConfigProblem:
    return ConfigProblem(str(path), _line_of(text, section, key), f"{section}.{key}" if section else key, message)


def _line_of(text: str, section: str, key: str) -> int:
    inside = not section
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*[\"']?([^\]\"'.]+)", line)
        if header:
            if not section and header[1].strip() == key:
                return number
            inside = header[1].strip() == section if section else False
        elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
            return number
    return 0
