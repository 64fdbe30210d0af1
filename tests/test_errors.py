from __future__ import annotations

import copy
import pickle
import warnings

import pytest

from engine import errors
from engine.error_table import CODES
from engine.errors import Code, Err, ErrCat, EseError, EseWarning, Wrn, error_category, error_name, error_string

ERRORS = {name: value for name, value in vars(Err).items() if isinstance(value, Code)}
WARNINGS = {name: value for name, value in vars(Wrn).items() if isinstance(value, Code)}


def test_numbers_and_names_are_those_of_the_table() -> None:
    assert Err.ReadVerifyFailure == -1018
    assert Err.BackupInProgress == -505
    assert Err.MissingFullBackup == -560
    assert Err.DatabaseDirtyShutdown == -550
    assert Err.SessionSharingViolation == -1910
    assert Err.OutOfSessions == -1101
    assert Wrn.DatabaseAttached == 1007
    assert Wrn.Nyi == -1
    assert Err.Success == 0


def test_table_is_whole_and_unique() -> None:
    assert len(ERRORS) == 294  # 3.2 and 3.3 without the negative warning, and success; eight more of live tables
    assert len(WARNINGS) == 32  # 3.4 and the negative warning
    assert len(CODES) == len(ERRORS) + len(WARNINGS)
    assert all(code.text and code.short_name == name for name, code in {**ERRORS, **WARNINGS}.items())
    assert all(code < 0 for name, code in ERRORS.items() if name != "Success")
    assert all(code > 0 for name, code in WARNINGS.items() if name != "Nyi")


@pytest.mark.parametrize(
    ("code", "category", "kind"),
    [
        (Err.ReadVerifyFailure, ErrCat.CORRUPTION, errors.ChecksumError),
        (Err.LogReadVerifyFailure, ErrCat.CORRUPTION, errors.ChecksumError),
        (Err.ReadPgnoVerifyFailure, ErrCat.CORRUPTION, errors.ChecksumError),
        (Err.ReadLostFlushVerifyFailure, ErrCat.CORRUPTION, errors.ChecksumError),
        (Err.DiskReadVerificationFailure, ErrCat.CORRUPTION, errors.ChecksumError),
        (Err.LogFileCorrupt, ErrCat.CORRUPTION, errors.CorruptionError),
        (Err.DatabaseDirtyShutdown, ErrCat.INCONSISTENT, errors.DirtyShutdown),
        (Err.BadLogSignature, ErrCat.INCONSISTENT, errors.InconsistentError),
        (Err.LogSequenceEnd, ErrCat.FRAGMENTATION, errors.FragmentationError),
        (Err.InvalidPath, ErrCat.USAGE, errors.InvalidPath),
        (Err.NotInitialized, ErrCat.USAGE, errors.NotInitialized),
        (Err.InvalidParameter, ErrCat.USAGE, errors.UsageError),
        (Err.BackupInProgress, ErrCat.STATE, errors.BackupInProgress),
        (Err.RecordNotFound, ErrCat.STATE, errors.KeyNotFound),
        (Err.KeyDuplicate, ErrCat.STATE, errors.KeyDuplicate),
        (Err.WriteConflict, ErrCat.STATE, errors.WriteConflict),
        (Err.FileNotFound, ErrCat.STATE, errors.StateError),
        (Err.DiskIO, ErrCat.IO, errors.IOFailure),
        (Err.DiskFull, ErrCat.DISK, errors.DiskFullError),
        (Err.OutOfMemory, ErrCat.MEMORY, errors.MemoryLimitError),
        (Err.VersionStoreOutOfMemory, ErrCat.QUOTA, errors.QuotaError),
        (Err.TooManyIO, ErrCat.RESOURCE, errors.ResourceError),
        (Err.InstanceUnavailable, ErrCat.FATAL, errors.FatalError),
        (Err.ClientRequestToStopJetService, ErrCat.OPERATION, errors.OperationError),
        (Err.PatchFileMissing, ErrCat.OBSOLETE, errors.ObsoleteError),
    ],
)
def test_from_code_picks_the_class(code: Code, category: ErrCat, kind: type[EseError]) -> None:
    error = EseError.from_code(code, "what happened")
    assert type(error) is kind
    assert (error.code, error.category) == (code, category)
    assert error.name == f"JET_err{code.short_name}"
    assert error.message == f"{code.text}: what happened"
    assert error.args == (error.message,)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_makes_an_error_that_survives_pickling(code: int) -> None:
    error = EseError.from_code(
        code,
        "d",
        path="/d/e.edb",
        page=5,
        generation=0x1F,
        offset=4096,
        segment=3,
        event_id=474,
        stored=1,
        computed=2,
        hint="h",
    )
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own
        assert type(twin) is type(error)
        assert vars(twin) == vars(error)
        assert twin.args == error.args
        assert str(twin) == str(error)


