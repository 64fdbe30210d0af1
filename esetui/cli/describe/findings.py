"""Findings in words and as JSON fields, whoever made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.findings import UnitKind

if TYPE_CHECKING:
    from engine.findings import Finding


def finding_text(finding: Finding) -> str:
    """Return a finding on one line."""
    word = "note" if finding.warning else "BAD "
    number = "" if finding.kind is UnitKind.FILE else f" {finding.number}"
    place = f" at offset {finding.offset:#x}" if finding.offset or not finding.table else ""
    if finding.line is not None:
        place = f", line {finding.line}{place}"
    owner = f" of {finding.table}" if finding.table else ""
    if finding.tree:
        owner += f", {finding.tree}"
    parts = [f"{word}  {finding.path}: {finding.kind.value}{number}{place}{owner}: {finding.detail}"]
    if finding.code:
        parts.append(f"{finding.name} ({finding.code})")
    if finding.stored != finding.computed:
        parts.append(f"expected {finding.stored:#x}, actual {finding.computed:#x}")
    if finding.correctable:
        bits = ", ".join(map(str, finding.bits))
        parts.append(f"correctable: bit{'s' if len(finding.bits) > 1 else ''} {bits}")
    elif not finding.warning and not finding.table and finding.kind is not UnitKind.FILE:
        parts.append("not correctable")
    return "; ".join(parts)


def finding_fields(finding: Finding) -> dict[str, Any]:
    """Return a finding as fields; checksums in hexadecimal, None where the damage is of another sort."""
    differ = finding.stored != finding.computed
    return {
        "path": finding.path,
        "unit": finding.kind.value,
        "number": finding.number,
        "page": finding.number if finding.kind is UnitKind.PAGE else None,
        "offset": finding.offset,
        "code": finding.code,
        "name": finding.name,
        "detail": finding.detail,
        "expected": f"{finding.stored:#x}" if differ else None,
        "actual": f"{finding.computed:#x}" if differ else None,
        "correctable": finding.correctable,
        "bits": list(finding.bits),
        "claimed_page": finding.claimed,
        "warning": finding.warning,
        "table": finding.table or None,
        "tree": finding.tree or None,
        "line": finding.line,
    }
