"""Version of the engine, as its start event reports it."""

from __future__ import annotations

__version__ = "0.1.0"
