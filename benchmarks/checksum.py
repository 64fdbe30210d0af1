"""Page checksums, and `verify` against reading the same file.

    python benchmarks/checksum.py [--size MIB] [--rounds N] [--json]

Part one verifies hot batches of 1 and 4 MiB for each page size, beside a plain copy of the same buffer.  Part two
makes a database-shaped file of `--size` MiB in a temporary folder and alternates, in one process, between
reading it in 1 MiB chunks and verifying it; the ratio is that of the medians.  The goal is at most 2.0.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.format.checksum import set_batch_checksums, verify_batch, verify_page
from engine.format.dbheader import DatabaseHeader, DbState
from engine.format.node import SpaceFlags, SpaceHeader
from engine.format.page import WRITABLE_PAGE_SIZES, PageFlags, page_offset
from engine.format.page_builder import PageBuilder
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
READ_CHUNK = MIB
PAGE_SIZES = (4096, 32768)
HOT_ROUNDS = 40


class Hot(NamedTuple):
    """Gigabytes a second on a hot batch: all pages verified, and the buffer just copied."""

    page_size: int
    batch_mib: int
    verify: float
    copy: float


class Cold(NamedTuple):
    """Median seconds of reading and of verifying one file."""

    page_size: int
    mib: int
    read: float
    verify: float

    @property
    def ratio(self) -> float:
        """How many times longer verifying takes."""
        return self.verify / self.read


def random_pages(page_size: int, size: int, first_pgno: int = 1) -> bytearray:
    """Return `size` bytes of pages with random content and right checksums."""
    generator = np.random.default_rng(first_pgno)
    pages = bytearray(generator.integers(0, 256, size, dtype=np.uint8).tobytes())
    set_batch_checksums(pages, first_pgno, page_size)
    return pages


def best(action: Callable[[], object], rounds: int) -> float:
    """Return the shortest of several runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_hot() -> list[Hot]:
    """Measure part one."""
    results = []
    for page_size in WRITABLE_PAGE_SIZES:
        for mib in (1, 4):
            pages = random_pages(page_size, mib * MIB)
            copy = bytearray(len(pages))
            assert verify_batch(pages, 1, page_size).ok  # noqa: S101 - a wrong answer is not worth timing
            verified = best(lambda pages=pages, size=page_size: verify_batch(pages, 1, size), HOT_ROUNDS)  # type: ignore[misc]
            copied = best(lambda pages=pages, copy=copy: copy.__setitem__(slice(None), pages), HOT_ROUNDS)  # type: ignore[misc]
            results.append(Hot(page_size, mib, len(pages) / verified / 1e9, len(pages) / copied / 1e9))
    return results


def measure_single() -> dict[int, float]:
    """Return the microseconds that one page takes by itself, by page size."""
    results = {}
    for page_size in WRITABLE_PAGE_SIZES:
        page = bytes(random_pages(page_size, page_size))
        results[page_size] = best(lambda page=page: verify_page(page, 1), 500) * 1e6  # type: ignore[misc]
    return results


def make_file(path: Path, page_size: int, mib: int) -> None:
    """Write a file whose header, system root and space are those of a clean database, and whose pages are random."""
    pages = mib * MIB // page_size
    header = DatabaseHeader.create(page_size, state=DbState.CLEAN_SHUTDOWN, dbid=1)
    space = SpaceHeader(pages, 0, SpaceFlags.NONE, 0)
    root = PageBuilder(page_size, 1, 1, PageFlags.ROOT | PageFlags.LEAF, external=space.pack())
    with path.open("wb") as file:
        file.write(header.pack() * 2)
        first = 1
        while first <= pages:
            count = min(pages - first + 1, 4 * MIB // page_size)
            file.write(random_pages(page_size, count * page_size, first))
            first += count
        file.seek(page_offset(1, page_size))
        file.write(root.build(dbtime=1))
        # Writing back must not go on while the reader is measured.
        file.flush()
        os.fsync(file.fileno())


def read_all(path: Path) -> int:
    """Read a file in 1 MiB chunks; return its size."""
    total = 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(READ_CHUNK):
            total += len(data)
    return total


def measure_file(path: Path, page_size: int, mib: int, rounds: int) -> Cold:
    """Measure part two on one file, reading and verifying in turn."""
    reads, verifies = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        read_all(path)
        between = time.perf_counter()
        report = verify(path, kind="database")
        verifies.append(time.perf_counter() - between)
        reads.append(between - start)
        if not report.ok or report.units != mib * MIB // page_size:
            raise SystemExit(f"the file should be clean: {report.findings[:3]}")
    return Cold(page_size, mib, statistics.median(reads), statistics.median(verifies))


def main() -> None:
    """Print both parts as tables, or as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the file in part two")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of part two")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    hot, single = measure_hot(), measure_single()
    cold = []
    with tempfile.TemporaryDirectory() as folder:
        for page_size in PAGE_SIZES:
            path = Path(folder) / f"bench{page_size}.edb"
            make_file(path, page_size, options.size)
            cold.append(measure_file(path, page_size, options.size, options.rounds))
            path.unlink()
    if options.json:
        files = [{**each._asdict(), "ratio": each.ratio} for each in cold]
        print(json.dumps({"hot": [each._asdict() for each in hot], "single_us": single, "file": files}))
        return
    print("page size   batch   verify     copy")
    for each in hot:
        print(f"{each.page_size:9}   {each.batch_mib} MiB   {each.verify:4.1f} GB/s {each.copy:5.1f} GB/s")
    print("one page by itself: " + ", ".join(f"{size}: {each:.0f} us" for size, each in single.items()))
    for result in cold:
        print(
            f"{result.mib} MiB, {result.page_size}-byte pages: read {result.read:.3f} s, "
            f"verify {result.verify:.3f} s, ratio {result.ratio:.2f}"
        )


if __name__ == "__main__":
    main()
