"""The HTTP API as an ASGI application, and its place beside the inbox."""

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from guardkit.core.people import Directory
from guardkit.core.ports import Store
from guardkit.runtime.desk import Desk
from guardkit.web.api.approvals import Approvals
from guardkit.web.api.batches import Batches
from guardkit.web.api.bearer import Bearer
from guardkit.web.api.emergencies import Emergencies
from guardkit.web.api.measuring import Measuring
from guardkit.web.api.openapi import DOCUMENT_PATH, document
from guardkit.web.api.operating import Operating
from guardkit.web.api.operations import ROOT
from guardkit.web.api.problems import ApiError, JsonProblems, not_found, response
from guardkit.web.api.serving import Serving
from guardkit.web.api.standing import Standing
from guardkit.web.settings import WebSettings
from guardkit.web.shield import API, Shield


def http_api(
    desk: Desk, store: Store, directory: Directory, settings: WebSettings, *, clock: Callable[[], float]
) -> Starlette:
    """The HTTP API, at `/api/v1`.

    Args:
        desk: takes decisions.
        store: where approvals, runs, tokens and the audit log are.
        directory: who people are.
        settings: the names that are answered to, and sizes.
        clock: returns seconds since the epoch; for the limit of wrong tokens. Tokens go by the store's clock.
    """
    bearer = Bearer(store, directory, clock)
    text = json.dumps(document())

    def show_document(request: Request) -> Response:
        return Response(text, media_type="application/json")

    served = (
        *Approvals(desk, store).served(),
        *Batches(desk).served(),
        *Emergencies(desk, store).served(),
        *Standing(desk, store).served(),
        *Measuring(desk).served(),
        *Operating(store).served(),
    )
    return Starlette(
        routes=[
            Route(ROOT + DOCUMENT_PATH, show_document, methods=["GET"], name="showDocument"),
            *(Serving[Any, Any](one, bearer, store, settings.body_limit).route() for one in served),
        ],
        middleware=[Middleware(Shield, settings=settings, pages=JsonProblems())],
        exception_handlers={HTTPException: _unrouted},
    )


def _unrouted(request: Request, error: Exception) -> Response:
    """What no operation takes."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return response(
            ApiError("method_not_allowed", "See `Allow` for what it takes.", headers=error.headers or {})
        )
    return response(not_found())


class BesideInbox:
    """ASGI middleware that sends what is for the HTTP API there, and everything else on.

    Neither sees the other's requests: no cookie counts at the API, and no token at the inbox.

    Args:
        app: the inbox.
        api: the HTTP API.
    """

    def __init__(self, app: ASGIApp, api: ASGIApp) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        for_api = scope["type"] == "http" and scope["path"].startswith(API)
        await (self._api if for_api else self._app)(scope, receive, send)
