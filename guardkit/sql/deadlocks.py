"""Transactions that a server ended because they and others waited for one another. They have changed nothing, so they are done again.

Servers count on that: "Always be prepared to re-issue a transaction if it fails due to deadlock" (MySQL 8.0 Reference Manual, 17.7.5.3);
PostgreSQL says the same of retrying (documentation, 13.3.4).
"""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from guardkit.errors import GuardkitError

P = ParamSpec("P")
T = TypeVar("T")

_TIMES = 4
"""How often a transaction is tried in all."""

_PAUSE = 0.05
"""Seconds to wait at most before the next try, by chance, so that two do not meet again; twice as long each time."""

_MARIADB = 1213
"""`ER_LOCK_DEADLOCK`."""

_POSTGRES = "40P01"
"""`deadlock_detected`."""


def redone(call: Callable[P, T]) -> Callable[P, T]:
    """Do a call again whose transaction was ended by a deadlock. It does nothing but that transaction."""

    @wraps(call)
    def insisting(*args: P.args, **kwargs: P.kwargs) -> T:
        pause = _PAUSE
        for _ in range(_TIMES - 1):
            try:
                return call(*args, **kwargs)
            except GuardkitError as error:
                if not was_deadlock(error):
                    raise
            time.sleep(random.uniform(0, pause))  # noqa: S311  # spreads tries, guards nothing
            pause *= 2
        return call(*args, **kwargs)

    return insisting


def was_deadlock(error: BaseException | None) -> bool:
    """Whether a server's word of a deadlock is behind an error."""
    while error is not None:
        if isinstance(error, DBAPIError):
            said: Any = error.orig
            number = said.args[0] if said is not None and said.args else None
            return number == _MARIADB or getattr(said, "sqlstate", None) == _POSTGRES
        error = error.__cause__
    return False
