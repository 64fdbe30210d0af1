"""An instance from its creation to its end, on a new stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.fault import FaultFileSystem
from engine.format.dbheader import DbState
from engine.format.lr import AttachDB, DetachDB, Init2, SetDbVersion, ShutDownMark, Term2
from engine.header_file import read_header
from engine.instance import InstanceState, instances
from engine.log.checkpoint_file import read_checkpoint_file
from engine.session import AttachResult
from engine.types import InitOptions, LgPos, TermOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.instance import Instance
    from tests.instance.conftest import World


def code_of(call: Callable[[], object]) -> int:
    with pytest.raises(EseError) as caught:
        call()
    return caught.value.code


def state_of(instance: Instance) -> InstanceState:
    return instance.state


def test_nothing_is_touched_before_init(world: World) -> None:
    before = world.names()
    world.instance()
    assert world.names() == before


def test_a_new_stream(world: World) -> None:
    instance = world.instance()
    result = instance.init()
    assert not result.needed
    assert instance.state is InstanceState.RUNNING
    assert {"edb.log", "edb.chk"} <= set(world.names())
    assert instance.log.current_generation == 1
    assert instance.log.checkpoint == LgPos(1, 1, 0)
    assert instance.log.generations_on_disk == range(1, 2)
    header = instance.writer.header
    assert (header.generation, header.previous_checksum, header.flags) == (1, 0, 0)
    assert not header.previous_created
    assert header.checkpoint == LgPos(1, 1, 0)
    assert header.file_size == len(world.read("edb.log")) == 65536
    first = world.records()[0]
    assert first.pos == LgPos(1, 1, 0)
    assert isinstance(first.record, Init2)
    assert first.record.dbms_param.log_path == "/i/"
    assert [each.id for each in instance.events] == [102, 105]


def test_the_checkpoint_is_on_the_disk_before_the_first_log(world: World) -> None:
    fs = FaultFileSystem(world.disk)
    world.instance(fs).init()
    steps = [(each.op, each.path.rpartition("/")[2]) for each in fs.operations]
    written = max(index for index, step in enumerate(steps) if step == ("fsync", "edb.chk"))
    named = steps.index(("fsync-dir", "i"), written)
    assert named < steps.index(("create", "edbtmp.log"))


def test_a_run_of_a_whole_life(world: World) -> None:
    with world.instance() as instance, instance.session() as session:
        assert session.attach(world.path("a.edb")) is AttachResult.ATTACHED
        assert session.attach(world.path("a.edb")) is AttachResult.ALREADY_ATTACHED
        instance.writer.roll()
    records = [each for each in world.records() if each.record.type.name != "NOP2"]
    assert [type(each.record) for each in records] == [Init2, AttachDB, SetDbVersion, ShutDownMark, Term2]
    init, attach, version, mark, term = (each.pos for each in records)
    assert (init, attach, version) == (LgPos(1, 1, 0), LgPos(1, 1, 0x268), LgPos(1, 2, 0))
    assert (mark, term) == (LgPos(2, 1, 0), LgPos(2, 2, 0))
    assert isinstance(records[-1].record, Term2)
    assert (records[-1].record.undo, records[-1].record.redo_from, records[-1].record.hard) == (init, LgPos(0, 0, 0), 0)
    header = read_header(world.disk, world.path("a.edb")).header
    assert header.lgpos_attach == attach
    assert header.lgpos_consistent == header.lgpos_detach == mark
    checkpoint = read_checkpoint_file(world.disk, world.path("edb.chk")).checkpoint
    assert checkpoint.checkpoint == checkpoint.db_consistency == term
    assert not checkpoint.attachments_valid
    assert not checkpoint.attachments
    assert world.chain_is_whole()


def test_a_header_while_attached_and_after(world: World, running: Instance) -> None:
    path = world.path("a.edb")
    before = read_header(world.disk, path).header
    running.session().attach(path)
    now = read_header(world.disk, path).header
    assert now.state == DbState.DIRTY_SHUTDOWN
    assert (now.gen_min_required, now.gen_max_required, now.gen_max_committed, now.gen_min_consistent) == (1, 1, 1, 1)
    assert now.logtime_gen_max_create == running.writer.created
    assert not now.logtime_gen_max_required, "not before level 150"
    assert now.sign_log == running.writer.signature != before.sign_log
    assert (now.dbid, now.lgpos_detach, now.gen_recovering) == (1, LgPos(0, 0, 0), 0)
    assert now.logtime_attach
    assert not now.logtime_detach
    running.writer.roll()
    rolled = read_header(world.disk, path).header
    assert (rolled.gen_min_required, rolled.gen_max_required, rolled.gen_max_committed) == (1, 2, 2)
    running.writer.roll()
    rolled = read_header(world.disk, path).header
    assert (rolled.gen_min_required, rolled.gen_max_required, rolled.gen_max_committed) == (2, 3, 3)
    assert rolled.gen_min_consistent == 2
    assert rolled.logtime_gen_max_create == running.writer.created
    running.session().detach(path)
    read = read_header(world.disk, path)
    after = read.header
    assert not read.problems
    assert after.state == DbState.CLEAN_SHUTDOWN
    assert not any((after.gen_min_required, after.gen_max_required, after.gen_max_committed, after.gen_min_consistent))
    assert not after.logtime_gen_max_create
    assert after.logtime_detach == after.logtime_consistent
    assert (after.dbtime_dirtied, after.objid_last, after.sign_db) == (
        before.dbtime_dirtied,
        before.objid_last,
        before.sign_db,
    )
    detach = next(each for each in world.records() if isinstance(each.record, DetachDB))
    assert after.lgpos_consistent == after.lgpos_detach == detach.pos


def test_a_log_lists_what_is_attached_at_its_first_byte(world: World, running: Instance) -> None:
    session = running.session()
    session.attach(world.path("b.edb"))
    session.attach(world.path("a.edb"))
    session.detach(world.path("b.edb"))
    running.writer.roll()
    entries = running.writer.header.attachments
    header = read_header(world.disk, world.path("a.edb")).header
    assert [(each.dbid, each.path) for each in entries] == [(2, world.path("a.edb"))]
    assert (entries[0].attach, entries[0].dbtime, entries[0].objid_last, entries[0].sign_db) == (
        header.lgpos_attach,
        header.dbtime_dirtied,
        header.objid_last,
        header.sign_db,
    )
    assert running.log.checkpoint == LgPos(1, 1, 0)
    session.attach(world.path("b.edb"))
    running.writer.roll()
    assert len(running.writer.header.attachments) == 2
    checkpoint = read_checkpoint_file(world.disk, world.path("edb.chk")).checkpoint
    assert checkpoint.checkpoint == LgPos(2, 1, 0), "one generation behind"
    assert checkpoint.attachments_valid
    assert checkpoint.attachments == entries, "what was attached there, not what is attached now"


def test_the_attach_record_carries_what_the_header_said(world: World, running: Instance) -> None:
    session = running.session()
    path = world.path("a.edb")
    first = read_header(world.disk, path).header
    session.attach(path)
    session.detach(path)
    second = read_header(world.disk, path).header
    session.attach(path, max_pages=4000)
    records = [each.record for each in world.records() if isinstance(each.record, AttachDB)]
    assert [(each.consistent, each.sign_log, each.sign_db, each.cpg_max, each.path) for each in records] == [
        (first.lgpos_consistent, first.sign_log, first.sign_db, 0, path),
        (second.lgpos_consistent, second.sign_log, second.sign_db, 4000, path),
    ]


def test_events_of_attach_detach_and_end(world: World, running: Instance) -> None:
    session = running.session()
    path = world.path("a.edb")
    session.attach(path)
    session.detach(path)
    running.term()
    events = list(running.events)
    assert [each.id for each in events] == [102, 105, 326, 327, 103]
    assert events[2].strings[:2] == ("1", path)
    assert events[2].strings[-1] == "lgposAttach = 00000001:0001:0268, dbv = 1568.20.0 (0)"
    assert events[3].strings[-1].startswith("lgposDetach = 00000001:")
    assert events[4].strings[-1] == "0"


def test_many_generations_and_a_reopening(world: World) -> None:
    with world.instance() as instance:
        instance.session().attach(world.path("a.edb"))
        for _ in range(40):
            instance.writer.roll()
        signature = instance.writer.signature
    with world.instance() as instance:
        assert instance.writer.generation == 41
        assert instance.writer.signature == signature
        instance.session().attach(world.path("a.edb"))
        assert instance.log.generations_on_disk == range(1, 42)
    assert world.chain_is_whole()


def test_several_databases_and_all_of_them_detached(world: World, running: Instance) -> None:
    session = running.session()
    for name in ("a", "b"):
        session.attach(world.path(f"{name}.edb"))
    assert [each.dbid for each in running.databases()] == [1, 2]
    session.detach()
    assert running.databases() == []
    for name in ("a", "b"):
        assert read_header(world.disk, world.path(f"{name}.edb")).header.clean


def test_a_read_only_attach_changes_nothing(world: World, running: Instance) -> None:
    before = world.read("a.edb")
    session = running.session()
    session.attach(world.path("a.edb"), read_only=True)
    running.writer.roll()
    assert running.writer.header.attachments == ()
    assert [(each.read_only, each.logged) for each in running.databases()] == [(True, False)]
    running.term()
    assert world.read("a.edb") == before
    assert "AttachDB" not in world.kinds()


def test_logging_off(world: World) -> None:
    path = world.path("a.edb")
    before = read_header(world.disk, path).header
    instance = world.instance(recovery=False)
    instance.init()
    assert code_of(lambda: instance.writer) == Err.LoggingDisabled
    instance.session().attach(path)
    dirty = read_header(world.disk, path).header
    assert dirty.state == DbState.DIRTY_SHUTDOWN
    assert (dirty.gen_min_required, dirty.gen_max_required) == (0, 0)
    assert dirty.sign_db != before.sign_db, "no log describes it any more"
    assert code_of(lambda: instance.backup("/bk")) == Err.LoggingDisabled
    instance.term()
    assert read_header(world.disk, path).header.clean
    assert not [name for name in world.names() if name.endswith((".log", ".chk"))]


def test_term_dirty_leaves_the_databases_to_recovery(world: World, running: Instance) -> None:
    running.session().attach(world.path("a.edb"))
    assert code_of(lambda: running.term(TermOptions.DIRTY)) == Err.DirtyShutdown
    assert running.state is InstanceState.TERMINATED
    assert [each.strings[-1] for each in running.events if each.id == 103] == ["1"]
    assert read_header(world.disk, world.path("a.edb")).header.state == DbState.DIRTY_SHUTDOWN
    again = world.instance()
    assert again.init().needed
    again.session().attach(world.path("a.edb"))


def test_states_and_their_refusals(world: World) -> None:
    instance = world.instance()
    assert code_of(instance.session) == Err.NotInitialized
    assert code_of(instance.term) == Err.NotInitialized
    assert code_of(instance.check_can_backup) == Err.NotInitialized
    assert code_of(instance.stop_service) == Err.InvalidParameter
    instance.init()
    instance.check_can_backup()
    assert code_of(instance.init) == Err.AlreadyInitialized
    session = instance.session()
    session.attach(world.path("a.edb"))
    instance.stop_service()
    instance.stop_service()
    assert state_of(instance) is InstanceState.STOPPING
    assert code_of(instance.session) == Err.ClientRequestToStopJetService
    assert code_of(instance.check_can_backup) == Err.ClientRequestToStopJetService
    assert code_of(lambda: session.attach(world.path("b.edb"))) == Err.ClientRequestToStopJetService
    instance.check_running()
    session.detach(world.path("a.edb"))
    instance.term()
    instance.term()
    assert state_of(instance) is InstanceState.TERMINATED
    assert code_of(instance.init) == Err.InvalidParameter
    assert code_of(instance.check_can_backup) == Err.InvalidParameter
    assert code_of(lambda: instance.term(TermOptions(0x40))) == Err.InvalidGrbit


@pytest.mark.parametrize("state", list(InstanceState))
def test_what_a_backup_gets_in_each_state(world: World, state: InstanceState) -> None:
    wanted = {
        InstanceState.CREATED: -1029,
        InstanceState.RECOVERING: -523,
        InstanceState.STOPPING: -1329,
        InstanceState.TERMINATING: -1000,
        InstanceState.RESTORING: -506,
        InstanceState.DOWN: -1090,
        InstanceState.TERMINATED: -1003,
    }
    instance = world.instance()
    instance.state = state
    if state is InstanceState.RUNNING:
        instance.check_can_backup()
    else:
        assert code_of(instance.check_can_backup) == wanted[state]
    if state is InstanceState.RECOVERING:
        instance.replaying = True
        assert code_of(instance.check_can_backup) == -1003
    instance.state = InstanceState.CREATED


def test_parameters_freeze_while_it_runs(world: World) -> None:
    instance = world.instance()
    instance.params.circular_log = True
    instance.init()
    with pytest.raises(EseError) as caught:
        instance.params.circular_log = False
    assert caught.value.code == Err.AlreadyInitialized
    instance.params.checkpoint_depth_max = 1 << 20
    instance.term()
    instance.params.circular_log = False


def test_one_process_at_a_time(world: World, running: Instance) -> None:
    other = world.instance()
    assert code_of(other.init) == Err.SystemPathInUse
    assert other.state is InstanceState.CREATED
    running.folders = None
    assert code_of(other.init) == Err.FileAccessDenied, "what another process would get"
    running.term()
    other.init()


def test_a_name_is_used_once(world: World) -> None:
    first = world.instance(name="twin")
    assert code_of(lambda: world.instance(name="twin")) == Err.InstanceNameInUse
    first.init()
    first.term()
    world.instance(name="twin")


def test_too_many_instances(world: World) -> None:
    from engine.params import Param, SharedParameters  # noqa: PLC0415

    shared = SharedParameters()
    shared.values[Param.MaxInstances] = len(instances()) + 1
    world.instance(shared=shared)
    assert code_of(lambda: world.instance(shared=shared)) == Err.TooManyInstances


def test_instance_info_lists_logged_databases(world: World) -> None:
    instance = world.instance(name="listed")
    instance.init()
    session = instance.session()
    session.attach(world.path("a.edb"))
    session.attach(world.path("b.edb"), read_only=True)
    row = next(each for each in instances() if each.name == "listed")
    assert row.databases == (world.path("a.edb"),)
    assert row.id == instance.number


def test_folders(world: World) -> None:
    missing = world.instance(path="/i/x/y")
    assert code_of(missing.init) == Err.InvalidPath
    assert world.disk.stat("/i/x") is None
    made = world.instance(path="/i/x/y", create_path_if_not_exist=True)
    made.init()
    assert world.disk.stat("/i/x/y/edb.log") is not None


def test_checkpoint_in_a_folder_of_its_own(world: World) -> None:
    world.disk.make_directory("/s")
    instance = world.instance(path=None, params={"SystemPath": "/s", "LogFilePath": world.folder})
    with instance:
        pass
    assert world.disk.stat("/s/edb.chk") is not None
    assert "edb.chk" not in world.names()


def test_init_options(world: World) -> None:
    instance = world.instance()
    assert code_of(lambda: instance.init(InitOptions.LOG_STREAM_MUST_EXIST)) == Err.MissingLogFile
    assert code_of(lambda: instance.init(InitOptions.RECOVERY_WITHOUT_UNDO)) == Err.InvalidGrbit
    instance.init()


def test_another_page_or_log_size(world: World) -> None:
    with world.instance():
        pass
    assert code_of(world.instance(page_size=8192).init) == Err.PageSizeMismatch
    before = world.read("edb.log")
    assert code_of(world.instance(log_file_size=128).init) == Err.LogFileSizeMismatchDatabasesConsistent
    assert world.read("edb.log") == before


def test_the_names_of_the_parameters(world: World) -> None:
    with world.instance(base_name="V01", params={"LegacyFileNames": 0}) as instance:
        instance.writer.roll()
    assert {"V01.jtx", "V0100000001.jtx", "V01.jcp"} <= set(world.names())
    with world.instance(base_name="V01") as instance:
        instance.writer.roll()
    assert "V0100000002.jtx" in world.names(), "a stream keeps its extension and its digits"


def test_five_digits_that_are_not_allowed(world: World) -> None:
    with world.instance() as instance:
        instance.writer.roll()
    assert "edb00001.log" in world.names()
    assert code_of(world.instance(params={"LegacyFileNames": 1}).init) == Err.LogGenerationMismatch


def test_sessions(world: World) -> None:
    instance = world.instance(params={"MaxSessions": 2})
    instance.init()
    first, second = instance.session(), instance.session()
    assert (first.procid, second.procid) == (5, 6)
    assert code_of(instance.session) == Err.OutOfSessions
    first.close()
    assert code_of(lambda: first.attach(world.path("a.edb"))) == Err.InvalidSesid
    assert instance.session().procid == 5
    with second.entered():
        assert code_of(lambda: second.attach(world.path("a.edb"))) == Err.SessionSharingViolation


def test_an_exception_in_the_block_still_ends_cleanly(world: World) -> None:
    def fail() -> None:
        with world.instance() as instance:
            instance.session().attach(world.path("a.edb"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert read_header(world.disk, world.path("a.edb")).header.clean
