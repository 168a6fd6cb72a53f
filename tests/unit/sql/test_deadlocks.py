"""What is taken for a deadlock, and how often a transaction is tried."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from guardkit.errors import AuditError, GuardkitError, StorageError
from guardkit.sql.deadlocks import redone, was_deadlock


class ServerSaysError(Exception):
    """What a driver raises: MySQL's number comes first, PostgreSQL's code is an attribute."""

    sqlstate: str | None = None


def fault(orig: ServerSaysError, kind: type[GuardkitError] = StorageError) -> GuardkitError:
    try:
        raise kind("it failed") from OperationalError("UPDATE", {}, orig)
    except GuardkitError as error:
        return error


def by_code(code: str) -> ServerSaysError:
    said = ServerSaysError("deadlock detected")
    said.sqlstate = code
    return said


DEADLOCKS = [
    fault(ServerSaysError(1213, "Deadlock found when trying to get lock")),
    fault(by_code("40P01")),
    fault(by_code("40P01"), AuditError),
]
OTHERS = [
    fault(ServerSaysError(1205, "Lock wait timeout exceeded")),
    fault(ServerSaysError(2006, "Server has gone away")),
    fault(by_code("57P01")),
    fault(ServerSaysError()),
    StorageError("it failed"),
]


@pytest.mark.parametrize("error", DEADLOCKS, ids=["mariadb", "postgresql", "in the audit log"])
def test_a_deadlock_is_tried_again_until_it_is_told(error: GuardkitError) -> None:
    assert was_deadlock(error)
    tries: list[int] = []

    @redone
    def call(until: int) -> str:
        tries.append(until)
        if len(tries) < until:
            raise error
        return "done"

    assert call(3) == "done"
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(type(error)):
        call(9)
    assert len(tries) == 4


@pytest.mark.parametrize("error", OTHERS, ids=["lock wait", "gone", "shut down", "nothing said", "no driver"])
def test_everything_else_is_told_at_once(error: GuardkitError) -> None:
    tries: list[int] = []

    @redone
    def call() -> None:
        tries.append(1)
        raise error

    with pytest.raises(StorageError):
        call()
    assert len(tries) == 1
