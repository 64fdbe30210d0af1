"""What a finding of the integrity check means for a person, and what to do about it."""

from __future__ import annotations

from typing import Final

from engine.check import CheckKind as Kind
from esetui.tui.advice import Advice

_PAGE: Final = Advice(
    "What lies there is not the page that was written: a lost or torn write, or a failing disk.",
    "e rebuilds it from a backup set and the logs since; or restore the set. Look after the disk.",
)
_TREE: Final = Advice(
    "The tree contradicts itself there: a search may miss rows, or find others.",
    "Restore a backup. What can be read can be written out first: w, then ctrl+s.",
)
_SPACE: Final = Advice(
    "The engine keeps account of its pages in small trees, and these are wrong: it may use a page twice.",
    "Do not write to the database; restore a backup.",
)
_LOST: Final = Advice("Space that nothing uses and nobody gives back. No row is touched by it.", "Nothing to do.")
_INDEX: Final = Advice(
    "Index and rows disagree: a search through this index misses rows or finds too many. The rows are whole.",
    "Restore a backup, or let the application build the index anew.",
)
_ROW: Final = Advice(
    "A row makes no sense as it is stored; others are not touched by it.",
    "Restore a backup. What can be read can be written out first: w, then ctrl+s.",
)
_LONG: Final = Advice(
    "A long value is incomplete, or counted wrongly by the rows that refer to it.",
    "Values that can be read are shown in the browser (w); restore a backup for the others.",
)
_LONG_HARMLESS: Final = Advice(
    "A long value that no row refers to, or too few do. It only takes room.", "Nothing to do."
)
_CATALOG: Final = Advice(
    "The description of tables is wrong, or its two copies differ.", "Restore a backup; the browser shows what is left."
)

CHECK_ADVICE: Final[dict[Kind, Advice]] = {
    Kind.STATE: Advice(
        "The last run did not end, so the log is ahead of the pages. That by itself is no damage.",
        "p shows what recovery would do; it can also be checked as it would be recovered.",
    ),
    Kind.HEADER: Advice(
        "One of the two copies of the header cannot be used or differs.", "The other is used; look after the disk."
    ),
    Kind.VERSION: Advice("The format is newer than what is known here.", "Use a newer version of this program."),
    Kind.FILE_SIZE: Advice(
        "The file is not as long as the database says.", "If it was copied, copy it again; else restore a backup."
    ),
    Kind.CORRECTED: Advice(
        "One bit was wrong on the disk and was put right in memory.", "Look after the disk and the memory."
    ),
    Kind.CHECKSUM: _PAGE,
    Kind.BLANK_PAGE: _PAGE,
    Kind.PAGE_NUMBER: _PAGE,
    Kind.PAGE_TIME: _PAGE,
    Kind.NOT_OWNED: _SPACE,
    Kind.OWNED_TWICE: _SPACE,
    Kind.SPACE_TREE: _SPACE,
    Kind.BEYOND_END: _SPACE,
    Kind.CROSS_LINK: _SPACE,
    Kind.LEAKED: _LOST,
    Kind.RECORD: _ROW,
    Kind.PRIMARY_KEY: _ROW,
    Kind.AUTO_INCREMENT: Advice("The next new row may get a number that is taken.", "Restore a backup."),
    Kind.INDEX_MISSING: _INDEX,
    Kind.INDEX_EXTRA: _INDEX,
    Kind.INDEX_COUNT: _INDEX,
    Kind.LV_CHUNK: _LONG,
    Kind.LV_ROOT: _LONG,
    Kind.LV_REFERENCES_LOW: _LONG,
    Kind.LV_REFERENCES_HIGH: _LONG_HARMLESS,
    Kind.LV_ORPHAN: _LONG_HARMLESS,
    Kind.CATALOG: _CATALOG,
    Kind.SHADOW: _CATALOG,
    Kind.OBJECT_IDS: _CATALOG,
    Kind.NOT_COMPARED: Advice("Something could not be looked at; the text says why.", "Nothing to do."),
    Kind.MORE: Advice("There are more findings of this kind in this tree.", "See those that are listed."),
}


def advice_for(kind: Kind) -> Advice:
    """Return what a kind of finding means, and what to do; most are about the shape of a tree."""
    return CHECK_ADVICE.get(kind, _TREE)
