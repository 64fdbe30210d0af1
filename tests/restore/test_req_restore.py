"""R53-R59 and the return codes of a restore: jet-api reference 2.1."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.dbheader import DatabaseHeader
from engine.format.lr import Trace
from engine.header_file import write_header
from engine.info import checkpoint_info, database_info, log_info
from engine.instance import Instance, InstanceState
from engine.restore.copies import RESTORING
from engine.table import open_database
from engine.types import BackupOptions, BkInfo, LgPos, Progress, Snp, Snt
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import FileSystem
    from engine.restore.result import RestoreResult

PAGE: Final = 4096
NAMES: Final = ("a.edb", "b.edb")
ATOMIC, INCREMENTAL = BackupOptions.ATOMIC, BackupOptions.INCREMENTAL
OURS = pytest.mark.parametrize("options", [BackupOptions.NONE, ATOMIC], ids=["plain", "atomic"])


def digests(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file()
    }


@dataclass
class Made:
    """An instance that ended, its backup directory, and places for restores."""

    top: Path

    @property
    def inst(self) -> Path:
        return self.top / "inst"

    @property
    def backups(self) -> Path:
        return self.top / "set"

    @property
    def dest(self) -> Path:
        return self.top / "dest"

    @property
    def logs(self) -> Path:
        return self.top / "logs"

    def instance(self, logs: Path | None = None, **words: Any) -> Instance:
        """Return an instance for a restore, its folder made."""
        folder = self.logs if logs is None else logs
        folder.mkdir(exist_ok=True)
        fs: FileSystem | None = words.pop("fs", None)
        env = Environment(fs=fs or RealFileSystem(), sleep=lambda _: None, **words.pop("env", {}))
        return Instance(path=folder, env=env, **{"page_size": PAGE, "log_file_size": 64, **words})

    def restore(self, source: Path | None = None, dest: Path | None = None, **words: Any) -> RestoreResult:
        """Restore into `dest`, which is made; the events of the instance are kept in `events`."""
        progress = words.pop("progress", None)
        target = self.dest if dest is None else dest
        target.mkdir(exist_ok=True)
        instance = self.instance(**words)
        try:
            return instance.restore(source or self.backups, target, progress=progress)
        finally:
            self.events = [each.id for each in instance.events]
            self.strings = {each.id: each.strings for each in instance.events}
            instance.abandon()

    def refused(self, source: Path | None = None, **words: Any) -> EseError:
        """Restore, which must fail; the set is untouched and no database is there."""
        before = digests(self.backups)
        with pytest.raises(EseError) as caught:
            self.restore(source, **words)
        assert digests(self.backups) == before
        assert [each.name for each in self.dest.iterdir()] == []
        return caught.value


def make(top: Path, options: BackupOptions = BackupOptions.NONE, *, circular: bool = False) -> Made:
    """Make two databases, a full backup and, but for circular logging, an incremental one; then more is logged."""
    made = Made(top)
    for folder in (made.inst, made.backups):
        folder.mkdir(parents=True)
    for name in NAMES:
        with DatabaseBuilder(Environment(), made.inst / name, threaded=False) as builder:
            rows = [{"id": each} for each in range(250)]
            builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
    instance = Instance(path=made.inst, page_size=PAGE, log_file_size=64, circular_log=circular)
    instance.init()
    with instance.session() as session:
        for name in NAMES:
            session.attach(made.inst / name)
        instance.backup(made.backups, options=options)
        work(instance)
        if not circular:
            instance.backup(made.backups, options=BackupOptions(options | INCREMENTAL))
        work(instance)
    instance.term()
    return made


def work(instance: Instance) -> None:
    instance.writer.append(Trace.create("x" * 3000).pack())
    instance.writer.roll()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[BackupOptions], Path]:
    known: dict[int, Path] = {}

    def made(options: BackupOptions) -> Path:
        if options not in known:
            known[options] = tmp_path_factory.mktemp("made")
            make(known[options] / "top", options)
        return known[options] / "top"

    return made


@pytest.fixture
def made(once: Callable[[BackupOptions], Path], tmp_path: Path) -> Made:
    shutil.copytree(once(BackupOptions.NONE), tmp_path / "m")
    return Made(tmp_path / "m")


def rows(path: Path) -> list[Any]:
    with open_database(path) as database:
        return [row["id"] for row in database["t"]]


def change(path: Path, offset: int, mask: int = 0x5A) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def set_header(path: Path, **fields: Any) -> None:
    with RealFileSystem().open(str(path), OpenMode.READ_WRITE) as file:
        header = DatabaseHeader.parse(file.read_at(0, PAGE))
        write_header(file, header.replace(**fields))


def logs_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("edb0*.log"))


# R53: for an instance that is made and not begun.


def test_r53_on_an_instance_that_runs(made: Made) -> None:
    instance = made.instance()
    instance.init()
    with pytest.raises(EseError) as caught:
        instance.restore(made.backups, made.top)
    assert caught.value.code == Err.AlreadyInitialized
    assert instance.state is InstanceState.RUNNING
    instance.term()
    with pytest.raises(EseError) as caught:
        instance.restore(made.backups, made.top)
    assert caught.value.code == Err.InvalidParameter


def test_r53_one_restore_at_a_time(made: Made) -> None:
    """A second call on the same instance while one runs, and a second instance on the same folders."""
    made.dest.mkdir()
    instance = made.instance()
    codes: list[int] = []

    def meanwhile(progress: Progress) -> None:
        if progress.snt is Snt.BEGIN:
            for each in (instance, made.instance()):
                with pytest.raises(EseError) as caught:
                    each.restore(made.backups, made.dest)
                codes.append(caught.value.code)

    instance.restore(made.backups, made.dest, progress=meanwhile)
    instance.abandon()
    assert codes == [Err.AlreadyInitialized, Err.LogFilePathInUse]


# R54: databases come back whole, through the set's logs and newer ones.


@OURS
def test_r54_into_a_folder(once: Callable[[BackupOptions], Path], tmp_path: Path, options: BackupOptions) -> None:
    shutil.copytree(once(options), tmp_path / "m")
    made = Made(tmp_path / "m")
    before = digests(made.backups)
    result = made.restore()
    assert sorted(result.databases.values()) == [str(made.dest / name) for name in NAMES]
    assert result.replayed == result.from_set
    for name in NAMES:
        assert database_info(made.dest / name).clean
        assert verify(made.dest / name).ok
        assert rows(made.dest / name) == list(range(250))
    assert digests(made.backups) == before


def test_r54_to_where_they_were_over_what_is_there(made: Made) -> None:
    for name in NAMES:
        (made.top / "inst" / name).write_bytes(b"ruined")
    # The logs say where that was; this is a copy of that place.
    original = Path(next(iter(attached_paths(made)))).parent
    moved = original != made.inst
    if moved:
        shutil.rmtree(original)
        made.inst.rename(original)
    instance = made.instance(original)
    result = instance.restore(made.backups)
    instance.abandon()
    assert sorted(result.databases.values()) == [str(original / name) for name in NAMES]
    assert {logged: path for logged, path in result.databases.items() if logged != path} == {}
    assert all(database_info(original / name).clean for name in NAMES)


def attached_paths(made: Made) -> list[str]:
    return [each.path for each in log_info(logs_of(made.backups)[0]).attachments] or [
        each.path for each in log_info(logs_of(made.backups)[-1]).attachments
    ]


def test_r54_newer_logs_are_replayed_too(made: Made) -> None:
    for name in NAMES:
        (made.inst / name).unlink()
    result = made.restore(logs=made.inst)
    assert result.replayed.start == result.from_set.start
    assert result.replayed.stop > result.from_set.stop
    assert {204, 205, 301, 328, 329} <= set(made.events)
    wanted = log_info(made.inst / "edb.log").generation
    assert result.ended.generation >= wanted
    assert all(database_info(made.dest / name).clean for name in NAMES)


def test_r54_databases_that_are_there_are_replaced_only_when_all_is_well(made: Made) -> None:
    made.dest.mkdir()
    (made.dest / "a.edb").write_bytes(b"before")
    change(logs_of(made.backups)[0], 4096 + 60)
    with pytest.raises(EseError):
        made.restore()
    assert {each.name: each.read_bytes() for each in made.dest.iterdir()} == {"a.edb": b"before"}
    change(logs_of(made.backups)[0], 4096 + 60)
    made.restore()
    assert database_info(made.dest / "a.edb").clean


def test_r54_the_same_set_twice_gives_the_same_databases(made: Made) -> None:
    """Byte for byte, when clock and randomness stand still; else but for the header's times and signatures."""
    still: dict[str, Any] = {"now": lambda: datetime(2026, 1, 1, tzinfo=UTC), "random_bytes": bytes}
    for number in (1, 2):
        made.restore(dest=made.top / f"still {number}", logs=made.top / f"still logs {number}", env=still)
        made.restore(dest=made.top / f"moving {number}", logs=made.top / f"moving logs {number}")
    assert digests(made.top / "still 1") == digests(made.top / "still 2")
    for name in NAMES:
        pages = [(made.top / f"{kind} {number}" / name).read_bytes()[2 * PAGE :]
                 for kind in ("still", "moving") for number in (1, 2)]  # fmt: skip
        assert len(set(pages)) == 1


