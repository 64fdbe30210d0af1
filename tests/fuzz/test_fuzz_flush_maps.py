"""Flush maps damaged at random: findings or none, in bounded time, and no lost write without a reason."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Err
from engine.format.checksum import set_batch_checksums, set_header_checksum
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE
from engine.verify import verify
from tests.flush_maps import PAGE_SIZE, Srum

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "100"))
MOST_SECONDS = 5.0
"""Of one example; a hang would be far beyond, a loaded machine hardly."""


@pytest.fixture
def srum(corpus: Path, tmp_path: Path) -> Srum:
    return Srum.copy(corpus, tmp_path / "srum")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 2**32))
def test_any_flush_map(srum: Srum, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - what is drawn must be the same in each run
    whole_map, whole_database = srum.map.read_bytes(), srum.database.read_bytes()
    data = bytearray(whole_map)
    try:
        for _ in range(rng.choice((1, 3, 40))):
            start = rng.choice((0, 36, FLUSH_MAP_PAGE_SIZE, FLUSH_MAP_PAGE_SIZE + 64))
            data[rng.randrange(start, min(len(data), start + rng.choice((8, 90, 4000))))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        elif rng.random() < 0.2:
            data += rng.randbytes(rng.randrange(20000))
        right = rng.random() < 0.7
        if right:
            pages = bytearray(data[FLUSH_MAP_PAGE_SIZE : len(data) // FLUSH_MAP_PAGE_SIZE * FLUSH_MAP_PAGE_SIZE])
            set_batch_checksums(pages, 0, FLUSH_MAP_PAGE_SIZE)
            data[FLUSH_MAP_PAGE_SIZE : FLUSH_MAP_PAGE_SIZE + len(pages)] = pages
            if len(data) >= FLUSH_MAP_PAGE_SIZE:
                header = data[:FLUSH_MAP_PAGE_SIZE]
                set_header_checksum(header)
                data[:FLUSH_MAP_PAGE_SIZE] = header
        srum.map.write_bytes(data)
        if rng.random() < 0.5:
            srum.write_page(rng.randrange(1, 300), rng.choice((bytes(PAGE_SIZE), rng.randbytes(PAGE_SIZE))))
        began = time.monotonic()
        report = verify(srum.database)
        assert time.monotonic() - began < MOST_SECONDS
        lost = [each for each in report.findings if each.code == Err.ReadLostFlushVerifyFailure and not each.warning]
        if lost and whole_database == srum.database.read_bytes():
            assert right, "a map page whose checksum is wrong was believed"
    finally:
        srum.map.write_bytes(whole_map)
        srum.database.write_bytes(whole_database)
