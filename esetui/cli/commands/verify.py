"""`esetui verify PATH`: every checksum of a database, log, checkpoint, flush map, backup set or instance.

Reads only.  Every finding is listed with file, place, expected and actual checksum, and whether it is a single
wrong bit that could be put right; damage ends with exit code 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import click

from engine.errors import EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.page import PAGE_SIZES
from engine.monitor import Monitor
from engine.verify import verify
from engine.verify.run import VerifyKind
from esetui.cli.describe.findings import finding_fields, finding_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH, common
from esetui.cli.output import size_text
from esetui.cli.progress import Reporter
from esetui.cli.signals import Cancellation, Stopped

if TYPE_CHECKING:
    from engine.verify import FileReport, Finding, VerifyReport
    from esetui.cli.output import Output


@click.command("verify")
@click.argument("path", type=PATH)
@click.option("--kind", type=click.Choice(get_args(VerifyKind)), default="auto", help="What it is; auto: by content.")
@click.option(
    "--page-size",
    type=click.Choice([str(size) for size in PAGE_SIZES]),
    help="Page size of a database whose header is lost.",
)
@common
def command(out: Output, path: str, kind: VerifyKind, page_size: str | None) -> ExitCode:
    """Check every checksum of a file, a backup set or an instance."""
    monitor = Monitor()
    out.record("job_started", command="verify", path=path)
    with Cancellation(monitor) as cancellation, Reporter(out, monitor) as reporter:
        try:
            report = verify(
                path,
                kind=kind,
                page_size=int(page_size) if page_size else None,
                monitor=monitor,
                fs=ReadOnlyFileSystem(RealFileSystem()),
                on_finding=lambda finding: write_finding(out, reporter, finding),
            )
        except EseError:
            if cancellation.code is None:
                raise
            out.narrate("cancelled; nothing was changed")
            raise Stopped(cancellation.code) from None
    code = exit_code_of(report)
    write_report(out, report, code)
    return code


def exit_code_of(report: VerifyReport) -> ExitCode:
    """Return what the report means to the caller."""
    if report.bad_count:
        return ExitCode.DAMAGE
    return ExitCode.WARNINGS if report.warning_count else ExitCode.OK


def write_finding(out: Output, reporter: Reporter, finding: Finding) -> None:
    """Write one finding as it is made."""
    out.record("finding", finding_fields(finding))
    reporter.line(finding_text(finding))


def write_report(out: Output, report: VerifyReport, code: ExitCode) -> None:
    """Write a line a file, and what it all means."""
    for each in report.files:
        (out.summary if each.ok and not each.warnings else out.line)(file_text(each))
        out.record(
            "file_verified",
            path=each.path,
            kind=each.type.value,
            bytes=each.size,
            units=each.units,
            checked=each.checked,
            blank=each.blank,
            outside=each.outside,
            bad=each.bad,
            correctable=each.correctable,
            warnings=each.warnings,
            note=each.note or None,
            ok=each.ok,
        )
    if report.bad_count:
        word = f"damaged: {report.bad_count} bad, {report.correctable} of them correctable"
    elif report.warning_count:
        word = f"good, with {report.warning_count} thing(s) to look at"
    else:
        word = "good"
    say = out.summary if code is ExitCode.OK else out.line
    say(f"{report.kind} {report.path}: {word}; {report.checked:,} of {report.units:,} checksums verified")
    out.record(
        "job_finished",
        ok=report.ok,
        exit_code=int(code),
        kind=report.kind,
        path=report.path,
        units=report.units,
        checked=report.checked,
        blank=report.blank,
        bad=report.bad_count,
        correctable=report.correctable,
        warnings=report.warning_count,
    )


def file_text(each: FileReport) -> str:
    """Return the verdict on one file on one line."""
    verdict = "bad " if each.bad else "note" if each.warnings else "ok  "
    if not each.units and each.note:
        return f"{verdict}  {each.path}: {each.note}"
    counts = [f"{each.checked:,} checked"]
    counts += [f"{number:,} {word}" for number, word in ((each.blank, "blank"), (each.bad, "bad")) if number]
    note = f" ({each.note})" if each.note else ""
    return f"{verdict}  {each.path}: {each.type.value}, {size_text(each.size)}, {', '.join(counts)}{note}"
