"""From what the engine finds to what the screens show.

A scan reads headers and lists folders; it writes nothing and takes no lock.  Instances that run in this process
are told by the log folder they run in: their own state is better than what lies on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.backup.sets import Verdict as SetVerdict
from engine.backup.sets import list_backups
from engine.discover import FoundState, discover
from engine.errors import EseError
from engine.files.base import FileKind
from engine.log.paths import name_of
from esetui.service import instance_name
from esetui.tui import words
from esetui.tui.model import (
    BackupFolderView,
    BackupMark,
    DatabaseView,
    Field,
    FolderState,
    InstanceView,
    LogStrip,
    Overview,
    Section,
    SetView,
    State,
    Tone,
    Verdict,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from engine.backup.sets import BackupSet, SetBackup
    from engine.discover import FoundDatabase, FoundInstance
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.types import BkInfo, Signature

_STATES: Final = {
    FoundState.CLEAN: State.CLEAN,
    FoundState.DIRTY: State.DIRTY,
    FoundState.DAMAGED: State.DAMAGED,
    FoundState.LOCKED: State.LOCKED,
    FoundState.UNREACHABLE: State.UNREACHABLE,
}
_TONES: Final = {State.CLEAN: Tone.GOOD, State.RUNNING: Tone.INFO, State.LOCKED: Tone.WARN, State.DIRTY: Tone.WARN}
_MISSING_LISTED: Final = 10_000
"""Missing generations that are named one by one; a larger hole is told by its size."""


class Scan:
    """One look at the disk: the views, and what the engine found behind each instance."""

    def __init__(self, overview: Overview, found: dict[str, FoundInstance]) -> None:
        self.overview = overview
        self.found = found


def scan(
    paths: Sequence[str],
    folders: Sequence[str],
    *,
    fs: FileSystem,
    max_depth: int,
    running: Collection[str] = (),
) -> Scan:
    """Look at instances below `paths` and at the backup directories `folders`; `running` are keys of our own runs."""
    problems: list[str] = []
    found: dict[str, FoundInstance] = {}
    for path in paths:
        try:
            for each in discover(path, fs=fs, max_depth=max_depth):
                found.setdefault(instance_key(each), each)
        except EseError as error:
            problems.append(f"{path}: {error.message}")
    directories = [_folder(folder, fs) for folder in folders]
    sets = [entry for view, _ in directories for entry in view]
    views = tuple(_instance(key, each, sets, running=key in running) for key, each in found.items())
    overview = Overview(
        instances=views,
        folders=tuple(view for _, view in directories),
        taken=utc_now(),
        problems=tuple(problems),
        paths=tuple(paths),
    )
    return Scan(overview, found)


def instance_key(found: FoundInstance) -> str:
    """Return what identifies an instance: folder and base name, or the file of a database by itself."""
    if found.names is None and found.databases:
        return found.databases[0].path
    return f"{found.log_folder}|{found.base_name}"


def _instance(key: str, found: FoundInstance, sets: Sequence[BackupSet], *, running: bool) -> InstanceView:
    state = State.RUNNING if running else _STATES[found.state]
    # A copy that a backup is making right now carries the signatures of its origin, but is no database of it.
    own = [each for each in found.databases if each.header is None or not each.header.is_backup_copy]
    locked = found.state is FoundState.LOCKED
    databases = tuple(_database(each, running=running, locked=locked) for each in own)
    headers = [each.header for each in own if each.header is not None]
    full = _mark([each.bkinfo_full_prev for each in headers], sets, found.signature, full=True)
    incremental = _mark([each.bkinfo_inc_prev for each in headers], sets, found.signature, full=False)
    if full.when and incremental.when and incremental.when < full.when:
        incremental = BackupMark()
    return InstanceView(
        key=key,
        name=instance_name(found) if found.has_log else name_of(key),
        base_name=found.base_name,
        folder=found.log_folder,
        state=state,
        databases=databases,
        logs=_strip(found, headers),
        last_full=full,
        last_incremental=incremental,
        started=running,
        findings=tuple(each.text for each in found.findings if each.code),
        sections=_instance_sections(found, state),
    )


def _database(found: FoundDatabase, *, running: bool, locked: bool) -> DatabaseView:
    state = _STATES[found.state]
    if running and found.state in {FoundState.DIRTY, FoundState.CLEAN, FoundState.LOCKED}:
        state = State.RUNNING
    elif locked and found.state is FoundState.DIRTY:
        # Its header says so while somebody is at work on it; whether it needs recovery shows when that has ended.
        state = State.LOCKED
    header = found.header
    return DatabaseView(
        key=found.path,
        name=name_of(found.path),
        path=found.path,
        state=state,
        size=found.size,
        page_size=header.page_size if header is not None else 0,
        problem=found.problem or "",
        sections=_database_sections(found, state),
    )


def _strip(found: FoundInstance, headers: Iterable[DatabaseHeader]) -> LogStrip:
    required = [(each.gen_min_required, each.gen_max_required) for each in headers if each.gen_max_required]
    missing: list[int] = []
    for first, last in found.missing:
        missing += range(first, min(last, first + _MISSING_LISTED) + 1)
        if len(missing) >= _MISSING_LISTED:
            break
    return LogStrip(
        low=min(found.generations, default=0),
        high=max(found.generations, default=0),
        missing=tuple(missing),
        required_low=min((low for low, _ in required), default=0),
        required_high=max((high for _, high in required), default=0),
        checkpoint=found.checkpoint_generation or 0,
    )


def _mark(infos: Sequence[BkInfo], sets: Sequence[BackupSet], signature: Signature | None, *, full: bool) -> BackupMark:
    """Return the oldest of the databases' last backups: the chain is as old as its weakest database."""
    if not infos or not all(infos):
        return BackupMark()
    info = min(infos, key=lambda each: each.mark)
    verdict, reason = Verdict.UNSEEN, ""
    for each in sets:
        ours = signature is not None and each.log_signature == signature
        if ours and any(_is_backup(part, info, full=full) for part in each.backups):
            verdict, reason = _verdict(each)
            break
    return BackupMark(info.time.to_datetime(), info.gen_low, info.gen_high, verdict, reason)


