"""Times as callers are told them."""

from datetime import UTC, datetime


def moment(at: float) -> datetime:
    """Seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(at, UTC)
