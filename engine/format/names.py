"""Names of the files of a log stream.

A stream is known by a base name of exactly three characters::

    edb.log                     the log being written
    edb0001F.log                generation 0x1f, five hex digits (kept while the number fits)
    edb0000001F.log             the same with eight digits
    edbtmp.log                  the next log in preparation; never part of the stream
    edbres00001.jrs             reserve against a full disk (older: res1.log)
    edb.chk                     checkpoint
    edb.jsl                     shadow of a partly written segment, for replication consumers

The newer pair of extensions is `.jtx` and `.jcp`.  Upper and lower case are not significant, not even where the
file system says so: names are matched without case, and `FolderNames` finds the spelling that exists.
Source: log reference 1.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.types import LgPos

LEGACY_EXTENSION = ".log"
MODERN_EXTENSION = ".jtx"
CHECKPOINT_EXTENSIONS = {LEGACY_EXTENSION: ".chk", MODERN_EXTENSION: ".jcp"}
"""Checkpoint extension that belongs to each log extension."""

BASE_NAME_LENGTH = 3
"""Characters of a base name."""

FIRST_GENERATION = 1
LAST_GENERATION = 0x7FFFF800
"""Where normal operation stops (-519)."""
LAST_GENERATION_RECOVERY = 0x7FFFFA00
"""How far recovery may go."""
SHORT_NAME_LIMIT = 0xFFFFF
"""Highest generation that a name of five digits can carry."""

_SHORT_DIGITS = 5
_LONG_DIGITS = 8
_RESERVES = ("res00001.jrs", "res00002.jrs")
_OLD_RESERVES = ("res1", "res2")
_FORBIDDEN = frozenset('/\\:*?"<>|')
_ASIDE = re.compile(r".{3}\.after-[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}", re.ASCII)
_SUFFIX = re.compile(r"(?P<digits>[0-9a-f]{8}|[0-9a-f]{5})", re.ASCII)


def aside_name(base: str, position: LgPos) -> str:
    """Return the name of the folder for logs that were put away because the stream was ended at a position."""
    return f"{base}.after-{position.generation:08X}-{position.segment:04X}-{position.offset:04X}"


def is_aside_name(name: str) -> bool:
    """Return whether a folder has a name of `aside_name`."""
    return _ASIDE.fullmatch(name) is not None


class NameKind(Enum):
    """What a file of a stream is, judged by its name."""

    CURRENT = "current log"
    ARCHIVE = "archived log"
    TEMP = "log in preparation"
    RESERVE = "reserve log"
    CHECKPOINT = "checkpoint"
    SHADOW = "segment shadow"


class StreamName(NamedTuple):
    """A name taken apart.  `generation` is set for archived logs only; `digits` is 5, 8 or 0."""

    kind: NameKind
    generation: int | None = None
    digits: int = 0


@dataclass(frozen=True, slots=True)
class LogNames:
    """The names of one stream: base name, log extension, and whether archives always have eight digits."""

    base: str
    ext: str = LEGACY_EXTENSION
    eight: bool = False

    def __post_init__(self) -> None:
        if not is_base_name(self.base):
            raise EseError.from_code(Err.InvalidParameter, f"base name {self.base!r} is not three file name characters")
        if self.ext.lower() not in CHECKPOINT_EXTENSIONS:
            raise EseError.from_code(Err.InvalidParameter, f"log extension {self.ext!r} is neither .log nor .jtx")

    @classmethod
    def from_legacy_bits(cls, base: str, legacy_file_names: int) -> LogNames:
        """Return the names that JET_paramLegacyFileNames asks for: bit 1 old extensions, bit 2 five digits."""
        return cls(base, LEGACY_EXTENSION if legacy_file_names & 1 else MODERN_EXTENSION, not legacy_file_names & 2)

    @property
    def legacy_bits(self) -> int:
        """Return the value of JET_paramLegacyFileNames that gives these names."""
        return (1 if self.ext.lower() == LEGACY_EXTENSION else 0) | (0 if self.eight else 2)

    @property
    def current(self) -> str:
        """Name of the log being written."""
        return self.base + self.ext

    @property
    def temp(self) -> str:
        """Name of the log in preparation."""
        return f"{self.base}tmp{self.ext}"

    @property
    def checkpoint(self) -> str:
        """Name of the checkpoint file."""
        return self.base + CHECKPOINT_EXTENSIONS[self.ext.lower()]

    @property
    def reserves(self) -> tuple[str, str]:
        """Names of the two reserve logs."""
        return (self.base + _RESERVES[0], self.base + _RESERVES[1])

    def archive(self, generation: int) -> str:
        """Return the name of a closed generation; -519 beyond what the numbering can carry."""
        if not FIRST_GENERATION <= generation <= LAST_GENERATION_RECOVERY:
            raise EseError.from_code(Err.LogSequenceEnd, f"no name for generation {generation:#x}")
        digits = _LONG_DIGITS if self.eight or generation > SHORT_NAME_LIMIT else _SHORT_DIGITS
        return f"{self.base}{generation:0{digits}X}{self.ext}"

    def parse(self, name: str) -> StreamName | None:
        """Say what `name` is in this stream; None for any other name.  Both digit counts are recognised."""
        lowered = name.lower()
        base, ext = self.base.lower(), self.ext.lower()
        if not lowered.startswith(base):
            return None
        rest = lowered[len(base) :]
        kind = {
            ext: NameKind.CURRENT,
            f"tmp{ext}": NameKind.TEMP,
            CHECKPOINT_EXTENSIONS[ext]: NameKind.CHECKPOINT,
            ".jsl": NameKind.SHADOW,
            _RESERVES[0]: NameKind.RESERVE,
            _RESERVES[1]: NameKind.RESERVE,
            _OLD_RESERVES[0] + ext: NameKind.RESERVE,
            _OLD_RESERVES[1] + ext: NameKind.RESERVE,
        }.get(rest)
        if kind is not None:
            return StreamName(kind)
        if not rest.endswith(ext):
            return None
        match = _SUFFIX.fullmatch(rest[: -len(ext)])
        if match is None:
            return None
        generation = int(match["digits"], 16)
        if not FIRST_GENERATION <= generation <= LAST_GENERATION_RECOVERY:
            return None
        return StreamName(NameKind.ARCHIVE, generation, len(match["digits"]))


class FolderNames:
    """The names of a folder, found without regard to case.

    When two names differ in case only, the exact spelling wins, then the first in sorted order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_lower: dict[str, list[str]] = {}
        for name in sorted(names):
            self._by_lower.setdefault(name.lower(), []).append(name)

    def actual(self, wanted: str) -> str | None:
        """Return the existing spelling of `wanted`, or None."""
        found = self._by_lower.get(wanted.lower())
        if found is None:
            return None
        return wanted if wanted in found else found[0]

    def archive(self, names: LogNames, generation: int) -> str | None:
        """Return the existing name of a closed generation, with either number of digits."""
        for digits in (_LONG_DIGITS, _SHORT_DIGITS) if names.eight else (_SHORT_DIGITS, _LONG_DIGITS):
            found = self.actual(f"{names.base}{generation:0{digits}X}{names.ext}")
            if found is not None:
                return found
        return None

    def archives(self, names: LogNames) -> dict[int, str]:
        """Return the closed generations present: number to existing name, ascending."""
        found: dict[int, str] = {}
        for group in self._by_lower.values():
            parsed = names.parse(group[0])
            if parsed is not None and parsed.kind is NameKind.ARCHIVE and parsed.generation is not None:
                actual = self.archive(names, parsed.generation)
                found[parsed.generation] = group[0] if actual is None else actual
        return dict(sorted(found.items()))

    def clashes(self) -> list[tuple[str, ...]]:
        """Return the groups of names that differ in case only."""
        return [tuple(group) for group in self._by_lower.values() if len(group) > 1]