def _is_backup(part: SetBackup, info: BkInfo, *, full: bool) -> bool:
    return (part.kind == "full") is full and part.last_generation == info.gen_high


def _verdict(found: BackupSet) -> tuple[Verdict, str]:
    if found.verdict is SetVerdict.BROKEN:
        at = "" if found.broken_at is None else f"log {words.generation(found.broken_at)}"
        return Verdict.BROKEN, at or found.reason
    if found.verdict is not SetVerdict.COMPLETE:
        return Verdict.UNFINISHED, found.reason
    return (Verdict.VERIFIED if found.verified is not None else Verdict.NEVER), found.reason


def _folder(path: str, fs: FileSystem) -> tuple[list[BackupSet], BackupFolderView]:
    stat = fs.stat(path)
    if stat is None or stat.kind is not FileKind.DIRECTORY:
        return [], BackupFolderView(path, FolderState.UNREACHABLE, problem="the folder is not there")
    try:
        sets = list_backups(path, fs=fs)
    except EseError as error:
        return [], BackupFolderView(path, FolderState.UNREACHABLE, problem=error.message)
    views = tuple(view for each in sets for view in _set_views(each))
    return sets, BackupFolderView(path, FolderState.PRESENT if views else FolderState.EMPTY, views)


def _set_views(found: BackupSet) -> list[SetView]:
    verdict, reason = _verdict(found)
    databases = tuple(each.name for each in found.databases)
    sections = _set_sections(found)
    common = {
        "path": found.path,
        "databases": databases,
        "problems": found.problems,
        "sections": sections,
    }
    if not found.backups:
        return [SetView(key=found.path, kind="full", when=None, verdict=verdict, reason=reason, **common)]  # type: ignore[arg-type]
    views = []
    for index, part in enumerate(found.backups):
        last = index == len(found.backups) - 1
        good = verdict is not Verdict.BROKEN or (found.broken_at is not None and part.last_generation < found.broken_at)
        views.append(
            SetView(
                key=f"{found.path}\n{index}",
                kind="full" if part.kind == "full" else "inc",
                when=part.started or part.finished,
                verdict=verdict if not good or verdict is not Verdict.BROKEN else Verdict.NEVER,
                reason=reason,
                depth=1 if index else 0,
                last=last,
                size=part.bytes_total,
                gen_low=part.first_generation,
                gen_high=part.last_generation,
                **common,  # type: ignore[arg-type]
            )
        )
    return views


