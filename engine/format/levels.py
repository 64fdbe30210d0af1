"""Format levels (updateMajor of version 0x620) from which a database has something that older engines do not know.

None of it is written into a database of a lower level.
Source: database reference 1.3, 2.6, 5.1, 5.7, 6.5; log reference 2.2.
"""

from __future__ import annotations

from typing import Final

ROOT_COUNTER_LEVEL: Final = 30
"""The root of a table has its auto-increment counter."""
WIDE_ESCROW_LEVEL: Final = 60
"""An escrow column may have 8 bytes."""
LID64_LEVEL: Final = 70
"""Long values have ids of 8 bytes."""
NEW_PAGE_LEVEL: Final = 90
"""Pages that trees get are announced in the log."""
LAST_SET_TIME_LEVEL: Final = 230
"""The catalog knows when a tree was made (PgnoFDPLastSetTime)."""
KEY_VALUE_STORE_2_LEVEL: Final = 250
"""MSysLocales is of the second version of key-value stores."""
