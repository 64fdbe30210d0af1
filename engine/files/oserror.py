"""From the operating system's error numbers to JET codes.

| system | code |
|---|---|
| ENOENT | -1811 not found |
| EACCES EPERM EBUSY ETXTBSY | -1032 access denied |
| EROFS | -1809 permission |
| ENOSPC EDQUOT EFBIG | -1808 disk full |
| EMFILE ENFILE | -1020 handles |
| ENOMEM | -1011 memory |
| EEXIST ENOTEMPTY | -1814 exists |
| ENOTDIR EISDIR ENAMETOOLONG EINVAL ELOOP EXDEV | -1023 path |
| ENODATA, Windows 23 | -1021 medium reported a CRC error |
| EUCLEAN EBADMSG, Windows 1392 | -1121 file system damaged |
| EIO and the rest | -1022 |

Source: jet-api reference 3.2; the protocol in `engine.files.base`.
"""

from __future__ import annotations

import errno

from engine.errors import Err, EseError

_BY_ERRNO: dict[int, int] = {
    errno.ENOENT: Err.FileNotFound,
    errno.EACCES: Err.FileAccessDenied,
    errno.EPERM: Err.FileAccessDenied,
    errno.EBUSY: Err.FileAccessDenied,
    errno.EROFS: Err.PermissionDenied,
    errno.ENOSPC: Err.DiskFull,
    errno.EFBIG: Err.DiskFull,
    errno.EMFILE: Err.OutOfFileHandles,
    errno.ENFILE: Err.OutOfFileHandles,
    errno.ENOMEM: Err.OutOfMemory,
    errno.EEXIST: Err.FileAlreadyExists,
    errno.ENOTEMPTY: Err.FileAlreadyExists,
    errno.ENOTDIR: Err.InvalidPath,
    errno.EISDIR: Err.InvalidPath,
    errno.ENAMETOOLONG: Err.InvalidPath,
    errno.EINVAL: Err.InvalidPath,
    errno.EXDEV: Err.InvalidPath,
    errno.EIO: Err.DiskIO,
}

# Not every system has every name.
for _name, _code in (
    ("ETXTBSY", Err.FileAccessDenied),
    ("EDQUOT", Err.DiskFull),
    ("ELOOP", Err.InvalidPath),
    ("ENODATA", Err.DiskReadVerificationFailure),
    ("EUCLEAN", Err.FileSystemCorruption),
    ("EBADMSG", Err.FileSystemCorruption),
):
    if hasattr(errno, _name):
        _BY_ERRNO[getattr(errno, _name)] = _code

_BY_WINERROR: dict[int, int] = {
    23: Err.DiskReadVerificationFailure,  # ERROR_CRC
    1392: Err.FileSystemCorruption,  # ERROR_FILE_CORRUPT
}


def code_of(error: OSError) -> int:
    """Return the JET code that fits the system's error."""
    winerror = getattr(error, "winerror", None)
    if winerror in _BY_WINERROR:
        return _BY_WINERROR[winerror]
    return _BY_ERRNO.get(error.errno or 0, Err.DiskIO)


def from_os_error(error: OSError, path: str | None, *, offset: int | None = None, doing: str = "") -> EseError:
    """Make the typed error; the system's own stays its `__cause__` (number and text for the event log)."""
    text = error.strerror or type(error).__name__
    made = EseError.from_code(code_of(error), f"{doing}: {text}" if doing else text, path=path, offset=offset)
    made.__cause__ = error
    return made
