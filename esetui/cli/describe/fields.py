"""Any header or record as rows of text and as JSON fields.

Every field of a structure is shown, in the order of its declaration, under its own name; what a value means
decides how it is written: generations in decimal and as Windows shows them (hexadecimal), checksums and flags
in hexadecimal, positions as generation:segment:offset, times in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

from engine.format.attachinfo import AttachInfo
from engine.format.dbms_param import DbmsParam
from engine.types import BkInfo, LgPos
from esetui.cli.exit_codes import ExitCode
from esetui.cli.output import plain

NONE = "-"
_HIDDEN = frozenset({"raw"})
_SHORT_BYTES = 32
_HEX_PARTS = ("flags", "magic", "random")
_HEX_NAMES = frozenset({"version", "create_version"})
_INDENT = "  "


class Row(NamedTuple):
    """One line: label and value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file's fields mean together: a word, sentences, and the exit code that says the same."""

    word: str
    sentences: tuple[str, ...] = ()
    code: ExitCode = ExitCode.OK

    def __str__(self) -> str:
        """Return "word: sentence. Sentence."."""
        return f"{self.word}: {' '.join(self.sentences)}" if self.sentences else self.word


def generation_text(generation: int) -> str:
    """Return a generation in decimal and as file names spell it: "31 (0x1F)"; "-" for none."""
    return f"{generation} (0x{generation:X})" if generation else NONE


def range_text(low: int, high: int) -> str:
    """Return a range of generations: "25-31 (0x19-0x1F)"; "-" for none."""
    if not low and not high:
        return NONE
    return generation_text(low) if low == high else f"{low}-{high} (0x{low:X}-0x{high:X})"


def backup_text(info: BkInfo) -> str:
    """Return one backup as a header remembers it; "-" when there was none."""
    if not info:
        return NONE
    return f"{info.time}, began at {info.mark}, generations {range_text(info.gen_low, info.gen_high)}"


def value_text(name: str, value: Any) -> str:
    """Return one value as text; `name` is the field's name."""
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case Enum():
            return _enum(value)
        case int():
            return _number(name, value)
        case BkInfo():
            return backup_text(value)
        case LgPos():
            return str(value) if any(value) else NONE
        case bytes() | bytearray():
            return _bytes(bytes(value))
    return str(value)


def is_checksum(name: str) -> bool:
    """Whether a field is a checksum, not a count of bad ones."""
    return name.endswith("checksum") and not name.startswith("bad_")


def _enum(value: Enum) -> str:
    if not isinstance(value, int):
        return str(value.value)
    return f"{value.name.lower().replace('_', ' ')} ({int(value)})" if value.name else hex(value)


def _number(name: str, value: int) -> str:
    if any(part in name for part in _HEX_PARTS) or name in _HEX_NAMES or is_checksum(name):
        return f"0x{value:X}"
    if name == "gen" or name.startswith("gen_") or name.endswith("_gen") or "generation" in name:
        return generation_text(value)
    return str(value)


def _bytes(value: bytes) -> str:
    if not any(value):
        return f"{len(value)} zero bytes" if value else NONE
    return value.hex() if len(value) <= _SHORT_BYTES else f"{value[:_SHORT_BYTES].hex()}... ({len(value)} bytes)"


def rows(thing: Any, *, indent: str = "") -> list[Row]:
    """Return every field of a structure as rows; structures within structures are set in."""
    made: list[Row] = []
    for each in names(thing):
        value = getattr(thing, each)
        label = indent + each.replace("_", " ")
        if isinstance(value, AttachInfo | DbmsParam):
            made += [Row(label, ""), *rows(value, indent=indent + _INDENT)]
        elif isinstance(value, tuple) and not hasattr(value, "_fields"):
            made.append(Row(label, str(len(value)) if value else "none"))
            for number, item in enumerate(value, 1):
                if is_dataclass(item):
                    made += [Row(f"{indent}{_INDENT}{number}", ""), *rows(item, indent=indent + _INDENT * 2)]
                else:
                    made.append(Row(f"{indent}{_INDENT}{number}", value_text(each, item)))
        else:
            made.append(Row(label, value_text(each, value)))
    return made


def json_fields(thing: Any) -> dict[str, Any]:
    """Return every field of a structure as JSON can carry it; paths stand for the bytes they are stored as."""
    made: dict[str, Any] = {}
    for each in names(thing):
        value = getattr(thing, each)
        if isinstance(value, AttachInfo | DbmsParam):
            made[each] = json_fields(value)
        elif isinstance(value, tuple) and not hasattr(value, "_fields"):
            made[each] = [json_fields(item) if is_dataclass(item) else plain(item) for item in value]
        elif isinstance(value, int) and is_checksum(each):
            # 64 bits are more than many JSON readers keep of a number.
            made[each] = f"0x{value:X}"
        else:
            made[each] = plain(value)
    return made


def names(thing: Any) -> list[str]:
    """Return the names of the fields that are shown; stored path bytes give way to the path they spell."""
    stand_for = {"name": "path"} if isinstance(thing, AttachInfo) else {}
    if isinstance(thing, DbmsParam):
        stand_for = {"system_path_field": "system_path", "log_path_field": "log_path"}
    return [stand_for.get(each.name, each.name) for each in fields(thing) if each.name not in _HIDDEN]
