"""A log verified while it is copied."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader, LogHeaderExpectation
from engine.format.segment import build_partial_segment, build_segment
from engine.format.versions import LOG_VERSION_MAX
from engine.log.verify import CorrectedSegment, LogCopyVerifier, verify_log_for_copy
from engine.types import LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))
SIGN = Signature(4711, TIME)
NOISE = random.Random(2).randbytes(4096)  # noqa: S311 - the same noise each time


def a_log() -> bytearray:
    """Header, two full segments, a partial one with its shadow, an older one, zeros."""
    header = LogHeader.create(
        generation=5,
        file_segments=12,
        page_size=4096,
        created=TIME,
        signature=SIGN,
        version=LOG_VERSION_MAX,
        engine_version=9600,
        dbms_param=DbmsParam(),
    )
    data = header.pack() + b"".join(build_segment(b"\x17" * 4056, 5, segment, TIME) for segment in (1, 2))
    data += build_partial_segment(b"\x17", 5, 3, TIME) + build_segment(b"\x17", 3, 5, TIME)
    return bytearray(data.ljust(12 * 4096, b"\0"))


def feed(data: bytearray, step: int = 4096 * 12, **known: int) -> tuple[list[CorrectedSegment], bytearray]:
    verifier = LogCopyVerifier("edb.log", len(data), generation=known.get("generation"))
    corrected = []
    for at in range(0, len(data), step):
        corrected += verifier.feed(memoryview(data)[at : at + step])
    assert verifier.complete
    return corrected, data


def failure(data: bytearray, **known: int) -> EseError:
    with pytest.raises(EseError) as caught:
        feed(data, **known)
    assert caught.value.path == "edb.log"
    return caught.value


@pytest.mark.parametrize("step", [4096, 8192, 3 * 4096, 12 * 4096])
def test_a_good_log_in_any_steps(step: int) -> None:
    assert feed(a_log(), step) == ([], a_log())


@pytest.mark.parametrize(("segment", "bit"), [(1, 64), (2, 500), (3, 4096 * 8 - 1), (4, 700), (5, 900)])
@pytest.mark.parametrize("step", [4096, 12 * 4096])
def test_one_wrong_bit_is_put_right_in_the_copy(segment: int, bit: int, step: int) -> None:
    data = a_log()
    data[segment * 4096 + bit // 8] ^= 1 << bit % 8
    corrected, data = feed(data, step)
    assert corrected == [CorrectedSegment(segment, segment * 4096, bit)]
    assert data == a_log()


@pytest.mark.parametrize("segment", [1, 2, 3, 4, 5, 6, 11])
def test_damage(segment: int) -> None:
    data = a_log()
    data[segment * 4096 + 1000 : segment * 4096 + 3000] = NOISE[:2000]
    error = failure(data)
    assert (error.code, error.generation, error.segment) == (Err.LogReadVerifyFailure, 5, segment)
    assert (error.offset, error.event_id) == (segment * 4096, 552)
    assert error.stored != error.computed


def test_a_segment_in_a_wrong_place() -> None:
    data = a_log()
    data[4096:8192] = data[8192:12288]
    assert failure(data).segment == 1


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 12 * 4096 - 1])
def test_sizes_that_cannot_be(size: int) -> None:
    error = failure(a_log()[:size])
    assert error.code == Err.LogReadVerifyFailure


def test_a_wrong_header() -> None:
    data = a_log()
    data[100] ^= 1
    error = failure(data)
    assert (error.code, error.segment) == (Err.LogReadVerifyFailure, 0)
    assert failure(bytearray(12 * 4096)).code == Err.LogReadVerifyFailure


def test_another_log() -> None:
    assert feed(a_log(), generation=5)[0] == []
    assert failure(a_log(), generation=6).code == Err.LogGenerationMismatch
    verifier = LogCopyVerifier("edb.log", 12 * 4096, expect=LogHeaderExpectation(signature=Signature(1)))
    with pytest.raises(EseError, match="-530"):
        verifier.feed(a_log())


def test_more_than_the_file_has() -> None:
    verifier = LogCopyVerifier("edb.log", 8192)
    with pytest.raises(EseError, match="-612"):
        verifier.feed(a_log())
    with pytest.raises(EseError, match="-612"):
        verifier.feed(bytearray(100))


def test_header_alone() -> None:
    verifier = LogCopyVerifier("edb.log", 4096)
    assert verifier.feed(a_log()[:4096]) == []
    assert verifier.complete
    assert verifier.header is not None
    assert verifier.header.generation == 5


def verify_all(folder: Path) -> tuple[int, dict[str, int]]:
    fs = RealFileSystem()
    good, bad = 0, {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".log", ".jtx") or path.stem.lower().endswith("tmp"):
            continue
        with fs.open(str(path)) as file:
            try:
                assert verify_log_for_copy(file) == []
                good += 1
            except EseError as error:
                bad[str(path.relative_to(folder))] = error.code
    return good, bad


@pytest.mark.corpus
def test_logs_of_windows(corpus: Path) -> None:
    assert verify_all(corpus) == (24, {})


@pytest.mark.oracle
def test_logs_of_the_oracle(oracle: Callable[[str], Path]) -> None:
    good, bad = verify_all(oracle("backup"))
    assert good > 500
    assert set(bad.values()) == {Err.LogReadVerifyFailure}
    assert all("corrupt-log" in name for name in bad)
