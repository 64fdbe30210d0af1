"""Paths as text: joining, and taking apart.  Nothing here touches a disk."""

from __future__ import annotations

import os.path

from engine.log.paths import folder_of, join

__all__ = ["folder_of", "join", "name_of", "stem_of"]


def name_of(path: str) -> str:
    """Return the file name of a path.

    A path that Windows wrote is taken apart there as well, when it cannot be one of this system.
    """
    name = os.path.basename(path)  # noqa: PTH119 - paths are strings below the file protocol
    if os.sep != "\\" and len(path) > 2 and path[1:3] == ":\\":  # noqa: PLR2004 - a drive and its root
        name = path.rpartition("\\")[2]
    return name


def stem_of(name: str) -> str:
    """Return a file name without its extension."""
    return os.path.splitext(name)[0]  # noqa: PTH122
