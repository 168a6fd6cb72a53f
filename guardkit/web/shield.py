"""What surrounds every request: the names that are answered to, where forms come from, headers, faults."""

import logging
import secrets
import traceback
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guardkit.web.hooks import PREFIX
from guardkit.web.problems import PageError, bad_request, fault, foreign_request, unknown_host
from guardkit.web.settings import WebSettings

_log = logging.getLogger("guardkit.web")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every response carries, unless it says otherwise itself."""

_OPEN_TO_PROBES = ("/healthz", "/readyz")
"""Probes call by address, not by name; these say nothing that a stranger may not know."""

_SAFE = ("GET", "HEAD", "OPTIONS")

API = "/api/"
"""Requests below it prove themselves by a token in a header, which no browser adds by itself."""


class Problems(Protocol):
    """Renders what went wrong."""

    def problem(self, error: PageError) -> Response:
        """The response that says so."""
        ...


class Shield:
    """ASGI middleware around all of the inbox.

    A Host header that is not the inbox's own is refused, so a name that an attacker points at this address reaches
    nothing. Anything but a read must come from a page of the inbox, by the browser's own word: `Sec-Fetch-Site`, or
    `Origin` where a browser does not send that. Messengers' callbacks are excepted, which carry signatures, and the
    HTTP API, whose callers carry tokens. What fails unforeseen becomes an answer without details, and a log entry with
    the place but without the exception's text, which may quote somebody.

    Args:
        app: what is shielded.
        settings: names and origins.
        pages: renders what went wrong.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings, pages: Problems) -> None:
        self._app = app
        self._pages = pages
        self._hosts = settings.allowed_hosts
        self._origins = settings.allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app(scope, receive, guarded)
            else:
                await self._pages.problem(refusal)(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001 - the border: its text may quote somebody, so only its type is kept
            reference = secrets.token_hex(6)
            where = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)[-12:]))
            _log.error("request failed: %s, reference %s\n%s", type(error).__qualname__, reference, where)
            if started:
                raise ConnectionAbortedError(f"response cut short, reference {reference}") from None
            await self._pages.problem(fault(reference))(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> PageError | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if scope["path"] not in _OPEN_TO_PROBES and (
            len(hosts) != 1 or hosts[0].casefold() not in self._hosts
        ):
            return unknown_host()
        if any(char < " " for char in scope["path"]):
            return bad_request("The path holds control characters.")
        if not scope["query_string"].isascii():
            return bad_request("The address is not encoded as addresses are.")
        from_a_browser = not scope["path"].startswith((PREFIX, API))
        if from_a_browser and scope["method"] not in _SAFE and not self._from_here(headers):
            return foreign_request()
        return None

    def _from_here(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if origin is not None and origin != "null" and origin.casefold() not in self._origins:
            return False
        if site is not None:
            return site == "same-origin"
        # Under `Referrer-Policy: no-referrer` a browser calls its origin "null"; without Sec-Fetch-Site that could
        # be anybody's.
        return origin is not None and origin != "null"
