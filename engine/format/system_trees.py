"""The trees that every database has at the same pages under the same numbers, so that nothing needs to lead to them.

    1    system root             1 with its OE 2 and AE 3; everything else hangs on it
    2    MSysObjects             4..23, its indexes included: the catalog
    4    its index Name          7..9
    5    its index RootObjects   10..12
    3    MSysObjectsShadow       24..28
    6    MSysObjids              29, in a new database
    7    MSysLocales             30, in a new database

Source: database reference 4.6, 5.1, 5.2, 5.7.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class SystemTree(NamedTuple):
    """A tree: its number, its root page, the pages that it begins with."""

    objid: int
    root: int
    pages: int


SYSTEM_ROOT: Final = SystemTree(1, 1, 3)
CATALOG: Final = SystemTree(2, 4, 20)
SHADOW: Final = SystemTree(3, 24, 5)
NAME_INDEX: Final = SystemTree(4, 7, 3)
ROOT_OBJECTS_INDEX: Final = SystemTree(5, 10, 3)
OBJIDS: Final = SystemTree(6, 29, 1)
LOCALES: Final = SystemTree(7, 30, 1)

FIRST_USER_PAGE: Final = LOCALES.root + 1
"""Where a new database has its first table of a user."""
