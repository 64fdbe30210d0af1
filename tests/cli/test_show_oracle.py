"""`show --json` against the real engine's own header dumps: every field that a dump names is compared."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from esetui.cli.app import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIME = r"(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d\.\d{3}) (?:UTC|LOC)"
POSITION = r"\((0x[0-9A-Fa-f]+,[0-9A-Fa-f]+,[0-9A-Fa-f]+)\)"
STATES = {"Clean Shutdown": "clean_shutdown", "Dirty Shutdown": "dirty_shutdown", "Just Created": "just_created"}


def sections(dump: Path) -> Iterator[tuple[Path, str]]:
    """Yield each dumped file that is there, with its part of the dump, when the engine could read it."""
    folder = dump.with_name(dump.name.removesuffix("-headers.txt"))
    parts = re.split(r"^##### ", dump.read_text(encoding="latin-1"), flags=re.MULTILINE)[1:]
    for part in parts:
        name = re.match(r"(.*?)(?: \(\d+ bytes\))?$", part, re.MULTILINE)
        assert name is not None
        file = folder / name[1]
        if "DBUTIL_ERR 0" in part and file.is_file():
            yield file, part


def pick(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None


def when(text: str | None) -> str | None:
    if text is None or text.startswith("00/00/1900"):
        return None
    month, day, rest = text.split("/")
    year, clock = rest.split(" ")
    return f"{year}-{month}-{day}T{clock}Z"


def position(text: str | None) -> str | None:
    generation, segment, offset = (int(each, 16) for each in (text or "0,0,0").split(","))
    if not (generation or segment or offset):
        return None
    return f"{generation:08X}:{segment:04X}:{offset:04X}"


def signature(text: str, label: str) -> dict[str, Any] | None:
    found = re.search(rf"{label}: Create time:(\S+ \S+) Rand:(\d+)", text)
    assert found is not None
    made = {"random": int(found[2]), "created": when(found[1]), "computer": ""}
    return made if made["random"] or made["created"] else None


def backup(text: str, label: str) -> dict[str, Any] | None:
    found = re.search(
        rf"^{label} Backup:\s+Log Gen: (\d+)-(\d+) .*\n\s+Mark: {POSITION}\s+Mark: {TIME}",
        text,
        re.MULTILINE,
    )
    assert found is not None
    made = {
        "mark": position(found[3]),
        "time": when(found[4]),
        "gen_low": int(found[1]),
        "gen_high": int(found[2]),
    }
    return made if any(made.values()) else None


def expected_database(text: str) -> dict[str, Any]:
    version = re.search(r"Format ulVersion: (0x\w+),(\d+),(\d+) +\(attached by (\d+)\)", text)
    created = re.search(r"Created ulVersion: (0x\w+),(\d+)", text)
    required = re.search(r"Log Required: (\d+)-(\d+)", text)
    assert version is not None
    assert created is not None
    assert required is not None
    places = {
        name: re.search(rf"{label}: {POSITION}\s+{TIME}", text)
        for name, label in {
            "consistent": "Last Consistent",
            "attach": "Last Attach",
            "detach": "Last Detach",
            "last_reattach": "Last ReAttach",
        }.items()
    }
    fields: dict[str, Any] = {
        "magic": int(pick(r"Format ulMagic: (0x\w+)", text) or "", 16),
        "version": int(version[1], 16),
        "update_major": int(version[2]),
        "update_minor": int(version[3]),
        "efv_max_bin_attach": int(version[4]),
        "create_version": int(created[1], 16),
        "create_update": int(created[2]),
        "sign_db": signature(text, "DB Signature"),
        "sign_log": signature(text, "Log Signature"),
        "cb_page_size": int(pick(r"cbDbPage: (\d+)", text) or ""),
        "dbtime_dirtied": int(pick(r"^ +dbtime: (\d+)", text) or ""),
        "state": STATES[pick(r"State: (.*?)\s*$", text) or ""],
        "gen_min_required": int(required[1]),
        "gen_max_required": int(required[2]),
        "gen_max_committed": int(pick(r"Log Committed: \d+-(\d+)", text) or ""),
        "gen_min_consistent": int(pick(r"Log Consistent: (\d+)", text) or ""),
        "gen_recovering": int(pick(r"Log Recovering: (\d+)", text) or ""),
        "objid_last": int(pick(r"Last Objid: (\d+)", text) or ""),
        "repair_count": int(pick(r"^ +Repair Count: (\d+)", text) or ""),
        "dbid": int(pick(r"Dbid: (\d+)", text) or ""),
        "bkinfo_full_prev": backup(text, "Previous Full"),
        "bkinfo_inc_prev": backup(text, "Previous Incremental"),
        "bkinfo_copy_prev": backup(text, "Previous Copy"),
        "bkinfo_diff_prev": backup(text, "Previous Differential"),
        "bkinfo_full_cur": backup(text, "Current Full"),
        "lgpos_last_resize": position(pick(rf"Last Resize: {POSITION}", text)),
        "extend_count": int(pick(r"Extend Count: (\d+)", text) or ""),
        "logtime_last_extend": when(pick(rf"Extend Date: {TIME}", text)),
        "shrink_count": int(pick(r"Shrink Count: (\d+)", text) or ""),
        "trim_count": int(pick(r"Trim Count: (\d+)", text) or ""),
    }
    for name, found in places.items():
        assert found is not None, name
        fields[f"lgpos_{name}"] = position(found[1])
        fields[f"logtime_{name}"] = when(found[2])
    # A backup copy's dump shows the trailer's own flush signatures, which it has not.
    if "Patch Current" not in text:
        fields["sign_db_hdr_flush"] = signature(text, "Database Header Flush Signature")
        fields["sign_flush_map_hdr_flush"] = signature(text, "Flush Map Header Flush Signature")
    return fields


def expected_trailer(text: str) -> dict[str, Any] | None:
    part = text.partition("Patch Current Full Backup:")[2]
    if not part:
        return None
    required = re.search(r"Log Required: (\d+)-(\d+)", part)
    assert required is not None
    return {
        "bkinfo": backup(text, "Patch Current Full"),
        "gen_min_required": int(required[1]),
        "gen_max_required": int(required[2]),
        "gen_max_committed": int(pick(r"Log Committed: (\d+)", part) or ""),
        "logtime_gen_max_required": when(pick(rf"Gen. Max. Req. Creation Time: {TIME}", part)),
        "logtime_gen_max_committed": when(pick(rf"Gen. Max. Com. Creation Time: {TIME}", part)),
    }


def folder(path: str) -> str:
    """Return a path from `\\ese\\` on: the dumps spell the same folder with another drive."""
    return path[path.index("\\ese\\") :]


def expected_log(text: str) -> dict[str, Any]:
    databases = re.findall(
        rf"dbtime: (\d+).*\n\s+objidLast: (\d+)\n\s+Signature: .* Rand:(\d+).*\n\s+MaxDbSize: (\d+).*\n"
        rf"\s+Last Attach: {POSITION}\n\s+Last Consistent: {POSITION}",
        text,
    )
    version, built = re.search(r"Format LGVersion: \(([\d.]+)\) \(generated by (\d+)\)", text).groups()  # type: ignore[union-attr]
    return {
        "generation": int(pick(r"lGeneration: (\d+)", text) or ""),
        "created": when(pick(rf"creation time: {TIME}", text)),
        "previous_created": when(pick(rf"prev gen time: {TIME}", text)),
        "previous_checksum": int(pick(r"prev gen accumulated segment checksum: (0x\w+)", text) or "", 16),
        "version": version,
        "engine_version": int(built),
        "signature": signature(text, "Signature"),
        "system_path": folder(pick(r"Env SystemPath: (.*)$", text) or ""),
        "log_path": folder(pick(r"Env LogFilePath: (.*)$", text) or ""),
        "segment_size": int(pick(r"Env Log Sec size: (\d+)", text) or ""),
        "circular_now": pick(r"\(current file\): (\w+)", text) == "on",
        "circular_before": pick(r"\(past files\): (\w+)", text) == "on",
        "checkpoint": position(pick(rf"Checkpoint at log creation time: {POSITION}", text)),
        "databases": [
            (int(dbtime), int(objid), int(random), int(size), position(attach), position(consistent))
            for dbtime, objid, random, size, attach, consistent in databases
        ],
        "end": int((pick(rf"Last Lgpos: {POSITION}", text) or "0,0,0").split(",")[1], 16),
        "accumulated": int(pick(r"^ +Accumulated segment checksum: (0x\w+)", text) or "", 16),
    }


def shown_log(line: dict[str, Any]) -> dict[str, Any]:
    header, content = line["header"], line["content"]
    kept = ("generation", "created", "previous_created", "version", "engine_version", "signature", "segment_size")
    return {
        **{name: header[name] for name in kept},
        "previous_checksum": int(header["previous_checksum"], 16),
        "system_path": folder(header["dbms_param"]["system_path"]),
        "log_path": folder(header["dbms_param"]["log_path"]),
        "circular_now": bool(header["flags"] & 2),
        "circular_before": bool(header["flags"] & 4),
        "checkpoint": header["checkpoint"],
        "databases": [
            (
                each["dbtime"],
                each["objid_last"],
                each["sign_db"]["random"],
                each["cpg_max"],
                each["attach"],
                each["consistent"],
            )
            for each in header["attachments"]
        ],
        "end": content["last_valid_segment"] + 1,
        "accumulated": int(content["accumulated_checksum"], 16),
    }


def expected_checkpoint(text: str) -> dict[str, Any]:
    return {
        "last_full_backup_checkpoint": position(pick(rf"LastFullBackupCheckpoint: {POSITION}", text)),
        "checkpoint": position(pick(rf" Checkpoint: {POSITION}", text)),
        "db_consistency": position(pick(rf"DbConsistency: {POSITION}", text)),
        "full_backup": position(pick(rf" FullBackup: {POSITION}", text)),
        "full_backup_time": when(pick(rf" FullBackup time: {TIME}", text)),
        "incremental_backup": position(pick(rf" IncBackup: {POSITION}", text)),
        "incremental_backup_time": when(pick(rf" IncBackup time: {TIME}", text)),
        "signature": signature(text, "Signature"),
    }


def show(files: list[Path]) -> dict[str, dict[str, Any]]:
    done = CliRunner().invoke(cli, ["show", "--json", *map(str, files)])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [line for line in lines if line["type"] == "error"]
    return {line["path"]: line for line in lines}


@pytest.mark.oracle
@pytest.mark.parametrize("group", ["backup", "dirty", "restore"])
def test_every_field_that_the_engine_dumps(oracle: Callable[[str], Path], group: str) -> None:
    compared = {"database": 0, "trailer": 0, "log": 0, "checkpoint": 0}
    for dump in sorted(oracle(group).rglob("*-headers.txt")):
        parts = dict(sections(dump))
        lines = show(list(parts)) if parts else {}
        for file, text in parts.items():
            line = lines[str(file)]
            place = f"{dump.parent.name}/{dump.name}: {file.name}"
            if line["kind"] == "database":
                expected = expected_database(text)
                assert {name: line["header"][name] for name in expected} == expected, place
                trailer = expected_trailer(text)
                if trailer is not None:
                    assert {name: line["trailer"][name] for name in trailer} == trailer, place
                    compared["trailer"] += 1
            elif line["kind"] == "log":
                assert shown_log(line) == expected_log(text), place
            elif line["kind"] == "checkpoint":
                expected = expected_checkpoint(text)
                assert {name: line["header"][name] for name in expected} == expected, place
            else:
                continue
            compared[line["kind"]] += 1
    assert compared["database"] > 10
    assert compared["log"] > 10
    if group == "backup":
        assert compared["trailer"] > 10
