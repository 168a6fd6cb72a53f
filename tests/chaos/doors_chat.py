"""The addresses of messengers: Slack by HTTP and by Socket Mode, and Teams."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from hypothesis import strategies as st

from guardkit.core.ports import Store
from guardkit.testing.slack import SlackServer
from tests.chaos.doors import NOWHERE, Door, Sender, decided, swapped, web
from tests.chaos.mutations import Shot, documents, encoded, forms, packed, requests, values
from tests.unit.slack.captured import Taken
from tests.unit.slack.office import Office
from tests.unit.teams.desk import ANA, BEN, OBJECT_IDS, TeamsDesk
from tests.unit.teams.microsoft import Microsoft

FORM = ("content-type", "application/x-www-form-urlencoded")
SIGNATURE, TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"


class _InSlack(Door):
    """A question in a local Slack, and payloads about it."""

    def __init__(self, store: Store, slack: SlackServer, **settings: Any) -> None:
        super().__init__(store)
        self._slack = slack
        self._office = Office(slack, store=store, **settings)
        self._taken = Taken(self._office)

    def payloads(self, sender: Sender) -> st.SearchStrategy[Any]:
        """Payloads of such a sender, changed."""
        office = self._office
        names: dict[Sender, dict[str, str]] = {
            "may not decide": {office.ana.id: office.bo.id},
            "names nothing": {self._taken.approval.request.id: NOWHERE},
            "proves nothing": {},
        }
        found = [swapped(payload, names[sender]) for payload in self._taken.payloads]
        return st.sampled_from(found).flatmap(values)

    def standing(self) -> Any:
        return decided(self.store, self._taken.approval)

    def close(self) -> None:
        self._office.channel.close()


class SlackByHttp(_InSlack):
    """Slack's request URL."""

    refuses = frozenset({400, 401})

    def __init__(self, store: Store, slack: SlackServer) -> None:
        super().__init__(store, slack)
        self._web = web(self._office.claims, {"slack": self._office.channel})
        self._number = 0

    def shots(self, sender: Sender) -> st.SearchStrategy[Shot]:
        return _slack_request(self.payloads(sender), proves=sender != "proves nothing")

    def fire(self, shot: Shot) -> int:
        return self._web(shot, self._proof(shot))

    def provoke(self) -> None:
        self.fire(Shot(path="/hooks/slack", proof="none"))

    def close(self) -> None:
        super().close()
        self._web.close()

    def _proof(self, shot: Shot) -> dict[str, str]:
        """Slack's signature. Times differ, so that few are replays."""
        self._number += 1
        moment = str(int(time.time()) - self._number % 240 - (900 if shot.proof == "old" else 0))
        key = "another" if shot.proof == "other key" else self._slack.signing_secret
        text = b"v0:" + moment.encode() + b":" + shot.body + (b"x" if shot.proof == "other body" else b"")
        signature = f"v0={hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}"
        match shot.proof:
            case "none":
                return {}
            case "no text":
                return {TIMESTAMP: "1e9", SIGNATURE: "v0=\xff"}
            case "cut":
                return {TIMESTAMP: moment, SIGNATURE: signature[:-1]}
            case _:
                return {TIMESTAMP: moment, SIGNATURE: signature}


@st.composite
def _slack_request(draw: st.DrawFn, payloads: st.SearchStrategy[Any], *, proves: bool) -> Shot:
    payload = draw(payloads)
    if isinstance(payload, dict) and "command" in payload:
        fields, done = {str(name): _field(value) for name, value in payload.items()}, frozenset[str]()
    else:
        text, cut = draw(documents(payload))
        data, odd = draw(encoded(text))
        fields, done = {"payload": data}, cut | odd
    body, form = draw(forms(fields))
    body, coding, how = draw(packed(body))
    ways = ["other key", "other body", "old", "none", "no text", "cut"]
    proof = "good" if proves else draw(st.sampled_from(ways))
    shot = Shot(
        path="/hooks/slack", headers=(FORM, *coding), body=body, proof=proof, changes=done | form | how
    )
    return draw(requests(shot, SIGNATURE, TIMESTAMP))


def _field(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="surrogatepass")


