"""What others did to a table while a transaction filled an index of it, brought into the index.

An index is filled with the rows that its transaction sees.  Others go on meanwhile; what they commit is kept by the
version store as long as that transaction is open.  When it has the table for itself, each row that has a change by
others since it began loses the entries it had then and gets those it has now.

These entries are changes of the transaction, taken back with it.  It sees them as it sees the rows, as work of others:
so its own view of the index stays that of its snapshot, and everybody who begins after its commit sees the newest.

Source: log reference 2.3; jet-api reference 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.format.lr import Oper
from engine.store import nodes
from engine.store.rows import Rows
from engine.store.versions import LiveVersion

if TYPE_CHECKING:
    from engine.build.index_keys import KeyMaker
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession
    from engine.store.versions import Transaction

_CHANGES: Final = (Oper.INSERT, Oper.REPLACE, Oper.FLAG_DELETE)
"""Changes after which a row may have other keys; escrow columns are in no key."""


def changed_since(session: StoreSession, tree: TreeRef) -> dict[bytes, Transaction]:
    """Return the keys of a table's rows that others have changed and the session does not see, and who did it last.

    For who has the table for itself: all of them are committed.
    """
    found: dict[bytes, Transaction] = {}
    with session.journal.latch:
        for head in session.versions.chains(tree).values():
            version: LiveVersion | None = head
            while version is not None:
                owner = version.trx
                if owner is not session.trx and owner.commit >= session.snapshot and version.oper in _CHANGES:
                    found[version.key] = owner
                    break
                version = version.older
    return found


def catch_up(session: StoreSession, shared: Shared, rows: Rows, tree: TreeRef, maker: KeyMaker) -> int:
    """Bring a new index to the newest state of its table, which the session has for itself; return the rows touched.

    -1605 when two rows have one key of a unique index now, -1069 when the version store is full.
    """
    changed = changed_since(session, rows.tree)
    if not changed:
        return 0
    newest = shared.system_session()
    newest.begin(read_only=True)
    try:
        after = Rows(newest, shared, rows.table)
        going, coming = [], []
        for bookmark in changed:
            old, new = _keys(rows, maker, bookmark), _keys(after, maker, bookmark)
            going += [(key, bookmark) for key in old - new]
            coming += [(key, bookmark) for key in new - old]
    finally:
        newest.rollback()
    written = session.writable().written
    mark = len(written)
    # All that goes first: a key of a unique index may have come to another row.
    for key, bookmark in sorted(going):
        nodes.delete(session, tree, key, bookmark)
    for key, bookmark in sorted(coming):
        nodes.insert(session, tree, key, bookmark)
    others = next(iter(changed.values()))
    with session.journal.latch:
        for change in written[mark:]:
            if isinstance(change, LiveVersion):
                change.trx = others
    return len(changed)


def _keys(rows: Rows, maker: KeyMaker, bookmark: bytes) -> set[bytes]:
    """Return the keys that a row has in the index, as a session sees it; none when it sees no such row."""
    record = nodes.get(rows.session, rows.tree, bookmark)
    return set() if record is None else set(maker.keys(rows.raw(record, maker.needed)))
