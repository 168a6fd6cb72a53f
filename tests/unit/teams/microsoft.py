"""What guardkit meets of Microsoft, on this machine: Entra's token endpoint, the Bot Framework's keys, the Connector."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
import trustme
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.types import Receive, Scope, Send

APP = "11111111-2222-4333-8444-555555555555"
TENANT = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OTHER_TENANT = "ffffffff-bbbb-4ccc-8ddd-eeeeeeeeeeee"
SECRET = "not-a-secret-only-a-test"
ISSUER = "https://api.botframework.com"
BOT = f"28:{APP}"

KEYS = {
    name: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for name in ("known", "other", "foreign")
}
"""`known` signs, `other` is nobody's, `foreign` is in the key set for another channel than Teams."""


@dataclass
class Call:
    """One request to the Connector."""

    method: str
    path: str
    body: Any
    authorization: str


@dataclass
class Microsoft:
    """Records what it is asked, and does as it is told."""

    folder: Path
    calls: list[Call] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    """What happens to the next requests: a status, `(status, error code[, Retry-After])`, `drop` after it was done, or `None`."""

    members: dict[str, dict[str, str]] = field(default_factory=dict)
    activities: dict[str, Any] = field(default_factory=dict)
    """What is to be seen now, by id."""

    tokens: int = 0
    messages: int = 0
    token_answer: dict[str, Any] | None = None
    key_requests: int = 0
    keys_broken: bool = False

    def __post_init__(self) -> None:
        authority = trustme.CA()
        self.ca = self.folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        certificate = authority.issue_cert("127.0.0.1")
        self._chain = self.folder / "server.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self._chain))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self,
            log_level="critical",
            access_log=False,
            ws="none",
            lifespan="off",
            ssl_certfile=str(self._chain),
            ssl_cert_reqs=ssl.CERT_NONE,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def reset(self) -> None:
        """As if nothing had happened."""
        self.calls.clear()
        self.faults.clear()
        self.members.clear()
        self.activities.clear()
        self.tokens = self.key_requests = self.messages = 0
        self.token_answer = None
        self.keys_broken = False

    @property
    def service_url(self) -> str:
        return f"{self.origin}/teams"

    @property
    def metadata_url(self) -> str:
        return f"{self.origin}/v1/.well-known/openidconfiguration"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments of a channel that talks to this Microsoft."""
        return {
            "app_id": APP,
            "tenant_id": TENANT,
            "secret": SECRET,
            "service_url": self.service_url,
            "authority": f"{self.origin}/{TENANT}",
            "instance_discovery": False,
            "verify": self.ca,
            "openid_metadata_url": self.metadata_url,
            **more,
        }

    def token(self, *, key: str = "known", headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token of the Bot Framework; a claim that is `None` is left out."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": APP,
            "serviceurl": self.service_url,
            "nbf": now - 60,
            "iat": now - 60,
            "exp": now + 3600,
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        named = {name: value for name, value in {"kid": key, **(headers or {})}.items() if value is not None}
        return jwt.encode(claims, KEYS[key], algorithm="RS256", headers=named)

    def posted(self, method: str = "POST") -> list[Call]:
        """The messages that were posted, or updated with `PUT`."""
        return [call for call in self.calls if call.method == method and "/activities" in call.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path, method = scope["path"], scope["method"]
        if path.startswith("/teams/v3/"):
            await self._connect(scope, method, body, send)
        elif path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            where = f"{self.origin}/{TENANT}"
            await _answer(
                send,
                200,
                {
                    "issuer": f"{where}/v2.0",
                    "authorization_endpoint": f"{where}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{where}/oauth2/v2.0/token",
                },
            )
        elif path == f"/{TENANT}/oauth2/v2.0/token":
            self.tokens += 1
            refused = self.token_answer
            if refused is None and f"client_secret={SECRET}".encode() not in body:
                refused = {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret.",
                }
            good = {"token_type": "Bearer", "expires_in": 3599, "access_token": f"token-{self.tokens}"}
            await _answer(send, 401 if refused else 200, refused or good)
        elif path == "/v1/.well-known/openidconfiguration":
            await _answer(send, 200, {"issuer": ISSUER, "jwks_uri": f"{self.origin}/v1/.well-known/keys"})
        elif path == "/v1/.well-known/keys":
            self.key_requests += 1
            await _answer(send, 503 if self.keys_broken else 200, {"keys": _key_set()})
        else:
            await _answer(send, 404, {"error": {"code": "NotFound"}})

    async def _connect(self, scope: Scope, method: str, body: bytes, send: Send) -> None:
        path = unquote(scope["raw_path"].decode().split("?")[0]).removeprefix("/teams")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        call = Call(method, path, json.loads(body) if body else None, headers.get("authorization", ""))
        self.calls.append(call)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault != "drop":
            status, code, *wait = fault if isinstance(fault, tuple) else (fault, "Fault")
            error = {"code": code, "message": "[link](https://evil.example)"}
            await _answer(send, status, {"error": error}, *wait)
            return
        status, answer = self._do(call)
        if fault == "drop":
            # A length that never comes: the server closes the connection, as one that dies while it answers.
            await send(
                {"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"9999")]}
            )
            await send({"type": "http.response.body", "body": b"{"})
            return
        await _answer(send, status, answer)

    def _do(self, call: Call) -> tuple[int, Any]:
        parts = call.path.removeprefix("/v3/conversations").strip("/").split("/")
        match call.method, parts:
            case "POST", [""]:
                return 201, {"id": f"a:opened-for-{call.body['members'][0]['id']}"}
            case "POST", [_, "activities"]:
                self.messages += 1  # an id is not used again when its message is deleted
                name = f"m{self.messages}"
                self.activities[name] = call.body
                return 201, {"id": name}
            case "PUT", [_, "activities", name] if name in self.activities:
                self.activities[name] = call.body
                return 200, {"id": name}
            case "GET", [_, "members", name] if name in self.members:
                return 200, self.members[name]
            case _:
                return 404, {"error": {"code": "ConversationNotFound"}}


def _key_set() -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = []
    for name, endorsed in (("known", ["msteams"]), ("foreign", ["webchat"])):
        public = RSAAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True)
        keys.append({**public, "kid": name, "use": "sig", "alg": "RS256", "endorsements": endorsed})
    return keys


async def _answer(send: Send, status: int, value: Any, retry_after: str = "") -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(b"retry-after", retry_after.encode())] if retry_after else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})
