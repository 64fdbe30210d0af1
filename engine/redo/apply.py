"""Apply one log record, or one macro, to pages.

This is the only code that changes pages: recovery calls it with records from a log, live work with records it
has just appended.  `apply` takes records that stand alone; `apply_macro` takes the records of a committed macro as
one unit.  Both return what the version store needs: for each node operation its before-image, if it was applied.

Records that change no page (transactions, attachments, backups ...) are not known here.

Source: log reference 3.1-3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import Err, EseError
from engine.format import lr
from engine.redo import merge, node_ops, split, trees

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.redo.node_ops import Result, UndoData
    from engine.redo.store import PageStore


class Applied(NamedTuple):
    """What became of a node operation.

    `due`: the page was changed.  `key` and `before`: key of the node, and its data before, for replaces and
    deletes.  `from_image`: the page was an image from the log and not a page of the file.
    """

    due: bool
    key: bytes | None = None
    before: bytes | None = None
    from_image: bool = False


_APPLIED = Applied(due=True)
"""What becomes of most records."""


def apply(record: lr.Record, store: PageStore) -> Applied:
    """Apply a record that is not part of a macro.

    -566/-567 from the dbtime rule, -501 when the record contradicts the page, and what the store raises.
    """
    handler = _HANDLERS.get(type(record))
    if handler is None:
        raise EseError.from_code(Err.LogCorrupted, f"{type(record).__name__} is no page operation")
    result = handler(record, store)
    return _APPLIED if result is node_ops.DONE else Applied(*result)


def apply_undo(record: lr.Undo, store: PageStore, data: UndoData | None) -> Applied:
    """Apply an Undo record; `data` is what its version knows, None when there is no version any more."""
    return Applied(*node_ops.undo(record, store, data))


def apply_macro(records: Sequence[lr.Record], store: PageStore) -> dict[int, Applied]:
    """Apply the queued records of a committed macro; return by index what became of its node operations."""
    if any(isinstance(record, lr.Split | lr.Split2) for record in records):
        return {index: Applied(*result) for index, result in split.apply_split(records, store).items()}
    if any(isinstance(record, lr.Merge | lr.Merge2) for record in records):
        merge.apply_merge(records, store)
        return {}
    return {index: apply(record, store) for index, record in enumerate(records) if type(record) in _HANDLERS}


def changes_pages(record: lr.Record) -> bool:
    """Return whether the record changes a page."""
    return type(record) in _HANDLERS or isinstance(record, _STRUCTURE)


_STRUCTURE = (lr.Split, lr.Split2, lr.Merge, lr.Merge2, lr.Undo)

_HANDLERS: dict[type[lr.Record], Callable[[Any, PageStore], Result]] = {
    lr.Insert: node_ops.insert,
    lr.FlagInsert: node_ops.flag_insert,
    lr.FlagInsertAndReplaceData: node_ops.flag_insert_and_replace_data,
    lr.Replace: node_ops.replace,
    lr.ReplaceD: node_ops.replace,
    lr.FlagDelete: node_ops.flag_delete,
    lr.Delete: node_ops.delete,
    lr.Delta: node_ops.delta,
    lr.Delta64: node_ops.delta,
    lr.SetExternalHeader: node_ops.set_external_header,
    lr.Scrub: node_ops.scrub,
    lr.EmptyTree: node_ops.empty_tree,
    lr.NewPage: trees.new_page,
    lr.CreateSEFDP: trees.create_single_extent,
    lr.CreateMEFDP: trees.create_multiple_extent,
    lr.ConvertFDP: trees.convert,
    lr.ConvertFDP2: trees.convert,
    lr.PageMove: trees.page_move,
}
