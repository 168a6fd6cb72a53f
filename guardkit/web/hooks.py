"""Where messengers deliver people's answers: one address a channel, `/hooks/<name>`."""

import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from guardkit.channels.host import ReceivingChannel
from guardkit.channels.http import HttpRequest
from guardkit.errors import ChannelError, StorageError

PREFIX = "/hooks/"
"""Requests below it are no browser's: each channel checks the signature that its messenger makes."""

_AGAIN = 30.0
"""Seconds until a messenger that does not answer is tried again."""

BODY_LIMIT = 1024 * 1024
"""Bytes of the largest request that is read; what messengers send is smaller."""


class Hooks:
    """The addresses of the channels that answers come back through by HTTP.

    Args:
        channels: by name.
        attach: attaches channels whose messenger did not answer when the process began; returns whether none is left.
    """

    def __init__(self, channels: Mapping[str, ReceivingChannel], attach: Callable[[], bool]) -> None:
        self._channels = channels
        self._attach = attach
        self._attached = False
        self._attach_at = 0.0

    def routes(self) -> Sequence[BaseRoute]:
        """One address a channel, and what is below it."""
        return [
            Route("/hooks/{name}", self._take, methods=["POST"]),
            Route("/hooks/{name}/{path:path}", self._take, methods=["POST"]),
        ]

    async def _take(self, request: Request) -> Response:
        channel = self._channels.get(request.path_params["name"])
        if channel is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        body = await _read(request)
        if body is None:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        names = [name for name, _ in request.headers.items()]
        headers = {name: value for name, value in request.headers.items() if names.count(name) == 1}
        await self._attach_all()
        taken = HttpRequest(path=request.path_params.get("path", ""), headers=headers, body=body)
        try:
            reply = await run_in_threadpool(channel.receive, taken)
        except (StorageError, ChannelError):
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(reply.body, reply.status, dict(reply.headers))

    async def _attach_all(self) -> None:
        if not self._attached and time.monotonic() >= self._attach_at:
            self._attach_at = time.monotonic() + _AGAIN
            self._attached = await run_in_threadpool(self._attach)


async def _read(request: Request) -> bytes | None:
    """The body; `None` when it is longer than what is read."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                return None
    except ClientDisconnect:
        return None
    return bytes(body)
