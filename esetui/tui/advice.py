"""What an event means for a person, and what to do about it.  Events that need nothing have no entry."""

from __future__ import annotations

from typing import Final, NamedTuple


class Advice(NamedTuple):
    """What happened in plain words, and the next step."""

    meaning: str
    action: str


ADVICE: Final[dict[int, Advice]] = {
    206: Advice(
        "An incremental backup builds on a full one, and this database has none.", "Press b for a full backup first."
    ),
    214: Advice("The backup failed. Its directory and the logs are as they were.", "See the events before this one."),
    215: Advice(
        "The backup was cancelled or failed. Its directory and the logs are as they were.",
        "See the events before this one; the backup can be begun again at once.",
    ),
    217: Advice(
        "A page could not be read or is damaged, so the copy was given up.",
        "Verify the database with v; e then rebuilds damaged pages from an earlier set.",
    ),
    218: Advice("A log could not be read or is damaged, so the backup was given up.", "Verify the instance with v."),
    219: Advice(
        "The set is complete, but the headers do not say so.", "The next full backup writes them; nothing is lost."
    ),
    225: Advice("Every log is still needed: recovery would begin at the oldest one.", "Nothing to do."),
    226: Advice("The instance is being stopped, and its backup with it.", "Start it and begin the backup again."),
    227: Advice(
        "Some logs that were to be deleted were gone already.", "Find out who deletes logs: only backups should."
    ),
    399: Advice(
        "One bit of the page was wrong on the disk. The copy has it right, the database has not.",
        "Look after the disk and the memory; verify again.",
    ),
    419: Advice("The page was damaged; the log held all of it, and recovery made it anew.", "Look after the disk."),
    454: Advice("Recovery could not be done. Nothing was changed.", "Mend what the error names and start again."),
    456: Advice("One of two copies of a header was damaged; the other was used.", "Look after the disk."),
    459: Advice(
        "A log that the backup needs is not there.", "Put it back if it was moved; else make a full backup after that."
    ),
    465: Advice("A log is damaged where recovery needs it.", "Restore the last backup."),
    474: Advice(
        "The page on the disk is not what was written.",
        "e rebuilds the page from a backup set, or restore the set; look after the disk.",
    ),
    493: Advice("The disk read well only after several tries.", "Look after the disk while it still answers."),
    520: Advice("Logs were kept because not all of them had been copied.", "Run the backup to its end."),
    544: Advice(
        "The page is older than its last write: that write never reached the disk, though the disk said so.",
        "e rebuilds the page from a backup set, or restore the set; look after the disk.",
    ),
    552: Advice("A log is damaged.", "Make a full backup while the instance is well; look after the disk."),
    619: Advice("The file is a copy from a backup set.", "Restore the set instead of attaching its files."),
    638: Advice(
        "A part of the flush map is damaged, so lost writes of its pages cannot be noticed.",
        "Nothing to do: Windows makes a new map. Look after the disk.",
    ),
    639: Advice(
        "The flush map is older than the database: a write of the map was lost, so its pages are not compared.",
        "Nothing to do for the database; look after the disk.",
    ),
    640: Advice(
        "The flush map beside the database is not its own any more, so lost writes cannot be noticed.",
        "Nothing to do: Windows makes a new map at its next start.",
    ),
}
