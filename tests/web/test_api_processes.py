"""Several processes with the HTTP API and the inbox over one database: races, repetitions, kills."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text as sql

from guardkit.sql import upgrade
from tests.web import api_desks
from tests.web.api_desks import EITHER, Fault, SqlClaims
from tests.web.callers import Office
from tests.web.claims import FIRST

CONTEXT: Any = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.web.api_desks"])
RACES = 12


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def claims(url: str) -> Iterator[SqlClaims]:
    upgrade(url)
    made = SqlClaims(url)
    yield made
    made.database.close()


def started(target: Any, *args: Any) -> Any:
    process = CONTEXT.Process(target=target, args=args, daemon=True)
    process.start()
    return process


@pytest.mark.promise("P2", "P6")
@pytest.mark.timeout(300)
def test_two_who_decide_at_once_are_one_decision(url: str, claims: SqlClaims) -> None:
    """Ana with a token, twice over with the same key in two processes, and Ben in the inbox."""
    ids = [claims.ask(stages=(EITHER,)).request.id for _ in range(RACES)]
    text, _ = Office(claims).token(FIRST)
    barrier, results = CONTEXT.Barrier(3), CONTEXT.Queue()
    processes = [
        started(api_desks.by_api, url, text, ids, barrier, results, "ana"),
        started(api_desks.by_api, url, text, ids, barrier, results, "ana"),
        started(api_desks.by_inbox, url, ids, barrier, results),
    ]
    said = [results.get(timeout=120) for _ in range(3 * RACES)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    for approval_id in ids:
        (decision,) = claims.now(claims.store.find(approval_id)).decisions
        inbox = [status for name, of, status, _ in said if (name, of) == ("inbox", approval_id)]
        api = [(status, body) for name, of, status, body in said if (name, of) == ("ana", approval_id)]
        assert inbox == [303 if decision.person == "p-ben" else 409]
        kinds = {json.loads(body).get("type", "taken").rpartition(":")[2] for _, body in api}
        if decision.person == "p-ana":
            assert kinds <= {"taken", "in_progress"}
            assert "taken" in kinds
        else:
            assert kinds <= {"already_settled", "conflict", "in_progress"}
    decided = claims.audited("approval.decided")
    assert sorted(str(event["approval"]) for event in decided) == sorted(ids), "each was decided once"


@pytest.mark.promise("P2", "P12")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", ["before-the-decision", "after-the-decision"])
def test_a_process_that_is_killed_is_repeated_by_the_same_key(
    url: str, claims: SqlClaims, fault: Fault
) -> None:
    approval = claims.ask(stages=(EITHER,))
    text, _ = Office(claims).token(FIRST)
    results = CONTEXT.Queue()
    asked = (url, text, approval.request.id, '"a-key-that-outlives-a-process"')
    killed = started(api_desks.once, *asked, fault, results)
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert len(claims.now(approval).decisions) == (1 if fault == "after-the-decision" else 0)

    def again() -> tuple[int, dict[str, Any]]:
        process = started(api_desks.once, *asked, "none", results)
        status, body = results.get(timeout=60)
        process.join(60)
        return status, json.loads(body)

    status, problem = again()
    assert (status, problem["type"]) == (409, "urn:guardkit:problem:in_progress")
    engine = create_engine(url)
    with engine.begin() as connection:  # a minute goes by
        connection.execute(sql("UPDATE gk_api_replies SET held_until = held_until - 60000000"))
    engine.dispose()
    status, taken = again()
    assert (status, taken["state"], taken["version"]) == (200, "approved", 1)
    assert again() == (200, taken), "and it stays the answer"
    assert [said.person for said in claims.now(approval).decisions] == ["p-ana"]
    assert len(claims.audited("approval.decided")) == 1
