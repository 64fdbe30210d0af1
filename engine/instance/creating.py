"""Making a database: the file, and what surrounds its first records in the log.

    1  the file: header "just created", both copies; then its name       before the log speaks of it
    2  CreateDB record, then a filler                                     flushed
    3  the records of `engine.store.creation`: root and catalog           flushed, with a filler
    4  SetDbVersion (streams of version 8.6.20 and later), CreateDBFinish, filler       flushed
    5  header: dirty, attached at the CreateDB record, logs required      both copies
    6  MSysObjids and MSysLocales, in transactions as any

A crash before 5 leaves a header that says "just created": recovery builds such a database anew from its records, all
of which are in the log because the checkpoint does not move meanwhile.
Source: log reference 3.6, 3.8, 6.5; database reference 1.4.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from engine import header_changes
from engine.attached import AttachedDatabase
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.dbheader import CREATE_UPDATE, DatabaseHeader, DbState
from engine.format.lr import CreateDB, CreateDBFinish, DetachDB, SetDbVersion
from engine.format.page import HEADER_PAGES
from engine.format.versions import FORMATS, LOG_VERSION_SET_DB_VERSION
from engine.header_file import write_header
from engine.log.paths import folder_of, without_extension
from engine.store.creation import FIRST_DBTIME, FIRST_PAGES, create_system, small_tables
from engine.store.pages import GROW_AHEAD

if TYPE_CHECKING:
    from contextlib import ExitStack

    from engine.env import Environment
    from engine.files.base import File
    from engine.format.logheader import LogHeader
    from engine.format.versions import FormatVersions
    from engine.instance.keeper import LogKeeper
    from engine.instance.live import LiveStore
    from engine.params import Parameters
    from engine.store.transactions import StoreSession
    from engine.types import LgPos

_OVERWRITE_EXISTING: Final = 0x200
"""JET_bitDbOverwriteExisting, as CreateDB records carry it."""

_SORT_VERSION: Final = 0xFFFFFFFFFFFFFFFF


def new_file(env: Environment, path: str, held: ExitStack, failed: ExitStack, *, overwrite: bool) -> File:
    """Make an empty file and hold its lock, both given up by `held`; `failed` removes it.  -1201 when there is one."""
    fs = env.fs
    try:
        held.enter_context(env.hold(path + ".lock"))
    except EseError as error:
        if error.code != Err.FileAccessDenied:
            raise
        raise EseError.from_code(Err.DatabaseInUse, "another process has it attached", path=path) from error
    if fs.stat(path) is not None:
        if not overwrite:
            raise EseError.from_code(Err.DatabaseDuplicate, path=path)
        fs.unlink(path)
    flush_map = without_extension(path) + ".jfm"
    if fs.stat(flush_map) is not None:
        # It describes the pages of a database that is gone.
        fs.unlink(flush_map)
    file = fs.open(path, OpenMode.CREATE_NEW)
    failed.callback(_remove, env, path)
    held.callback(file.close)
    return file


def _remove(env: Environment, path: str) -> None:
    with suppress(EseError):
        env.fs.unlink(path)


def begin_database(
    env: Environment, params: Parameters, log: LogHeader, file: File, dbid: int, max_pages: int
) -> AttachedDatabase:
    """Write the header of a database that has nothing yet, durably with its name.

    It begins at the lowest format, as all do; `create_in_log` raises it.
    """
    header = DatabaseHeader.create(
        params.database_page_size,
        dbtime_dirtied=FIRST_DBTIME,
        sign_db=env.new_signature(),
        state=DbState.JUST_CREATED,
        update_major=CREATE_UPDATE,
        efv_max_bin_attach=format_level(params, log).efv,
        sort_version=_SORT_VERSION,
        sign_log=log.signature,
        dbid=dbid,
    )
    file.preallocate((FIRST_PAGES + HEADER_PAGES + GROW_AHEAD) * header.page_size)
    write_header(file, header)
    # The file has its name before the log says that it was made.
    env.fs.fsync_directory(folder_of(file.path))
    return AttachedDatabase(env, file, header, dbid=dbid, last_owned_page=0, cpg_max=max_pages)


def format_level(params: Parameters, log: LogHeader) -> FormatVersions:
    """Return the newest format that is asked for and that the log stream can carry."""
    wanted = params.engine_format_version & 0xFFFF
    fits = [row for row in FORMATS if row.log <= log.version]
    if not fits:
        return FORMATS[0]
    asked = [row for row in fits if row.efv <= wanted] if wanted >= FORMATS[0].efv else []
    return (asked or [row for row in fits if row.efv <= log.engine_version] or fits)[-1]


def create_in_log(
    env: Environment,
    live: LiveStore,
    keeper: LogKeeper,
    database: AttachedDatabase,
    session: StoreSession,
    level: FormatVersions,
    *,
    overwrite: bool,
) -> LgPos:
    """Fill the new database, of format `level` in the end, through the log; the position of its CreateDB record.

    When it fails, the database is left again; what remains of it in the log leads to nothing.
    """
    writer = live.journal.writer
    record = CreateDB.create(
        session.procid,
        database.dbid,
        database.path,
        database.header.sign_db,
        grbit=_OVERWRITE_EXISTING if overwrite else 0,
        cpg_max=database.cpg_max,
    )
    with keeper.held_checkpoint():
        with writer.lock:
            position = writer.append(record.pack())
            database.update_header(lgpos_attach=position)
            # Known to a generation that begins from here on, as the record lies before it.
            keeper.add(database)
            writer.flush(fill=True)
        try:
            _fill(env, live, database, session, position, level)
        except BaseException:
            _back_out(live, keeper, database, session)
            raise
    return position


def _fill(
    env: Environment,
    live: LiveStore,
    database: AttachedDatabase,
    session: StoreSession,
    position: LgPos,
    level: FormatVersions,
) -> None:
    writer, version = live.journal.writer, level.database
    live.open(database)
    pages = live.find(database)
    create_system(session, pages, version.update_major)
    # All of the catalog is in the log before that says that the database is made.
    writer.flush(fill=True)
    with writer.lock:
        if writer.header.version >= LOG_VERSION_SET_DB_VERSION:
            database.update_header(update_major=version.update_major, update_minor=version.update_minor)
            writer.append(SetDbVersion(database.dbid, *version).pack())
            pages.raise_format()
        writer.append(CreateDBFinish(session.procid, database.dbid).pack())
        writer.flush(fill=True)
        now, current = env.log_time(), writer.header
        database.change_header(
            lambda found: header_changes.attach(found, position=position, dbid=database.dbid, current=current, time=now)
        )
        pages.keep_for(database.header)
    # What images of another header were for is on the disk before the header is.
    pages.sync()
    # Dirty, with the logs it requires, before the checkpoint may pass the record.
    database.write_header()
    small_tables(session, pages, version.update_major)


def _back_out(live: LiveStore, keeper: LogKeeper, database: AttachedDatabase, session: StoreSession) -> None:
    """Leave a database that could not be made; when the log fails too, nobody can go on anyway."""
    writer = live.journal.writer
    with suppress(EseError), writer.lock:
        if not writer.failed:
            session.rollback_all()
            live.cleanup.run()
            writer.append(DetachDB.create(session.procid, database.dbid, database.path).pack())
            writer.flush(fill=True)
    keeper.remove(database)
    live.close(database)
