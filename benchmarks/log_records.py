"""Log records: decoding, packing, and reading a whole log with its scan.

    python benchmarks/log_records.py [--segments N] [--rounds N] [--json]

Makes a log of `--segments` segments full of Insert, Replace, Begin and Commit records in a temporary folder; each
figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader
from engine.format.segment import SEGMENT_PAYLOAD, SEGMENT_SIZE, build_segment
from engine.format.versions import LOG_VERSION_MAX
from engine.log.reader import LogFile
from engine.types import LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable


def sample_records() -> list[bytes]:
    """Return what fills one segment: the mix of a table under inserts."""
    node = (5, 1, 40, 1000, 999, 16, 1, 7, 5, 77, 33, 9)
    mix: list[lr.Record] = [
        lr.Begin0(5, 0x10, 16),
        lr.Insert(*node, b"pre", b"suffix of the key", bytes(90)),
        lr.Insert(*node, b"", b"key of an index entry", bytes(5)),
        lr.Replace(*node, 40, 40, bytes(40)),
        lr.Commit0(5, 0, 20),
    ]
    packed = [record.pack() for record in mix]
    filling: list[bytes] = []
    room = SEGMENT_PAYLOAD
    while len(packed[len(filling) % len(packed)]) <= room:
        filling.append(packed[len(filling) % len(packed)])
        room -= len(filling[-1])
    return filling


def write_log(path: Path, segments: int, records: list[bytes]) -> None:
    """Write a full log."""
    now = LogTime()
    header = LogHeader.create(
        generation=1,
        file_segments=segments + 2,
        page_size=4096,
        created=now,
        signature=Signature(1),
        version=LOG_VERSION_MAX,
        engine_version=9600,
        dbms_param=DbmsParam(),
    )
    body = b"".join(records)
    with path.open("wb") as file:
        file.write(header.pack())
        for segment in range(1, segments + 1):
            file.write(build_segment(body, 1, segment, now))
        file.write(bytes(SEGMENT_SIZE))


def median(work: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of `work`."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def read_log(path: str) -> int:
    """Scan and read a log; return the number of its records."""
    with LogFile.open(RealFileSystem(), path) as log:
        return sum(1 for _ in log.records())


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    raw = sample_records()
    decoded = [lr.decode(each) for each in raw]
    repeat = 200
    count = len(raw) * repeat
    decode = median(lambda: [lr.decode_at(each, 0, len(each)) for _ in range(repeat) for each in raw], options.rounds)
    pack = median(lambda: [each.pack() for _ in range(repeat) for each in decoded], options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edb.log"
        write_log(path, options.segments, raw)
        records = read_log(str(path))
        whole = median(lambda: read_log(str(path)), options.rounds)
        megabytes = path.stat().st_size / 1e6
    figures = {
        "decode_us_per_record": round(decode / count * 1e6, 2),
        "pack_us_per_record": round(pack / count * 1e6, 2),
        "read_us_per_record": round(whole / records * 1e6, 2),
        "read_records": records,
        "read_megabytes_per_second": round(megabytes / whole, 1),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value:>12}")


if __name__ == "__main__":
    main()
