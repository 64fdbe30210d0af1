"""Checkpoint, flush map and reserve log in words.

Source: log reference 5, 1.1; database reference 8.1, 8.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.cli.describe.fields import Verdict, generation_text
from esetui.cli.describe.log import is_temp_name
from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.format.checkpoint import CheckpointRead
    from engine.format.flushmap import FlushMapHeader


def checkpoint_verdict(read: CheckpointRead) -> Verdict:
    """Say where recovery would begin, and how the two copies are."""
    checkpoint = read.checkpoint
    at = checkpoint.checkpoint
    sentences = [
        f"Recovery would begin at {at}, generation {generation_text(at.generation)}.",
    ]
    if checkpoint.attachments_valid:
        count = len(checkpoint.attachments)
        sentences.append(f"{count} database{'' if count == 1 else 's'} attached at that point.")
    if read.problems:
        other = 3 - read.copy
        return Verdict("damaged", (*sentences, f"Copy {other} is damaged, copy {read.copy} serves."), ExitCode.WARNINGS)
    if read.copies_differ:
        return Verdict("usable", (*sentences, "The two copies differ; the first one counts."))
    return Verdict("good", (*sentences, "Both copies are the same."))


def flush_map_verdict(header: FlushMapHeader) -> Verdict:
    """Say whether the map was closed with its database."""
    if header.clean:
        return Verdict("clean", ("It was closed with its database.", "The engine would rebuild it if it were missing."))
    return Verdict(
        "dirty", ("Its database was attached when it was last written.", "The engine rebuilds it if needed.")
    )


def reserve_verdict(*, blank: bool) -> Verdict:
    """Say what a reserve log is for."""
    content = "It is blank." if blank else "Its content is left over from before and means nothing."
    return Verdict("reserve log", ("Space kept for a shutdown with a full disk; it holds no data.", content))


def empty_verdict(name: str) -> Verdict:
    """Say what a file without content may be."""
    if is_temp_name(name):
        return Verdict("empty", ("By its name it is the next log in preparation.",))
    if name.lower().endswith(".pat"):
        return Verdict("empty", ("A backup set holds one such file for each database; it is meant to be empty.",))
    return Verdict("empty", ("It holds nothing, or only zeros where a header should be.",), ExitCode.WARNINGS)
