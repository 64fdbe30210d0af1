"""ESE (JET Blue) storage engine: the on-disk format, transaction logs, backup."""

from __future__ import annotations

__version__ = "0.1.0"
"""Version of the engine, as its start event reports it."""
