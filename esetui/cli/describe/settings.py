"""The table of settings, as the documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esetui.config import Setting


def toml_value(value: Any) -> str:
    """Return a value as TOML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(each) for each in value) + "]"
    return str(value)


def settings_table(settings: Iterable[Setting]) -> str:
    """Return the settings with their defaults as a table in Markdown."""
    rows = ["| section | key | default | meaning |", "|---|---|---|---|"]
    for each in settings:
        section, key = each.key.split(".")
        rows.append(f"| `[{section}]` | `{key}` | `{toml_value(each.default)}` | {each.description} |")
    return "\n".join(rows) + "\n"
