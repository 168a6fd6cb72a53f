"""Processes of their own, each with the whole inbox over one database, for races and kills."""

from __future__ import annotations

import os
import signal
from typing import Any, Literal

from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance
from guardkit.core.replies import KeyedRequest, Reply
from guardkit.core.stages import ApprovalStage
from guardkit.core.tokens import token_id
from guardkit.runtime.desk import Desk
from guardkit.sql import Database, SQLStore
from tests.web.callers import Caller, Office
from tests.web.claims import SECOND, Claims

EITHER = ApprovalStage(
    groups=("claims-desk", "finance-desk"), channels=("desk",), assurance=Assurance.LOCAL_OPERATOR
)
Fault = Literal["none", "before-the-decision", "after-the-decision"]


class DyingStore(SQLStore):
    """A store whose process is killed at one point."""

    fault: Fault = "none"

    def settle(self, approval: Approval, expected_version: int, events: Any) -> bool:
        if self.fault == "before-the-decision":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().settle(approval, expected_version, events)

    def answered(self, request: KeyedRequest, owner: str, reply: Reply) -> bool:
        if self.fault == "after-the-decision":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().answered(request, owner, reply)


class SqlClaims(Claims):
    """A claims desk over a database."""

    store: Any

    def __init__(self, url: str, fault: Fault = "none") -> None:
        super().__init__()
        self.database = Database(url)
        self.store = DyingStore(self.database)
        self.store.fault = fault
        self.desk = Desk(self.store, self.people, self.signer)


def caller(claims: SqlClaims, text: str) -> Caller:
    """Somebody with a token that is there already."""
    found = claims.store.token(token_id(text) or "")
    assert found is not None
    return Caller(Office(claims), text, found)


def by_api(url: str, text: str, ids: list[str], barrier: Any, results: Any, name: str) -> None:
    """Decide on every approval with a token, each at the same moment as the others."""
    claims = SqlClaims(url)
    calls = caller(claims, text)
    for number, approval_id in enumerate(ids):
        approval = claims.store.find(approval_id)
        barrier.wait(60)
        answer = calls.decide(approval, f'"a-key-of-{name}-{number:08d}"')
        results.put((name, approval_id, answer.status_code, answer.text))
    claims.database.close()


def by_inbox(url: str, ids: list[str], barrier: Any, results: Any) -> None:
    """Decide on every approval in the inbox, as Ben, each at the same moment as the others."""
    claims = SqlClaims(url)
    visit = Office(claims).inbox.visit(SECOND)
    token = visit.form_token()
    for approval_id in ids:
        approval = claims.store.find(approval_id)
        barrier.wait(60)
        answer = visit.post(approval, "approve", token=token)
        results.put(("inbox", approval_id, answer.status_code, ""))
    claims.database.close()


def once(url: str, text: str, approval_id: str, key: str, fault: Fault, results: Any) -> None:
    """Decide once, and perhaps be killed meanwhile."""
    claims = SqlClaims(url, fault)
    approval = claims.store.find(approval_id)
    first = Approval.opened(approval.request)  # as it was shown, whatever has come of it since
    answer = caller(claims, text).decide(first, key)
    results.put((answer.status_code, answer.text))
    claims.database.close()
