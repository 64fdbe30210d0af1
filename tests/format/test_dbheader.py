from __future__ import annotations

import dataclasses
import random
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.checksum import set_header_checksum
from engine.format.dbheader import (
    HEADER_PROBE_SIZE,
    DatabaseHeader,
    DbState,
    HeaderSource,
    read_header_pages,
)
from engine.format.page import PAGE_SIZES, WRITABLE_PAGE_SIZES
from engine.format.patch import PatchHeader
from engine.types import BkInfo, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STATES = {
    "Just Created": DbState.JUST_CREATED,
    "Dirty Shutdown": DbState.DIRTY_SHUTDOWN,
    "Clean Shutdown": DbState.CLEAN_SHUTDOWN,
}
NO_TIME = "00/00/1900 00:00:00.000"


def sample(page_size: int = 8192) -> DatabaseHeader:
    when = LogTime.from_datetime(datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC))
    return DatabaseHeader.create(
        page_size,
        state=DbState.DIRTY_SHUTDOWN,
        sign_db=Signature(77, when),
        bkinfo_full_cur=BkInfo(LgPos(3, 4, 5), when, 3, 0),
        lgpos_attach=LgPos(1, 2, 3),
        gen_min_required=3,
        gen_max_required=9,
    )


def with_checksum(page: bytes | bytearray, **words: int) -> bytes:
    changed = bytearray(page)
    for at, value in words.items():
        changed[int(at[1:]) : int(at[1:]) + 4] = value.to_bytes(4, "little")
    set_header_checksum(changed)
    return bytes(changed)


def test_create_replace_and_pack() -> None:
    for page_size in WRITABLE_PAGE_SIZES:
        header = sample(page_size)
        page = header.pack()
        assert len(page) == page_size
        assert DatabaseHeader.parse(page) == header
        assert header.raw == page
        assert not any(page[DatabaseHeader.SIZE :])
        assert (header.page_size, header.clean, header.is_backup_copy, header.shadowed) == (
            page_size,
            False,
            True,
            True,
        )
        again = header.replace(state=DbState.CLEAN_SHUTDOWN, dbid=3)
        assert (again.clean, again.dbid, again.sign_db) == (True, 3, header.sign_db)
        assert again.checksum == int.from_bytes(again.raw[:4], "little") != header.checksum
    with pytest.raises(EseError):
        DatabaseHeader.create(2048)


def test_each_field_has_its_own_bytes() -> None:
    header = sample()
    before = header.pack()
    for each in dataclasses.fields(DatabaseHeader):
        if not each.metadata or each.name == "cb_page_size":
            continue
        at, kind = each.metadata["at"], each.metadata["kind"]
        value = kind.load(bytes(range(1, 1 + kind.size)), 0)
        after = header.replace(**{each.name: value}).pack()
        changed = [index for index in range(4, len(after)) if before[index] != after[index]]
        assert changed
        assert at <= changed[0]
        assert changed[-1] < at + kind.size
        assert after[at : at + kind.size] == bytes(range(1, 1 + kind.size)), each.name


def test_unknown_bytes_and_states_survive() -> None:
    page = bytearray(sample().pack())
    page[664], page[671], page[748], page[8191] = 1, 2, 3, 4
    header = DatabaseHeader.parse(with_checksum(page, _52=99))
    assert (header.state, header.state.name) == (99, "UNKNOWN_99")
    again = header.replace(dbid=5).pack()
    assert (again[664], again[671], again[748], again[8191]) == (1, 2, 3, 4)
    assert DatabaseHeader.parse(again).state == 99


def test_page_size_zero_means_4096() -> None:
    header = DatabaseHeader.parse(with_checksum(sample(4096).pack(), _236=0))
    assert (header.page_size, header.cb_page_size) == (4096, 0)
    assert read_header_pages(header.pack() * 2, 8192).header == header


def test_what_parse_refuses() -> None:
    page = sample().pack()
    refused = {
        "checksum": (page[:100] + b"\xff" + page[101:], Err.DatabaseCorrupted),
        "magic": (with_checksum(page, _4=1), Err.InvalidDatabaseVersion),
        "file type": (with_checksum(page, _667=3), Err.DatabaseCorrupted),
        "attribute": (with_checksum(page, _12=1), Err.DatabaseCorrupted),
        "page size": (with_checksum(page, _236=4096), Err.DatabaseCorrupted),
        "length": (page[:-1], Err.DatabaseCorrupted),
        "nothing": (b"", Err.DatabaseCorrupted),
        "zeros": (bytes(8192), Err.DatabaseCorrupted),
    }
    for name, (data, code) in refused.items():
        with pytest.raises(EseError) as caught:
            DatabaseHeader.parse(data, path="x.edb")
        assert (caught.value.code, caught.value.path) == (code, "x.edb"), name


