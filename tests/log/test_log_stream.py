"""Streams: what belongs to one, and whether its generations follow one another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader
from engine.format.names import LogNames
from engine.format.segment import build_segment
from engine.format.versions import LOG_VERSION_MAX
from engine.log.stream import LogStream, StreamFindingKind
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable

SEGMENTS = 8
FS = RealFileSystem()


def moment(second: int) -> LogTime:
    return LogTime(bytes((second, 2, 3, 4, 5, 126, 1, 0)))


class Folder:
    """A folder with a made stream: generations first .. last, the last one current."""

    def __init__(self, path: Path, names: LogNames, first: int, last: int, sign: int = 1) -> None:
        self.path = path
        self.names = names
        checksum = 0
        for generation in range(first, last + 1):
            header = LogHeader.create(
                generation=generation,
                file_segments=SEGMENTS,
                page_size=4096,
                created=moment(generation),
                previous_created=moment(generation - 1),
                previous_checksum=checksum,
                signature=Signature(sign, moment(0)),
                version=LOG_VERSION_MAX,
                engine_version=9600,
                dbms_param=DbmsParam(),
            )
            record = lr.Trace.create(f"generation {generation}").pack()
            blocks = [build_segment(record, generation, segment, moment(1)) for segment in (1, 2)]
            checksum = 0
            for block in blocks:
                checksum ^= int.from_bytes(block[:8], "little")
            data = (header.pack() + b"".join(blocks)).ljust(SEGMENTS * 4096, b"\0")
            name = names.current if generation == last else names.archive(generation)
            (path / name).write_bytes(data)

    def stream(self) -> LogStream:
        found = LogStream.find(FS, str(self.path), self.names.base)
        assert found is not None
        return found

    def findings(self, *, content: bool = True) -> list[tuple[StreamFindingKind, int | None]]:
        return [(each.kind, each.generation) for each in self.stream().check(content=content)]

    def change_header(self, name: str, **changes: object) -> None:
        path = self.path / name
        data = path.read_bytes()
        path.write_bytes(LogHeader.parse(data).replace(**changes).pack() + data[4096:])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, LogNames("edb"), 3, 6)


def test_a_whole_stream(folder: Folder) -> None:
    for name in ("edb.chk", "edbres00001.jrs", "edbRES00002.jrs", "edbtmp.log", "other.txt", "a.log"):
        (folder.path / name).write_bytes(b"")
    (folder.path / "edb00001.log").mkdir()
    stream = folder.stream()
    assert stream.generations == (3, 4, 5, 6)
    assert stream.current_generation == 6
    assert stream.missing == ()
    assert stream.names == LogNames("edb")
    assert stream.checkpoint == str(folder.path / "edb.chk")
    assert stream.temp == str(folder.path / "edbtmp.log")
    assert stream.temp_generation() is None
    assert [Path(path).name for path in stream.reserves] == ["edbres00001.jrs", "edbRES00002.jrs"]
    assert stream.path(4) == str(folder.path / "edb00004.log")
    assert stream.path(6) == str(folder.path / "edb.log")
    assert stream.path(7) is None
    assert folder.findings() == []
    texts = [each.record.text for each in stream.records() if isinstance(each.record, lr.Trace)]
    assert texts == [f"generation {generation}" for generation in (3, 4, 5, 6) for _ in range(2)]
    assert [each.pos for each in stream.records(LgPos(5, 2, 0))] == [
        LgPos(5, 2, 0),
        LgPos(6, 1, 0),
        LgPos(6, 2, 0),
    ]


@pytest.mark.parametrize("names", [LogNames("SRU", eight=True), LogNames("e00", ".jtx", eight=True)])
def test_other_names(tmp_path: Path, names: LogNames) -> None:
    made = Folder(tmp_path, names, 1, 3)
    assert made.stream().names == names
    assert made.findings() == []


def test_upper_case_on_a_case_sensitive_file_system(folder: Folder) -> None:
    for path in list(folder.path.iterdir()):
        path.rename(path.with_name(path.name.upper()))
    stream = folder.stream()
    assert stream.generations == (3, 4, 5, 6)
    assert stream.names.base == "EDB"
    assert list(stream.check()) == []


def test_nothing_there(tmp_path: Path) -> None:
    assert LogStream.find(FS, str(tmp_path)) is None
    assert LogStream.find(FS, str(tmp_path), "edb") is None
    (tmp_path / "app.log").write_text("not a log of ours")
    (tmp_path / "edb.chk").write_bytes(b"")
    assert LogStream.find_all(FS, str(tmp_path)) == []
    assert LogStream.find(FS, str(tmp_path), "edb") is None
    with pytest.raises(EseError):
        LogStream.find(FS, str(tmp_path / "absent"))


def test_a_stream_whose_headers_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "edb.log").write_bytes(bytes(8192))
    (tmp_path / "edb00001.log").write_bytes(b"short")
    stream = LogStream.find(FS, str(tmp_path), "edb")
    assert stream is not None
    assert stream.header is None
    assert stream.signature is None
    found = list(stream.check())
    assert [(each.kind, each.generation, each.code) for each in found] == [
        (StreamFindingKind.UNREADABLE, None, Err.LogFileCorrupt),
        (StreamFindingKind.UNREADABLE, 1, Err.LogFileCorrupt),
    ]


def test_several_streams(folder: Folder) -> None:
    Folder(folder.path, LogNames("SRU"), 1, 2, sign=2)
    with pytest.raises(EseError) as caught:
        LogStream.find(FS, str(folder.path))
    assert caught.value.code == Err.InvalidParameter
    bases = [each.names.base for each in LogStream.find_all(FS, str(folder.path))]
    assert bases == ["SRU", "edb"]
    foreign = [each for each in folder.stream().findings if each.kind is StreamFindingKind.FOREIGN_BASE]
    assert sorted(Path(each.path or "").name for each in foreign) == ["SRU.log", "SRU00001.log"]


def test_thousands_of_unrelated_files(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:03x}{'.log' if number % 2 else '00001.txt'}").write_bytes(b"text")
    Folder(tmp_path, LogNames("edb"), 1, 2)
    (found,) = LogStream.find_all(FS, str(tmp_path))
    assert found.generations == (1, 2)


def test_gaps(folder: Folder) -> None:
    (folder.path / "edb00004.log").unlink()
    (folder.path / "edb00005.log").unlink()
    stream = folder.stream()
    assert stream.missing == ((4, 5),)
    assert folder.findings() == [(StreamFindingKind.MISSING, 4)]
    with pytest.raises(EseError) as caught:
        list(stream.records())
    assert (caught.value.code, caught.value.generation) == (Err.MissingLogFile, 4)


def test_an_immense_gap_costs_nothing(folder: Folder) -> None:
    path = folder.path / "edb7FFFF000.log"
    shutil.copy(folder.path / "edb00005.log", path)
    folder.change_header(path.name, generation=0x7FFFF000)
    stream = folder.stream()
    assert stream.missing == ((7, 0x7FFFEFFF),)
    assert StreamFindingKind.ABOVE_CURRENT in [kind for kind, _ in folder.findings()]


def test_no_current_log(folder: Folder) -> None:
    (folder.path / "edb.log").unlink()
    stream = folder.stream()
    assert (stream.current, stream.current_generation) == (None, None)
    assert stream.header is not None
    assert stream.header.generation == 5
    assert stream.generations == (3, 4, 5)


def test_the_log_in_preparation_is_not_part_of_it(folder: Folder) -> None:
    (folder.path / "edb00003.log").rename(folder.path / "edbtmp.log")
    stream = folder.stream()
    assert stream.generations == (4, 5, 6)
    assert stream.temp_generation() == 3
    assert folder.findings() == []


def test_foreign_signature(folder: Folder) -> None:
    folder.change_header("edb00004.log", signature=Signature(99, moment(0)))
    stream = folder.stream()
    found = list(stream.check())
    assert [(each.kind, each.generation, each.code) for each in found] == [
        (StreamFindingKind.FOREIGN, 4, Err.BadLogSignature),
    ]
    with pytest.raises(EseError, match="-530"):
        stream.open(4)


def test_wrong_generation_in_the_header(folder: Folder) -> None:
    shutil.copy(folder.path / "edb00003.log", folder.path / "edb00004.log")
    assert (StreamFindingKind.WRONG_GENERATION, 4) in folder.findings()
    with pytest.raises(EseError, match="-513"):
        folder.stream().open(4)


def test_broken_link(folder: Folder) -> None:
    folder.change_header("edb00005.log", previous_created=moment(50))
    found = list(folder.stream().check())
    assert [(each.kind, each.generation, each.code, each.event_id) for each in found] == [
        (StreamFindingKind.BROKEN_LINK, 5, Err.InvalidLogSequence, 567),
    ]
    with pytest.raises(EseError, match="-515"):
        list(folder.stream().records())


def test_broken_checksum_chain(folder: Folder) -> None:
    folder.change_header("edb00005.log", previous_checksum=1)
    found = list(folder.stream().check())
    assert [(each.kind, each.generation, each.code, each.event_id) for each in found] == [
        (StreamFindingKind.CHECKSUM_CHAIN, 5, Err.LogSequenceChecksumMismatch, 543),
    ]
    assert folder.findings(content=False) == []
    old = LOG_VERSION_MAX._replace(update_major=5, update_minor=12)
    folder.change_header("edb00005.log", version=old)
    assert folder.findings() == []


def test_a_lost_last_segment_breaks_the_chain(folder: Folder) -> None:
    path = folder.path / "edb00004.log"
    data = bytearray(path.read_bytes())
    data[8192:12288] = bytes(4096)
    path.write_bytes(data)
    assert folder.findings() == [(StreamFindingKind.CHECKSUM_CHAIN, 5)]


def test_another_size(folder: Folder) -> None:
    folder.change_header("edb00004.log", file_segments=9)
    assert (StreamFindingKind.OTHER_SIZE, 4) in folder.findings(content=False)


def test_one_generation_twice(folder: Folder) -> None:
    shutil.copy(folder.path / "edb00004.log", folder.path / "edb00000004.log")
    assert folder.findings() == [(StreamFindingKind.DUPLICATE, 4)]
    assert folder.stream().path(4) == str(folder.path / "edb00004.log")


def test_damage_and_what_can_be_put_right(folder: Folder) -> None:
    for name, at, data in (("edb00004.log", 4096 + 500, b"\x01"), ("edb00005.log", 4096 + 500, b"\x03")):
        path = folder.path / name
        changed = bytearray(path.read_bytes())
        changed[at : at + 1] = data
        path.write_bytes(changed)
    assert folder.findings() == [(StreamFindingKind.CORRECTED, 4), (StreamFindingKind.CORRUPT, 5)]


def streams_below(root: Path) -> list[LogStream]:
    return [stream for folder, _, _ in os.walk(root) for stream in LogStream.find_all(FS, folder)]


@pytest.mark.corpus
def test_windows_streams_chain(corpus: Path) -> None:
    found = {Path(each.folder).name: each for each in streams_below(corpus)}
    assert sorted(found) == ["srum-win10-clean", "srum-win10-dirty", "srum-win10-small", "srum-win11-clean"]
    for stream in found.values():
        assert list(stream.check()) == []
        assert stream.missing == ()
    assert found["srum-win10-clean"].generations == tuple(range(0x19, 0x21))
    assert found["srum-win10-clean"].temp_generation() == 0x18
    assert found["srum-win11-clean"].temp_generation() == 3
    assert found["srum-win10-dirty"].temp_generation() is None
    assert len(found["srum-win10-small"].reserves) == 2


@pytest.mark.oracle
def test_oracle_streams_chain(oracle: Callable[[str], Path]) -> None:
    streams = [stream for group in ("dirty", "backup", "restore") for stream in streams_below(oracle(group))]
    wrong = {}
    for stream in streams:
        kinds = {each.kind for each in stream.check()}
        if kinds:
            wrong[stream.folder] = kinds
    assert len(streams) > 200
    damaged = ("corrupt-log", "missing-log", "err-missing-middle")
    assert all(any(word in folder for word in damaged) for folder in wrong)
    assert set().union(*wrong.values()) == {
        StreamFindingKind.MISSING,
        StreamFindingKind.CORRUPT,
        StreamFindingKind.UNREADABLE,
    }
