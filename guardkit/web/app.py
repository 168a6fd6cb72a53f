"""The web inbox as an ASGI application."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from guardkit.channels.email import Email
from guardkit.channels.host import ReceivingChannel
from guardkit.core.people import Directory
from guardkit.core.ports import Store
from guardkit.errors import DecisionRefusedError, StorageError, UnknownApprovalError
from guardkit.runtime.desk import Desk
from guardkit.runtime.looking import Readiness
from guardkit.web.answering import Answering
from guardkit.web.api import BesideInbox, http_api
from guardkit.web.arrivals import Arrivals
from guardkit.web.detail import Detail
from guardkit.web.emergencies import EmergencyPages
from guardkit.web.health import Health
from guardkit.web.hooks import Hooks
from guardkit.web.lists import Lists
from guardkit.web.mail_links import MailAnswers, check_keys
from guardkit.web.mail_tokens import MailTokens
from guardkit.web.pages import STATIC, Pages
from guardkit.web.problems import PageError, bad_request, not_found, refused, unavailable, wrong_method
from guardkit.web.reception import Reception
from guardkit.web.sessions import Sessions
from guardkit.web.settings import WebSettings
from guardkit.web.shield import Shield
from guardkit.web.signin import EveryRequest, SignIn
from guardkit.web.standing import StandingPages
from guardkit.web.together import Together
from guardkit.web.withdrawing import Withdrawing

_log = logging.getLogger("guardkit.web")


def inbox(
    desk: Desk,
    store: Store,
    directory: Directory,
    settings: WebSettings,
    *,
    sign_in: SignIn,
    channels: Mapping[str, object] | None = None,
    attach: Callable[[], bool] = lambda: True,
    ready: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The inbox in which people see what waits for them, and decide.

    Args:
        desk: takes decisions.
        store: where approvals, runs and the audit log are.
        directory: who people are.
        settings: URL, keys and sizes.
        sign_in: how people sign in.
        channels: approval channels by name; those that take answers by HTTP get an address, `/hooks/<name>`, and the
            links of those that write mails lead to `/mail/<token>`.
        clock: returns seconds since the epoch; when sessions end. Approvals go by the store's clock.
        attach: attaches channels whose messenger has not answered before; returns whether none is left.
        ready: raises while the process cannot do its work; by default while the database does not answer.

    Raises:
        MissingKeyError: `web.keys` is empty.
        ConfigurationError: the settings would serve people unsafely; names the setting.
    """
    settings.check(local_sign_in=sign_in.local)
    pages = Pages(settings, directory, sign_in_hint=sign_in.hint, sign_in_at=sign_in.begins_at)
    sessions = Sessions(settings, clock)
    every = sign_in if isinstance(sign_in, EveryRequest) else None
    reception = Reception(settings, directory, sessions, pages, every)
    arrivals = Arrivals(desk, store)
    detail = Detail(desk, store, reception, pages, arrivals)
    mailing = {name: channel for name, channel in (channels or {}).items() if isinstance(channel, Email)}
    check_keys(mailing, settings)
    receiving = {
        name: channel for name, channel in (channels or {}).items() if isinstance(channel, ReceivingChannel)
    }

    health = Health(Readiness(ready or store.now))

    async def sign_out(request: Request) -> Response:
        form = await reception.read(request)
        visitor = await run_in_threadpool(reception.sender, request, form)
        return reception.dismiss(visitor)

    app = Starlette(
        routes=[
            *health.routes(),
            Route("/static/{name}", _static, methods=["GET"]),
            Route("/sign-out", sign_out, methods=["POST"]),
            *sign_in.routes(reception),
            *Lists(desk, store, reception, pages, settings).routes(),
            *detail.routes(),
            *EmergencyPages(desk, store, reception, pages).routes(),
            *Together(desk, store, reception, pages).routes(),
            *Answering(desk, detail, reception, pages, arrivals).routes(),
            *Withdrawing(desk, detail, reception).routes(),
            *StandingPages(desk, store, reception, pages).routes(),
            *Hooks(receiving, attach).routes(),
            *MailAnswers(desk, store, directory, settings, detail, reception, pages, mailing).routes(),
        ],
        middleware=[
            Middleware(BesideInbox, api=http_api(desk, store, directory, settings, clock=clock)),
            Middleware(MailTokens),
            Middleware(Shield, settings=settings, pages=pages),
        ],
        exception_handlers=_handlers(pages),
    )
    app.state.readiness = health.readiness
    return app


def _handlers(pages: Pages) -> dict[Any, Any]:
    """What each expected error becomes."""

    def page(request: Request, error: PageError) -> Response:
        return pages.problem(error, path=request.url.path if request.method == "GET" else None)

    def approval_of(request: Request) -> str | None:
        return (
            f"/approvals/{quote(request.path_params['id'], safe='')}" if "id" in request.path_params else None
        )

    def decision(request: Request, error: DecisionRefusedError) -> Response:
        return pages.problem(refused(error), again=approval_of(request))

    def unknown(request: Request, error: UnknownApprovalError) -> Response:
        return pages.problem(not_found())

    def storage(request: Request, error: StorageError) -> Response:
        _log.error("the database does not answer: %s", type(error).__qualname__)
        return pages.problem(unavailable())

    def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return pages.problem(not_found())
        if error.status_code == 405:
            response = pages.problem(wrong_method(), again=approval_of(request))
            response.headers.update(error.headers or {})
            return response
        return pages.problem(bad_request("It is not one that a page of the inbox makes."))

    return {
        PageError: page,
        DecisionRefusedError: decision,
        UnknownApprovalError: unknown,
        StorageError: storage,
        HTTPException: http,
    }


def _static(request: Request) -> Response:
    found = STATIC.get(request.path_params["name"])
    if found is None:
        raise not_found()
    data, kind = found
    return Response(data, media_type=kind, headers={"Cache-Control": "public, max-age=86400"})
