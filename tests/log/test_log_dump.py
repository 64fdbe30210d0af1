"""Our records, written out as the real engine writes its own dump, line by line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.lr.diff import diff_pieces
from engine.log.reader import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.log.records import LogRecord
    from engine.types import LgPos, LogTime, Signature

SEGMENT = 4096

NAMES = {
    "Init2": "Init",
    "CreateMEFDP": "Create M",
    "CreateSEFDP": "Create S",
    "ConvertFDP2": "Convert",
    "MacroBegin": "McroBegin",
    "MacroCommit": "McroComit",
    "MacroInfo": "McroInfo",
    "MacroInfo2": "McroInfo2",
    "SetExternalHeader": "SetExtHdr",
    "SetDbVersion": "SetDbVer",
    "CreateDBFinish": "CrDBFinsh",
    "FlagDelete": "FDelete",
    "FlagInsert": "FInsert",
    "FlagInsertAndReplaceData": "FInsertRD",
    "ExtentFreed2": "ExtFreed2",
}


def bits(flags: int, *names: tuple[int, str, str]) -> str:
    return ":".join(on if flags & bit else off for bit, on, off in names)


UNIQUE = (lr.NodeFlags.UNIQUE, "U", "NU")
VERSIONED = (lr.NodeFlags.VERSIONED, "V", "NV")
DELETED = (lr.NodeFlags.DELETED, "D", "ND")
SPACE = (lr.NodeFlags.SPACE, "SP", "NSP")
TASK = (lr.NodeFlags.SYSTEM_TASK, "SYS", "USR")
INDEX = (lr.NodeFlags.CONCURRENT_CREATE_INDEX, "CI", "NCI")


def u64(value: int) -> str:
    return f"{value & (1 << 64) - 1:x}"


def when(time: LogTime) -> str:
    moment = time.to_datetime()
    assert moment is not None
    return f"{moment:%m/%d/%Y} {moment.hour}:{moment:%M:%S}.{moment.microsecond // 1000:03d}"


def loose_time(text: str) -> str:
    """Without the leading zeros that the dump leaves out."""
    return re.sub(r"\b0+(\d)", r"\1", text)


def signature(sign: Signature) -> str:
    return f"Create time:{when(sign.created)} Rand:{sign.random} Computer:<None>"


def page(r: lr.PageRecord) -> str:
    return f"{u64(r.dbtime)},{u64(r.dbtime_before)},{r.trx_begin0:x}:{r.level}({r.procid:x}"


def node(r: lr.PageRecord) -> str:
    return f"{page(r)},[{r.dbid}:{r.pgno}:{r.iline}]"


def pages(dbid: int, pgnos: tuple[int, ...]) -> str:
    return "".join(f"[{dbid}:{pgno}]," for pgno in pgnos)


def render_node(r: lr.NodeRecord) -> str:  # noqa: C901, PLR0911 - one case a record type
    flags = bits(r.flags, UNIQUE, VERSIONED, DELETED, SPACE, TASK, INDEX)
    rest = bits(r.flags, UNIQUE, VERSIONED, SPACE, TASK, INDEX)
    objid = f"objid:[{r.dbid}:{r.objid_fdp}]"
    match r:
        case lr.Insert():
            sizes = f"{len(r.prefix)},{len(r.suffix)},{len(r.data)}"
            return f"{node(r)},{flags},{sizes},rceid:{r.rceid},{objid})<Data>"
        case lr.FlagInsert():
            return f"{node(r)},{flags},rceid:{r.rceid},{objid})"
        case lr.FlagInsertAndReplaceData():
            rceids = f"rceidInsert:{r.rceid},rceidReplace:{r.rceid_replace}"
            return f"{node(r)},{rest},{len(r.key) + len(r.data):5d},{rceids},{objid})<Data>"
        case lr.Replace():
            return f"{node(r)},{rest},{len(r.data):5d},{r.cb_new:5d},{r.cb_old:5d},rceid:{r.rceid},{objid})<Data>"
        case lr.ReplaceD():
            return f"{node(r)},{rest},{len(r.diff):5d},{r.cb_new:5d},{r.cb_old:5d},rceid:{r.rceid},{objid})"
        case lr.FlagDelete():
            return f"{node(r)},{rest}),rceid:{r.rceid},{objid}"
        case lr.Delete():
            return f"{node(r)},{bits(r.flags, UNIQUE, SPACE, TASK)},{objid})"
        case lr.SetExternalHeader():
            where = f"{page(r)},[{r.dbid}:{r.pgno}]"
            return f"{where},{bits(r.flags, UNIQUE, SPACE, TASK)},{len(r.data):5d})<Data>"
        case lr.Undo():
            oper = f"{r.level_undone},{r.oper}"
            return f"{node(r)},{bits(r.flags, UNIQUE, TASK)},{oper},rceid:{r.rceid})"
        case lr.UndoInfo():
            where = f"{r.trx_begin0:x}:{r.level}({r.procid:x},[{r.dbid}:{r.pgno}],{bits(r.flags, UNIQUE, TASK)}"
            sizes = f"{len(r.bookmark_key)},{len(r.bookmark_data)},{len(r.data)}"
            return f"{where},{sizes},rceid:{r.rceid},{objid})<Data>"
        case lr.Delta():
            change = f"{bits(r.flags, UNIQUE, VERSIONED, TASK, INDEX)},{r.delta},offset:{r.cb_offset}"
            return f"{node(r)},{change},rceid:{r.rceid},{objid})"
    raise AssertionError(r)


def render_structure(r: lr.PageRecord) -> str:
    flags = bits(r.flags, UNIQUE, TASK)
    match r:
        case lr.CreateMEFDP():
            trees = f"FDP:[{r.dbid}:{r.pgno}],OE:[{r.dbid}:{r.pgno_oe}],AE:[{r.dbid}:{r.pgno_ae}]"
            parent = f"FDPParent:[{r.dbid}:{r.pgno_fdp_parent}],objid:[{r.dbid}:{r.objid_fdp}]"
            head = f"{u64(r.dbtime)},{r.trx_begin0:x}:{r.level}({r.procid:x}"
            return f"{head},{trees},{parent},PageFlags:[0x{r.page_flags:x}],{r.cpg_primary},{flags})"
        case lr.CreateSEFDP():
            head = f"{u64(r.dbtime)},{r.trx_begin0:x}:{r.level}({r.procid:x}"
            where = f"[{r.dbid}:{r.pgno}],[{r.dbid}:{r.pgno_fdp_parent}],[{r.objid_fdp}]"
            return f"{head},{where},PageFlags:[0x{r.page_flags:x}]{r.cpg_primary},{flags})"
        case lr.ConvertFDP2():
            where = f"[{r.dbid}:{r.pgno}],[{r.dbid}:{r.pgno_fdp_parent}],[{r.objid_fdp}]"
            extents = f"+{r.cpg_primary},[{r.dbid}:{r.pgno_secondary_first}],+{r.cpg_secondary}"
            return f"{page(r)},{where},{extents},{flags})"
        case lr.Split2():
            return render_split(r)
        case lr.Merge2():
            return render_merge(r)
    raise AssertionError(r)


def image(flags: int, data: bytes) -> str:
    letters = bits(flags, (1, "D", ""), (2, "X", "")).replace(":", "")
    return f"beforeImage:{len(data)}[{letters}]"


def render_split(r: lr.Split2) -> str:
    if not r.pgno_new:
        return f"ParentOfSplitPage {page(r)},parent:{u64(r.dbtime_parent_before)},[{r.dbid}:{r.pgno}])"
    kind = {0: "SplitVertical", 1: "SplitRight", 2: "Append"}[r.split_type]
    alone = r.split_oper == lr.SplitOper.INSERT and r.iline_split == r.iline_oper == r.clines - 1
    if kind == "SplitRight" and alone:
        kind = "SplitHotpoint"  # the dump's word for a right split that moves the new node only
    oper = {0: "None", 1: "Insert", 2: "Replace", 3: "FInsRD"}[r.split_oper]
    return (
        f"{kind} {page(r)},split:[{r.dbid}:{r.pgno}:{r.iline_split}],oper/last:[{r.iline_oper}/{r.clines - 1}],"
        f"new:[{r.dbid}:{r.pgno_new}],parent:{u64(r.dbtime_parent_before) if r.pgno_parent else 0},"
        f"[{r.dbid}:{r.pgno_parent}],right:{u64(r.dbtime_right_before) if r.pgno_right else 0},"
        f"[{r.dbid}:{r.pgno_right}], objid:[{r.dbid}:{r.objid_fdp}], {bits(r.flags, UNIQUE, SPACE, TASK, INDEX)}, "
        f"splitoper:{oper}, {image(r.image_flags, r.image)})"
    )


def render_merge(r: lr.Merge2) -> str:
    kind = ("None", "EmptyPage", "FullRight", "PartialRight", "EmptyTree", "FullLeft", "PartialLeft", "PageMove")
    flags = bits(r.merge_flags, (1, "KC", "NKC"), (4, "EP", "NEP"), (2, "D", "ND"))

    def neighbour(name: str, dbtime: int, pgno: int) -> str:
        return f"{name}:{u64(dbtime) if pgno else 0},[{r.dbid}:{pgno}]"

    return (
        f"{page(r)},merge:[{r.dbid}:{r.pgno}:{r.iline_merge}],"
        f"{neighbour('right', r.dbtime_right_before, r.pgno_right)},"
        f"{neighbour('left', r.dbtime_left_before, r.pgno_left)},"
        f"{neighbour('parent', r.dbtime_parent_before, r.pgno_parent)},"
        f"{bits(r.flags, UNIQUE, SPACE, TASK)}:{flags}:{kind[r.merge_type]},size:{r.cb_size_total},"
        f"maxsize:{r.cb_size_max_total},uncfree:{r.cb_uncommitted_free_dest},{image(r.image_flags, r.image)})<Data>"
    )


def render_other(r: lr.Record) -> str:  # noqa: C901, PLR0911 - one case a record type
    match r:
        case lr.Begin() | lr.Begin0():
            levels = f"({r.procid:x},from:{r.levels & 15},to:{(r.levels & 15) + (r.levels >> 4)})"
            return f"{levels} {r.trx_begin0:x}" if isinstance(r, lr.Begin0) else levels
        case lr.Commit():
            return f"({r.procid:x},to:{r.level_to})"
        case lr.Commit0():
            return f"({r.procid:x},to:{r.level_to}) {r.trx_commit0:x}"
        case lr.Rollback():
            return f"({r.procid:x},{r.levels})"
        case lr.MacroBegin() | lr.MacroCommit() | lr.MacroAbort():
            return f"({r.procid:x}) {u64(r.dbtime)}"
        case lr.MacroInfo():
            return pages(1, r.pgnos)
        case lr.MacroInfo2():
            return pages(r.dbid, r.pgnos)
        case lr.NewPage():
            return f"{u64(r.dbtime_after)},({r.procid:x},page:[{r.dbid}:{r.pgno}],objid:[{r.dbid}:{r.objid}])"
        case lr.NOP2():
            return f"(lrtyp = 71, {len(r.filler)} bytes)"
        case lr.ExtendDB():
            return f"[{r.dbid}:{r.pgno_last}]"
        case lr.Init2():
            return f"({when(r.time)})"
        case lr.Trace():
            return f"({r.procid:x}) {r.text}"
        case lr.FreeFDP():
            return f"{r.trx_committed:x}:([{r.dbid}:{r.pgno_fdp}] ({' TI'[r.kind]}))"
        case lr.ExtentFreed2():
            rest = "".join(f"[{r.dbid}:{pgno}] " for pgno in range(r.pgno_first + 1, r.pgno_first + r.cpg))
            return f"{u64(r.dbtime)} [{r.dbid}:{r.pgno_first}+{r.cpg}],[] ({rest})"
    return render_database(r)


def render_database(r: lr.Record) -> str:
    match r:
        case lr.CreateDB():
            low, high = (int.from_bytes(r.version_info[at : at + 2], "little") for at in (0, 2))
            about = f"Version: 0x{low:x},0x{high:x} cpgMax: {r.cpg_max} Sig: {signature(r.sign_db)}"
            return f"({r.procid:x},{r.path},{r.dbid}) {about} sparse: {r.flags >> 4 & 1}"
        case lr.AttachDB():
            at = f"({r.consistent.generation:X},{r.consistent.segment:X},{r.consistent.offset:X})"
            signs = f"SigDb: {signature(r.sign_db)}   SigLog: {signature(r.sign_log)}"
            about = f"cpgMax: {r.cpg_max} consistent:{at}   {signs}"
            return f"({r.procid:x},{r.path},{r.dbid}) {about} sparse: {r.flags >> 4 & 1}"
        case lr.DetachDB():
            return f"({r.procid:x},{r.path},{r.dbid})"
        case lr.CreateDBFinish():
            return f"({r.procid:x},{r.dbid})"
        case lr.SetDbVersion():
            return f"(dbid:{r.dbid}, DB ver:{r.version}.{r.update_major}.{r.update_minor})"
    raise AssertionError(r)


def render(r: lr.Record) -> str:
    if isinstance(r, lr.NodeRecord):
        text = render_node(r)
    elif isinstance(r, lr.PageRecord):
        text = render_structure(r)
    else:
        text = render_other(r)
    name = NAMES.get(r.type.name, r.type.name)
    return f"{name:<9} {text}"


def render_diff(r: lr.ReplaceD) -> Iterator[str]:
    head = f"ReplDiff  {node(r)},objid:[{r.dbid}:{r.objid_fdp}],[ Offs:"
    for piece in diff_pieces(r.diff, large=r.large):
        if piece.insert:
            what = f"InsertWithValue ({len(piece.data)}): <Data>"
        elif piece.same:
            what = f"ReplaceWithSameLength ({len(piece.data)}): <Data>"
        else:
            what = f"ReplaceWithNewValue ({piece.cb_old}=>{len(piece.data)}): <Data>"
        yield f"{head}{piece.offset} {2 if piece.wide else 1}B {what}])"


class DumpedLog(NamedTuple):
    name: str
    head: str
    lines: list[str]


def dumped_logs(dump: Path) -> Iterator[DumpedLog]:
    parts = re.split(r"^##### (\S+)$", dump.read_text("utf-8", errors="replace"), flags=re.MULTILINE)
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        head, _, _ = text.partition("Segment Checksum:")
        lines = [line for line in text.splitlines() if line.startswith(">") or line.lstrip().startswith("ReplDiff")]
        yield DumpedLog(name, head, lines)


def position(pos: LgPos) -> str:
    return f">{pos.generation:08X},{pos.segment:04X},{pos.offset:04X}"


def expected_lines(records: Iterator[LogRecord]) -> Iterator[str]:
    """Each record as the dump has it; after padding the dump names the place where the padding starts."""
    previous: LgPos | None = None
    for each in records:
        pos = each.pos
        padded = (
            previous is not None
            and pos.offset == 0
            and previous.segment == pos.segment - 1
            and previous.offset > SEGMENT - 32
        )
        yield f"{position(previous if padded and previous is not None else pos)} {render(each.record)}"
        if isinstance(each.record, lr.ReplaceD):
            yield from render_diff(each.record)
        previous = each.end


def squeezed(line: str) -> str:
    return loose_time(" ".join(line.split()))


@pytest.mark.oracle
def test_records_equal_the_engines_dump(oracle: Callable[[str], Path]) -> None:
    fs = RealFileSystem()
    logs = records = 0
    for dump in sorted(oracle("dirty").glob("*/before-logrecords.txt")):
        for dumped in dumped_logs(dump):
            path = dump.parent / "before" / dumped.name
            with LogFile.open(fs, str(path)) as log:
                ours = [squeezed(line) for line in expected_lines(log.records())]
            theirs = [squeezed(line) for line in dumped.lines if not line.rstrip().endswith(" NOP")]
            for left, right in zip(ours, theirs, strict=False):
                assert left == right, path
            assert len(ours) == len(theirs), path
            logs += 1
            records += len(ours)
    assert logs > 150
    assert records > 100_000


@pytest.mark.oracle
def test_headers_equal_the_engines_dump(oracle: Callable[[str], Path]) -> None:
    fs = RealFileSystem()
    for dump in sorted(oracle("dirty").glob("*/before-logrecords.txt")):
        for dumped in dumped_logs(dump):
            with LogFile.open(fs, str(dump.parent / "before" / dumped.name)) as log:
                header, scan = log.header, log.scan()
            head = loose_time(dumped.head).lower()
            version = header.version
            wanted = [
                f"lGeneration: {header.generation} (0x{header.generation:x})",
                f"creation time: {loose_time(when(header.created))} UTC",
                f"Format LGVersion: ({version}) (generated by {header.engine_version})",
                f"Create time:{loose_time(when(header.signature.created))} Rand:{header.signature.random}",
                f"Env SystemPath: {header.dbms_param.system_path}",
                f"Env LogFilePath: {header.dbms_param.log_path}",
                f"Circular Logging Flag (current file): {'on' if header.circular else 'off'}",
                f"Circular Logging Flag (past files): {'on' if header.flags & 4 else 'off'}",
                f"Checkpoint at log creation time: {brackets(header.checkpoint)}",
                f"Last Lgpos: (0x{header.generation:X},{scan.last_valid_segment + 1:X},0)",
            ]
            if header.previous_created:
                wanted.append(f"prev gen time: {loose_time(when(header.previous_created))} UTC")
            for text in wanted:
                assert text.lower() in head
            accumulated = re.findall(r"segment checksum: 0x([0-9a-f]{16})", dumped.head)
            assert [int(text, 16) for text in accumulated] == [
                header.previous_checksum,
                scan.accumulated_checksum,
            ]
            limits = re.findall(r"\(\s*(off|on),((?:\s*\d+,?){7})\)", dumped.head)
            param = header.dbms_param
            assert [(switch, [int(each) for each in numbers.split(",")]) for switch, numbers in limits] == [
                (
                    "on" if param.circular else "off",
                    [
                        param.sessions,
                        param.open_tables,
                        param.version_pages,
                        param.cursors,
                        param.log_buffers,
                        param.log_file_segments,
                        param.cache_size_max,
                    ],
                ),
            ]
            check_attachments(dumped.head, log)


def brackets(pos: LgPos) -> str:
    return f"(0x{pos.generation:x},{pos.segment:x},{pos.offset:x})"


def check_attachments(head: str, log: LogFile) -> None:
    head = head.lower()
    listed = log.header.attachments
    assert re.findall(r"dbtime: (\d+) ", head) == [str(each.dbtime) for each in listed]
    assert re.findall(r"objidlast: (\d+)", head) == [str(each.objid_last) for each in listed]
    assert re.findall(r"maxdbsize: (\d+) pages", head) == [str(each.cpg_max) for each in listed]
    assert re.findall(r"last attach: (\S+)", head) == [brackets(each.attach) for each in listed]
    assert re.findall(r"last consistent: (\S+)", head) == [brackets(each.consistent) for each in listed]
    assert re.findall(r"^ {6}(\d+) %ws", head, flags=re.MULTILINE) == [str(each.dbid) for each in listed]
    randoms = re.findall(r"^\t\t signature: .*rand:(\d+)", head, flags=re.MULTILINE)
    assert randoms == [str(each.sign_db.random) for each in listed]
