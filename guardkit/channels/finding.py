"""What looking at a channel's settings finds."""

from typing import Literal

from guardkit.core.values import Value


class Finding(Value):
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    subject: str
    """What, e.g. `token`, `scopes`, `conversation`, `clock`."""

    message: str
    remedy: str | None = None
