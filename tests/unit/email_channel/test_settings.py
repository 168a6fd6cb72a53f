"""Settings that cannot be used, or only unsafely, are refused with their name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from guardkit.channels.email import Email, MailOAuth
from guardkit.channels.host import ChannelHost
from guardkit.errors import ConfigurationError, MissingKeyError
from tests.unit.email_channel.desk import CHANNEL, SENDER, claims_desk
from tests.web.visits import KEY, URL


def made(**settings: Any) -> Email:
    return Email(settings.pop("sender", SENDER), **{"host": "mail.corp.example", **settings})


def attach(channel: Email, **host: Any) -> None:
    claims = claims_desk()
    given = {"inbox": URL, "secret": KEY, **host}
    channel.attach(
        ChannelHost(name=CHANNEL, desk=claims.desk, store=claims.store, directory=claims.people, **given)
    )


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sender": "nobody"}, "email.sender 'nobody'"),
        ({"sender": "a@b.example, c@d.example"}, "email.sender 'a@b.example, c@d.example'"),
        ({"sender": "x\r\nBcc: y <a@b.example>"}, "email.sender"),
        ({"host": " "}, "email.host is empty"),
        ({"port": 0}, "email.port 0"),
        ({"port": 65536}, "email.port 65536"),
        ({"security": "ssl"}, "email.security 'ssl'"),
        ({"security": "none"}, "email.security 'none' is only for loopback"),
        ({"timezone": "Mars/Olympus"}, "email.timezone 'Mars/Olympus'"),
        ({"link_seconds": 0}, "email.link_seconds 0"),
        ({"link_seconds": float("inf")}, "email.link_seconds inf"),
        ({"timeout": float("nan")}, "email.timeout nan"),
        ({"password": "not-real"}, "email.username is missing"),
        ({"username": "röbot"}, "email.username 'röbot'"),
        ({"username": "a\x01auth=x"}, "email.username 'a\\x01auth=x'"),
        (
            {"username": "u", "password": "not-real", "oauth": MailOAuth(tenant="t", client_id="c")},
            "exclude one another",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(**settings)
    assert named in str(caught.value)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"tenant": " "}, "email.oauth.tenant is empty"),
        ({"client_id": ""}, "email.oauth.client_id is empty"),
        ({"authority": "http://login.example"}, "email.oauth.authority"),
    ],
)
def test_an_oauth_setting_that_cannot_be_used_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MailOAuth(**{"tenant": "t", "client_id": "c", **settings})
    assert named in str(caught.value)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("host", "kind", "named"),
    [
        ({"inbox": None}, ConfigurationError, "GUARDKIT_INBOX_URL"),
        ({"inbox": "/approvals"}, ConfigurationError, "GUARDKIT_INBOX_URL"),
        ({"inbox": "http://[x"}, ConfigurationError, "GUARDKIT_INBOX_URL"),
        ({"inbox": "http://inbox.corp.example"}, ConfigurationError, "neither https nor on loopback"),
        ({"inbox": "ftp://127.0.0.1"}, ConfigurationError, "neither https nor on loopback"),
        ({"secret": None}, MissingKeyError, "GUARDKIT_WEB_SECRET"),
        ({"secret": SecretStr("short")}, MissingKeyError, "at least 32 characters"),
    ],
    ids=["no-inbox", "no-host", "no-url", "http", "ftp", "no-secret", "short-secret"],
)
def test_a_process_that_cannot_lead_people_anywhere_does_not_start(
    host: dict[str, Any], kind: type[ConfigurationError], named: str
) -> None:
    with pytest.raises(kind) as caught:
        attach(made(), **host)
    assert named in str(caught.value)


@pytest.mark.promise("P15")
def test_a_password_that_no_server_could_be_told_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"email\.password is not ASCII"):
        attach(made(username="robot", password="nöt-real"))


def test_a_file_of_certificates_is_read_when_it_is_attached(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("missing.pem", "ca.pem"):
        with pytest.raises(ConfigurationError, match=r"email\.ca_file"):
            attach(made(ca_file=tmp_path / name))


@pytest.mark.promise("P15")
def test_a_missing_client_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARDKIT_SMTP_CLIENT_SECRET", raising=False)
    channel = made(username="robot@corp.example", oauth=MailOAuth(tenant="t", client_id="c"))
    with pytest.raises(MissingKeyError, match="GUARDKIT_SMTP_CLIENT_SECRET"):
        attach(channel)


def test_an_agents_process_makes_the_channel_without_secrets() -> None:
    assert made(username="robot").name == "email"
    assert "not-real" not in repr(vars(made(username="robot", password="not-real")))


def test_the_channel_needs_no_extra() -> None:
    import subprocess
    import sys

    program = (
        "import sys, guardkit.channels.email;"
        "print([name for name in ('msal', 'requests', 'jinja2', 'starlette', 'itsdangerous') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.strip()[1:-1].replace("'", "").split(", ")) - {""}
    assert loaded <= {"requests"}, "langsmith loads requests by itself"