@pytest.mark.parametrize("where", ["top", "new", "old", "only old", "empty new"])
def test_r54_atomic_layouts(once: Callable[[BackupOptions], Path], tmp_path: Path, where: str) -> None:
    """The set may be named itself, or the backup directory above it: its `new`, else its `old`."""
    shutil.copytree(once(ATOMIC), tmp_path / "m")
    made = Made(tmp_path / "m")
    (found,) = [each for each in made.backups.iterdir() if each.is_dir()]
    assert found.name == "new"
    if where in ("old", "only old"):
        found.rename(made.backups / "old")
    if where == "empty new":
        found.rename(made.backups / "old")
        found.mkdir()
    source = made.backups / where if where in ("new", "old") else made.backups
    result = made.restore(source)
    assert Path(result.set_folder).parent == made.backups
    assert len(result.databases) == 2


def test_r54_a_set_without_manifest(made: Made) -> None:
    (made.backups / "backup.json").unlink()
    assert len(made.restore().databases) == 2


def test_r54_one_database_of_the_set(made: Made) -> None:
    """What has no `.pat`, as when it was taken out of the set, stays out; its being attached is no error."""
    (made.backups / "b.pat").unlink()
    (made.backups / "b.edb").unlink()
    error = made.refused()
    assert error.code == Err.AttachedDatabaseMismatch


