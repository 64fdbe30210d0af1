"""What a person touches: the console and the commands."""

from __future__ import annotations

from engine.version import __version__

__all__ = ["__version__"]
