"""Is a file, a backup set or an instance's folder undamaged?  Every checksum is computed, nothing changed unasked."""

from __future__ import annotations

from engine.findings import Finding, UnitKind
from engine.verify.report import FileReport, VerifyReport
from engine.verify.run import verify

__all__ = ["FileReport", "Finding", "UnitKind", "VerifyReport", "verify"]
