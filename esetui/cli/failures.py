"""Engine errors as a person and a caller see them: exit code, what failed, what is unchanged, what to do next.

Source: jet-api reference 6.7 and 1.8; console design, "Manner".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err, ErrCat, error_category
from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.errors import EseError

_CODES: dict[ExitCode, tuple[int, ...]] = {
    ExitCode.USAGE: (
        Err.InvalidGrbit,
        Err.InvalidParameter,
        Err.InvalidBackup,
        Err.FeatureNotAvailable,
        Err.BackupDirectoryNotEmpty,
    ),
    ExitCode.NOT_RECOVERABLE: (
        Err.DatabaseDirtyShutdown,
        Err.SoftRecoveryOnBackupDatabase,
        Err.MissingLogFile,
        Err.MissingPreviousLogFile,
        Err.InvalidLogSequence,
        Err.RequiredLogFilesMissing,
        Err.MissingCurrentLogFiles,
        Err.MissingFileToBackup,
        Err.MissingRestoreLogFiles,
        Err.CommittedLogFilesMissing,
        Err.CheckpointFileNotFound,
        Err.AttachedDatabaseMismatch,
        Err.DatabaseLogSetMismatch,
        Err.BadLogSignature,
        Err.BadDbSignature,
        Err.ConsistentTimeMismatch,
        Err.ExistingLogFileHasBadSignature,
        Err.ExistingLogFileIsNotContiguous,
        Err.GivenLogFileHasBadSignature,
        Err.GivenLogFileIsNotContiguous,
        Err.StartingRestoreLogTooHigh,
        Err.EndingRestoreLogTooLow,
    ),
    ExitCode.BUSY: (
        Err.BackupInProgress,
        Err.RestoreInProgress,
        Err.SurrogateBackupInProgress,
        Err.BackupNotAllowedYet,
        Err.DatabaseInUse,
        Err.DatabaseLocked,
        Err.DatabaseSharingViolation,
        Err.TermInProgress,
        Err.ClientRequestToStopJetService,
        Err.LogFilePathInUse,
        Err.SystemPathInUse,
        Err.InstanceNameInUse,
    ),
    ExitCode.VERSION: (
        Err.BadLogVersion,
        Err.InvalidDatabaseVersion,
        Err.EngineFormatVersionNoLongerSupportedTooLow,
        Err.EngineFormatVersionNotYetImplementedTooHigh,
        Err.EngineFormatVersionSpecifiedTooLowForLogVersion,
        Err.EngineFormatVersionSpecifiedTooLowForDatabaseVersion,
    ),
    ExitCode.STORAGE: (
        Err.FileNotFound,
        Err.InvalidPath,
        Err.FileAccessDenied,
        Err.PermissionDenied,
        Err.FileAlreadyExists,
        Err.DatabaseInvalidPath,
        Err.DatabaseFileReadOnly,
        Err.OutOfFileHandles,
    ),
}

_CATEGORIES: dict[ErrCat, ExitCode] = {
    ErrCat.CORRUPTION: ExitCode.DAMAGE,
    ErrCat.IO: ExitCode.STORAGE,
    ErrCat.DISK: ExitCode.STORAGE,
}

_BY_CODE: Mapping[int, ExitCode] = {int(number): code for code, numbers in _CODES.items() for number in numbers}


def exit_code_for(error: EseError) -> ExitCode:
    """Return the exit code that an engine error ends the process with: by its number, else by its category."""
    found = _BY_CODE.get(error.code)
    return found or _CATEGORIES.get(error_category(error.code), ExitCode.FAILED)


_NEXT: Mapping[int, str] = {
    Err.BackupDirectoryNotEmpty: "choose an empty folder, or use --atomic, or --incremental to add to the set there",
    Err.MissingFullBackup: "make a full backup first: the same command without --incremental",
    Err.InvalidBackup: "circular logging is on, so logs are not kept; make a full backup",
    Err.ReadVerifyFailure: "`esetui verify` lists the pages, `esetui repair-page` rebuilds them from an older set",
    Err.LogReadVerifyFailure: "`esetui verify` lists every damaged segment; make a full backup to start a new chain",
    Err.MissingFileToBackup: "a log is gone that the chain needs; make a full backup to start a new chain",
    Err.DatabaseDirtyShutdown: "the database needs recovery: start it once with the program that owns it",
    Err.BackupInProgress: "wait for the other backup to end",
    Err.InvalidPath: "check the path and that the volume is mounted; --create-path makes a missing folder",
    Err.FileNotFound: "check the path; `esetui discover` lists what is below a folder",
    Err.FileAccessDenied: "another program may hold the file, or the user has no right to it",
    Err.DiskFull: "make room on the volume and run the command again",
    Err.LogDiskFull: "make room on the log volume and run the command again",
}


def next_step(error: EseError) -> str | None:
    """Return what to do about an error, or None when nothing general can be said; the error's own hint wins."""
    return error.hint or _NEXT.get(error.code)
