"""Lengths of time as people read them."""

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
"""Letters and their seconds, largest first."""


def format_duration(seconds: float) -> str:
    """Whole days, hours, minutes and seconds, e.g. `1h30m`; fractions of a second are dropped."""
    rest = int(seconds)
    parts: list[str] = []
    for letter, unit in UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"
