"""The channel as a part: its settings, its extra, its contract, its keys."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from guardkit.channels.host import Attachable, ChannelHost, Listening, ReceivingChannel
from guardkit.channels.teams import Teams
from guardkit.channels.teams.keys import SigningKeys
from guardkit.core.ports import ApprovalChannel
from guardkit.core.runs import Post
from guardkit.errors import ChannelError, ConfigurationError
from guardkit.testing.contracts import ApprovalChannelContract
from guardkit.testing.memory import MemoryStore
from tests.unit.teams.desk import TeamsDesk
from tests.unit.teams.microsoft import APP, TENANT, Microsoft
from tests.web.claims import Claims


class Anything(MemoryStore):
    """Keeps copies of approvals that were never registered, as the contract's are."""

    def keep_post(self, post: Post) -> None:
        self._posts[post.id] = post


class TestTeams(ApprovalChannelContract):
    @pytest.fixture
    def channel(self, microsoft: Microsoft) -> Iterator[ApprovalChannel]:
        claims = Claims()
        channel = Teams("19:x@thread.tacv2", **microsoft.settings(backoff=0.001))
        store = Anything(claims.clock)
        channel.attach(ChannelHost(name="teams", desk=claims.desk, store=store, directory=claims.people))
        yield channel
        channel.close()


def test_it_is_what_the_worker_and_the_inbox_look_for() -> None:
    channel: ApprovalChannel = Teams()
    assert isinstance(channel, Attachable)
    assert isinstance(channel, ReceivingChannel)
    assert not isinstance(channel, Listening)


def host(claims: Claims) -> ChannelHost:
    return ChannelHost(name="finance", desk=claims.desk, store=claims.store, directory=claims.people)


@pytest.mark.parametrize(
    ("missing", "variable"),
    [
        ("app_id", "GUARDKIT_TEAMS_APP_ID"),
        ("tenant_id", "GUARDKIT_TEAMS_TENANT_ID"),
        ("secret", "GUARDKIT_TEAMS_SECRET"),
    ],
)
def test_what_is_missing_is_named_when_it_begins_to_work(
    missing: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"app_id": APP, "tenant_id": TENANT, "secret": "not-a-secret"}
    monkeypatch.delenv(variable, raising=False)
    channel = Teams(**{**settings, missing: None})
    with pytest.raises(ConfigurationError, match=variable):
        channel.attach(host(Claims()))


def test_the_environment_is_read_when_it_begins_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Teams()
    monkeypatch.setenv("GUARDKIT_TEAMS_APP_ID", APP.upper())
    monkeypatch.setenv("GUARDKIT_TEAMS_TENANT_ID", TENANT)
    monkeypatch.setenv("GUARDKIT_TEAMS_SECRET", "not-a-secret")
    channel.attach(host(Claims()))
    channel.close()
    assert channel.settings.bot().id == f"28:{APP}"


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"service_url": "http://smba.trafficmanager.net/teams"}, "service_url is 'http://smba"),
        ({"service_url": "ftp://127.0.0.1"}, "https URL"),
        ({"authority": "http://login.example/x"}, "authority"),
        ({"openid_metadata_url": "nonsense"}, "openid_metadata_url"),
        ({"openid_metadata_url": "https://user@host.example/x"}, "openid_metadata_url"),
        ({"conversation": " "}, "conversation is empty"),
    ],
)
def test_addresses_that_others_could_read_along_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Teams(**settings)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"app_id": "my-bot"}, "app_id is 'my-bot'"),
        ({"tenant_id": "corp.onmicrosoft.example"}, "tenant_id is"),
        ({"allowed_tenants": ("corp",)}, "allowed_tenants is 'corp'"),
        ({"verify": "/nowhere.pem"}, "verify is '/nowhere.pem'"),
    ],
)
def test_settings_that_cannot_work_are_named(
    microsoft: Microsoft, settings: dict[str, Any], says: str
) -> None:
    channel = Teams(**microsoft.settings(**settings))
    with pytest.raises(ConfigurationError, match=says):
        channel.attach(host(Claims()))


