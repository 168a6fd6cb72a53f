"""How people sign in."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote

from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from guardkit.core.people import Assurance
from guardkit.core.values import Value
from guardkit.errors import InputError
from guardkit.web.bodies import Form
from guardkit.web.settings import WebSettings


class Door(Protocol):
    """What a sign-in may use of the inbox."""

    async def read(self, request: Request) -> Form:
        """Reads a form that was posted."""
        ...

    def page(self, template: str, **context: Any) -> Response:
        """Renders one of the inbox's pages."""
        ...

    def admit(
        self, identity: str, assurance: Assurance, after: str, *, from_elsewhere: bool = False
    ) -> Response:
        """Signs a person in and leads to the path `after`; refuses whom the directory does not list as active.

        Args:
            identity: whom the sign-in has verified.
            assurance: how surely.
            after: the path to go to.
            from_elsewhere: whether another site has led here. A browser does not show a session that is begun then to
                a redirect, so a page leads on.
        """
        ...


class SignIn(Protocol):
    """A way to establish who somebody is."""

    hint: str
    """What somebody is told who is not signed in."""

    begins_at: str | None
    """The path that the sign-in begins at; `None` when people come by a link."""

    local: bool
    """Whether it only vouches for somebody at the machine itself. Such an inbox is not served to others."""

    def routes(self, door: Door) -> Sequence[BaseRoute]:
        """The pages of the sign-in."""
        ...


@runtime_checkable
class EveryRequest(Protocol):
    """A sign-in that says at every request who it is from; the session is worth nothing without it."""

    def identity_of(self, request: Request) -> str | None:
        """Who has sent a request, as the directory knows them; `None` for nobody."""
        ...


def is_path(after: str) -> bool:
    """Whether it is a path of this inbox, and of no other site."""
    return after.startswith("/") and not after.startswith("//") and "\\" not in after and after.isprintable()


class LinkRefusedError(InputError):
    """A one-time link that cannot be used.

    Attributes:
        reason: `invalid`, `expired`, `used` or `issued_before_start`.
    """

    code = "link_refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Link(Value):
    identity: str
    after: str
    nonce: str
    issued: float


class OneTimeLink:
    """Sign-in by a link that is printed where only the operator sees it. Decisions count as `local_operator`.

    A link signs in once and only within `settings.link_seconds`. Opening it changes nothing, since mail scanners and
    previews open links too; the button on its page signs in. Which links were used is remembered by this process: a
    link that was issued before this object was made is refused, so a restart does not make a used link usable again.
    Several processes that serve the same inbox would each accept a link once.

    Args:
        settings: keys, URL and lifetime.
        clock: returns seconds since the epoch.

    Attributes:
        hint: what somebody is told who is not signed in.
        begins_at: always `None`.
        local: always true.
        assurance: always `local_operator`.
    """

    def __init__(self, settings: WebSettings, *, clock: Callable[[], float] = time.time) -> None:
        self.hint = "Open the one-time link that was printed where the inbox was started."
        self.begins_at: str | None = None
        self.local = True
        self.assurance = Assurance.LOCAL_OPERATOR
        self._settings = settings
        self._clock = clock
        self._serializer = URLSafeSerializer(settings.signing_keys, salt="guardkit.link.v1")
        self._started = clock()
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def link_for(self, identity: str, *, after: str = "/") -> str:
        """A URL that signs this person in, once.

        Args:
            identity: as the directory knows the person.
            after: the path to go to, e.g. `/approvals/<id>`.

        Raises:
            InputError: `after` is not a path of the inbox.
        """
        if not is_path(after):
            raise InputError(f"after {after!r} is not a path of the inbox", remedy="begin it with one slash")
        link = _Link(identity=identity, after=after, nonce=secrets.token_urlsafe(18), issued=self._clock())
        token = self._serializer.dumps(link.model_dump(mode="json"))
        return f"{self._settings.origin}/sign-in?token={quote(str(token))}"

    def look(self, token: str) -> str:
        """Whom a link would sign in. Uses nothing up.

        Raises:
            LinkRefusedError: it cannot be used.
        """
        return self._open(token).identity

    def redeem(self, token: str) -> tuple[str, str]:
        """Whom a link signs in, and the path to go to. The link is used up.

        Raises:
            LinkRefusedError: it cannot be used.
        """
        link = self._open(token)
        now = self._clock()
        with self._lock:
            if link.nonce in self._used:
                raise LinkRefusedError("used", "the link was used before")
            self._used = {nonce: until for nonce, until in self._used.items() if until > now}
            self._used[link.nonce] = link.issued + self._settings.link_seconds
        return link.identity, link.after

    def routes(self, door: Door) -> Sequence[BaseRoute]:
        """The page that a link leads to, and what its button does."""

        def show(request: Request) -> Response:
            token = request.query_params.get("token", "")
            try:
                identity = self.look(token)
            except LinkRefusedError as error:
                return door.page("link_refused.html", status=403, reason=error.reason)
            return door.page("sign_in.html", token=token, identity=identity)

        async def use(request: Request) -> Response:
            form = await door.read(request)
            return await run_in_threadpool(enter, form.get("token", ""))

        def enter(token: str) -> Response:
            try:
                identity, after = self.redeem(token)
            except LinkRefusedError as error:
                return door.page("link_refused.html", status=403, reason=error.reason)
            return door.admit(identity, self.assurance, after)

        return [Route("/sign-in", show, methods=["GET"]), Route("/sign-in", use, methods=["POST"])]

    def _open(self, token: str) -> _Link:
        try:
            link = _Link.model_validate(self._serializer.loads(token))
        except (BadSignature, ValidationError) as error:
            raise LinkRefusedError("invalid", "the link is not genuine") from error
        if link.issued + self._settings.link_seconds <= self._clock():
            raise LinkRefusedError("expired", "the link is too old")
        if link.issued < self._started:
            raise LinkRefusedError("issued_before_start", "the link was issued before the inbox started")
        with self._lock:
            if link.nonce in self._used:
                raise LinkRefusedError("used", "the link was used before")
        return link