def test_versions() -> None:
    sample().check_version()
    sample().replace(update_major=300).check_version()
    for fields in ({"version": 0x623}, {"update_major": 310}):
        with pytest.raises(EseError) as caught:
            sample().replace(**fields).check_version(path="y")
        assert caught.value.code == Err.InvalidDatabaseVersion


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
def test_either_copy_serves(page_size: int) -> None:
    good = sample(page_size).pack()
    bad = bytearray(good)
    bad[300] ^= 0x5A
    other = sample(page_size).replace(dbid=9).pack()
    size = 2 * page_size

    both = read_header_pages(good * 2, size)
    assert (both.source, both.problems) == (HeaderSource.PRIMARY, ())

    primary = read_header_pages(good + bad, size)
    assert primary.source is HeaderSource.PRIMARY
    assert [(each.source, each.offset) for each in primary.problems] == [(HeaderSource.SHADOW, page_size)]
    assert primary.problems[0].stored != primary.problems[0].computed

    for lost in (bytes(bad), bytes(page_size), b"\xff" * page_size):
        shadow = read_header_pages(lost + good, size)
        assert (shadow.source, shadow.header) == (HeaderSource.SHADOW, sample(page_size))
        assert [each.source for each in shadow.problems] == [HeaderSource.PRIMARY]

    differ = read_header_pages(good + other, size)
    assert (differ.header.dbid, differ.problems[0].stored) == (0, differ.problems[0].computed)
    assert read_header_pages(good, page_size).problems[0].detail == "the shadow header is cut off"

    unshadowed = sample(page_size).replace(dbflags=b"\1\0\0\0").pack()
    assert read_header_pages(unshadowed + bytes(bad), size).problems == ()

    for start in (bytes(bad) * 2, b"", bytes(size), good[:1000]):
        with pytest.raises(EseError) as caught:
            read_header_pages(start, len(start), path="z")
        assert (caught.value.code, caught.value.path) == (Err.DatabaseCorrupted, "z")
    with pytest.raises(EseError) as caught:
        read_header_pages(with_checksum(good, _4=5) * 2, size)
    assert caught.value.code == Err.InvalidDatabaseVersion


@given(data=st.binary(max_size=900), page_size=st.sampled_from(PAGE_SIZES), checksummed=st.booleans())
def test_any_bytes_give_a_header_or_a_typed_error(data: bytes, page_size: int, checksummed: bool) -> None:  # noqa: FBT001
    page = bytearray(sample().pack()[:4] + data).ljust(page_size, b"\0")[:page_size]
    if checksummed:
        page[4:8] = (0x89ABCDEF).to_bytes(4, "little")
        page[12:16] = bytes(4)
        page[236:240] = page_size.to_bytes(4, "little")
        page[667:671] = (1).to_bytes(4, "little")
        set_header_checksum(page)
        header = DatabaseHeader.parse(page)
        assert header.pack() == page
        assert repr(header)
        assert str(header.logtime_attach)
    else:
        with pytest.raises(EseError):
            DatabaseHeader.parse(page)
    try:
        read_header_pages(page, page_size)
    except EseError:
        assert not checksummed


def test_patch_header() -> None:
    header = sample()
    trailer = PatchHeader(
        bkinfo=dataclasses.replace(header.bkinfo_full_cur, gen_high=12),
        sign_db=header.sign_db,
        sign_log=header.sign_log,
        gen_min_required=3,
        gen_max_committed=12,
        logtime_gen_max_required=header.sign_db.created,
    )
    for page_size in PAGE_SIZES:
        page = trailer.pack(page_size)
        assert PatchHeader.parse(page) == trailer
        assert not any(page[4:40])
        assert not any(page[148:])
    assert trailer.belongs_to(header)
    assert not trailer.belongs_to(header.replace(sign_db=Signature(1)))
    assert not trailer.belongs_to(header.replace(sign_log=Signature(1)))
    assert not trailer.belongs_to(header.replace(bkinfo_full_cur=BkInfo()))
    broken = bytearray(trailer.pack(4096))
    broken[random.Random(1).randrange(4096)] ^= 1  # noqa: S311 - any place will do
    with pytest.raises(EseError) as caught:
        PatchHeader.parse(broken, path="p", pgno=4)
    assert (caught.value.code, caught.value.page) == (Err.DatabasePatchFileMismatch, 4)
    with pytest.raises(EseError):
        PatchHeader.parse(b"")