_ANY_LOG = re.compile(
    r"(?P<base>.{3})(?:(?P<digits>[0-9a-f]{8}|[0-9a-f]{5})|tmp)?(?P<ext>\.log|\.jtx)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_ANY_CHECKPOINT = re.compile(r"(?P<base>.{3})(?P<ext>\.chk|\.jcp)", re.ASCII | re.IGNORECASE | re.DOTALL)


def is_base_name(text: str) -> bool:
    """Whether `text` can be a base name: three characters that a file name may have."""
    return len(text) == BASE_NAME_LENGTH and not any(each in _FORBIDDEN or ord(each) < ord(" ") for each in text)


def detect_names(names: Iterable[str]) -> list[LogNames]:
    """Return the streams that the names of a folder suggest, in the order of their base names.

    A stream found with one pair of extensions is continued in that pair; where both exist, the pair that has
    the current log, then the pair with more logs wins.  Five digits are assumed when a name with five digits
    exists, eight when there are only names with eight below 0x100000, and five (the default of Windows) when
    no archive tells.  Names only suggest: the headers decide.
    """
    counts: dict[str, dict[str, list[int]]] = {}
    spelling: dict[str, str] = {}
    for name in sorted(names):
        match = _ANY_LOG.fullmatch(name)
        digits = len(match["digits"] or "") if match is not None else 0
        if match is None:
            match = _ANY_CHECKPOINT.fullmatch(name)
        if match is None or not is_base_name(match["base"]):
            continue
        key, ext = match["base"].lower(), match["ext"].lower()
        ext = {".chk": LEGACY_EXTENSION, ".jcp": MODERN_EXTENSION}.get(ext, ext)
        current = name.lower() == key + ext
        # Columns: current logs, archives of five digits, archives of eight digits below 0x100000, all names.
        row = counts.setdefault(key, {}).setdefault(ext, [0, 0, 0, 0])
        row[0] += current
        row[1] += digits == _SHORT_DIGITS
        row[2] += digits == _LONG_DIGITS and int(match["digits"], 16) <= SHORT_NAME_LIMIT
        row[3] += 1
        if current or key not in spelling:
            spelling[key] = match["base"]
    found = []
    for key in sorted(counts):
        ext, row = max(counts[key].items(), key=lambda each: (each[1][0], each[1][3], each[0] == LEGACY_EXTENSION))
        found.append(LogNames(spelling[key], ext, eight=bool(row[2]) and not row[1]))
    return found
