"""A whole life of an instance against plain Python: any work of three sessions, backups, restores, crashes, recoveries.

CRASH_ALL=1 takes many more and longer lives (`make crash`); the default is a share of them.
"""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.store.whole_backups import Backups
from tests.store.whole_points import Points

ALL: Final = bool(os.environ.get("CRASH_ALL"))
LIVES: Final = 500 if ALL else 20
STEPS: Final = 80 if ALL else 40


class Life(Points, Backups):
    """All of it."""


@pytest.mark.slow
def test_a_life_is_as_the_model_says() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=LIVES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