# Details.


def _instance_sections(found: FoundInstance, state: State) -> tuple[Section, ...]:
    header = found.current_header
    what = [
        Field("state", state.value, _TONES.get(state, Tone.BAD)),
        Field("", found.detail, Tone.MUTED),
        Field("folder", found.log_folder),
    ]
    if found.system_folder != found.log_folder:
        what.append(Field("checkpoint in", found.system_folder))
    sections = [Section("Instance", tuple(what))]
    if header is not None:
        sections.append(
            Section(
                "Log stream",
                (
                    Field("base name", found.base_name),
                    Field("format", str(header.version)),
                    Field("log size", words.size(found.log_file_size)),
                    Field("page size", words.size(found.page_size)),
                    Field("circular", "yes" if found.circular else "no"),
                    Field("current", f"{words.generation(header.generation)} ({header.generation})"),
                    Field("created", words.moment(header.created.to_datetime())),
                    Field("signature", str(found.signature)),
                ),
            )
        )
    if found.findings:
        notes = tuple(Field("", each.text, Tone.WARN if each.code else Tone.MUTED) for each in found.findings[:20])
        sections.append(Section("Findings", notes))
    return tuple(sections)


def _database_sections(found: FoundDatabase, state: State) -> tuple[Section, ...]:
    what = [
        Field("state", state.value, _TONES.get(state, Tone.BAD)),
        Field("file", found.path),
        Field("size", f"{words.size(found.size)} ({found.size:,} bytes)"),
    ]
    if found.problem:
        what.append(Field("problem", found.problem, Tone.BAD))
    header = found.header
    if header is None:
        return (Section("Database", tuple(what)),)
    what += [
        Field("page size", words.size(header.page_size)),
        Field("format", f"{header.version}.{header.update_major}.{header.update_minor}"),
        Field("dbtime", f"{header.dbtime_dirtied:,}"),
        Field("signature", str(header.sign_db)),
    ]
    life = [
        Field("attached", words.moment(header.logtime_attach.to_datetime())),
        Field("detached", words.moment(header.logtime_detach.to_datetime())),
        Field("consistent", str(header.lgpos_consistent)),
    ]
    if header.gen_max_required:
        needed = words.generations(header.gen_min_required, header.gen_max_required)
        life.append(Field("needs logs", needed, Tone.WARN))
    backups = tuple(
        Field(label, _backup_text(info))
        for label, info in (("full", header.bkinfo_full_prev), ("incremental", header.bkinfo_inc_prev))
    )
    return (
        Section("Database", tuple(what)),
        Section("Life", tuple(life)),
        Section("Last backups", backups),
    )


def _backup_text(info: BkInfo) -> str:
    if not info:
        return "never"
    return f"{words.moment(info.time.to_datetime())}, logs {words.generations(info.gen_low, info.gen_high)}"


def _set_sections(found: BackupSet) -> tuple[Section, ...]:
    verdict, reason = _verdict(found)
    tone = {Verdict.VERIFIED: Tone.GOOD, Verdict.NEVER: Tone.MUTED}.get(verdict, Tone.BAD)
    what = [
        Field("verdict", verdict.value, tone),
        Field("folder", found.path),
        Field("size", words.size(found.bytes_total)),
        Field("logs", words.generations(found.first_generation, found.last_generation)),
        Field("verified", words.moment(found.verified)),
        Field("made by", "esetui" if found.has_manifest else "another program (no manifest)"),
    ]
    if reason:
        what.insert(1, Field("", reason, Tone.MUTED))
    sections = [Section("Backup set", tuple(what))]
    if found.databases:
        rows = tuple(Field(words.size(each.size), each.problem or each.name) for each in found.databases)
        sections.append(Section("Databases", rows))
    if found.problems:
        sections.append(Section("Problems", tuple(Field("", each, Tone.BAD) for each in found.problems[:20])))
    return tuple(sections)
