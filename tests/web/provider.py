"""Identity providers on loopback: a whole one in a process of its own, and one that signs whatever it is told to."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "guardkit-inbox"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextlib.contextmanager
def whole_provider(*users: dict[str, Any]) -> Iterator[str]:
    """An OpenID Connect provider (Authlib's server) with these people, by their claims; yields its issuer."""
    port = free_port()
    claims = [part for user in users for part in ("--user-claims", json.dumps(user))]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *claims],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status()
                break
            time.sleep(0.1)
        else:
            raise RuntimeError("the provider does not answer")
        yield issuer
    finally:
        process.terminate()
        process.wait(30)


@cache
def _rsa_key(which: str) -> RSAKey:
    """A key by the name that all of them have; made once, since that takes a while."""
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


class Forger:
    """A provider that signs in whoever it is told to, with whatever ID token it is told to make."""

    def __init__(self) -> None:
        self.key, self.other = _rsa_key("its own"), _rsa_key("another")
        self.elliptic = ECKey.generate_key("P-256", {"kid": "two"})
        self.published = [self.key, self.elliptic]
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.claims: dict[str, Any] = {}
        self.without: tuple[str, ...] = ()
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.signs_with: Any = self.key
        self.metadata: dict[str, Any] = {}
        self.token_answer: Response | None = None
        self.asked: list[dict[str, str]] = []
        """The authorization requests, oldest first."""
        self.exchanged: list[dict[str, str]] = []
        """The forms that came to the token endpoint, oldest first."""
        self.looked_at_keys = 0
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]})

    def __enter__(self) -> Forger:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self._listening.close()

    def _discovery(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.metadata,
            }
        )

    def _authorize(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        back = f"{request.query_params['redirect_uri']}?code=c&state={request.query_params['state']}"
        return RedirectResponse(back)

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.exchanged.append({name: values[0] for name, values in form.items()})
        if self.token_answer is not None:
            return self.token_answer
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "s-1",
            "iat": now,
            "exp": now + 600,
            "nonce": self.asked[-1]["nonce"],
            "email": "ana.silva@corp.example",
            "email_verified": True,
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if name not in self.without}
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": self.made(kept)})

    def made(self, claims: dict[str, Any]) -> str:
        if self.header["alg"] == "none":
            from joserfc.util import to_str, urlsafe_b64encode

            parts = (json.dumps(self.header).encode(), json.dumps(claims).encode())
            return ".".join([*(to_str(urlsafe_b64encode(part)) for part in parts), ""])
        return jwt.encode(self.header, claims, self.signs_with, algorithms=[self.header["alg"]])

    def _keys(self, request: Request) -> Response:
        self.looked_at_keys += 1
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.published]})


def shared_secret() -> OctKey:
    return OctKey.import_key("a secret that the client knows, and the whole world besides")


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
