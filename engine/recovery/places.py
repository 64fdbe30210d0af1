"""Where the databases lie now that a log names by the paths of its own time and system.

What the caller says comes first, then the path of the log.  A stream that was moved to another place, or another
system, has its databases beside it: the same name there, and the same signature.
Source: log reference 8.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import EseError
from engine.header_file import read_header
from engine.log.paths import folder_of, join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.recovery.attach_rule import Named


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a stream's databases: `folder` is that of the logs, `mapped` what the caller says."""

    fs: FileSystem
    folder: str
    mapped: Mapping[str, str] = field(default_factory=dict)

    def find(self, path: str, named: Named) -> str:
        """Return the place of the database that the log knows as `path`; nothing need be there."""
        mapped = {path_key(old): new for old, new in self.mapped.items()}.get(path_key(path))
        if mapped is not None:
            return self.fs.absolute(mapped)
        if _is_native(path) and self.fs.stat(path) is not None:
            return path
        name = last_name(path)
        beside = join(self.folder, name)
        for entry in self.fs.list(self.folder):
            if entry.name.lower() == name.lower():
                candidate = beside = join(self.folder, entry.name)
                header = self._header_of(candidate)
                if header is not None and header.sign_db == named.sign_db:
                    return candidate
        # A folder of another system: what the log builds anew is built beside the log.
        return path if _is_native(path) and self.fs.stat(folder_of(path)) is not None else beside

    def _header_of(self, path: str) -> DatabaseHeader | None:
        try:
            return read_header(self.fs, path).header
        except EseError:
            return None


def last_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def path_key(path: str) -> str:
    """Return a form in which paths compare as Windows compares them."""
    return path.replace("/", "\\").rstrip("\\").lower()


def _is_native(path: str) -> bool:
    """Whether a path can be one of this system."""
    return bool(folder_of(path)) and "\0" not in path