# R55: circular logging.


def test_r55_with_circular_logging_the_moment_of_the_backup(tmp_path: Path) -> None:
    """The logs since were used again: what is left of them does not follow the set."""
    made = make(tmp_path / "m", circular=True)
    result = made.restore()
    assert result.replayed == result.from_set
    for path in made.dest.iterdir():
        path.unlink()
    live = LogGenerations.of(made.inst)
    if live.lowest > result.from_set.stop:
        error = made.refused(logs=made.inst)
        assert error.code in (Err.ExistingLogFileIsNotContiguous, Err.MissingCurrentLogFiles)


@dataclass
class LogGenerations:
    lowest: int
    highest: int

    @classmethod
    def of(cls, folder: Path) -> LogGenerations:
        found = [log_info(path).generation for path in folder.glob("edb*.log") if path.name != "edbtmp.log"]
        return cls(min(found), max(found))


# R56: the instance afterwards.


def test_r56_it_is_as_it_was_made_and_may_begin(made: Made) -> None:
    made.dest.mkdir()
    instance = made.instance()
    instance.restore(made.backups, made.dest)
    assert instance.state is InstanceState.CREATED
    # It may restore again, and begin.
    instance.restore(made.backups, made.dest)
    instance.init()
    with instance.session() as session:
        for name in NAMES:
            session.attach(made.dest / name)
        again = made.top / "again"
        again.mkdir()
        result = instance.backup(again)
    assert result.kind == "full"
    instance.term()
    assert verify(again).ok
    shutil.rmtree(made.dest)
    assert len(made.restore(again, logs=made.top / "third").databases) == 2
    assert rows(made.dest / "b.edb") == list(range(250))


def test_r56_after_a_failure_too_and_205_always(made: Made) -> None:
    made.dest.mkdir()
    (made.backups / "a.pat").unlink()
    (made.backups / "b.pat").unlink()
    instance = made.instance()
    with pytest.raises(EseError):
        instance.restore(made.backups, made.dest)
    assert [each.id for each in instance.events] == [204, 454, 205]
    assert instance.state is InstanceState.CREATED
    instance.init()
    instance.term()


