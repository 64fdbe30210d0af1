"""Versioned operations on the nodes of a tree, as a session's transaction does them.

    conflict    an insert says -1605, whoever else is at the key; all others say -1102
    insert      a node of that key that is there: -1605 (-1411 where key and data name the node); one that is marked
                deleted comes back to life: FlagInsertAndReplaceData where keys are unique, else FlagInsert
    replace     delete, delta, lock: -1017 when the transaction sees no such node

Versions are made of what `engine.recovery.replay` makes of the same records.
Source: log reference 3.3, 3.4; jet-api reference 3.2, 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.lr import Oper
from engine.format.node import NodeFlags
from engine.store import trees
from engine.store.versions import LiveVersion, conflicts, visible

if TYPE_CHECKING:
    from engine.store.doing import TreeRef
    from engine.store.search import Place
    from engine.store.transactions import StoreSession
    from engine.store.versions import Bookmark, Transaction

_DELETED: Final = int(NodeFlags.DELETED)
_INSERT: Final = int(Oper.INSERT)
_PRE_INSERT: Final = int(Oper.PRE_INSERT)
_REPLACE: Final = int(Oper.REPLACE)
_FLAG_DELETE: Final = int(Oper.FLAG_DELETE)
_DELTA: Final = int(Oper.DELTA)
_DELTA64: Final = int(Oper.DELTA64)
_WRITE_LOCK: Final = int(Oper.WRITE_LOCK)


def insert(session: StoreSession, tree: TreeRef, key: bytes, data: bytes) -> None:
    """Insert a node.  -1605 or -1411 when there is one or may come one, -1069 version store full."""
    trx = session.writable()
    versions, unique = session.versions, tree.unique
    mark = b"" if unique else data
    with session.journal.latch:
        tree.pages.maintain()
        head = versions.head(tree, key if unique else (key, data))
        if head is not None and conflicts(head, trx, _PRE_INSERT):
            raise _error(Err.KeyDuplicate, tree, "another transaction has the key")
        size = versions.reserve(trx, key, mark)
        place = trees.descend(tree, key, mark)
        if place.exact:
            _bring_back(session, trx, tree, place, key, data, size)
            return
        version = LiveVersion(trx, tree, versions.next_rceid(), _INSERT, key, data, size)
        trees.insert(session, tree, place, key, data, rceid=version.rceid, versioned=True)
        session.wrote(version)


def _bring_back(
    session: StoreSession, trx: Transaction, tree: TreeRef, place: Place, key: bytes, data: bytes, size: int
) -> None:
    """Insert over a node that is marked deleted."""
    versions = session.versions
    page = place.page
    flags, _, _, before = page.node(place.line)
    if not flags & _DELETED:
        raise _error(Err.KeyDuplicate if tree.unique else Err.MultiValuedIndexViolation, tree, "the key is there")
    version = LiveVersion(trx, tree, versions.next_rceid(), _INSERT, key, data, size)
    if not tree.unique:
        trees.flag_insert(session, tree, place, rceid=version.rceid, versioned=True)
        session.wrote(version)
        return
    rooms, rceid = versions.rooms, versions.next_rceid()
    replaced = LiveVersion(trx, tree, rceid, _REPLACE, key, b"", versions.reserve(trx, key, b"", len(before)))
    if versions.rooms != rooms:
        place = trees.descend(tree, key)
        if not place.exact:
            raise _error(Err.VersionStoreOutOfMemory, tree, "the node went while room was made; try again")
    replaced.before, replaced.size_after, replaced.pgno = before, len(data), place.page.pgno
    trees.flag_insert_and_replace(
        session, tree, place, data, rceid=version.rceid, rceid_replace=replaced.rceid, versioned=True
    )
    session.wrote(version)
    _wrote_over(session, replaced)


def replace(session: StoreSession, tree: TreeRef, key: bytes, data: bytes) -> None:
    """Replace the data of a node of a tree with unique keys.  -1017 no such node, -1102 conflict, -1069."""
    trx = session.writable()
    versions = session.versions
    with session.journal.latch:
        tree.pages.maintain()
        place, size = _own_node(session, trx, tree, key, b"", _REPLACE)
        before = place.page.data(place.line)
        version = LiveVersion(trx, tree, versions.next_rceid(), _REPLACE, key, b"", size)
        version.before, version.size_after, version.pgno = before, len(data), place.page.pgno
        trees.replace(session, tree, place, data, rceid=version.rceid, versioned=True)
        _wrote_over(session, version)


def delete(session: StoreSession, tree: TreeRef, key: bytes, data: bytes = b"") -> None:
    """Delete a node; `data` names it too where keys are not unique.  -1017 no such node, -1102 conflict, -1069."""
    trx = session.writable()
    versions = session.versions
    with session.journal.latch:
        tree.pages.maintain()
        place, size = _own_node(session, trx, tree, key, data, _FLAG_DELETE)
        version = LiveVersion(trx, tree, versions.next_rceid(), _FLAG_DELETE, key, data, size)
        version.pgno = place.page.pgno
        trees.flag_delete(session, tree, place, rceid=version.rceid, versioned=True)
        _wrote_over(session, version)


def delta(session: StoreSession, tree: TreeRef, key: bytes, offset: int, amount: int, *, wide: bool = False) -> None:
    """Add to the signed 4 (or with `wide` 8) bytes at `offset` of a node's data; deltas of several sessions commute.

    -1017 no such node, -1102 conflict with another operation, -1069.
    """
    trx = session.writable()
    versions = session.versions
    with session.journal.latch:
        tree.pages.maintain()
        oper = _DELTA64 if wide else _DELTA
        place, size = _own_node(session, trx, tree, key, b"", oper)
        version = LiveVersion(trx, tree, versions.next_rceid(), oper, key, b"", size)
        version.delta, version.offset = amount, offset
        trees.delta(session, tree, place, offset, amount, rceid=version.rceid, versioned=True, wide=wide)
        session.wrote(version)


def lock(session: StoreSession, tree: TreeRef, key: bytes, data: bytes = b"") -> None:
    """Keep others from changing a node until the transaction ends.  -1102 conflict, -1069."""
    trx = session.writable()
    versions = session.versions
    with session.journal.latch:
        tree.pages.maintain()
        if conflicts(versions.head(tree, key if tree.unique else (key, data)), trx, _WRITE_LOCK):
            raise _conflict(tree)
        size = versions.reserve(trx, key, b"" if tree.unique else data)
        version = LiveVersion(trx, tree, versions.next_rceid(), _WRITE_LOCK, key, data, size)
        session.wrote(version)


def get(session: StoreSession, tree: TreeRef, key: bytes, data: bytes = b"") -> bytes | None:
    """Return the data of a node as the session sees it, None when it sees no such node."""
    with session.journal.latch:
        tree.pages.maintain()
        place = trees.descend(tree, key, data)
        if not place.exact:
            return None
        flags, _, _, present = place.page.node(place.line)
        bookmark: Bookmark = key if tree.unique else (key, data)
        head = session.versions.head(tree, bookmark)
        return visible(head, session.trx, session.snapshot, deleted=flags & _DELETED, data=present)


def _own_node(
    session: StoreSession, trx: Transaction, tree: TreeRef, key: bytes, data: bytes, oper: int
) -> tuple[Place, int]:
    """Return the place of a node that the transaction may change by `oper`, and the size of the version of that."""
    versions = session.versions
    place = _seek(session, trx, tree, key, data, oper)
    rooms = versions.rooms
    size = versions.reserve(trx, key, data, len(place.page.data(place.line)) if oper == _REPLACE else -1)
    if versions.rooms != rooms:
        # What makes room removes nodes, so the place may be another one now.
        place = _seek(session, trx, tree, key, data, oper)
    return place, size


def _seek(session: StoreSession, trx: Transaction, tree: TreeRef, key: bytes, data: bytes, oper: int) -> Place:
    place = trees.descend(tree, key, data)
    if not place.exact:
        raise _error(Err.RecordDeleted, tree, "there is no such node")
    if conflicts(session.versions.head(tree, key if tree.unique else (key, data)), trx, oper):
        raise _conflict(tree)
    if place.page.node(place.line)[0] & _DELETED:
        raise _error(Err.RecordDeleted, tree, "the node is deleted")
    return place


def _wrote_over(session: StoreSession, version: LiveVersion) -> None:
    """Take a version whose before-image is not in the log yet."""
    session.wrote(version)
    version.image_due = True
    version.tree.pages.pin_image(version)


def _conflict(tree: TreeRef) -> EseError:
    return _error(Err.WriteConflict, tree, "another transaction has changed the node")


def _error(code: int, tree: TreeRef, detail: str) -> EseError:
    return EseError.from_code(code, f"{detail} (tree of page {tree.root})", path=tree.pages.path)
