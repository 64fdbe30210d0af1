"""`esetui check DB`: the integrity of a database, as `esentutl /g` checks it.

Reads only.  Findings are written as they are made; damage ends with exit code 4, a database that lacks nothing but its
recovery with 5, things to look at with 3.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from engine.check import CheckKind, Severity, check
from engine.errors import EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.monitor import Monitor
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH, common
from esetui.cli.progress import Reporter
from esetui.cli.reading import replayable, replayed
from esetui.cli.signals import Cancellation, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.check import CheckFinding
    from esetui.cli.output import Output
    from esetui.cli.reading import Replay

_WORDS = {Severity.ERROR: "BAD ", Severity.WARNING: "warn", Severity.INFO: "note"}


@click.command("check")
@click.argument("database", type=PATH, metavar="DB")
@click.option("--strict", is_flag=True, help="Tell also what an engine would tolerate but never write.")
@replayable
@common
def command(out: Output, database: str, *, replay: Replay | None, strict: bool) -> ExitCode:
    """Check the integrity of a database: trees, space, records, indexes, long values."""
    monitor = Monitor()
    counts: Counter[tuple[Severity, CheckKind]] = Counter()
    out.record("job_started", command="check", path=database, replay=replay is not None, strict=strict)
    with ExitStack() as stack, Cancellation(monitor) as cancellation, Reporter(out, monitor) as reporter:
        try:
            for finding in _findings(stack, out, database, monitor, replay=replay, strict=strict):
                counts[finding.severity, finding.kind] += 1
                _write(out, reporter, database, finding)
        except EseError:
            if cancellation.code is None:
                raise
            out.narrate("cancelled; nothing was changed")
            raise Stopped(cancellation.code) from None
    return _verdict(out, database, counts, monitor)


def _findings(
    stack: ExitStack, out: Output, database: str, monitor: Monitor, *, replay: Replay | None, strict: bool
) -> Iterator[CheckFinding]:
    fs = ReadOnlyFileSystem(RealFileSystem())
    if replay is None:
        return check(database, fs=fs, strict=strict, monitor=monitor)
    name = fs.absolute(database)
    recovered = replayed(stack, out, name, replay)
    return check(name, pages=recovered.pages, header=recovered.header, strict=strict, monitor=monitor)


def _write(out: Output, reporter: Reporter, path: str, finding: CheckFinding) -> None:
    out.record("finding", finding_fields(path, finding))
    if not out.quiet or finding.severity is not Severity.INFO:
        reporter.line(finding_text(finding))


def finding_text(finding: CheckFinding) -> str:
    """Return a finding on one line."""
    where = f"{finding.where}: " if finding.where else ""
    code = f"; {finding.name} ({finding.code})" if finding.code else ""
    return f"{_WORDS[finding.severity]}  {where}{finding.kind.value}: {finding.detail}{code}"


def finding_fields(path: str, finding: CheckFinding) -> dict[str, Any]:
    """Return a finding as fields; page and line are null where there is none."""
    return {
        "path": path,
        "kind": finding.kind.value,
        "severity": finding.severity.name.lower(),
        "table": finding.table,
        "tree": finding.tree,
        "page": finding.page or None,
        "line": finding.line,
        "code": finding.code or None,
        "name": finding.name or None,
        "detail": finding.detail,
        "warning": not finding.is_error,
    }


def _verdict(out: Output, path: str, counts: Counter[tuple[Severity, CheckKind]], monitor: Monitor) -> ExitCode:
    """Write what it all means, and return it as an exit code."""
    errors = {kind: count for (severity, kind), count in counts.items() if severity is Severity.ERROR}
    warnings = sum(count for (severity, _), count in counts.items() if severity is Severity.WARNING)
    if errors.keys() == {CheckKind.STATE}:
        code, word = ExitCode.NOT_RECOVERABLE, "whole, but not shut down cleanly: it needs its logs"
    elif errors:
        kinds = ", ".join(f"{count} {kind.value}" for kind, count in sorted(errors.items(), key=lambda each: -each[1]))
        code, word = ExitCode.DAMAGE, f"damaged: {kinds}"
    elif warnings:
        code, word = ExitCode.WARNINGS, f"good, with {warnings} thing(s) to look at"
    else:
        code, word = ExitCode.OK, "good"
    say = out.summary if code is ExitCode.OK else out.line
    say(f"database {path}: {word}; {monitor.pages_verified:,} pages of its trees read")
    out.record(
        "job_finished",
        ok=not errors,
        exit_code=int(code),
        path=path,
        pages=monitor.pages_verified,
        errors=sum(errors.values()),
        warnings=warnings,
        kinds={kind.value: count for kind, count in errors.items()},
    )
    return code
