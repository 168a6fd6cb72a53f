"""What the inbox asks of an OpenID Connect provider: its metadata, its keys, a code's ID token.

Rules are those of OpenID Connect Core 1.0 (section 3.1.3.7 for ID tokens) and of Discovery 1.0 (section 4.3: the
issuer in the metadata is the one that was asked).
"""

import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr

from guardkit.core.values import Json
from guardkit.errors import ConfigurationError, GuardkitError

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures by a key that only the provider has. Nothing that the client's secret could sign, and never `none`."""

_LEEWAY = 60
_METADATA_SECONDS = 3600.0
_KEYS_SECONDS = 30.0
"""Seconds between two looks at the provider's keys at least, when a token names one that is not known."""


class SignInRefusedError(GuardkitError):
    """A sign-in that the provider, or what it sent, does not allow."""

    code = "sign_in_refused"


class ProviderUnreachableError(GuardkitError):
    """The provider does not answer, or not as a provider does."""

    code = "provider_unreachable"


class IdentityProvider:
    """One OpenID Connect provider, and this inbox as its client.

    Args:
        issuer: its URL exactly as its tokens name it; `https`, or `http` on loopback.
        client_id: what it calls this inbox.
        client_secret: what it authenticates this inbox by; `None` for a public client, which PKCE protects.
        redirect_uri: where people come back to.
        ca_file: certificates to trust in place of the machine's.
        timeout: seconds for one request to it.
        clock: returns seconds since the epoch.

    Raises:
        ConfigurationError: the issuer cannot be used.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: SecretStr | None,
        redirect_uri: str,
        *,
        ca_file: str | Path | None = None,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not _is_safe(issuer):
            raise ConfigurationError(f"OIDC issuer {issuer!r} is neither https nor http on loopback")
        self.issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._redirect_uri = redirect_uri
        self._verify = ssl.create_default_context(cafile=ca_file)
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Json]] = (0.0, {})
        self._keys: tuple[float, KeySet | None] = (0.0, None)

    def authorization_url(
        self, *, state: str, nonce: str, verifier: str, scope: str, max_age: int | None
    ) -> str:
        """Where to send somebody who wants to sign in.

        Raises:
            ProviderUnreachableError: the metadata cannot be had.
        """
        more: dict[str, Any] = {"nonce": nonce} if max_age is None else {"nonce": nonce, "max_age": max_age}
        with self._client(scope) as client:
            url, _ = cast(
                "tuple[str, str]",
                client.create_authorization_url(
                    self._endpoint("authorization_endpoint"), state=state, code_verifier=verifier, **more
                ),
            )
        return url

    def claims(self, code: str, *, nonce: str, verifier: str, max_age: int | None) -> Mapping[str, Json]:
        """Who has signed in: the claims of the ID token that a code is worth.

        Raises:
            SignInRefusedError: the provider refuses the code, or the token is not good.
            ProviderUnreachableError: it does not answer.
        """
        endpoint = self._endpoint("token_endpoint")
        try:
            with self._client() as client:
                token = cast(
                    "Mapping[str, Json]", client.fetch_token(endpoint, code=code, code_verifier=verifier)
                )
        except AuthlibBaseError as error:
            raise SignInRefusedError(f"the provider refuses the code: {error.error}") from error
        except (httpx2.HTTPError, ValueError, TypeError) as error:
            raise ProviderUnreachableError(f"no token: {type(error).__name__}") from error
        text = token.get("id_token")
        if not isinstance(text, str):
            raise SignInRefusedError("the provider sent no ID token", remedy="ask for the scope openid")
        return self._verified(text, nonce, max_age)

    def _verified(self, text: str, nonce: str, max_age: int | None) -> Mapping[str, Json]:
        try:
            try:
                token = jwt.decode(text, self._key_set(), algorithms=list(ALGORITHMS))
            except (JoseError, ValueError):
                token = jwt.decode(text, self._key_set(anew=True), algorithms=list(ALGORITHMS))
            now = int(self._clock())
            claims = cast("dict[str, Json]", token.claims)
            jwt.JWTClaimsRegistry(
                now=now,
                leeway=_LEEWAY,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise SignInRefusedError(f"the ID token is not good: {type(error).__name__}") from error
        audience = claims.get("aud")
        party = claims.get("azp")
        if (isinstance(audience, list) and len(audience) > 1 and party is None) or party not in (
            None,
            self._client_id,
        ):
            raise SignInRefusedError("the ID token was made for another party")
        if max_age is not None:
            at = claims.get("auth_time")
            if not isinstance(at, int | float) or isinstance(at, bool) or now - at > max_age + _LEEWAY:
                raise SignInRefusedError("the provider has not asked for a new sign-in")
        return claims

    def _client(self, scope: str | None = None) -> Any:
        secret = None if self._secret is None else self._secret.get_secret_value()
        client = cast("Any", OAuth2Client)
        return client(
            self._client_id,
            secret,
            scope=scope,
            redirect_uri=self._redirect_uri,
            token_endpoint_auth_method="none" if secret is None else "client_secret_basic",
            code_challenge_method="S256",
            verify=self._verify,
            timeout=self._timeout,
            trust_env=False,
        )

    def _endpoint(self, name: str) -> str:
        url = self._known().get(name)
        if not isinstance(url, str) or not _is_safe(url):
            raise ProviderUnreachableError(f"the provider's metadata has no usable {name}")
        return url

    def _known(self) -> Mapping[str, Json]:
        with self._lock:
            until, metadata = self._metadata
            if self._clock() < until:
                return metadata
            found = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:
                raise ProviderUnreachableError(
                    "the metadata names another issuer",
                    remedy="write the issuer exactly as the provider does",
                )
            self._metadata = self._clock() + _METADATA_SECONDS, found
            return found

    def _key_set(self, *, anew: bool = False) -> KeySet:
        url = self._endpoint("jwks_uri")
        with self._lock:
            at, keys = self._keys
            if keys is None or (anew and self._clock() - at >= _KEYS_SECONDS):
                keys = KeySet.import_key_set(cast("Any", self._get(url)))
                self._keys = self._clock(), keys
            return keys

    def _get(self, url: str) -> Mapping[str, Json]:
        try:
            with httpx2.Client(verify=self._verify, timeout=self._timeout, trust_env=False) as client:
                reply = client.get(url)
                reply.raise_for_status()
                found = reply.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderUnreachableError(f"the provider does not answer: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise ProviderUnreachableError("the provider's answer is no JSON object")
        return cast("dict[str, Json]", found)


def _is_safe(url: str) -> bool:
    """Whether a URL is https, or http on loopback."""
    try:
        split = urlsplit(url)
        host = split.hostname or ""
    except ValueError:
        return False
    if split.scheme == "https":
        return bool(host)
    try:
        return split.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
