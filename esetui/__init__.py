"""What a person touches: the console and the commands."""

from __future__ import annotations

__version__ = "0.1.0"
"""Version of the distribution; a constant, so that no metadata is read at start-up."""
