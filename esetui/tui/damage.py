"""What verifications found damaged: kept until a later one finds it whole, and put over what a scan sees.

A scan looks at headers; it calls a database clean whose pages are damaged.  What a verification, or a backup that
failed by a checksum, has found is therefore remembered by path and makes the word of the database, of its instance
and of a backup set.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from engine.findings import UnitKind
from engine.log.paths import folder_of, name_of
from esetui.tui.model import Field, Section, State, Tone, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.verify import VerifyReport
    from esetui.tui.model import BackupFolderView, DatabaseView, InstanceView, Overview, SetView

MOST_PAGES: Final = 4096
"""Damaged pages of a file that are remembered one by one."""


class Damage:
    """Damaged files by path, each with what was found in a few words.  Safe from any thread."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._pages: dict[str, tuple[int, ...]] = {}
        self._lock = threading.Lock()

    def note(self, path: str, text: str, pages: Iterable[int] = ()) -> None:
        """Remember that a file is damaged, and which pages of a database are."""
        with self._lock:
            self._found[path] = text
            known = {*self._pages.get(path, ()), *pages}
            self._pages[path] = tuple(sorted(known)[:MOST_PAGES])

    def pages(self, path: str) -> list[int]:
        """Return the pages of a database that are known to be damaged, ascending."""
        with self._lock:
            return list(self._pages.get(path, ()))

    def forget(self, path: str) -> None:
        """Forget what was known of a file: it was repaired."""
        with self._lock:
            self._found.pop(path, None)
            self._pages.pop(path, None)

    def take(self, report: VerifyReport) -> None:
        """Learn from a verification: what it looked at is what it found, whatever was known before."""
        with self._lock:
            for path in [each for each in self._found if _within(each, report.path)]:
                del self._found[path]
                self._pages.pop(path, None)
            for file in report.files:
                if not file.ok:
                    first = next((each for each in file.findings if not each.warning), None)
                    more = f", and {file.bad - 1:,} more" if file.bad > 1 else ""
                    text = "damaged" if first is None else f"{first.kind.value} {first.number}: {first.detail}{more}"
                    self._found[file.path] = text
                    bad = {each.number for each in file.findings if each.kind is UnitKind.PAGE and not each.warning}
                    self._pages[file.path] = tuple(sorted(bad)[:MOST_PAGES])

    def mark(self, overview: Overview) -> Overview:
        """Return the overview with the words that damage makes."""
        with self._lock:
            found = dict(self._found)
        if not found:
            return overview
        return replace(
            overview,
            instances=tuple(_instance(each, found) for each in overview.instances),
            folders=tuple(_folder(each, found) for each in overview.folders),
        )


def _within(path: str, top: str) -> bool:
    folder = top.rstrip("/\\")
    return path == top or path.startswith((f"{folder}/", f"{folder}\\"))


def _instance(view: InstanceView, found: dict[str, str]) -> InstanceView:
    databases = tuple(_database(each, found) for each in view.databases)
    base = view.base_name.lower()
    others = {
        path: text
        for path, text in found.items()
        if path == view.folder
        or (base and folder_of(path) == view.folder and name_of(path).lower().startswith(base))
        or any(path == each.path for each in view.databases)
    }
    if not others:
        return view
    texts = tuple(f"{name_of(path)}: {text}" for path, text in others.items())
    return replace(
        view,
        state=State.DAMAGED,
        databases=databases,
        findings=(*view.findings, *texts[:20]),
        sections=_told(view.sections, State.DAMAGED.value, texts),
    )


def _database(view: DatabaseView, found: dict[str, str]) -> DatabaseView:
    text = found.get(view.path)
    if text is None:
        return view
    sections = _told(view.sections, State.DAMAGED.value, (text,))
    return replace(view, state=State.DAMAGED, problem=text, sections=sections)


def _folder(view: BackupFolderView, found: dict[str, str]) -> BackupFolderView:
    return replace(view, sets=tuple(_set(each, found) for each in view.sets))


def _set(view: SetView, found: dict[str, str]) -> SetView:
    texts = tuple(f"{name_of(path)}: {text}" for path, text in found.items() if folder_of(path) == view.path)
    if not texts:
        return view
    sections = _told(view.sections, Verdict.BROKEN.value, texts)
    return replace(view, verdict=Verdict.BROKEN, reason="damaged", problems=(*view.problems, *texts), sections=sections)


def _told(sections: tuple[Section, ...], word: str, texts: Iterable[str]) -> tuple[Section, ...]:
    """Return details whose first line is the word, and which say what a verification found."""
    damage = Section("Damage", tuple(Field("", text, Tone.BAD) for text in list(texts)[:20]))
    if not sections:
        return (damage,)
    first = sections[0]
    fields = (replace(first.fields[0], value=word, tone=Tone.BAD), *first.fields[1:]) if first.fields else ()
    return (replace(first, fields=fields), damage, *sections[1:])