def test_classes_double_as_builtin_ones_where_callers_expect_it() -> None:
    assert isinstance(EseError.from_code(Err.DiskIO), OSError)
    assert isinstance(EseError.from_code(Err.InvalidPath), OSError)
    assert isinstance(EseError.from_code(Err.RecordNotFound), LookupError)


def test_text_names_the_place() -> None:
    error = EseError.from_code(
        Err.ReadVerifyFailure, path="/db/a.edb", page=12, offset=0xD000, stored=0x10, computed=0x11
    )
    assert str(error) == (
        "JET_errReadVerifyFailure (-1018): page checksum wrong; stored 0x10, computed 0x11 "
        "[/db/a.edb, page 12, offset 0xd000]"
    )
    log = EseError.from_code(Err.LogFileCorrupt, "bad record", generation=0x1F, segment=7)
    assert str(log) == "JET_errLogFileCorrupt (-501): log file is damaged: bad record [generation 0x1f, segment 7]"
    assert log.where() == "generation 0x1f, segment 7"
    assert EseError.from_code(Err.InvalidGrbit).where() == ""


def test_text_is_safe_for_a_terminal() -> None:
    error = EseError.from_code(Err.FileNotFound, "\x1b[31m", path="/a\nb\udc80")
    assert str(error) == "JET_errFileNotFound (-1811): file does not exist: \\x1b[31m [/a\\nb\\udc80]"
    assert error.path == "/a\nb\udc80"


def test_located_fills_in_only_what_is_missing() -> None:
    error = EseError.from_code(Err.PageTagCorrupted, offset=8)
    assert error.located(path="/x.edb", offset=99, page=4) is error
    assert (error.path, error.offset, error.page) == ("/x.edb", 8, 4)


def test_unknown_code() -> None:
    error = EseError.from_code(-31337, "odd")
    assert type(error) is EseError
    assert (error.code, error.name, error.category) == (-31337, "Unknown Error", ErrCat.UNKNOWN)
    assert error_string(-31337) == "Unknown Error,Unknown Error"
    assert error_name(-31337) == "Unknown Error"
    assert error_category(-31337) is ErrCat.UNKNOWN


def test_error_string_is_the_engines_form() -> None:
    assert error_string(-1018) == "JET_errReadVerifyFailure,page checksum wrong"
    assert error_string(1007) == "JET_wrnDatabaseAttached,database attached already"
    assert error_string(-1) == "JET_wrnNyi,feature not implemented"
    assert error_string(0) == "JET_errSuccess,success"


@pytest.mark.parametrize(
    ("category", "way"),
    [
        (ErrCat.DISK, [1, 2, 5, 8]),
        (ErrCat.FATAL, [1, 2, 3]),
        (ErrCat.CORRUPTION, [1, 9, 10]),
        (ErrCat.OBSOLETE, [1, 13, 16]),
        (ErrCat.ERROR, [1]),
        (ErrCat.UNKNOWN, []),
    ],
)
def test_hierarchy(category: ErrCat, way: list[int]) -> None:
    assert category.hierarchy() == bytes(way).ljust(8, b"\0")


def test_class_tree_follows_the_category_tree() -> None:
    for category, kind in errors._BY_CATEGORY.items():
        above = category.parent
        if above is not None and above is not ErrCat.ERROR:
            assert issubclass(kind, errors._BY_CATEGORY[above])


def test_code_pickles_as_its_number() -> None:
    assert pickle.loads(pickle.dumps(Err.DiskIO)) == -1022  # noqa: S301 - our own
    assert f"{Err.DiskIO}" == "-1022"


def test_warning_carries_code_and_name() -> None:
    warning = EseWarning.from_code(Wrn.FileOpenReadOnly, "a.edb")
    assert (warning.code, warning.name) == (1813, "JET_wrnFileOpenReadOnly")
    assert str(warning) == "JET_wrnFileOpenReadOnly (1813): opened read-only: a.edb"
    twin = pickle.loads(pickle.dumps(warning))  # noqa: S301 - our own
    assert (twin.code, twin.name, twin.args) == (warning.code, warning.name, warning.args)
    with pytest.warns(EseWarning):
        warnings.warn(warning, stacklevel=1)
    assert EseWarning.from_code(99999).name == "Unknown Error"
