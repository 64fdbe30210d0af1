"""Names of the files of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format.names import FolderNames, LogNames, NameKind, StreamName, detect_names

if TYPE_CHECKING:
    from pathlib import Path


def test_names_of_the_default_style() -> None:
    names = LogNames("edb")
    assert names.current == "edb.log"
    assert names.temp == "edbtmp.log"
    assert names.checkpoint == "edb.chk"
    assert names.reserves == ("edbres00001.jrs", "edbres00002.jrs")
    assert names.archive(1) == "edb00001.log"
    assert names.archive(0xABCDE) == "edbABCDE.log"
    assert names.archive(0x100000) == "edb00100000.log"


def test_names_of_the_modern_style() -> None:
    names = LogNames.from_legacy_bits("SRU", 0)
    assert (names.current, names.checkpoint, names.temp) == ("SRU.jtx", "SRU.jcp", "SRUtmp.jtx")
    assert names.archive(0x1F) == "SRU0000001F.jtx"


@pytest.mark.parametrize("bits", range(4))
def test_legacy_bits_round_trip(bits: int) -> None:
    assert LogNames.from_legacy_bits("edb", bits).legacy_bits == bits


@pytest.mark.parametrize("generation", [0, -1, 0x7FFFFA01])
def test_generations_without_a_name(generation: int) -> None:
    with pytest.raises(EseError) as caught:
        LogNames("edb").archive(generation)
    assert caught.value.code == Err.LogSequenceEnd


@pytest.mark.parametrize("base", ["", "ed", "edbx", "a/b", "a\\b", "a\0b", "a\nb", "a*b", "..:"])
def test_base_names_that_cannot_be(base: str) -> None:
    with pytest.raises(EseError) as caught:
        LogNames(base)
    assert caught.value.code == Err.InvalidParameter


def test_an_extension_that_cannot_be() -> None:
    with pytest.raises(EseError, match="-1003"):
        LogNames("edb", ".txt")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("edb.log", StreamName(NameKind.CURRENT)),
        ("EDB.LOG", StreamName(NameKind.CURRENT)),
        ("edbtmp.log", StreamName(NameKind.TEMP)),
        ("edb.chk", StreamName(NameKind.CHECKPOINT)),
        ("edb.jsl", StreamName(NameKind.SHADOW)),
        ("edbres00001.jrs", StreamName(NameKind.RESERVE)),
        ("edbRES00002.jrs", StreamName(NameKind.RESERVE)),
        ("edbres1.log", StreamName(NameKind.RESERVE)),
        ("edb0001f.log", StreamName(NameKind.ARCHIVE, 0x1F, 5)),
        ("edb0000001F.log", StreamName(NameKind.ARCHIVE, 0x1F, 8)),
        ("edb00000.log", None),
        ("edbFFFFFFFF.log", None),
        ("edb001F.log", None),
        ("edb0001G.log", None),
        ("edb٠٠٠٠١.log", None),  # noqa: RUF001 - digits, but not the right ones
        ("edb0001F.jtx", None),
        ("edb.jtx", None),
        ("edb.log.bak", None),
        ("xedb.log", None),
        ("", None),
        ("SRU.log", None),
    ],
)
def test_parse(name: str, expected: StreamName | None) -> None:
    assert LogNames("edb").parse(name) == expected


def test_other_spellings_are_found() -> None:
    folder = FolderNames(["srures00002.jrs", "SRU.LOG", "SRU0001f.log", "sru.log", "note.txt"])
    names = LogNames("SRU")
    assert folder.actual("SRUres00002.jrs") == "srures00002.jrs"
    assert folder.actual("SRU.log") == "SRU.LOG"
    assert folder.actual("sru.log") == "sru.log"
    assert folder.actual("SRU.chk") is None
    assert folder.archive(names, 0x1F) == "SRU0001f.log"
    assert folder.archives(names) == {0x1F: "SRU0001f.log"}
    assert folder.clashes() == [("SRU.LOG", "sru.log")]


def test_both_digit_counts_of_one_generation() -> None:
    folder = FolderNames(["edb00002.log", "edb00000002.log", "edb00000003.log", "edb00001.log"])
    assert folder.archives(LogNames("edb")) == {1: "edb00001.log", 2: "edb00002.log", 3: "edb00000003.log"}
    assert folder.archives(LogNames("edb", eight=True))[2] == "edb00000002.log"


def test_styles_are_detected() -> None:
    assert detect_names(["SRU.log", "SRU0001F.log", "SRU.chk"]) == [LogNames("SRU")]
    assert detect_names(["edb.log", "edb0000001F.log"]) == [LogNames("edb", eight=True)]
    assert detect_names(["edb.log", "edb0000001F.log", "edb0001E.log"]) == [LogNames("edb")]
    assert detect_names(["edb.log", "edb00100000.log"]) == [LogNames("edb")]
    assert detect_names(["e00.jtx", "e000001F.jtx", "e00tmp.jtx"]) == [LogNames("e00", ".jtx")]
    assert detect_names(["edb.jcp"]) == [LogNames("edb", ".jtx")]
    assert detect_names(["sru0001.txt", "messages.log", "a.log"]) == []
    assert detect_names(["app.log", "V01.log"]) == [LogNames("app"), LogNames("V01")]


def test_the_pair_with_the_current_log_wins() -> None:
    names = ["edb.jtx", "edb00001.log", "edb00002.log", "edb00003.log"]
    assert detect_names(names) == [LogNames("edb", ".jtx")]
    assert detect_names([*names[1:], "edb00004.jtx"]) == [LogNames("edb")]


def test_the_spelling_of_the_current_log_wins() -> None:
    assert detect_names(["SRU00001.log", "sru.log"]) == [LogNames("sru")]


def test_names_with_odd_characters() -> None:
    assert detect_names(["a\nb.log", 'x"y.log', "é^~.log"]) == [LogNames("é^~")]


@pytest.mark.corpus
def test_real_folders(corpus: Path) -> None:
    for folder in ("srum-win10-clean", "srum-win10-dirty", "srum-win10-small", "srum-win11-clean"):
        listing = [entry.name for entry in (corpus / folder).iterdir()]
        assert detect_names(listing) == [LogNames("SRU")]
        kinds = [parsed.kind for name in listing if (parsed := LogNames("SRU").parse(name))]
        assert kinds.count(NameKind.CURRENT) == kinds.count(NameKind.CHECKPOINT) == 1
        assert len(kinds) == len(listing) - 2  # the database and its flush map
