from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from engine.event_table import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = re.compile(r"event (\d+) \((\w+)\) (\w+) cat=(\d+)")
OTHERS = {901, 5009}  # internal trace and revert snapshots: not ours
MORE_THAN_THEIRS = {215}  # ours adds the error


@pytest.mark.oracle
@pytest.mark.parametrize("group", ["backup", "restore"])
def test_table_agrees_with_what_the_real_engine_reported(oracle: Callable[[str], Path], group: str) -> None:
    checked = 0
    for path in oracle(group).rglob("*events*"):
        lines = path.read_text(errors="replace").splitlines()
        for head, strings in pairwise(lines):
            match = HEAD.match(head)
            if match is None or int(match[1]) in OTHERS:
                continue
            kind = EVENTS[int(match[1])]
            given = json.loads(strings.strip().removeprefix("strings="))[3:]
            assert kind.symbol == match[2]
            assert kind.severity.name.startswith(match[3].upper()[:4])
            assert int(match[4]) in kind.categories
            assert len(given) == len(kind.fields) - (kind.id in MORE_THAN_THEIRS)
            checked += 1
    assert checked > 100
