"""What a column of a row can be: a value, several, nothing, or a value that cannot be read.

    None                                null, or absent without default
    bool int float str bytes UUID       by type
    datetime                            DateTime columns (UTC); a float where the number is no date
    tuple                               several values, and any number of them in a multi-valued column
    Unreadable                          a value that is damaged, or packed in a way that is not read

Source: jet-api reference 6.4.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from engine.errors import EseError, error_name


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands where a value should be: the engine's error for it, why, and the stored bytes as far as there are any."""

    code: int
    detail: str
    stored: bytes = b""

    @classmethod
    def of(cls, error: EseError, stored: bytes = b"") -> Unreadable:
        """Return the stand-in for a value that met an error."""
        return cls(error.code, error.message, stored)

    @property
    def name(self) -> str:
        """Name of the error, such as JET_errDecompressionFailed."""
        return error_name(self.code)

    def error(self) -> EseError:
        """Return the error again."""
        return EseError.from_code(self.code, self.detail)

    def __str__(self) -> str:
        return f"<{self.name}: {self.detail}>"


Scalar: TypeAlias = bool | int | float | str | bytes | datetime | uuid.UUID
Value: TypeAlias = "Scalar | Unreadable | tuple[Value, ...] | None"
"""A column of a row."""
