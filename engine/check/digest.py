"""Two multisets compared without keeping either: sums of hashes, in buckets.

What is expected is added, what is found is taken away; a multiset that agrees leaves zero everywhere.  Each item goes
to one of 1024 buckets by its hash, so that a second walk has to keep only the items of the buckets that do not
agree.  Hashes have 128 bits: that two different multisets agree by chance is out of the question.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_BUCKETS: Final = 1024
_HASH_BYTES: Final = 16
MOST_KEPT: Final = 200_000
"""Items that a second walk keeps at most."""


def item_hash(one: bytes, two: bytes = b"") -> int:
    """Return the hash of a pair; the length of the first part counts, so that the border between them does."""
    return int.from_bytes(blake2b(b"%d:%b%b" % (len(one), one, two), digest_size=_HASH_BYTES).digest(), "little")


class Digest:
    """The difference of two multisets."""

    def __init__(self) -> None:
        self._sums = [0] * _BUCKETS
        self.added = 0
        self.taken = 0

    def add(self, one: bytes, two: bytes = b"", count: int = 1) -> None:
        """Count an expected item."""
        number = item_hash(one, two)
        self._sums[number % _BUCKETS] += number * count
        self.added += count

    def take(self, one: bytes, two: bytes = b"", count: int = 1) -> None:
        """Count a found item."""
        number = item_hash(one, two)
        self._sums[number % _BUCKETS] -= number * count
        self.taken += count

    @property
    def equal(self) -> bool:
        """Whether nothing is missing and nothing is too many."""
        return not any(self._sums)

    def suspects(self) -> Suspects:
        """Return which items a second walk should keep: as many buckets as memory allows."""
        differing = [bucket for bucket, total in enumerate(self._sums) if total]
        most = max(1, MOST_KEPT * _BUCKETS // max(1, self.added + self.taken))
        return Suspects(frozenset(differing[:most]), complete=len(differing) <= most)


class Suspects:
    """The items of the buckets that do not agree; `complete` unless there are too many to keep."""

    def __init__(self, buckets: frozenset[int], *, complete: bool) -> None:
        self._buckets = buckets
        self.complete = complete

    def holds(self, one: bytes, two: bytes = b"") -> bool:
        """Whether an item should be kept."""
        return item_hash(one, two) % _BUCKETS in self._buckets
