"""Where the databases lie now that a log names by the paths of its own time and system.

What the caller says comes first: a place for a path, or files that are taken for what their signature says.  Then the
path of the log.  A stream that was moved to another place, or another system, has its databases beside it: the same
name there and the same signature, or another name and the same signature.
Source: log reference 8.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import EseError
from engine.files.base import FileKind
from engine.header_file import read_header
from engine.log.paths import folder_of, join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.files.base import FileSystem
    from engine.recovery.attach_rule import Named
    from engine.types import Signature


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a stream's databases: `folder` is that of the logs, `mapped` and `files` what the caller says."""

    fs: FileSystem
    folder: str
    mapped: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    """Databases that the caller names, whatever the log calls them."""
    _signatures: dict[str, Signature | None] = field(default_factory=dict)

    def find(self, path: str, named: Named) -> str:
        """Return the place of the database that the log knows as `path`; nothing need be there."""
        mapped = self._mapped(path)
        if mapped is not None:
            return self.fs.absolute(mapped)
        for each in self.files:
            if self._signature_of(each) == named.sign_db:
                return self.fs.absolute(each)
        if _is_native(path) and self.fs.stat(path) is not None:
            return path
        name = last_name(path)
        beside, found = self._beside(name, named.sign_db)
        if found is not None:
            return found
        # A folder of another system: what the log builds anew is built beside the log.
        return path if _is_native(path) and self.fs.stat(folder_of(path)) is not None else beside

    def _mapped(self, path: str) -> str | None:
        """Return the place that the caller gave for a path, or for a folder above it."""
        key = path_key(path)
        for old, new in self.mapped.items():
            folder = path_key(old)
            if key == folder:
                return new
            if key.startswith(folder + "\\"):
                below = path.replace("/", "\\")[len(folder) + 1 :]
                return join(new, join_all(below.split("\\")))
        return None

    def _beside(self, name: str, signature: Signature) -> tuple[str, str | None]:
        """Return where a database of that name is or would be beside the logs, and the one of that signature there."""
        beside, renamed = join(self.folder, name), []
        for entry in self.fs.list(self.folder):
            if entry.kind is not FileKind.FILE:
                continue
            candidate = join(self.folder, entry.name)
            same_name = entry.name.lower() == name.lower()
            if same_name:
                beside = candidate
            # What was put away under a longer name, by whomever, is not the database.
            if (same_name or not entry.name.lower().startswith(f"{name.lower()}.")) and (
                self._signature_of(candidate) == signature
            ):
                if same_name:
                    return beside, candidate
                renamed.append(candidate)
        taken = len(renamed) == 1 and self.fs.stat(beside) is None
        return beside, renamed[0] if taken else None

    def _signature_of(self, path: str) -> Signature | None:
        """Return the signature of a database, None for a file that is none."""
        if path not in self._signatures:
            try:
                self._signatures[path] = read_header(self.fs, path).header.sign_db
            except EseError:
                self._signatures[path] = None
        return self._signatures[path]


def join_all(parts: list[str]) -> str:
    """Return parts of a path, joined as this system joins them."""
    joined = parts[0]
    for each in parts[1:]:
        joined = join(joined, each)
    return joined


def last_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def path_key(path: str) -> str:
    """Return a form in which paths compare as Windows compares them."""
    return path.replace("/", "\\").rstrip("\\").lower()


def _is_native(path: str) -> bool:
    """Whether a path can be one of this system."""
    return bool(folder_of(path)) and "\0" not in path
