"""The clean end of an instance that has a log; the order is what recovery relies on.

    1  transactions rolled back, versions cleaned up, pages written     with the log that describes them
    2  ShutDownMark, flushed                                            the pages are on the disk before it
    3  headers clean at the mark                                        behind a Term2 nobody looks for dirty ones
    4  Term2, flushed                                                   on the disk before the checkpoint
    5  checkpoint at Term2

Source: log reference 3.13, 6.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.format.lr import ShutDownMark, Term2

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.instance.attachments import Attachments
    from engine.instance.keeper import LogKeeper
    from engine.instance.live import LiveStore
    from engine.types import LgPos


def end_cleanly(
    env: Environment, live: LiveStore, attachments: Attachments, keeper: LogKeeper, began: LgPos, *, clean: bool
) -> None:
    """End the run that began with the Init2 record at `began`; without `clean`, deleted nodes stay where they are."""
    writer = live.journal.writer
    live.settle(clean=clean)
    with writer.lock:
        live.seal()
    position = writer.append(ShutDownMark().pack())
    # The mark is on the disk before a header names it.
    writer.flush(fill=True)
    attachments.finish_all(position)
    end = writer.append(Term2(began, time=env.log_time()).pack())
    # The end is on the disk before the checkpoint says that nothing before it matters.
    writer.flush()
    if keeper.checkpoint is not None:
        keeper.checkpoint.finish(end)