# R57: a folder that is not there.


@pytest.mark.parametrize("create", [True, False])
def test_r57_the_destination_is_made_when_the_parameter_says_so(made: Made, create: bool) -> None:
    instance = made.instance(create_path_if_not_exist=create)
    target = made.top / "not" / "there"
    if create:
        instance.restore(made.backups, target)
        assert database_info(target / "a.edb").clean
    else:
        with pytest.raises(EseError) as caught:
            instance.restore(made.backups, target)
        assert caught.value.code == Err.InvalidPath
        assert not target.exists()
    instance.abandon()


# R58: what is told.


def test_r58_events(made: Made) -> None:
    made.restore()
    replayed = made.events.count(301)
    assert made.events == [204, *[301] * replayed, 205]
    assert replayed == len(logs_of(made.backups))
    assert made.strings[204] == (f"{made.backups}/", f"{made.logs}/")


def test_r58_an_error_is_454_with_its_number(made: Made) -> None:
    set_header(made.backups / "a.edb", bkinfo_full_cur=BkInfo())
    assert made.refused().code == Err.RestoreOfNonBackupDatabase
    assert made.events[0] == 204
    assert made.events[-2:] == [454, 205]
    assert made.strings[454] == (str(int(Err.RestoreOfNonBackupDatabase)),)


def test_r58_what_is_wrong_with_the_set_is_found_before_204(made: Made) -> None:
    change(logs_of(made.backups)[0], 100)
    assert made.refused().code == Err.LogFileCorrupt
    assert made.events == [412]


# R59: headers, and the log that follows.


def test_r59_the_restored_header_and_the_log_behind(made: Made) -> None:
    result = made.restore()
    for name in NAMES:
        copy, header = database_info(made.backups / name), database_info(made.dest / name)
        assert copy.bkinfo_full_cur.gen_low
        assert header.clean
        for each in ("full_prev", "inc_prev", "diff_prev", "full_cur", "snapshot_cur"):
            assert getattr(header, f"bkinfo_{each}") == BkInfo()
        assert (header.gen_min_required, header.gen_max_required) == (0, 0)
        assert header.sign_db == copy.sign_db
        assert header.lgpos_consistent > copy.lgpos_attach
    following = log_info(made.logs / "edb.log")
    assert following.generation == result.from_set.stop
    last = log_info(logs_of(made.backups)[-1])
    assert (following.signature, following.previous_created) == (last.signature, last.created)
    checkpoint = checkpoint_info(made.logs / "edb.chk").checkpoint
    assert checkpoint.checkpoint == result.ended
    assert result.ended.generation == following.generation
    assert result.started == LgPos(result.from_set.start, 1, 0)


# The callback (R51, R52).


def test_callback_begin_progress_complete(made: Made) -> None:
    told: list[Progress] = []
    threads: set[int] = set()

    def callback(progress: Progress) -> None:
        told.append(progress)
        threads.add(threading.get_ident())

    made.restore(progress=callback)
    assert {each.snp for each in told} == {Snp.RESTORE}
    assert {each.total for each in told} == {100}
    assert (told[0].snt, told[0].done) == (Snt.BEGIN, 0)
    assert (told[-1].snt, told[-1].done) == (Snt.COMPLETE, 100)
    between = [each.done for each in told[1:-1]]
    assert {each.snt for each in told[1:-1]} == {Snt.PROGRESS}
    assert between == sorted(set(between))
    assert between[-1] <= 99
    # Each database copied and each log replayed.
    assert len(between) == len(NAMES) + len(logs_of(made.backups))
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("answer", "code"), [(False, Err.CallbackFailed), (-2101, Err.CallbackFailed), (-1029, Err.NotInitialized)]
)
def test_callback_that_says_no_cancels(made: Made, at: int, answer: object, code: int) -> None:
    told: list[Snt] = []

    def callback(progress: Progress) -> object:
        told.append(progress.snt)
        return answer if len(told) == at + 1 else None

    error = made.refused(progress=callback)
    assert error.code == code
    assert told[: at + 1] == [Snt.BEGIN, *[Snt.PROGRESS] * at]
    assert told[at + 1 :] == [Snt.FAIL]
    assert made.events[-2:] == [454, 205]
    assert len(made.restore().databases) == 2


