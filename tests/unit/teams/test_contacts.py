"""Whom the app has met, and how they are reached."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.people import Person
from guardkit.core.runs import Contact
from guardkit.core.values import JsonObject
from tests.unit.teams.desk import ANA, BEN, CLEO, OBJECT_IDS, PAIR, ROOM, STAGE, TeamsDesk
from tests.unit.teams.microsoft import APP, BOT, OTHER_TENANT, TENANT


def kept(desk: TeamsDesk, key: str) -> Contact | None:
    return desk.store.contact("*", f"teams:{APP}", key)


def of(person: Person) -> str:
    return f"entra:{OBJECT_IDS[person.id]}"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "installationUpdate", "action": "add"},
        {"type": "installationUpdate", "action": "add-upgrade"},
        {"type": "conversationUpdate", "membersAdded": [{"id": BOT}]},
        {"type": "message", "text": "hello"},
    ],
)
def test_anything_somebody_does_says_how_they_are_reached(
    personal: TeamsDesk, change: dict[str, Any]
) -> None:
    assert personal.sends(personal.personal(ANA, **change)).status == 200
    contact = kept(personal, of(ANA))
    assert contact is not None
    assert contact.reference == {
        "service_url": personal.microsoft.service_url,
        "user": "29:p-ana",
        "tenant": TENANT,
        "conversation": "a:p-ana",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"type": "installationUpdate", "action": "remove"},
        {"type": "installationUpdate", "action": "remove-upgrade"},
        {"type": "conversationUpdate", "membersRemoved": [{"id": BOT}]},
    ],
)
def test_whoever_removes_the_app_is_forgotten(personal: TeamsDesk, change: dict[str, Any]) -> None:
    personal.installs(ANA)
    personal.sends(personal.personal(ANA, **change))
    assert kept(personal, of(ANA)) is None
    personal.ask()
    (error,) = personal.deliver()
    assert "has the app" in error


def test_removing_it_from_a_team_forgets_nobody(personal: TeamsDesk) -> None:
    personal.installs(ANA)
    personal.sends(personal.activity(ANA, type="conversationUpdate", membersRemoved=[{"id": BOT}]))
    assert kept(personal, of(ANA)) is not None


def test_met_in_a_channel_a_conversation_is_opened_once(personal: TeamsDesk) -> None:
    personal.sends(personal.activity(ANA))
    contact = kept(personal, of(ANA))
    assert contact is not None
    assert contact.reference["conversation"] is None
    for _ in range(2):
        personal.ask()
        assert personal.deliver() == []
    opened = [call for call in personal.microsoft.calls if call.path == "/v3/conversations"]
    assert [call.body for call in opened] == [
        {
            "isGroup": False,
            "bot": {"id": BOT},
            "members": [{"id": "29:p-ana"}],
            "tenantId": TENANT,
            "channelData": {"tenant": {"id": TENANT}},
        }
    ]
    assert {call.path for call in personal.microsoft.posted()} == {
        "/v3/conversations/a:opened-for-29:p-ana/activities"
    }


def test_a_known_conversation_is_kept_when_somebody_writes_elsewhere(personal: TeamsDesk) -> None:
    personal.installs(ANA)
    personal.sends(personal.activity(ANA))
    contact = kept(personal, of(ANA))
    assert contact is not None
    assert contact.reference["conversation"] == "a:p-ana"


def test_whom_the_directory_knows_by_address_only_is_met_by_it(personal: TeamsDesk) -> None:
    personal.microsoft.members["29:p-cleo"] = {
        "id": "29:p-cleo",
        "aadObjectId": OBJECT_IDS[CLEO.id].upper(),
        "tenantId": TENANT,
        "email": "Cleo@Corp.example",
    }
    personal.installs(CLEO)
    assert kept(personal, "email:cleo@corp.example") is not None
    personal.ask(stages=(PAIR,))
    assert personal.deliver() == []
    assert [call.path for call in personal.microsoft.posted()] == ["/v3/conversations/a:p-cleo/activities"]
    personal.sends(personal.personal(CLEO, type="installationUpdate", action="remove"))
    assert kept(personal, "email:cleo@corp.example") is None


def test_the_principal_name_is_an_address_too(personal: TeamsDesk) -> None:
    personal.microsoft.members["29:p-cleo"] = {
        "aadObjectId": OBJECT_IDS[CLEO.id],
        "tenantId": TENANT,
        "userPrincipalName": "cleo@corp.example",
    }
    personal.installs(CLEO)
    assert kept(personal, "email:cleo@corp.example") is not None


def test_who_comes_into_the_directory_later_has_been_met(personal: TeamsDesk) -> None:
    del personal.claims.people.people[BEN.id]
    personal.microsoft.faults = [404]
    personal.installs(BEN)
    personal.claims.people.people[BEN.id] = BEN
    personal.ask(stages=(PAIR,))
    assert personal.deliver() == []
    assert len(personal.microsoft.posted()) == 1


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "change",
    [
        {"from": {"id": "29:p-ana"}},
        {"from": {"aadObjectId": OBJECT_IDS[ANA.id]}},
        {"conversation": {"tenantId": TENANT, "conversationType": "personal"}},
        {"type": "typing"},
        {"type": "invoke", "name": "adaptiveCard/action"},
        {"channelData": {"tenant": {"id": OTHER_TENANT}}},
        {"serviceUrl": "https://smba.trafficmanager.net/emea"},
    ],
)
def test_what_is_not_whole_introduces_nobody(personal: TeamsDesk, change: dict[str, Any]) -> None:
    personal.sends(personal.personal(ANA, **{"type": "message", **change}))
    assert kept(personal, of(ANA)) is None


def test_several_channels_of_one_app_share_whom_it_has_met(personal: TeamsDesk) -> None:
    personal.installs(ANA)
    personal.channel.close()
    other = TeamsDesk(personal.microsoft, conversation=None, name="claims-desk")
    contact = kept(personal, of(ANA))
    assert contact is not None
    other.store.keep_contact(contact)
    other.ask(stages=(STAGE.model_copy(update={"channels": ("claims-desk",)}),))
    assert other.deliver() == []
    assert len(other.microsoft.posted()) == 1
    other.close()


def test_a_reference_that_cannot_be_read_is_none(personal: TeamsDesk) -> None:
    broken = Contact(tenant="*", channel=f"teams:{APP}", key=of(ANA), reference={"user": 7})
    personal.store.keep_contact(broken)
    personal.ask()
    (error,) = personal.deliver()
    assert "has the app" in error


def test_a_stored_service_that_is_not_trusted_gets_no_token(personal: TeamsDesk) -> None:
    """Whoever can write to the database cannot make the worker hand out its token."""
    elsewhere: JsonObject = {
        "service_url": "https://evil.example/teams",
        "user": "29:p-ana",
        "tenant": TENANT,
        "conversation": "a:p-ana",
    }
    personal.store.keep_contact(Contact(tenant="*", channel=f"teams:{APP}", key=of(ANA), reference=elsewhere))
    personal.ask()
    (error,) = personal.deliver()
    assert "not one of Microsoft's" in error
    assert personal.microsoft.tokens == 0


def test_a_room_is_written_to_whoever_has_the_app(desk: TeamsDesk) -> None:
    desk.ask()
    assert desk.deliver() == []
    assert desk.microsoft.posted()[0].path == f"/v3/conversations/{ROOM}/activities"
