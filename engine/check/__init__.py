"""The integrity check: every tree, every page of it, and what trees say of each other; see `check`."""

from __future__ import annotations

from engine.check.findings import CheckFinding, CheckKind
from engine.check.run import check
from engine.event_table import Severity

__all__ = ["CheckFinding", "CheckKind", "Severity", "check"]
