"""The token of an incoming request: whether the Bot Framework sent it, to this bot, from the service that it names.

The rules are those of
https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication, section
"Authenticate requests from the Bot Connector service to your bot", and none of them can be switched off. Beyond
them a token must say when it expires: PyJWT would take one without for eternal.
"""

from dataclasses import dataclass
from typing import Any

import jwt

from guardkit.channels.teams.keys import SigningKeys

SKEW = 300.0
"""Seconds by which the clocks of sender and receiver may differ."""

CHANNEL = "msteams"
"""The one Bot Framework channel that is served."""

_LONGEST = 16_384
_ALGORITHM = "RS256"


class TokenRefusedError(Exception):
    """A request whose sender is not who it has to be.

    Attributes:
        why: a stable identifier, for the audit log.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a genuine token says."""

    service_url: str
    """The service that may have sent the request, without a slash at its end."""


class Bearer:
    """Judges the `Authorization` header.

    Args:
        keys: the sender's public keys.
        app_id: whom the token must be for.
        issuer: whom it must be from.
    """

    def __init__(self, keys: SigningKeys, *, app_id: str, issuer: str) -> None:
        self._keys = keys
        self._app_id = app_id
        self._issuer = issuer

    def judge(self, header: str | None) -> Credential:
        """What a request's token says, once it is known to be genuine.

        Args:
            header: the `Authorization` header.

        Raises:
            TokenRefusedError: it is missing, or not genuine.
            ChannelError: the keys cannot be had, so nothing can be said.
        """
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRefusedError("no_token")
        if len(token) > _LONGEST or not token.isascii():
            raise TokenRefusedError("token_malformed")
        claims = self._claims(token.strip())
        service_url = claims.get("serviceurl")
        if not isinstance(service_url, str) or not service_url.strip("/ "):
            raise TokenRefusedError("token_names_no_service")
        return Credential(service_url=service_url.rstrip("/"))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != _ALGORITHM:
                raise TokenRefusedError("token_algorithm")
            key_id = header.get("kid")
            found = self._keys.find(key_id) if isinstance(key_id, str) else None
            if found is None:
                raise TokenRefusedError("token_key")
            if found.endorsements is not None and CHANNEL not in found.endorsements:
                raise TokenRefusedError("token_not_endorsed")
            return jwt.decode(
                token,
                found.key,
                algorithms=[_ALGORITHM],
                audience=self._app_id,
                issuer=self._issuer,
                leeway=SKEW,
                options={"require": ["exp", "iss", "aud"], "strict_aud": True},
            )
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(_why(error)) from error
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            # What PyJWT's parsing lets through of a token that somebody made up.
            raise TokenRefusedError("token_malformed") from error


_WHY: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.ExpiredSignatureError, "token_expired"),
    (jwt.ImmatureSignatureError, "token_not_yet_valid"),
    (jwt.InvalidAudienceError, "token_audience"),
    (jwt.InvalidIssuerError, "token_issuer"),
    (jwt.MissingRequiredClaimError, "token_claim_missing"),
    (jwt.InvalidSignatureError, "token_signature"),
)


def _why(error: jwt.InvalidTokenError) -> str:
    return next((why for kind, why in _WHY if isinstance(error, kind)), "token_malformed")
