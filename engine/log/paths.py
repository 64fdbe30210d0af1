"""Joining a folder and a name, the way the machine spells paths."""

from __future__ import annotations

import os


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return os.path.join(folder, name)  # noqa: PTH118 - paths are strings below the file protocol


def folder_of(path: str) -> str:
    """Return the folder of a path."""
    return os.path.dirname(path)  # noqa: PTH120


def name_of(path: str) -> str:
    """Return the last part of a path."""
    return os.path.basename(path)  # noqa: PTH119


def without_extension(path: str) -> str:
    """Return the path without the last extension of its name."""
    return os.path.splitext(path)[0]  # noqa: PTH122


def lock_name(base: str) -> str:
    """Return the name of the file that locks the stream with this base name, however that is spelled."""
    return f"{base.lower()}.lock"


def parts_of(path: str) -> list[str]:
    """Return the names that a path is made of, from the top."""
    return path.split(os.sep)  # noqa: PTH206
