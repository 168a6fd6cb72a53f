"""Sign-in by a reverse proxy that has signed people in already."""

import hmac
import os
from collections.abc import Sequence

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from guardkit.core.people import Assurance
from guardkit.errors import ConfigurationError, MissingKeyError
from guardkit.web.problems import sign_in_refused
from guardkit.web.settings import KEY_LENGTH
from guardkit.web.signin import Door, is_path

SECRET = "GUARDKIT_PROXY_SECRET"  # noqa: S105  # the variable's name
"""The environment variable that holds what the proxy proves itself by."""


class TrustedProxy:
    """Sign-in by headers that a reverse proxy sets, which has signed people in at the company's provider.

    The proxy proves itself by a secret in a header of its own, and must remove both headers from what browsers send.
    Who somebody is is read from every request again: when the proxy names another person, or nobody, the session ends.

    Args:
        identity_header: the header that names the person, as the directory knows them.
        secret_header: the header that holds the secret.
        secret: at least 32 characters; by default `GUARDKIT_PROXY_SECRET`.
        prefix: written before the header's value to make an identity of the directory.
        assurance: what the proxy's sign-in counts as.

    Attributes:
        hint: what somebody is told who is not signed in.
        begins_at: `/sign-in`.
        local: always false.

    Raises:
        MissingKeyError: there is no secret.
        ConfigurationError: the secret is too short, or both headers are the same.
    """

    def __init__(
        self,
        *,
        identity_header: str = "X-Forwarded-Email",
        secret_header: str = "X-Guardkit-Proxy",  # noqa: S107  # the header's name
        secret: SecretStr | None = None,
        prefix: str = "",
        assurance: Assurance = Assurance.OIDC,
    ) -> None:
        text = secret.get_secret_value() if secret is not None else os.environ.get(SECRET, "")
        if not text:
            raise MissingKeyError(
                f"{SECRET} is not set", remedy="the proxy has to send it with every request"
            )
        if len(text) < KEY_LENGTH:
            raise ConfigurationError(f"{SECRET} has {len(text)} characters, {KEY_LENGTH} are needed")
        if identity_header.casefold() == secret_header.casefold():
            raise ConfigurationError(f"{identity_header!r} cannot hold both the person and the secret")
        self.hint = "Sign in at your company's portal first."
        self.begins_at: str | None = "/sign-in"
        self.local = False
        self._identity_header = identity_header
        self._secret_header = secret_header
        self._secret = text.encode()
        self._prefix = prefix
        self._assurance = assurance

    def routes(self, door: Door) -> Sequence[BaseRoute]:
        """Where the proxy's word becomes a session."""

        def enter(request: Request) -> Response:
            identity = self.identity_of(request)
            if identity is None:
                raise sign_in_refused("The company's portal has not signed you in.")
            after = request.query_params.get("after", "/")
            return door.admit(identity, self._assurance, after if is_path(after) else "/")

        return [Route("/sign-in", enter, methods=["GET"])]

    def identity_of(self, request: Request) -> str | None:
        """Whom the proxy has signed in, as the directory knows them; `None` when it is not the proxy's request."""
        proofs = request.headers.getlist(self._secret_header)
        names = request.headers.getlist(self._identity_header)
        if len(proofs) != 1 or len(names) != 1 or not names[0].strip():
            return None
        if not hmac.compare_digest(proofs[0].encode("latin-1"), self._secret):
            return None
        return f"{self._prefix}{names[0].strip()}"
