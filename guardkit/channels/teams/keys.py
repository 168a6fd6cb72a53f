"""The keys that the Bot Framework signs its requests to bots with.

Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication, step
"Get the OpenID metadata document" and "Get the list of valid signing keys".
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httpx
import jwt

from guardkit.channels.teams.faults import text_of
from guardkit.channels.teams.settings import is_private_url
from guardkit.core.values import Json, JsonObject
from guardkit.errors import ChannelError

_FRESH = 3600.0
"""Seconds after which the keys are asked for again, so that a withdrawn one is noticed."""

_STALE = 24 * 3600.0
"""Seconds for which keys are used while they cannot be asked for."""

_COOL_DOWN = 30.0
"""Seconds between two questions: tokens with invented key ids must not make this process ask all the time."""

_COOL_DOWN_AFTER_FAILURE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One public key, and the channels whose requests it may sign."""

    key: jwt.PyJWK
    endorsements: frozenset[str] | None
    """`None` where the key set says nothing about channels."""


class SigningKeys:
    """The key set, fetched when it is first needed and kept in memory.

    Args:
        client: what requests are made with.
        metadata_url: of the OpenID metadata document.
        clock: returns seconds.
    """

    def __init__(
        self, client: httpx.Client, metadata_url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._metadata_url = metadata_url
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._failed = False

    def find(self, key_id: str) -> SigningKey | None:
        """The key with this id, or `None` when there is none.

        Raises:
            ChannelError: the keys cannot be had, so nothing can be said.
        """
        with self._lock:
            age = self._age()
            if age is None or age > _FRESH or key_id not in self._keys:
                self._refresh(useless_without=age is None or age > _STALE)
            return self._keys.get(key_id)

    def fetch(self) -> int:
        """Ask for the keys now. Returns how many there are.

        Raises:
            ChannelError: they cannot be had.
        """
        with self._lock:
            self._asked_at = None
            self._refresh(useless_without=True)
            return len(self._keys)

    def _age(self) -> float | None:
        return None if self._fetched_at is None else self._clock() - self._fetched_at

    def _refresh(self, *, useless_without: bool) -> None:
        now = self._clock()
        wait = _COOL_DOWN_AFTER_FAILURE if self._failed else _COOL_DOWN
        if self._asked_at is not None and now - self._asked_at < wait:
            if useless_without:
                raise ChannelError("Teams: the keys that requests are signed with cannot be had")
            return
        self._asked_at = now
        try:
            self._keys = self._fetch()
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            self._failed = True
            if useless_without:
                raise ChannelError(
                    f"Teams: the keys that requests are signed with cannot be had: {type(error).__name__}",
                    remedy="check openid_metadata_url, network and certificates",
                ) from error
            return
        self._failed = False
        self._fetched_at = now

    def _fetch(self) -> dict[str, SigningKey]:
        document = self._get(self._metadata_url)
        where = text_of(document, "jwks_uri")
        if where is None or not is_private_url(where):
            raise ValueError("the metadata document names no key set")
        answer = self._get(where)
        listed = answer.get("keys") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ValueError("the key set holds no list of keys")  # noqa: TRY004  # what came in, not how it was called
        found = (_key(one) for one in listed if isinstance(one, dict))
        keys = {key_id: key for key_id, key in found if key is not None}
        if not keys:
            raise ValueError("the key set holds no key that can be used")
        return keys

    def _get(self, url: str) -> Json:
        reply = self._client.get(url)
        reply.raise_for_status()
        return cast("Json", reply.json())


def _key(data: JsonObject) -> tuple[str, SigningKey | None]:
    """One key for RS256; `None` for one that is for something else."""
    key_id = data.get("kid")
    fits = (
        data.get("kty") == "RSA" and data.get("use", "sig") == "sig" and data.get("alg", "RS256") == "RS256"
    )
    if not isinstance(key_id, str) or not fits:
        return "", None
    endorsed = data.get("endorsements")
    named = frozenset(one for one in endorsed if isinstance(one, str)) if isinstance(endorsed, list) else None
    try:
        return key_id, SigningKey(key=jwt.PyJWK(data, algorithm="RS256"), endorsements=named)
    except jwt.PyJWTError:
        return key_id, None