class SlackBySocket(_InSlack):
    """Envelopes of Socket Mode, over a real connection. They are authentic by the connection that they come through."""

    def __init__(self, store: Store, slack: SlackServer) -> None:
        super().__init__(store, slack, app_token=slack.app_token, signing_secret="")
        self._office.channel.open()
        slack.wait_for_connections()

    def shots(self, sender: Sender) -> st.SearchStrategy[Shot]:
        payloads = self.payloads("names nothing" if sender == "proves nothing" else sender)
        bodies = payloads.filter(lambda one: isinstance(one, dict)).map(json.dumps)  # slack_sdk takes no others
        kinds = st.sampled_from(["interactive", "interactive", "slash_commands", "events_api", "x", ""])
        return st.builds(lambda body, kind: Shot(path=kind, body=body.encode()), bodies, kinds)

    def fire(self, shot: Shot) -> int:
        """200 when it was acknowledged, 500 when it was not."""
        ack = self._slack.push(json.loads(shot.body), kind=shot.path)
        return 200 if ack.acknowledged else 500

    def provoke(self) -> None:
        click = swapped(self._taken.payloads[0], {self._slack.team_id: "T0OTHER"})
        self._slack.push(click)


class TeamsEndpoint(Door):
    """The messaging endpoint of a bot in Teams."""

    refuses = frozenset({400, 401, 403})

    def __init__(self, store: Store, microsoft: Microsoft) -> None:
        super().__init__(store)
        microsoft.reset()
        self._microsoft = microsoft
        self._desk = TeamsDesk(microsoft, over=store)
        self._approval = self._desk.ask(allowed=("approve", "edit", "reject", "respond"))
        assert self._desk.deliver() == []
        self._web = web(self._desk.claims, {self._desk.name: self._desk.channel})
        self._tokens = {
            "good": microsoft.token(),
            "other key": microsoft.token(key="foreign"),
            "expired": microsoft.token(exp=int(time.time()) - 900),
            "other app": microsoft.token(aud="99999999-1111-4222-8333-444455556666"),
            "no service": microsoft.token(serviceurl=None),
            "other service": microsoft.token(serviceurl="https://smba.example/teams"),
            "cut": microsoft.token()[:-9],
            "not signed": microsoft.token().rpartition(".")[0] + ".",
            "no token": "Ba\xffer",
            "none": "",
        }

    def shots(self, sender: Sender) -> st.SearchStrategy[Shot]:
        desk, approval = self._desk, self._approval
        more = {"reason": "x", "f0": "C-1"}
        clicks = [desk.click(approval, verb, data=more) for verb in ("approve", "edit", "reject", "respond")]
        clicks.append(desk.personal(type="message", text="approve"))
        names: dict[Sender, dict[str, str]] = {
            "may not decide": {OBJECT_IDS[ANA.id]: OBJECT_IDS[BEN.id], ANA.id: BEN.id, ANA.name: BEN.name},
            "names nothing": {approval.request.id: NOWHERE},
            "proves nothing": {},
        }
        found = [swapped(click, names[sender]) for click in clicks]
        wrong = [name for name in self._tokens if name != "good"]
        proof = st.just("good") if sender != "proves nothing" else st.sampled_from(wrong)
        return _teams_request(st.sampled_from(found).flatmap(values), proof, f"/hooks/{desk.name}")

    def fire(self, shot: Shot) -> int:
        token = self._tokens[shot.proof]
        return self._web(shot, {"authorization": f"Bearer {token}"} if token else {})

    def provoke(self) -> None:
        self.fire(Shot(path=f"/hooks/{self._desk.name}", proof="none"))

    def standing(self) -> Any:
        return decided(self.store, self._approval)

    def close(self) -> None:
        self._web.close()
        self._desk.close()


@st.composite
def _teams_request(
    draw: st.DrawFn, activities: st.SearchStrategy[Any], proofs: st.SearchStrategy[str], path: str
) -> Shot:
    text, cut = draw(documents(draw(activities)))
    body, odd = draw(encoded(text))
    body, coding, how = draw(packed(body))
    headers = (("content-type", "application/json"), *coding)
    shot = Shot(path=path, headers=headers, body=body, proof=draw(proofs), changes=cut | odd | how)
    return draw(requests(shot, "authorization"))