def test_real_headers_round_trip(real_databases: list[Any]) -> None:
    for database in real_databases:
        read = read_header_pages(database.data[:HEADER_PROBE_SIZE], len(database.data))
        assert (read.source, read.problems) == (HeaderSource.PRIMARY, ())
        size = database.page_size
        assert read.header.pack() == database.data[:size] == database.data[size : 2 * size]
        read.header.check_version()


def test_real_trailers(real_databases: list[Any]) -> None:
    found = 0
    for database in real_databases:
        if database.header.is_backup_copy:
            last = database.data[-database.page_size :]
            trailer = PatchHeader.parse(last)
            assert trailer.pack(database.page_size) == last
            assert trailer.belongs_to(database.header)
            assert trailer.bkinfo.gen_high >= trailer.bkinfo.gen_low == database.header.bkinfo_full_cur.gen_low
            found += 1
    assert found >= 4


def dumps(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each database of a group with the real engine's dump of its header."""
    for dump in sorted(folder.glob("*/*-headers.txt")):
        base = dump.with_name(dump.name.removesuffix("-headers.txt"))
        for part in re.split(r"^##### ", dump.read_text(encoding="latin-1"), flags=re.MULTILINE)[1:]:
            path = base / part.split(" (", 1)[0]
            if path.suffix == ".edb" and "DBUTIL_ERR 0" in part and path.is_file():
                yield path, part
    for dump in sorted(folder.glob("*/*/header.txt")):
        yield dump.with_name("clean.edb"), dump.read_text(encoding="latin-1")


def field(label: str, text: str, value: str = r"(\S+)") -> str:
    found = re.search(rf"^ *{re.escape(label)}: *{value}", text, re.MULTILINE)
    assert found is not None, label
    return found[1]


def dumped_time(time: LogTime) -> str:
    when = time.to_datetime()
    return NO_TIME if when is None else when.strftime("%m/%d/%Y %H:%M:%S.") + f"{when.microsecond // 1000:03d}"


def dumped_signature(signature: Signature) -> str:
    return f"Create time:{dumped_time(signature.created)} Rand:{signature.random} Computer:"


def dumped_position(position: LgPos) -> str:
    return f"(0x{position.generation:X},{position.segment:X},{position.offset:X})"


def expected_fields(header: DatabaseHeader, text: str) -> dict[str, tuple[str, str]]:
    """Return for each label of a dump what it says and what the header says."""
    to_end = r"(.*?)\s*$"
    place = r"(\(\S+\)  \S+ \S+)"
    time = r"(\d\S+ \S+)"

    def at(position: LgPos, when: LogTime) -> str:
        return f"{dumped_position(position)}  {dumped_time(when)}"

    state = STATES[field("State", text, to_end)]
    required = f"{header.gen_min_required}-{header.gen_max_required}"
    version = f"0x{header.version:x},{header.update_major},{header.update_minor}"
    return {
        "checksum": (field("Checksum", text), f"0x{header.checksum:x}"),
        "version": (field("Format ulVersion", text), version),
        "efv": (field("Format ulVersion", text, r"\S+  \(attached by (\d+)\)"), str(header.efv_max_bin_attach)),
        "created version": (field("Created ulVersion", text), f"0x{header.create_version:x},{header.create_update}"),
        "sign_db": (field("DB Signature", text, to_end), dumped_signature(header.sign_db)),
        "page size": (field("cbDbPage", text), str(header.page_size)),
        "dbtime": (field("dbtime", text), str(header.dbtime_dirtied)),
        "state": (state.name, header.state.name),
        "required": (field("Log Required", text), required),
        "pre-redo": (field("Log Required", text, r".*Pre-Redo: (\d+)"), str(header.gen_pre_redo_min_required)),
        "required time": (
            field("Gen. Max. Req. Creation Time", text, time),
            dumped_time(header.logtime_gen_max_required),
        ),
        "committed": (field("Log Committed", text), f"0-{header.gen_max_committed}"),
        "committed time": (
            field("Gen. Max. Com. Creation Time", text, time),
            dumped_time(header.logtime_gen_max_create),
        ),
        "consistent": (field("Log Consistent", text), str(header.gen_min_consistent)),
        "recovering": (field("Log Recovering", text), str(header.gen_recovering)),
        "shadowed": (field("Shadowed", text), "Yes" if header.shadowed else "No"),
        "objid": (field("Last Objid", text), str(header.objid_last)),
        "scrub": (field("Scrub Dbtime", text), str(header.dbtime_last_scrub)),
        "repairs": (field("Repair Count", text), str(header.repair_count)),
        "old repairs": (field("Old Repair Count", text), str(header.repair_count_old)),
        "last consistent": (
            field("Last Consistent", text, place),
            at(header.lgpos_consistent, header.logtime_consistent),
        ),
        "last attach": (field("Last Attach", text, place), at(header.lgpos_attach, header.logtime_attach)),
        "last detach": (field("Last Detach", text, place), at(header.lgpos_detach, header.logtime_detach)),
        "reattach": (
            field("Last ReAttach", text, place),
            at(header.lgpos_last_reattach, header.logtime_last_reattach),
        ),
        "dbid": (field("Dbid", text), str(header.dbid)),
        "sign_log": (field("Log Signature", text, to_end), dumped_signature(header.sign_log)),
        "system": (
            field("OS Version", text, r"\((\S+ SP \d+)"),
            f"{header.os_major}.{header.os_minor}.{header.os_build} SP {header.os_service_pack}",
        ),
        "resize": (field("Last Resize", text), dumped_position(header.lgpos_last_resize)),
        "extends": (field("Extend Count", text), str(header.extend_count)),
        "extend time": (field("Extend Date", text, time), dumped_time(header.logtime_last_extend)),
        "shrinks": (field("Shrink Count", text), str(header.shrink_count)),
        "trims": (field("Trim Count", text), str(header.trim_count)),
    }


BACKUPS = {
    "Previous Full Backup": "bkinfo_full_prev",
    "Previous Incremental Backup": "bkinfo_inc_prev",
    "Previous Copy Backup": "bkinfo_copy_prev",
    "Previous Differential Backup": "bkinfo_diff_prev",
    "Current Full Backup": "bkinfo_full_cur",
    "Current Shadow copy backup": "bkinfo_snapshot_cur",
}


@pytest.mark.parametrize(("group", "least"), [("clean", 4), ("dirty", 40), ("backup", 90)])
def test_headers_equal_the_engines_own_dumps(oracle: Callable[[str], Path], group: str, least: int) -> None:
    compared = 0
    for path, text in dumps(oracle(group)):
        with path.open("rb") as file:
            header = read_header_pages(file.read(HEADER_PROBE_SIZE), path.stat().st_size).header
        for label, (theirs, ours) in expected_fields(header, text).items():
            assert theirs == ours, f"{path}: {label}"
        for label, name in BACKUPS.items():
            part = text.split(f"\n{label}:\n", 1)[1]
            info: BkInfo = getattr(header, name)
            assert field("Log Gen", part) == f"{info.gen_low}-{info.gen_high}", f"{path}: {label}"
            mark, when = re.findall(r"Mark: (.*?)(?: UTC| LOC)?\s*$", part, re.MULTILINE)[:2]
            assert (mark, when) == (dumped_position(info.mark), dumped_time(info.time)), f"{path}: {label}"
        if "Patch Current Full Backup" in text:
            part = text.split("\nPatch Current Full Backup:\n", 1)[1]
            trailer = PatchHeader.parse(path.read_bytes()[-header.page_size :])
            assert field("Log Gen", part) == f"{trailer.bkinfo.gen_low}-{trailer.bkinfo.gen_high}"
            assert field("Log Required", part) == f"{trailer.gen_min_required}-{trailer.gen_max_required}"
            assert field("Mark", part, r"(.*?)\s*$") == dumped_position(trailer.bkinfo.mark)
            assert f"Log Committed: {trailer.gen_max_committed} (" in part
        else:
            flush = field("Database Header Flush Signature", text, r"(.*?)\s*$")
            assert flush == dumped_signature(header.sign_db_hdr_flush)
            flush = field("Flush Map Header Flush Signature", text, r"(.*?)\s*$")
            assert flush == dumped_signature(header.sign_flush_map_hdr_flush)
        compared += 1
    assert compared >= least