@pytest.mark.parametrize("at", [Snt.BEGIN, Snt.PROGRESS])
def test_callback_that_raises_is_the_cause(made: Made, at: Snt) -> None:
    def callback(progress: Progress) -> None:
        if progress.snt is at:
            raise ValueError("mine")

    error = made.refused(progress=callback)
    assert error.code == Err.CallbackFailed
    assert isinstance(error.__cause__, ValueError)


def test_callback_at_the_end_changes_nothing(made: Made) -> None:
    def callback(progress: Progress) -> object:
        if progress.snt is Snt.COMPLETE:
            raise ValueError("late")
        return None

    with pytest.raises(ValueError, match="late"):
        made.restore(progress=callback)
    assert made.events[-1] == 205
    assert all(database_info(made.dest / name).clean for name in NAMES)
    assert made.restore(progress=lambda each: -1 if each.snt is Snt.COMPLETE else None).databases


def test_callback_fails_once(made: Made) -> None:
    (made.backups / "a.pat").unlink()
    (made.backups / "b.pat").unlink()
    told: list[Snt] = []
    made.refused(progress=lambda each: told.append(each.snt))
    assert told == [Snt.BEGIN, Snt.FAIL]


# Return codes that no test above has.


def test_code_1003_and_1811_and_1023_no_set(made: Made) -> None:
    instance = made.instance()
    for source, code in (("", Err.InvalidParameter), (made.top / "nowhere", Err.FileNotFound)):
        with pytest.raises(EseError) as caught:
            instance.restore(source, made.top)
        assert caught.value.code == code
    instance.abandon()
    empty = made.top / "empty"
    empty.mkdir()
    assert made.refused(empty).code == Err.FileNotFound
    assert made.refused(made.backups / "a.edb").code == Err.InvalidPath
    assert made.events == []


def test_code_1023_log_and_system_folder(made: Made) -> None:
    for words in ({"LogFilePath": made.top / "gone"}, {"SystemPath": made.top / "gone"}):
        instance = Instance(
            params={"LogFilePath": str(made.top), "SystemPath": str(made.top)}
            | {name: str(path) for name, path in words.items()},
            page_size=PAGE,
            log_file_size=64,
        )
        with pytest.raises(EseError) as caught:
            instance.restore(made.backups, made.top)
        instance.abandon()
        assert caught.value.code == Err.InvalidPath


def test_code_1213_another_page_size(made: Made) -> None:
    error = made.refused(page_size=8192)
    assert error.code == Err.PageSizeMismatch
    assert made.events == [412]


def test_code_545_another_log_size_is_told_when_all_is_done(made: Made) -> None:
    """The databases are restored and clean; the next start of the instance would not go on with these logs."""
    with pytest.raises(EseError) as caught:
        made.restore(log_file_size=128)
    assert caught.value.code == Err.LogFileSizeMismatchDatabasesConsistent
    assert all(database_info(made.dest / name).clean for name in NAMES)
    assert made.events[-2:] == [454, 205]


def test_code_1811_a_log_is_missing_inside_the_set(made: Made) -> None:
    middle = logs_of(made.backups)[1]
    middle.unlink()
    error = made.refused()
    assert (error.code, error.path) == (Err.FileNotFound, str(middle))


def test_code_543_the_first_log_is_missing(made: Made) -> None:
    logs_of(made.backups)[0].unlink()
    assert made.refused().code == Err.RequiredLogFilesMissing
    assert 431 in made.events


def test_code_543_a_log_of_the_full_backup_is_missing_at_the_end(made: Made) -> None:
    for path in logs_of(made.backups)[1:]:
        path.unlink()
    top = database_info(made.backups / "a.edb").gen_max_required
    if top > 1:
        assert made.refused().code == Err.RequiredLogFilesMissing
    else:
        # All that the copies need is there: the moment of the full backup.
        assert made.restore().from_set == range(1, 2)


