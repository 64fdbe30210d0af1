"""Where the files of a backup go, and how they become a set at one instant.

    plain full          <path>/            must be empty
    plain incremental   <path>/            logs are added to what is there
    atomic full         <path>/temp        becomes <path>/new; the former `new` waits as `old` meanwhile
    atomic incremental  <path>/old         after `new`, if there is one, has become `old`

A full backup writes `backup.json.partial` beside its first file; while that file is there, and `backup.json` is
not, the folder holds a half-made backup.  Publishing completes it, makes it durable and renames it to
`backup.json`.  An incremental backup writes every log as `<name>.tmp`; publishing renames them, oldest first,
so that whatever a crash leaves is a set whose logs still follow one another, and then replaces `backup.json`.

At every instant an atomic path holds one complete set, if it ever held one:

    new           first:  temp removed, new -> old      (an older `old` was renamed to temp and deleted)
    old, temp     while copying
    old, new      after the rename: published
    temp, new     old renamed to temp, then deleted
    new

Source: jet-api reference 1.3, 1.4, 1.8; log reference 7.5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.backup.crc import file_crc
from engine.backup.manifest import decode
from engine.backup.paths import join
from engine.errors import Err, EseError
from engine.files.base import FileKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.backup.target import Target
    from engine.files.base import File

MANIFEST: Final = "backup.json"
PARTIAL: Final = "backup.json.partial"
TEMP_SUFFIX: Final = ".tmp"
KEPT_SUFFIX: Final = ".kept.tmp"
TEMP: Final = "temp"
NEW: Final = "new"
OLD: Final = "old"
RESERVED_NAMES: Final = frozenset({MANIFEST, PARTIAL, MANIFEST + TEMP_SUFFIX})
MANIFEST_LIMIT: Final = 64 << 20
"""Most bytes a manifest may have."""


class Destination(ABC):
    """The folder that a backup writes into; `path` is absolute.  Nothing is touched before `prepare`."""

    def __init__(self, path: str, target: Target, *, create_path: bool) -> None:
        self.path = path
        self.folder = path
        self.published = False
        self._target = target
        self._create_path = create_path
        self._made_folders: list[str] = []
        self._written: list[str] = []

    def prepare(self) -> None:
        """Make the folder ready.

        -1023 for a path that is no folder or cannot be made, -504 for one that holds what it must not hold,
        -524 when something stale cannot be deleted, -525 when `temp` cannot be made.  A missing folder that
        may not be created is found out when the first file is: -1023 then.
        """
        found = self._target.stat(self.path)
        if found is None:
            if self._create_path:
                self._made_folders = self._target.make_folder(self.path, parents=True)
        elif found.kind is not FileKind.DIRECTORY:
            raise EseError.from_code(Err.InvalidPath, "not a folder", path=self.path)
        self._arrange(exists=found is not None or self._create_path)

    def create(self, name: str, *, replace: bool = False) -> File:
        """Create a file of the set; it counts once `publish` has returned."""
        path = join(self.folder, name + self._suffix)
        file = self._target.create_file(path, replace=replace or bool(self._suffix))
        self._written.append(path)
        try:
            self._after_create()
        except BaseException:
            file.close()
            raise
        return file

    @property
    def _suffix(self) -> str:
        return ""

    def _after_create(self) -> None:  # noqa: B027 - nothing to do is a fine answer
        """Do what must follow the first file."""

    @abstractmethod
    def _arrange(self, *, exists: bool) -> None:
        """Clear and check the folder; set `folder`."""

    @abstractmethod
    def publish(self, manifest: Callable[[bytes | None], bytes]) -> None:
        """Turn what was written into a set.

        `manifest` gets the bytes of the manifest that is there, or None, and returns the new one.
        """

    @abstractmethod
    def _undo(self) -> list[EseError]:
        """Take back what `publish` did, if it began."""

    def abandon(self) -> list[EseError]:
        """Leave the destination as it was before; returns what could not be cleaned up.  Nothing after `publish`."""
        if self.published:
            return []
        problems = self._undo()
        for folder in reversed(self._made_folders):
            problems += self._try(self._target.remove_folder, folder)
        return problems

    def _try(self, action: Callable[[str], None], path: str) -> list[EseError]:
        try:
            if self._target.stat(path) is not None:
                action(path)
        except EseError as error:
            return [error]
        return []

    def _delete_written(self) -> list[EseError]:
        problems: list[EseError] = []
        for path in self._written:
            problems += self._try(self._target.delete_file, path)
        return problems

    def _read_manifest(self) -> bytes | None:
        path = join(self.folder, MANIFEST)
        return None if self._target.stat(path) is None else self._target.read_whole(path, MANIFEST_LIMIT)


class _Full(Destination):
    """What plain and atomic full backups have in common: the mark that the set is not yet one."""

    _marked = False

    def _after_create(self) -> None:
        if self._marked:
            return
        self._marked = True
        path = join(self.folder, PARTIAL)
        self._written.append(path)
        self._target.write_whole(path, b'{"state": "in progress"}\n')
        # The mark must outlive a power cut that the first pages of the copy outlive.
        self._target.sync_folder(self.folder)

    def _write_manifest(self, manifest: Callable[[bytes | None], bytes]) -> None:
        self._target.write_whole(join(self.folder, PARTIAL), manifest(None))
        # Every name of the set must be durable before the one that says it is complete.
        self._target.sync_folder(self.folder)
        final = join(self.folder, MANIFEST)
        self._written.append(final)
        self._target.move(join(self.folder, PARTIAL), final)
        self._target.sync_folder(self.folder)


class PlainFull(_Full):
    """Files directly in the path, which must be empty (R14); a `temp` of a crashed atomic backup is deleted."""

    def _arrange(self, *, exists: bool) -> None:
        if not exists:
            return
        others = [entry.name for entry in self._target.fs.list(self.path) if entry.name != TEMP]
        if others:
            raise EseError.from_code(
                Err.BackupDirectoryNotEmpty,
                f"holds {others[0]!r}" + (f" and {len(others) - 1} more" if others[1:] else ""),
                path=self.path,
                hint="a full backup needs an empty folder, or the atomic layout",
            )
        self._target.delete_flat_folder(join(self.path, TEMP))

    def publish(self, manifest: Callable[[bytes | None], bytes]) -> None:
        """Complete the manifest and give it its name."""
        self._write_manifest(manifest)
        self.published = True

    def _undo(self) -> list[EseError]:
        return self._delete_written()


def promote_new_to_old(path: str, target: Target) -> None:
    """R20 (1) and (2): remove `temp`; if there is a `new`, delete `old` and rename `new` to it."""
    temp, new, old = (join(path, name) for name in (TEMP, NEW, OLD))
    target.delete_flat_folder(temp)
    if target.stat(new) is None:
        return
    if target.stat(old) is not None:
        # `old` vanishes in one step; its files are deleted under a name that is never a set.
        target.move(old, temp)
        target.sync_folder(path)
        target.delete_flat_folder(temp)
    target.move(new, old)
    target.sync_folder(path)


class AtomicFull(_Full):
    """Files go into `temp`, which becomes `new` in one rename (R20)."""

    _made_temp = False
    _promoted = False

    def _arrange(self, *, exists: bool) -> None:
        if exists:
            promote_new_to_old(self.path, self._target)
        self.folder = join(self.path, TEMP)
        try:
            self._target.make_folder(self.folder, parents=False)
        except EseError as error:
            raise EseError.from_code(
                Err.MakeBackupDirectoryFail, error.message, path=self.folder, event_id=error.event_id
            ) from error
        self._made_temp = True

    def publish(self, manifest: Callable[[bytes | None], bytes]) -> None:
        """Complete the manifest, rename `temp` to `new`, then delete `old`: -524 when that fails, set published."""
        self._write_manifest(manifest)
        temp, new, old = (join(self.path, name) for name in (TEMP, NEW, OLD))
        self._target.move(temp, new)
        self._promoted = True
        # `new` must be durable before `old`, until now the newest set, may go.
        self._target.sync_folder(self.path)
        self.published = True
        self.folder = new
        if self._target.stat(old) is not None:
            self._target.move(old, temp)
            self._target.sync_folder(self.path)
            self._target.delete_flat_folder(temp)

    def _undo(self) -> list[EseError]:
        temp, new = join(self.path, TEMP), join(self.path, NEW)
        if self._promoted:
            problems = self._try(lambda path: self._target.move(path, temp), new)
            if problems:
                return problems
        return self._try(self._target.delete_flat_folder, temp) if self._made_temp else []


class PlainIncremental(Destination):
    """Logs are added to the path, which must not hold an atomic layout (R14)."""

    def __init__(self, path: str, target: Target, *, create_path: bool) -> None:
        super().__init__(path, target, create_path=create_path)
        self._renamed: list[str] = []
        self._kept: list[str] = []
        self._former_manifest: bytes | None = None
        self._manifest_written = False

    @property
    def _suffix(self) -> str:
        return TEMP_SUFFIX

    def _arrange(self, *, exists: bool) -> None:
        if not exists:
            return
        for name in (NEW, OLD):
            if self._target.stat(join(self.path, name)) is not None:
                raise EseError.from_code(
                    Err.BackupDirectoryNotEmpty,
                    f"holds {name!r}, so an atomic backup",
                    path=self.path,
                    hint="add to it with the atomic option",
                )
        self._clear_leftovers()

    def _clear_leftovers(self) -> None:
        """Refuse a half-made full backup and a damaged manifest; delete what a crashed incremental one left."""
        former = self._read_manifest()
        if former is not None:
            # Found out now rather than when all is copied.
            decode(former, path=join(self.folder, MANIFEST))
        names = {entry.name for entry in self._target.fs.list(self.folder)}
        if PARTIAL in names and MANIFEST not in names:
            raise EseError.from_code(
                Err.BackupDirectoryNotEmpty,
                "holds a full backup that was never finished",
                path=self.folder,
                hint="delete it and take a full backup first",
            )
        for name in sorted(names):
            if name.endswith(TEMP_SUFFIX) and name[: -len(TEMP_SUFFIX)].lower().endswith(
                (".log", ".jtx", ".kept", MANIFEST)
            ):
                self._target.delete_flat_folder(join(self.folder, name))

    def publish(self, manifest: Callable[[bytes | None], bytes]) -> None:
        """Give the logs their names, oldest first, then replace the manifest."""
        self._former_manifest = self._read_manifest()
        pending = [path for path in sorted(self._written) if self._keep_former(path)]
        # Data was synced file by file; the temporary names must be durable too before the first rename.
        self._target.sync_folder(self.folder)
        for path in pending:
            final = path.removesuffix(TEMP_SUFFIX)
            self._target.move(path, final)
            self._renamed.append(final)
            # Each name is durable before the next: a gap in the logs would make the whole set useless.
            self._target.sync_folder(self.folder)
        self._replace_manifest(manifest(self._former_manifest))
        self.published = True
        for path in self._kept:
            self._target.delete_file(path)

    def _replace_manifest(self, content: bytes) -> None:
        path = join(self.folder, MANIFEST)
        self._written.append(path + TEMP_SUFFIX)
        self._target.write_whole(path + TEMP_SUFFIX, content)
        self._target.move(path + TEMP_SUFFIX, path)
        self._manifest_written = True
        self._target.sync_folder(self.folder)

    def _keep_former(self, path: str) -> bool:
        """Whether `path` must take the place of what is there; a differing log there is copied aside first.

        A closed log never changes, so a differing one is damaged or foreign; it still has to come back
        when this backup fails.
        """
        final = path.removesuffix(TEMP_SUFFIX)
        if self._target.stat(final) is None:
            return True
        if file_crc(self._target.fs, final) == file_crc(self._target.fs, path):
            self._target.delete_file(path)
            return False
        aside = final + KEPT_SUFFIX
        self._kept.append(aside)
        with self._target.fs.open(final) as source, self._target.create_file(aside, replace=True) as copy:
            at, size = 0, source.size()
            while at < size:
                data = source.read_at(at, 1 << 20)
                copy.write_at(at, data)
                at += len(data) or size
            copy.fsync()
        return True

    def _undo(self) -> list[EseError]:
        problems: list[EseError] = []
        manifest = join(self.folder, MANIFEST)
        if self._manifest_written:
            former = self._former_manifest
            if former is None:
                problems += self._try(self._target.delete_file, manifest)
            else:
                problems += self._try(lambda _: self._replace_manifest(former), manifest)
        for final in self._renamed:
            aside = final + KEPT_SUFFIX
            if aside in self._kept:
                problems += self._try(partial(self._target.move, target=final), aside)
            else:
                problems += self._try(self._target.delete_file, final)
        for path in self._kept:
            problems += self._try(self._target.delete_file, path)
        return problems + self._delete_written()


class AtomicIncremental(PlainIncremental):
    """Logs are added to the newest set, which is in `old` once `new` has been renamed to it (R22)."""

    def _arrange(self, *, exists: bool) -> None:
        if exists:
            promote_new_to_old(self.path, self._target)
        self.folder = join(self.path, OLD)
        if not exists or self._target.stat(self.folder) is None:
            raise EseError.from_code(
                Err.InvalidPath,
                "holds neither 'new' nor 'old', so nothing to add to",
                path=self.path,
                hint="take an atomic full backup first",
            )
        self._clear_leftovers()


def destination(path: str, target: Target, *, incremental: bool, atomic: bool, create_path: bool) -> Destination:
    """Return the destination of the wanted layout."""
    if incremental:
        adding = AtomicIncremental if atomic else PlainIncremental
        return adding(path, target, create_path=create_path)
    full = AtomicFull if atomic else PlainFull
    return full(path, target, create_path=create_path)
