"""The addresses of messengers: Slack by HTTP and by Socket Mode, and Teams."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from random import Random
from typing import Any

from guardkit.core.ports import Store
from guardkit.testing.slack import SlackServer
from tests.chaos.doors import NOWHERE, Door, Sender, decided, swapped, web
from tests.chaos.mutations import Done, Shot, changed, document, encoded, form, framed, packed
from tests.unit.slack.captured import Taken
from tests.unit.slack.office import Office
from tests.unit.teams.desk import ANA, BEN, OBJECT_IDS, TeamsDesk
from tests.unit.teams.microsoft import Microsoft

FORM = ("content-type", "application/x-www-form-urlencoded")
FORGERIES = ("other key", "other body", "old", "none", "no text", "cut")
SIGNATURE, TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"


class _InSlack(Door):
    """A question in a local Slack, and payloads about it."""

    def __init__(self, store: Store, slack: SlackServer, **settings: Any) -> None:
        super().__init__(store)
        self._slack = slack
        self._office = Office(slack, store=store, **settings)
        self._taken = Taken(self._office)
        names: dict[Sender, dict[str, str]] = {
            "may not decide": {self._office.ana.id: self._office.bo.id},
            "names nothing": {self._taken.approval.request.id: NOWHERE},
            "proves nothing": {},
        }
        self._payloads: dict[Sender, list[Any]] = {
            sender: [swapped(payload, swaps) for payload in self._taken.payloads]
            for sender, swaps in names.items()
        }

    def payload(self, random: Random, sender: Sender) -> Any:
        """A payload of such a sender, changed."""
        return changed(random, random.choice(self._payloads[sender]))

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

    def shot(self, random: Random, sender: Sender) -> Shot:
        payload = self.payload(random, sender)
        if isinstance(payload, dict) and "command" in payload:
            fields, done = {str(name): _field(value) for name, value in payload.items()}, Done()
        else:
            written, cut = document(random, payload)
            data, odd = encoded(random, written)
            fields, done = {"payload": data}, cut | odd
        body, damage = form(random, fields)
        body, coding, packing = packed(random, body)
        shot = Shot(
            path="/hooks/slack",
            headers=(FORM, *coding),
            body=body,
            proof=random.choice(FORGERIES) if sender == "proves nothing" else "good",
            done=done | damage | packing,
        )
        return framed(random, shot, SIGNATURE, TIMESTAMP)

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


def _field(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="surrogatepass")


class SlackBySocket(_InSlack):
    """Envelopes of Socket Mode, over a real connection. They are authentic by the connection that they come through."""

    def __init__(self, store: Store, slack: SlackServer) -> None:
        super().__init__(store, slack, app_token=slack.app_token, signing_secret="")
        self._office.channel.open()
        slack.wait_for_connections()

    def shot(self, random: Random, sender: Sender) -> Shot:
        payload = self.payload(random, "names nothing" if sender == "proves nothing" else sender)
        body = json.dumps(payload if isinstance(payload, dict) else {"payload": payload})
        kind = random.choice(("interactive", "interactive", "slash_commands", "events_api", "x", ""))
        return Shot(path=kind, body=body.encode())

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
        more = {"reason": "x", "f0": "C-1"}
        verbs = ("approve", "edit", "reject", "respond")
        clicks = [self._desk.click(self._approval, verb, data=more) for verb in verbs]
        clicks.append(self._desk.personal(type="message", text="approve"))
        names: dict[Sender, dict[str, str]] = {
            "may not decide": {
                OBJECT_IDS[ANA.id]: OBJECT_IDS[BEN.id],
                ANA.id: BEN.id,
                str(ANA.name): str(BEN.name),
            },
            "names nothing": {self._approval.request.id: NOWHERE},
            "proves nothing": {},
        }
        self._clicks: dict[Sender, list[Any]] = {
            sender: [swapped(click, swaps) for click in clicks] for sender, swaps in names.items()
        }

    def shot(self, random: Random, sender: Sender) -> Shot:
        written, cut = document(random, changed(random, random.choice(self._clicks[sender])))
        body, odd = encoded(random, written)
        body, coding, packing = packed(random, body)
        shot = Shot(
            path=f"/hooks/{self._desk.name}",
            headers=(("content-type", "application/json"), *coding),
            body=body,
            proof=random.choice([*self._tokens][1:]) if sender == "proves nothing" else "good",
            done=cut | odd | packing,
        )
        return framed(random, shot, "authorization")

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
