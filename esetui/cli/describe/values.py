"""Values of rows as text and as JSON.

    JSON     numbers, texts, null; bytes in lower-case hex, times in ISO 8601 (UTC), GUIDs canonical, several values an
             array, a value that cannot be read an object with `error`, `code` and `detail`
    text     the same without quotes; nothing for null, several values as a JSON array

Numbers that JSON does not know are texts: "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from engine.table import Unreadable


def when_text(when: datetime) -> str:
    """Return a time in UTC, in ISO 8601; a fraction only if there is one."""
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def _default(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return when_text(value)
    if isinstance(value, Unreadable):
        return {"error": value.name, "code": value.code, "detail": value.detail}
    return str(value)


def finite(value: Any) -> Any:
    """Return a value, or a mapping of them, with the numbers that JSON lacks as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, tuple | list):
        return [finite(each) for each in value]
    return {name: finite(each) for name, each in value.items()} if isinstance(value, dict) else value


_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_default)


def json_text(value: Any) -> str:
    """Return a value, or a mapping of them, as JSON in pure ASCII on one line."""
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        text = _ENCODER.encode(finite(value))
    return text.replace("\x7f", "\\u007f")


def value_text(value: Any) -> str:
    """Return a value as text; control characters are left as they are."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | datetime):
        return str(_default(value))
    return json_text(value) if isinstance(value, tuple | dict) else str(value)
