"""Keeps the tokens of links in mails out of logs."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/mail/"
"""Where the links in mails lead."""

ANSWERS = ("approve", "reject")
"""What forms are sent to, below the prefix; they carry the token in their body."""

OPENED = "/mail/link"
"""The path that a link has for everything behind this middleware."""

_VALUE = re.compile(r"([^/]*)(/(?:args|reads)/(?:[0-9]{1,7}|all)\.txt)")
_KEY = "guardkit.mail_token"


class MailTokens:
    """ASGI middleware that takes the token out of the path before anything else sees it.

    A server writes its access log from the same scope, when the response begins; uvicorn does. So neither its log nor
    an error's holds a token. What a mail program has appended as a query goes the same way.

    Args:
        app: what is behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            said = scope["path"].removeprefix(PREFIX)
            if said not in ANSWERS:
                value = _VALUE.fullmatch(said)
                token, rest = value.groups() if value else (said, "")
                path = OPENED + rest
                scope.update({_KEY: token, "path": path, "raw_path": path.encode(), "query_string": b""})
        await self._app(scope, receive, send)


def token_of(scope: Scope) -> str:
    """The token that a request's path held; empty when there was none."""
    return str(scope.get(_KEY, ""))
