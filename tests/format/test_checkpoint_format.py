"""The checkpoint file: two copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format.attachinfo import AttachInfo
from engine.format.checkpoint import Checkpoint, read_checkpoint
from engine.format.checksum import set_header_checksum
from engine.format.dbms_param import DbmsParam
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGN = Signature(4711, LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0))))
POS = LgPos(7, 1, 0)


def a_checkpoint() -> Checkpoint:
    return Checkpoint.create(checkpoint=POS, signature=SIGN, dbms_param=DbmsParam(sessions=3))


def test_what_is_written_is_read() -> None:
    entry = AttachInfo.create(1, "a.edb", SIGN, attach=LgPos(1, 1, 0x268))
    made = Checkpoint.create(
        checkpoint=POS,
        signature=SIGN,
        dbms_param=DbmsParam(),
        db_consistency=LgPos(7, 16, 0),
        attachments=(entry,),
    )
    data = made.pack_file()
    assert len(data) == 8192
    read = read_checkpoint(data, signature=SIGN)
    assert (read.copy, read.problems, read.copies_differ) == (1, (), False)
    assert read.checkpoint.replace(raw=made.raw) == made
    assert read.checkpoint.attachments_valid
    assert read.checkpoint.db_consistency == LgPos(7, 16, 0)
    assert data[12:20] == POS.pack()
    assert data[667] == 4
    assert data[679] == 1


def test_an_empty_list_is_a_list() -> None:
    made = Checkpoint.create(checkpoint=POS, signature=SIGN, dbms_param=DbmsParam(), attachments=())
    assert made.attachments_valid
    assert not a_checkpoint().attachments_valid


@pytest.mark.parametrize("at", [0, 100, 680, 4095])
def test_one_damaged_copy(at: int) -> None:
    data = bytearray(a_checkpoint().pack_file())
    data[at] ^= 0x5A
    read = read_checkpoint(bytes(data))
    assert read.copy == 2
    assert [problem.offset for problem in read.problems] == [0]
    data = bytearray(a_checkpoint().pack_file())
    data[4096 + at] ^= 0x5A
    read = read_checkpoint(bytes(data))
    assert read.copy == 1
    assert [problem.offset for problem in read.problems] == [4096]


@pytest.mark.parametrize("data", [b"", bytes(8192), bytes(100), a_checkpoint().pack()[:4095]])
def test_both_copies_bad(data: bytes) -> None:
    with pytest.raises(EseError) as caught:
        read_checkpoint(data, path="x.chk")
    assert caught.value.code == Err.CheckpointCorrupt
    assert caught.value.path == "x.chk"


def test_a_copy_of_which_the_second_was_never_written() -> None:
    assert read_checkpoint(a_checkpoint().pack()).copy == 1


def test_a_writer_that_died_between_the_copies() -> None:
    newer = a_checkpoint().replace(checkpoint=LgPos(8, 1, 0))
    read = read_checkpoint(newer.pack() + a_checkpoint().pack())
    assert read.copies_differ
    assert read.checkpoint.checkpoint == LgPos(8, 1, 0)


def test_foreign_stream() -> None:
    with pytest.raises(EseError) as caught:
        read_checkpoint(a_checkpoint().pack_file(), signature=Signature(1))
    assert caught.value.code == Err.BadCheckpointSignature


def test_foreign_file_type() -> None:
    page = bytearray(a_checkpoint().pack())
    page[667] = 3
    set_header_checksum(page)
    with pytest.raises(EseError, match="-533"):
        read_checkpoint(bytes(page) * 2)


def test_attach_list_that_leaves_its_area() -> None:
    entry = AttachInfo.create(1, "a.edb", SIGN, attach=POS)
    page = bytearray(a_checkpoint().replace(attachments=(entry,)).pack())
    page[681:683] = b"\xff\xff"
    set_header_checksum(page)
    with pytest.raises(EseError) as caught:
        read_checkpoint(bytes(page) * 2)
    assert (caught.value.code, caught.value.offset) == (Err.CheckpointCorrupt, 679 + 64)


def check_real(folder: Path) -> int:
    found = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".chk", ".jcp"):
            continue
        data = path.read_bytes()
        read = read_checkpoint(data, path=path)
        assert (read.copy, read.problems, read.copies_differ) == (1, (), False)
        assert read.checkpoint.pack_file() == data
        assert read.checkpoint.db_consistency >= read.checkpoint.checkpoint
        found += 1
    return found


@pytest.mark.corpus
def test_real_checkpoints_of_windows(corpus: Path) -> None:
    assert check_real(corpus) == 4


@pytest.mark.oracle
@pytest.mark.parametrize(("group", "least"), [("dirty", 40), ("backup", 40), ("restore", 25)])
def test_real_checkpoints_of_the_oracle(oracle: Callable[[str], Path], group: str, least: int) -> None:
    assert check_real(oracle(group)) >= least
