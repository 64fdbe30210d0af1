"""What many keys share with a prefix or with each other, against the function for two."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.format.node import COMPRESSION_THRESHOLD, common_prefix, shared_with_prefix, shared_with_previous

KEYS = st.lists(st.text("ab", max_size=9).map(str.encode), max_size=12)


def worth(one: bytes, two: bytes) -> int:
    shared = common_prefix(one, two)
    return shared if shared > COMPRESSION_THRESHOLD else 0


@given(prefix=st.text("ab", max_size=9).map(str.encode), keys=KEYS)
def test_with_a_prefix(prefix: bytes, keys: list[bytes]) -> None:
    found = shared_with_prefix(prefix, keys)
    assert [each if each > COMPRESSION_THRESHOLD else 0 for each in found] == [worth(prefix, key) for key in keys]


@given(keys=KEYS)
def test_with_the_one_before(keys: list[bytes]) -> None:
    found = shared_with_previous(keys)
    expected = [0, *(worth(one, two) for one, two in itertools.pairwise(keys))][: len(keys)]
    assert [each if each > COMPRESSION_THRESHOLD else 0 for each in found] == expected
