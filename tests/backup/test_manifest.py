"""backup.json: what it holds, and that nothing odd gets through."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backup.manifest import (
    BackupEntry,
    DatabaseEntry,
    FileEntry,
    build_on,
    decode,
    encode,
    mark_of,
    signature_of,
    signature_text,
    utc,
)
from engine.errors import EseError
from engine.types import LgPos, Signature

WHEN = datetime(2026, 1, 31, 12, 0, 0, 1000, tzinfo=UTC)


def entry(**changes: Any) -> BackupEntry:
    made = BackupEntry(
        id="0" * 32,
        kind="full",
        instance="prod",
        started=WHEN,
        finished=WHEN,
        log_signature="00" * 28,
        base_name="edb",
        first_generation=3,
        last_generation=4,
        mark=(3, 11, 2770),
        files=(
            FileEntry("a.edb", "database", 4096 * 20, 7, pages=20),
            FileEntry("edb00003.log", "log", 65536, 8, generation=3),
            FileEntry("edb00004.log", "log", 65536, 9, generation=4),
            FileEntry("a.pat", "patch", 0, 0),
        ),
        databases=(DatabaseEntry("a.edb", "/data/a.edb", "00" * 28, 4096, 17),),
    )
    return msgspec.structs.replace(made, **changes)


def test_what_is_written_is_read_back() -> None:
    found = decode(encode((entry(),)))
    assert found.backups == (entry(),)
    assert found.program.startswith("esetui ")
    assert mark_of(found.backups[0]) == LgPos(3, 11, 2770)


def test_it_is_readable_json_with_a_schema() -> None:
    data = json.loads(encode((entry(),)))
    assert data["schema"] == 1
    assert [each["name"] for each in data["backups"][0]["files"]] == ["a.edb", "edb00003.log", "edb00004.log", "a.pat"]


def test_a_chain_links_each_backup_to_the_one_before() -> None:
    data = build_on(None, entry())
    for number in (1, 2):
        data = build_on(data, entry(id=str(number) * 32, kind="incremental", databases=(), files=()))
    assert [each.parent for each in decode(data).backups] == [None, "0" * 32, "1" * 32]


def test_the_last_entry_that_names_a_file_counts() -> None:
    again = FileEntry("edb00004.log", "log", 65536, 77, generation=4)
    data = build_on(encode((entry(),)), entry(id="1" * 32, kind="incremental", databases=(), files=(again,)))
    files = decode(data).current_files()
    assert files["edb00004.log"].crc32c == 77
    assert files["edb00003.log"].crc32c == 8


def test_an_incremental_backup_may_begin_a_manifest() -> None:
    """It does where the full backup was made by the real engine, which writes none."""
    assert decode(build_on(None, entry(kind="incremental", databases=()))).backups[0].parent is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "zz"},
        {"kind": "copy"},
        {"log_signature": "00"},
        {"files": (FileEntry("../etc/passwd", "log", 1, 1, generation=3),)},
        {"files": (FileEntry("a/b", "database", 1, 1),)},
        {"files": (FileEntry("..", "database", 1, 1),)},
        {"files": (FileEntry("nul\0", "database", 1, 1),)},
        {"files": (FileEntry("", "database", 1, 1),)},
        {"files": (FileEntry("a.edb", "database", -1, 1),)},
        {"files": (FileEntry("a.edb", "database", 1, 1 << 32),)},
        {"files": (FileEntry("a.edb", "database", 1, 1, generation=3),)},
        {"files": (FileEntry("e.log", "log", 1, 1),)},
        {"files": (FileEntry("e.log", "log", 1, 1, generation=9),)},
        {"files": (FileEntry("a", "patch", 0, 0), FileEntry("a", "patch", 0, 0))},
        {"started": WHEN.replace(tzinfo=None)},
        {"parent": "f" * 32},
        {"mark": (1, 2)},
        {"first_generation": -1},
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EseError) as caught:
        decode(encode((entry(**changes),)))
    assert "manifest" in caught.value.message


def test_entries_out_of_place_are_refused() -> None:
    for second in (entry(id="1" * 32), entry(kind="incremental")):
        with pytest.raises(EseError):
            decode(encode((entry(), second)))
    with pytest.raises(EseError):
        decode(encode(()))


def test_another_schema_and_damage_are_refused() -> None:
    data = encode((entry(),))
    for bad in (
        b"",
        b"null",
        data[:-30],
        data.replace(b'"schema":1', b'"schema":2'),
        data.replace(b"prod", b"test"),
        data.replace(b"edb00003", b"edb00009"),
        b"[" * 200_000,
    ):
        with pytest.raises(EseError):
            decode(bad, path="/x/backup.json")


def test_fields_of_later_programs_are_passed_over() -> None:
    data = json.loads(encode((entry(),)))
    data["later"] = {"anything": 1}
    text = encode((entry(),)).decode().replace('"program"', '"later":[1,2],"program"').encode()
    assert decode(text).backups == (entry(),)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_typed_error(data: bytes) -> None:
    with pytest.raises(EseError):
        decode(data)


@given(st.data())
def test_any_damage_gives_a_typed_error_or_the_same(data: st.DataObject) -> None:
    good = encode((entry(),))
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(bad))
    except EseError:
        return
    assert found.backups == (entry(),), "damage outside the checked part only"


def test_small_helpers() -> None:
    signature = Signature(7)
    assert signature_of(signature_text(signature)) == signature
    assert utc(datetime(2026, 1, 1, microsecond=1999, tzinfo=UTC)).microsecond == 1000
