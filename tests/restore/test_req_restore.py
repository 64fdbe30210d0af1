"""R53-R59 of a restore, and its status callback (R51, R52): jet-api reference 2.1."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.info import checkpoint_info, database_info, log_info
from engine.instance import InstanceState
from engine.types import BackupOptions, BkInfo, LgPos, Progress, Snp, Snt
from engine.verify import verify
from tests.restore.made import (
    ATOMIC,
    NAMES,
    PAGE,
    Made,
    change,
    digests,
    logs_of,
    make,
    rows,
    set_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable


OURS = pytest.mark.parametrize("options", [BackupOptions.NONE, ATOMIC], ids=["plain", "atomic"])


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
    assert codes == [Err.AlreadyInitialized, Err.SystemPathInUse]


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
    assert found.name == "old"
    if where in ("top", "new"):
        found.rename(made.backups / "new")
    if where == "empty new":
        (made.backups / "new").mkdir()
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
def test_r57_the_destination_is_made_when_the_parameter_says_so(
    made: Made,
    create: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
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
    # Each database copied and, of few logs, their segments.
    assert len(between) >= len(NAMES) + len(logs_of(made.backups))
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
