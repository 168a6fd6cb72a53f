"""Signing in by OAuth: msal against a token endpoint with TLS on loopback, then XOAUTH2 against a mail server."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from guardkit.channels.email import MailOAuth
from tests.unit.email_channel.desk import CHANNEL, MAIL_STAGE, Mailing, attached, claims_desk
from tests.unit.email_channel.mailserver import MailServer

TENANT = "11111111-2222-3333-4444-555555555555"


@dataclass
class Issuer:
    """An identity provider on loopback."""

    url: str
    ca_file: Path
    answer: dict[str, Any]
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    # requests, which msal uses, prefers these to the file that it is given.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"{made.url}/{TENANT}"
            self._say(
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                }
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            made.asked.append(parse_qs(body))
            self._say(made.answer, 400 if "error" in made.answer else 200)

        def _say(self, value: dict[str, Any], status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    good = {"access_token": "good-token", "token_type": "Bearer", "expires_in": 3600}
    made = Issuer(f"https://localhost:{server.server_port}", ca_file, good)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join(30)
    server.server_close()


def oauth(issuer: Issuer, **settings: Any) -> MailOAuth:
    return MailOAuth(
        **{
            "tenant": TENANT,
            "client_id": "client-1",
            "secret": "not-a-real-secret",
            "authority": issuer.url,
            "instance_discovery": False,
            "ca_file": issuer.ca_file,
            **settings,
        }
    )


def one_mail(server: MailServer, setting: MailOAuth) -> list[str]:
    claims = claims_desk()
    claims.ask(stages=(MAIL_STAGE,))
    channel = attached(claims, server.port, username="robot@corp.example", oauth=setting)
    return Mailing(claims, server, channel).deliver()


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer(auth_required=False, auth_require_tls=False) as server:
        yield server


def test_it_signs_in_with_a_token(issuer: Issuer, server: MailServer) -> None:
    setting = oauth(issuer)
    assert one_mail(server, setting) == []
    assert server.sign_ins == ["user=robot@corp.example"]
    (asked,) = issuer.asked
    assert asked["client_id"] == ["client-1"]
    assert asked["client_secret"] == ["not-a-real-secret"]
    assert asked["scope"] == ["https://outlook.office365.com/.default"]
    assert one_mail(server, setting) == []
    assert len(issuer.asked) == 1, "msal keeps the token"


def test_the_secret_comes_from_the_environment(
    issuer: Issuer, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDKIT_SMTP_CLIENT_SECRET", "another-unreal-secret")
    assert one_mail(server, oauth(issuer, secret=None)) == []
    assert issuer.asked[0]["client_secret"] == ["another-unreal-secret"]


def test_a_token_that_the_mail_server_refuses_is_told_by_its_code(issuer: Issuer, server: MailServer) -> None:
    issuer.answer = {**issuer.answer, "access_token": "bad-token"}
    (error,) = one_mail(server, oauth(issuer))
    assert error == f"channel {CHANNEL!r}: the mail server refuses the sign-in (535)"
    assert server.mails == []


@pytest.mark.parametrize(
    ("said", "told"),
    [("invalid_client", "invalid_client"), ("<b>@evil</b>", "no reason given")],
    ids=["a code", "foreign words"],
)
def test_a_token_that_is_not_issued_is_told_by_its_code(
    issuer: Issuer, server: MailServer, said: str, told: str
) -> None:
    issuer.answer = {"error": said, "error_description": "secret words"}
    (error,) = one_mail(server, oauth(issuer))
    assert error == f"email.oauth: no token was issued: {told}"


def test_an_issuer_with_a_certificate_of_somebody_else_gets_no_secret(
    issuer: Issuer, server: MailServer, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    (error,) = one_mail(server, oauth(issuer, ca_file=other))
    assert error == "email.oauth: no token could be asked for: SSLError"
    assert issuer.asked == []
