"""Sign-in at the company's identity provider, by OpenID Connect."""

import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.core.people import Assurance
from guardkit.core.values import Json, Value
from guardkit.errors import ConfigurationError
from guardkit.web.identity_provider import IdentityProvider, ProviderUnreachableError, SignInRefusedError
from guardkit.web.problems import PageError, provider_unreachable, sign_in_refused
from guardkit.web.settings import WebSettings
from guardkit.web.signin import Door, is_path

SECRET = "GUARDKIT_OIDC_CLIENT_SECRET"  # noqa: S105  # the variable's name
"""The environment variable that holds the client's secret."""

CALLBACK = "/sign-in/callback"
"""The path that the provider sends people back to; register the inbox's URL with it."""

_SECONDS = 600.0


class _Attempt(Value):
    """A sign-in under way, in a cookie of the browser that began it."""

    state: str
    nonce: str
    verifier: str
    after: str
    until: float


class OIDC:
    """Sign-in at an OpenID Connect provider: authorization code flow with PKCE. Decisions count as `oidc`.

    Who somebody is comes from one claim of the ID token, and must be in the directory. An e-mail address counts only
    if the provider says that it has verified it. With Microsoft Entra, whose tokens do not say that, use
    `claim="oid", prefix="entra:"`: the object id is also what Teams knows people by.

    Args:
        settings: the inbox's URL and keys.
        issuer: the provider's URL exactly as its tokens name it.
        client_id: what the provider calls this inbox.
        client_secret: by default `GUARDKIT_OIDC_CLIENT_SECRET`; without one it is a public client.
        claim: the claim that says who it is.
        prefix: written before the claim's value to make an identity of the directory.
        scope: what is asked of the provider; it must hold `openid`.
        max_age: seconds after which the provider has to ask for the password again; `None` leaves it to the provider.
        ca_file: certificates to trust in place of the machine's.
        timeout: seconds for one request to the provider.
        clock: returns seconds since the epoch.

    Attributes:
        hint: what somebody is told who is not signed in.
        begins_at: `/sign-in`.
        local: always false.

    Raises:
        ConfigurationError: the issuer or the scope cannot be used.
    """

    def __init__(
        self,
        settings: WebSettings,
        *,
        issuer: str,
        client_id: str,
        client_secret: SecretStr | None = None,
        claim: str = "email",
        prefix: str = "",
        scope: str = "openid email",
        max_age: int | None = None,
        ca_file: str | Path | None = None,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if "openid" not in scope.split():
            raise ConfigurationError(f"OIDC scope {scope!r} lacks openid", remedy='e.g. "openid email"')
        self.hint = "Sign in with your company account."
        self.begins_at: str | None = "/sign-in"
        self.local = False
        self._claim = claim
        self._prefix = prefix
        self._scope = scope
        self._max_age = max_age
        self._clock = clock
        self._settings = settings
        self._serializer = URLSafeSerializer(settings.signing_keys, salt="guardkit.oidc.v1")
        self._cookie = "__Host-guardkit-oidc" if settings.secure else f"guardkit-oidc-{settings.port}"
        text = os.environ.get(SECRET)
        self._provider = IdentityProvider(
            issuer,
            client_id,
            client_secret or (SecretStr(text) if text else None),
            f"{settings.origin}{CALLBACK}",
            ca_file=ca_file,
            timeout=timeout,
            clock=clock,
        )

    def routes(self, door: Door) -> Sequence[BaseRoute]:
        """The way to the provider, and the way back."""

        def begin(request: Request) -> Response:
            after = request.query_params.get("after", "/")
            return self._begin(after if is_path(after) else "/")

        def back(request: Request) -> Response:
            try:
                response = self._back(request, door)
            except PageError as error:
                response = door.page(
                    "problem.html", status=error.status, problem=error, path=None, again=None
                )
            response.delete_cookie(
                self._cookie, path="/", httponly=True, samesite="lax", secure=self._settings.secure
            )
            return response

        return [Route("/sign-in", begin, methods=["GET"]), Route(CALLBACK, back, methods=["GET"])]

    def _begin(self, after: str) -> Response:
        attempt = _Attempt(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            after=after,
            until=self._clock() + _SECONDS,
        )
        try:
            url = self._provider.authorization_url(
                state=attempt.state,
                nonce=attempt.nonce,
                verifier=attempt.verifier,
                scope=self._scope,
                max_age=self._max_age,
            )
        except ProviderUnreachableError as error:
            raise provider_unreachable() from error
        response = RedirectResponse(url, 303)
        response.set_cookie(
            self._cookie,
            str(self._serializer.dumps(attempt.model_dump(mode="json"))),
            max_age=int(_SECONDS),
            path="/",
            httponly=True,
            # The provider leads back from another site, and a strict cookie would stay behind.
            samesite="lax",
            secure=self._settings.secure,
        )
        return response

    def _back(self, request: Request, door: Door) -> Response:
        attempt = self._attempt(request)
        given = request.query_params
        if attempt is None or not hmac.compare_digest(
            given.get("state", "").encode(), attempt.state.encode()
        ):
            raise sign_in_refused("This sign-in was not begun here, or too long ago.")
        code = given.get("code", "")
        if not code:
            raise sign_in_refused("The identity provider has not signed you in.")
        if not (code.isascii() and code.isprintable()):  # RFC 6749, appendix A.11: `code = 1*VSCHAR`
            raise sign_in_refused("What the identity provider sent does not count.")
        try:
            claims = self._provider.claims(
                code, nonce=attempt.nonce, verifier=attempt.verifier, max_age=self._max_age
            )
        except SignInRefusedError as error:
            raise sign_in_refused("What the identity provider sent does not count.") from error
        except ProviderUnreachableError as error:
            raise provider_unreachable() from error
        return door.admit(self._identity(claims), Assurance.OIDC, attempt.after, from_elsewhere=True)

    def _attempt(self, request: Request) -> _Attempt | None:
        try:
            attempt = _Attempt.model_validate(self._serializer.loads(request.cookies.get(self._cookie, "")))
        except (BadSignature, ValidationError):
            return None
        return attempt if self._clock() < attempt.until else None

    def _identity(self, claims: Mapping[str, Json]) -> str:
        value = claims.get(self._claim)
        if not isinstance(value, str) or not value:
            raise sign_in_refused(f"The identity provider does not say who you are (claim {self._claim}).")
        if self._claim == "email" and claims.get("email_verified") is not True:
            raise sign_in_refused("The identity provider has not verified your e-mail address.")
        return f"{self._prefix}{value}"
