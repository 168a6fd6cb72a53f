"""The whole way: a run waits, the worker writes, a link decides, the worker goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import SecretStr
from starlette.testclient import TestClient

from guardkit import Guard, Keys, Principal
from guardkit.channels.email import Email
from guardkit.errors import ConfigurationError
from guardkit.testing import ScriptedModel, calls
from tests.unit.email_channel.desk import links
from tests.unit.email_channel.mailserver import MailServer
from tests.web.visits import URL, hidden

POLICY = """
policy: claims
version: "1"
owner: me@corp.example
directory: people.yaml
default: reject
tools:
  pay_claim: {otherwise: escalate, approval: desk}
approvals:
  desk:
    stages: [{approvers: {group: claims-desk}, channel: desk-mail, assurance: email_link}]
    expires_in: 8h
    on_expiry: reject
    valid_for: 30m
"""
PEOPLE = """
people:
  - {id: dana, name: Dana Reyes, email: dana@corp.example, groups: [claims-desk]}
  - {id: kim, email: kim@corp.example}
"""


def guarded(folder: Path, server: MailServer, paid: list[str], **options: Any) -> Guard:
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "people.yaml").write_text(PEOPLE)
    guard = Guard(
        f"sqlite:///{folder / 'guard.db'}",
        policy=folder / "policy.yaml",
        keys=Keys.generate().model_copy(update={"web_secret": SecretStr("w" * 40)}),
        channels={"desk-mail": Email("a@corp.example", host="127.0.0.1", port=server.port, security="none")},
        **{"decide_at": URL, **options},
    )

    @guard.effect
    def pay_claim(claim_id: str) -> str:
        """Pay a claim."""
        paid.append(claim_id)
        return "paid"

    def agent(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    model = ScriptedModel(calls(("pay_claim", {"claim_id": "C-1"})), "Done.")
    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([pay_claim]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    guard.compile(builder, name="claims")
    return guard


@pytest.mark.promise("P6", "P12")
def test_a_link_in_a_mail_lets_a_run_go_on(tmp_path: Path) -> None:
    paid: list[str] = []
    with MailServer() as server:
        guard = guarded(tmp_path, server, paid)
        config = guard.config("t-1", Principal(id="kim@corp.example"))
        guard.graphs["claims"].invoke({"messages": [("user", "Pay C-1.")]}, config)
        worker = guard.worker()
        assert asyncio.run(worker.once()).delivered == 1
        (to,) = server.recipients
        assert to == "dana@corp.example"
        path = urlsplit(links(server.mails[0])[0]).path
        dana = TestClient(guard.app(), base_url=URL, headers={"Sec-Fetch-Site": "same-origin"})
        page = dana.get(path)
        assert (page.status_code, paid) == (200, [])
        token = path.removeprefix("/mail/")
        form = {"token": token, "shown": hidden(page.text, "shown")}
        answer = dana.post("/mail/approve", data=form, follow_redirects=False)
        assert answer.status_code == 303
        assert asyncio.run(worker.once()).resumed == 1
        assert paid == ["C-1"]
        asyncio.run(worker.once())
        assert [mail["Subject"] for mail in server.mails] == [
            "Approval needed: Pay claim",
            "Pay claim: approved",
            "Pay claim: approved",
        ]
        assert server.recipients == ["dana@corp.example", "dana@corp.example", "kim@corp.example"]
        late = dana.post("/mail/reject", data={"token": token, "reason": "x"})
        assert late.status_code == 409
        assert "You approved it on" in late.text
        guard.database.close()


@pytest.mark.promise("P15")
def test_without_an_inbox_neither_worker_nor_inbox_starts(tmp_path: Path) -> None:
    with MailServer() as server:
        guard = guarded(tmp_path, server, [], decide_at=None)
        for start in (guard.worker, guard.app):
            with pytest.raises(ConfigurationError, match="decide_at"):
                start()
        guard.database.close()
