"""DBMS_PARAM: the settings of the instance that log headers, checkpoints and Init records carry.

567 bytes: system path (261, ANSI, NUL terminated) · log path (261) · flags (1; bit 0 circular logging) ·
sessions, open tables, version pages, cursors, log buffers in sectors, segments per log, cache size
(4 each) · 16 reserved.  Recovery takes the limits of the log for its own run.  Source: log reference 0.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from engine.errors import Err, EseError

PATH_FIELD: Final = 261
_CIRCULAR: Final = 1
_LAYOUT = struct.Struct("<261s261sBIIIIIII16s")


@dataclass(frozen=True, slots=True)
class DbmsParam:
    """The settings.  The path fields are kept as they lie in the file, bytes behind the NUL included."""

    system_path_field: bytes = bytes(PATH_FIELD)
    log_path_field: bytes = bytes(PATH_FIELD)
    flags: int = 0
    sessions: int = 0
    open_tables: int = 0
    version_pages: int = 0
    cursors: int = 0
    log_buffers: int = 0
    log_file_segments: int = 0
    cache_size_max: int = 0
    reserved: bytes = bytes(16)

    SIZE: ClassVar[int] = 567

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> DbmsParam:
        """Read the 567 bytes at `at`; the caller has checked that they are there."""
        return cls(*_LAYOUT.unpack_from(data, at))

    def pack(self) -> bytes:
        """Return the 567 bytes."""
        return _LAYOUT.pack(
            self.system_path_field,
            self.log_path_field,
            self.flags,
            self.sessions,
            self.open_tables,
            self.version_pages,
            self.cursors,
            self.log_buffers,
            self.log_file_segments,
            self.cache_size_max,
            self.reserved,
        )

    @property
    def circular(self) -> bool:
        """Whether circular logging is on."""
        return bool(self.flags & _CIRCULAR)

    @property
    def system_path(self) -> str:
        """The folder of the checkpoint; the code page is not recorded, bytes are taken one to one."""
        return _text(self.system_path_field)

    @property
    def log_path(self) -> str:
        """The folder of the logs."""
        return _text(self.log_path_field)

    def with_paths(self, system_path: str, log_path: str) -> DbmsParam:
        """Return a copy for these folders; -1023 when one does not fit its field."""
        return replace(self, system_path_field=_field(system_path), log_path_field=_field(log_path))

    def with_circular(self, *, on: bool) -> DbmsParam:
        """Return a copy with circular logging on or off."""
        return replace(self, flags=self.flags | _CIRCULAR if on else self.flags & ~_CIRCULAR)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("latin-1")


def _field(path: str) -> bytes:
    encoded = path.encode("latin-1", errors="replace")
    if len(encoded) >= PATH_FIELD or b"\0" in encoded:
        raise EseError.from_code(Err.InvalidPath, "path does not fit the log header", path=path)
    return encoded.ljust(PATH_FIELD, b"\0")


assert _LAYOUT.size == DbmsParam.SIZE  # noqa: S101 - the layout is checked once, at import