def test_code_555_and_556_logs_that_do_not_belong_together(made: Made, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    stranger = logs_of(made.backups)[1]
    kept = stranger.read_bytes()
    shutil.copy(logs_of(other.backups)[1], stranger)
    error = made.refused()
    assert (error.code, error.path) == (Err.GivenLogFileHasBadSignature, str(stranger))
    assert made.events == [433]
    stranger.write_bytes(kept)
    header = log_info(stranger)
    page = header.replace(previous_created=header.created).pack()
    stranger.write_bytes(page + kept[len(page) :])
    error = made.refused()
    assert (error.code, error.path) == (Err.GivenLogFileIsNotContiguous, str(stranger))
    assert made.events == [434]


def test_code_610_611_565_live_logs_that_do_not_follow(made: Made, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    assert made.refused(logs=other.inst).code == Err.ExistingLogFileHasBadSignature
    assert made.events == [457]
    live = made.top / "live"
    live.mkdir()
    for path in made.inst.glob("edb*.log"):
        shutil.copy(path, live)
    top = log_info(logs_of(made.backups)[-1]).generation
    following = [path for path in live.glob("edb*.log") if log_info(path).generation == top + 1]
    (first,) = following
    kept = first.read_bytes()
    header = log_info(first)
    page = header.replace(previous_created=header.created).pack()
    first.write_bytes(page + kept[len(page) :])
    assert made.refused(logs=live).code == Err.ExistingLogFileIsNotContiguous
    assert made.events == [458]
    first.unlink()
    assert made.refused(logs=live).code == Err.MissingCurrentLogFiles
    assert made.events == [450]


def test_code_573_and_574_damage_in_logs(made: Made) -> None:
    path = logs_of(made.backups)[0]
    change(path, 4096 + 60)
    error = made.refused()
    assert (error.code, error.generation) == (Err.LogCorruptDuringHardRestore, log_info(path).generation)
    assert made.events[-2:] == [463, 205]
    change(path, 4096 + 60)
    top = log_info(logs_of(made.backups)[-1]).generation
    live = next(path for path in made.inst.glob("edb0*.log") if log_info(path).generation == top + 1)
    change(live, 4096 + 60)
    error = made.refused(logs=made.inst)
    assert (error.code, error.path) == (Err.LogCorruptDuringHardRecovery, str(live))


def test_code_535_552_615_1206_copies_that_are_none(made: Made) -> None:
    path = made.backups / "a.edb"
    kept = path.read_bytes()
    change(path, len(kept) - PAGE + 100)
    assert made.refused().code == Err.BadPatchPage
    path.write_bytes(kept[:-1000])
    assert made.refused().code == Err.BadPatchPage
    path.write_bytes(kept)
    set_header(path, sign_db=database_info(path).sign_log)
    assert made.refused().code == Err.DatabasePatchFileMismatch
    assert 430 in made.events
    path.write_bytes(kept)
    set_header(path, bkinfo_full_cur=BkInfo())
    assert made.refused().code == Err.RestoreOfNonBackupDatabase
    path.write_bytes(kept)
    for offset in (300, PAGE + 300):
        change(path, offset)
    assert made.refused().code == Err.DatabaseCorrupted
    path.write_bytes(kept)
    assert len(made.restore().databases) == 2


def test_code_1216_a_copy_is_missing(made: Made) -> None:
    (made.backups / "b.edb").unlink()
    assert made.refused().code == Err.AttachedDatabaseMismatch
    assert 494 in made.events


def test_code_538_no_pat(made: Made) -> None:
    for path in made.backups.glob("*.pat"):
        path.unlink()
    assert made.refused().code == Err.PatchFileMissing


@pytest.mark.parametrize(("mode", "code"), [(FaultMode.ENOSPC, Err.DiskFull), (FaultMode.EIO, Err.DiskIO)])
def test_code_1808_and_1022_the_disk(made: Made, mode: FaultMode, code: int) -> None:
    fs = FaultFileSystem(
        RealFileSystem(), fail_at=2, mode=mode, select=lambda op, path: op == "write" and path.endswith(RESTORING)
    )
    assert made.refused(fs=fs).code == code


def test_code_1032_the_log_folder_is_held(made: Made) -> None:
    made.logs.mkdir()
    with RealFileSystem().lock(str(made.logs / "edb.lock")):
        assert made.refused().code == Err.FileAccessDenied
    assert made.restore().databases