@pytest.mark.promise("P13")
def test_the_secret_is_in_no_repr(microsoft: Microsoft) -> None:
    channel = Teams(**microsoft.settings(secret="hush-this-is-a-test"))
    assert "hush" not in repr(channel.settings)
    assert "hush" not in repr(channel.settings.bot())


def test_other_tenants_may_be_allowed(microsoft: Microsoft) -> None:
    other = "ffffffff-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    desk = TeamsDesk(microsoft, settings={"allowed_tenants": (TENANT, other)})
    approval = desk.ask()
    conversation = {"id": "19:x", "tenantId": other}
    reply = desk.sends(desk.click(approval, conversation=conversation, channelData={"tenant": {"id": other}}))
    desk.close()
    assert reply.status == 200
    assert desk.claims.now(approval).state == "approved"


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://smba.trafficmanager.net/emea/", True),
        ("https://SMBA.trafficmanager.net/teams", True),
        ("https://smba.infra.gcc.teams.microsoft.com/x", True),
        ("https://smba.trafficmanager.net:443/teams", True),
        ("https://smba.trafficmanager.net:8443/teams", False),
        ("https://smba.trafficmanager.net.evil.example/", False),
        ("https://x.smba.trafficmanager.net/", False),
        ("http://smba.trafficmanager.net/", False),
        ("https://smba.trafficmanager.net/?x=1", False),
        ("https://smba.trafficmanager.net/#x", False),
        ("https://smba.trafficmanager.net\\@evil.example/", False),
        ("https://[", False),
        ("https://smba.trafficmanager.net:port/", False),
        ("https://127.0.0.1:7/", False),
        ("", False),
    ],
)
def test_tokens_go_to_microsoft_only(url: str, trusted: bool) -> None:
    assert Teams().settings.trusts(url) is trusted


PROBE = """
import sys
from guardkit.channels.teams import Teams
assert not {"msal", "jwt"} & set(sys.modules), "loaded before it is needed"
from guardkit.channels.host import ChannelHost
from guardkit.errors import ConfigurationError
from tests.web.claims import Claims
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, gone := Gone())
claims = Claims()
host = ChannelHost(name="finance", desk=claims.desk, store=claims.store, directory=claims.people)
for gone.package in ("msal", "jwt"):
    try:
        Teams(app_id="x").attach(host)
    except ConfigurationError as error:
        print(error)
"""


def test_without_the_extra_it_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        f"channel 'finance' needs {package} (pip install guardkit[teams])" for package in ("msal", "jwt")
    ], done.stderr


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(microsoft: Microsoft) -> Iterator[tuple[SigningKeys, Clock]]:
    clock = Clock()
    with httpx.Client(verify=Teams(**microsoft.settings()).settings.trust()) as client:
        yield SigningKeys(client, microsoft.metadata_url, clock), clock


def test_keys_are_asked_for_again_after_an_hour(
    keys: tuple[SigningKeys, Clock], microsoft: Microsoft
) -> None:
    found, clock = keys
    for _ in range(3):
        assert found.find("known") is not None
    assert microsoft.key_requests == 1
    clock.now += 3601
    assert found.find("known") is not None
    assert microsoft.key_requests == 2


def test_an_unknown_key_is_looked_for_at_most_every_30_seconds(
    keys: tuple[SigningKeys, Clock], microsoft: Microsoft
) -> None:
    found, clock = keys
    found.find("known")
    for seconds, requests in ((10, 1), (10, 1), (11, 2), (5, 2)):
        clock.now += seconds
        assert found.find("new") is None
        assert microsoft.key_requests == requests


def test_keys_serve_a_day_when_they_cannot_be_asked_for(
    keys: tuple[SigningKeys, Clock], microsoft: Microsoft
) -> None:
    found, clock = keys
    found.find("known")
    microsoft.keys_broken = True
    clock.now += 23 * 3600
    assert found.find("known") is not None
    clock.now += 2 * 3600
    with pytest.raises(ChannelError, match="cannot be had"):
        found.find("known")
    microsoft.keys_broken = False
    clock.now += 3
    assert found.find("known") is not None
