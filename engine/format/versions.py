"""Format versions: of logs, of databases, and which engine format version (EFV) stands for which.

A log version is major.minor.updateMajor.updateMinor, for example 8.4000.60.140; "minor" has been 4000 ever
since major became 8.  A database version is (version, updateMajor, updateMinor), for example 1568.110.240.
A stream never goes back to an older version.  Source: log reference 1.3.
"""

from __future__ import annotations

from typing import NamedTuple


class LogVersion(NamedTuple):
    """Version of a log file, ordered."""

    major: int
    minor: int
    update_major: int
    update_minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.update_major}.{self.update_minor}"


class DatabaseVersion(NamedTuple):
    """Version of a database file, ordered."""

    version: int
    update_major: int
    update_minor: int

    def __str__(self) -> str:
        return f"{self.version}.{self.update_major}.{self.update_minor}"


class FormatVersions(NamedTuple):
    """The versions that one engine format version stands for."""

    efv: int
    database: DatabaseVersion
    log: LogVersion


LOG_MAJOR = 8
LOG_MINOR = 4000
LEGACY_LOG_MAJOR = 7
LEGACY_LOG_MINOR = 3704


def _row(efv: int, database: tuple[int, int], log: tuple[int, int]) -> FormatVersions:
    return FormatVersions(efv, DatabaseVersion(1568, *database), LogVersion(LOG_MAJOR, LOG_MINOR, *log))


FORMATS: tuple[FormatVersions, ...] = (
    _row(8020, (20, 0), (4, 3)),
    _row(8520, (20, 0), (5, 14)),
    _row(8880, (20, 0), (5, 15)),
    _row(8920, (20, 0), (5, 16)),
    _row(8940, (20, 20), (6, 20)),
    _row(8980, (40, 60), (7, 40)),
    _row(9040, (60, 120), (20, 60)),
    _row(9100, (80, 180), (30, 80)),
    _row(9120, (90, 200), (40, 100)),
    _row(9140, (100, 220), (50, 120)),
    _row(9160, (100, 220), (60, 140)),
    _row(9180, (110, 240), (60, 140)),
    _row(9260, (150, 320), (60, 140)),
    _row(9320, (160, 360), (70, 160)),
    _row(9340, (170, 380), (80, 180)),
    _row(9360, (180, 400), (90, 200)),
    _row(9380, (190, 420), (90, 200)),
    _row(9400, (200, 440), (90, 200)),
    _row(9420, (210, 460), (100, 220)),
    _row(9480, (230, 500), (110, 240)),
    _row(9500, (230, 500), (120, 260)),
    _row(9580, (280, 580), (130, 280)),
    _row(9600, (290, 600), (130, 280)),
)
"""Every format that can be chosen, oldest first."""

LOG_VERSION_MAX = FORMATS[-1].log
"""Newest log version that is understood."""

LOG_VERSION_SEGMENT_ZERO_FILL = LogVersion(LOG_MAJOR, LOG_MINOR, 2, 0)
"""From here unused segments are zero; before, they carry a fill pattern of 16 bytes."""

LOG_VERSION_ACCUMULATED_CHECKSUM = LogVersion(LOG_MAJOR, LOG_MINOR, 5, 13)
"""From here a header carries the XOR of all segment checksums of the previous generation."""

LOG_VERSION_SET_DB_VERSION = LogVersion(LOG_MAJOR, LOG_MINOR, 6, 20)
"""From here an attach is followed by a SetDbVersion record."""

LOG_VERSION_NEW_PAGE = LogVersion(LOG_MAJOR, LOG_MINOR, 40, 100)
"""From here a page given to a tree is announced by a NewPage record."""


def formats_for(efv: int) -> FormatVersions | None:
    """Return the versions of an engine format version: its own row, or the nearest older one; None if too old."""
    best = None
    for row in FORMATS:
        if row.efv <= efv:
            best = row
    return best
