"""Places in lists as opaque text, for links and callers."""

import base64
import re
from collections.abc import Sequence

from guardkit.core.digest import canonical, parse
from guardkit.core.values import Json
from guardkit.errors import CanonicalError

_FORM = re.compile(r"[A-Za-z0-9_-]{1,3000}", re.ASCII)

LATEST = 2**53
"""Microseconds since the epoch that no place is beyond."""


def written(said: Sequence[Json]) -> str:
    """What is said of a place, as a cursor."""
    return base64.urlsafe_b64encode(canonical([*said])).decode().rstrip("=")


def read(cursor: str) -> Sequence[Json] | None:
    """What a cursor says, or `None` when it is none. What is said may still mean nothing."""
    if not _FORM.fullmatch(cursor):
        return None
    try:
        said = parse(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), path="cursor")
    except (CanonicalError, ValueError):
        return None
    return said if isinstance(said, list) else None
