"""Records that say what happens to the instance and to its log.  Source: log reference 2.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.format.lr.codec import WRAPPER, Record, wire
from engine.types import LGPOS_MIN, LgPos, LogTime

if TYPE_CHECKING:
    from engine.format.dbms_param import DbmsParam


class _Empty(NamedTuple):
    pass


@wire
class NOP(Record, _Empty):
    """The rest of the segment is unused."""

    __slots__ = ()
    LAYOUT = ""


@wire
class RecoveryUndo(Record, _Empty):
    """Start of the undo phase, old form."""

    __slots__ = ()
    LAYOUT = ""


@wire
class ShutDownMark(Record, _Empty):
    """All databases have been flushed; the next headers' lgposConsistent is the position of this record."""

    __slots__ = ()
    LAYOUT = ""


class _Init(NamedTuple):
    dbms_param: DbmsParam


@wire
class Init(Record, _Init):
    """A run of an instance starts here, old form."""

    __slots__ = ()
    LAYOUT = "dbms_param:dbms"


class _Init2(NamedTuple):
    dbms_param: DbmsParam
    time: LogTime


@wire
class Init2(Record, _Init2):
    """A run of an instance starts here."""

    __slots__ = ()
    LAYOUT = "dbms_param:dbms time:time"


class _Term(NamedTuple):
    undo: LgPos
    redo_from: LgPos
    hard: int


_TERM = "undo:pos redo_from:pos hard:B"


@wire
class Term(Record, _Term):
    """Clean end of a run, old form."""

    __slots__ = ()
    LAYOUT = _TERM


@wire
class RecoveryQuit(Record, _Term):
    """End of recovery, old form."""

    __slots__ = ()
    LAYOUT = _TERM


class _Term2(NamedTuple):
    undo: LgPos
    redo_from: LgPos = LGPOS_MIN
    hard: int = 0
    time: LogTime = LogTime()


_TERM2 = _TERM + " time:time"


@wire
class Term2(Record, _Term2):
    """Clean end of a run; `undo` is the position of this run's Init2, `redo_from` and `hard` are 0."""

    __slots__ = ()
    LAYOUT = _TERM2


@wire
class RecoveryQuit2(Record, _Term2):
    """End of recovery; `undo` is the position of RecoveryUndo2, `redo_from` where redo began."""

    __slots__ = ()
    LAYOUT = _TERM2


@wire
class RecoveryQuitKeepAttachments(Record, _Term2):
    """End of recovery with the databases left attached (dirty)."""

    __slots__ = ()
    LAYOUT = _TERM2


class _RecoveryUndo2(NamedTuple):
    time: LogTime


@wire
class RecoveryUndo2(Record, _RecoveryUndo2):
    """Start of recovery's undo phase."""

    __slots__ = ()
    LAYOUT = "time:time"


class _JetOp(NamedTuple):
    procid: int
    op: int


@wire
class JetOp(Record, _JetOp):
    """Number of the call about to run; ignored."""

    __slots__ = ()
    LAYOUT = "procid:H op:B"


class _Text(NamedTuple):
    procid: int
    data: bytes


@wire
class Trace(Record, _Text):
    """A remark in ANSI, NUL terminated, beginning with a time in brackets; ignored."""

    __slots__ = ()
    LAYOUT = "procid:H len(data):H"
    TAIL = "data"

    @property
    def text(self) -> str:
        """The remark without its NUL."""
        return self.data.split(b"\0", 1)[0].decode("latin-1")

    @classmethod
    def create(cls, text: str, *, procid: int = 0) -> Trace:
        """Make a remark; characters beyond Latin-1 become question marks."""
        return cls(procid, text.encode("latin-1", errors="replace") + b"\0")


@wire
class ForceLogRollover(Record, _Text):
    """The log is rolled directly after this record; `data` says why."""

    __slots__ = ()
    LAYOUT = "procid:H len(data):H"
    TAIL = "data"

    @property
    def text(self) -> str:
        """The reason; UTF-16 when every second byte of it is zero, else ANSI."""
        if len(self.data) % 2 == 0 and self.data and not any(self.data[1::2]):
            return self.data.decode("utf-16-le").split("\0", 1)[0]
        return self.data.split(b"\0", 1)[0].decode("latin-1")

    @classmethod
    def create(cls, text: str, *, procid: int = 0) -> ForceLogRollover:
        """Make the record with its reason in ANSI."""
        return cls(procid, text.encode("latin-1", errors="replace") + b"\0")


class _ForceWriteLog(NamedTuple):
    procid: int


@wire
class ForceWriteLog(Record, _ForceWriteLog):
    """Nothing, written to force the log out."""

    __slots__ = ()
    LAYOUT = "procid:H"


class _Checksum(NamedTuple):
    cb_backwards: int
    cb_forwards: int
    cb_next: int
    checksum: int
    short_checksum: int
    use: int


@wire
class Checksum(Record, _Checksum):
    """Checksum of a flush in logs of format 7."""

    __slots__ = ()
    LAYOUT = "cb_backwards:I cb_forwards:I cb_next:I checksum:I short_checksum:I use:B"


class _ExtRestore(NamedTuple):
    info: bytes


@wire
class ExtRestore(Record, _ExtRestore):
    """The instance was the target of an external restore; `info` in ANSI."""

    __slots__ = ()
    LAYOUT = "len(info):H"
    TAIL = "info"

    @property
    def text(self) -> str:
        """The remark."""
        return self.info.split(b"\0", 1)[0].decode("latin-1")


@wire
class ExtRestore2(Record, _ExtRestore):
    """The instance was the target of an external restore; `info` in UTF-16."""

    __slots__ = ()
    LAYOUT = "len(info):H"
    TAIL = "info"

    @property
    def text(self) -> str:
        """The remark."""
        return self.info.decode("utf-16-le", errors="replace").split("\0", 1)[0]

    @classmethod
    def create(cls, text: str) -> ExtRestore2:
        """Make the remark."""
        return cls(text.encode("utf-16-le", errors="surrogatepass") + b"\0\0")


class _PagePatchRequest(NamedTuple):
    dbid: int
    pgno: int
    dbtime: int
    reserved: bytes = bytes(32)


@wire
class PagePatchRequest(Record, _PagePatchRequest):
    """A replica is asked for the content of a page; ignored by redo but for that."""

    __slots__ = ()
    LAYOUT = "dbid:B pgno:I dbtime:q reserved:32s"


class _NOP2(NamedTuple):
    filler: bytes


@wire
class NOP2(Record, _NOP2):
    """Filler that closes a partial segment, at least 5 bytes."""

    __slots__ = ()
    LAYOUT = WRAPPER
    TAIL = "filler"

    SMALLEST = 5

    @classmethod
    def create(cls, size: int) -> NOP2:
        """Make a filler of `size` bytes in all."""
        return cls(bytes(size - cls.SMALLEST))


class _FragmentBegin(NamedTuple):
    total: int
    data: bytes


@wire
class FragmentBegin(Record, _FragmentBegin):
    """First piece of a record of `total` bytes; it ends its segment."""

    __slots__ = ()
    LAYOUT = "total:I len(data):H"
    TAIL = "data"

    HEADER_SIZE = 7


class _Fragment(NamedTuple):
    data: bytes


@wire
class Fragment(Record, _Fragment):
    """Next piece of a record; it begins a segment."""

    __slots__ = ()
    LAYOUT = "len(data):H"
    TAIL = "data"

    HEADER_SIZE = 3
