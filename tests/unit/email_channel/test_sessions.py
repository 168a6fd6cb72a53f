"""Encryption and sign-in, with real certificates and a real server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult, LoginPassword

from guardkit.channels.email import Email
from guardkit.channels.host import ChannelHost
from guardkit.errors import MissingKeyError
from tests.unit.email_channel.desk import CHANNEL, MAIL_STAGE, SENDER, Mailing, attached, claims_desk
from tests.unit.email_channel.mailserver import MailServer
from tests.web.visits import KEY, URL


class Authority:
    """A certificate authority, and a server's certificate."""

    def __init__(self, folder: Path, name: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.context)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def authenticator(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (
        b"robot",
        b"not-a-real-password",
    )
    return AuthResult(success=good, handled=False)


def one_mail(server: MailServer, **settings: Any) -> list[str]:
    claims = claims_desk()
    claims.ask(stages=(MAIL_STAGE,))
    return Mailing(claims, server, attached(claims, server.port, **settings)).deliver()


def test_starttls_with_a_certificate_that_counts(authority: Authority) -> None:
    with MailServer(starttls=authority.context) as server:
        assert one_mail(server, security="starttls", ca_file=authority.ca_file) == []
        assert len(server.mails) == 1


def test_tls_from_the_first_byte(authority: Authority) -> None:
    with MailServer(tls=authority.context) as server:
        assert one_mail(server, security="tls", ca_file=authority.ca_file) == []
        assert len(server.mails) == 1


@pytest.mark.promise("P13")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_somebody_else_gets_no_mail(tmp_path: Path, security: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    foreign = Authority(theirs)
    options: dict[str, Any] = {security: foreign.context}
    with MailServer(**options) as server:
        (error,) = one_mail(server, security=security, ca_file=Authority(ours).ca_file)
        assert "certificate does not count" in error
        assert server.mails == []


def test_a_certificate_of_another_name_gets_no_mail(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "mail.other.example")
    with MailServer(starttls=authority.context) as server:
        (error,) = one_mail(server, security="starttls", ca_file=authority.ca_file)
        assert "certificate does not count" in error
        assert server.mails == []


@pytest.mark.promise("P13")
def test_a_server_without_starttls_gets_no_mail(authority: Authority) -> None:
    with MailServer() as server:
        (error,) = one_mail(server, security="starttls", ca_file=authority.ca_file)
        assert error == f"channel {CHANNEL!r}: the mail server does not offer what security='starttls' needs"
        assert server.mails == []


@pytest.fixture
def signing_in(authority: Authority) -> Iterator[MailServer]:
    with MailServer(starttls=authority.context, authenticator=authenticator, auth_required=True) as server:
        yield server


def test_it_signs_in_by_password(signing_in: MailServer, authority: Authority) -> None:
    tls = {"security": "starttls", "ca_file": authority.ca_file}
    assert one_mail(signing_in, **tls, username="robot", password="not-a-real-password") == []
    assert len(signing_in.mails) == 1


def test_a_sign_in_that_is_refused_is_told_by_its_code(signing_in: MailServer, authority: Authority) -> None:
    tls = {"security": "starttls", "ca_file": authority.ca_file}
    (error,) = one_mail(signing_in, **tls, username="robot", password="wrong-and-not-real")
    assert error == f"channel {CHANNEL!r}: the mail server refuses the sign-in (535)"
    assert signing_in.mails == []


def test_the_password_is_read_from_the_environment_when_it_is_attached(
    signing_in: MailServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDKIT_SMTP_PASSWORD", "not-a-real-password")
    tls = {"security": "starttls", "ca_file": authority.ca_file}
    assert one_mail(signing_in, **tls, username="robot") == []


@pytest.mark.promise("P15")
def test_a_missing_password_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARDKIT_SMTP_PASSWORD", raising=False)
    channel = Email(SENDER, host="mail.corp.example", username="robot")
    claims = claims_desk()
    host = ChannelHost(
        name=CHANNEL, desk=claims.desk, store=claims.store, directory=claims.people, inbox=URL, secret=KEY
    )
    with pytest.raises(MissingKeyError, match="GUARDKIT_SMTP_PASSWORD"):
        channel.attach(host)


def test_a_server_that_is_not_there_is_told_without_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    claims = claims_desk()
    claims.ask(stages=(MAIL_STAGE,))
    with MailServer() as server:
        (error,) = Mailing(claims, server, attached(claims, port)).deliver()
    assert error == f"channel {CHANNEL!r}: the mail server cannot be reached: ConnectionRefusedError"


def test_a_name_that_is_no_hosts_is_told_too() -> None:
    claims = claims_desk()
    claims.ask(stages=(MAIL_STAGE,))
    with MailServer() as server:
        channel = attached(claims, server.port, host="mail..example", security="starttls")
        (error,) = Mailing(claims, server, channel).deliver()
    assert "the mail server cannot be reached" in error
