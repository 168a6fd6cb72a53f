"""Who calls: bearer tokens (RFC 6750, in the Authorization header only), and a limit on wrong ones."""

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.requests import Request

from guardkit.core.audit import AuditEvent
from guardkit.core.people import Directory
from guardkit.core.ports import Store
from guardkit.core.tokens import ApiToken, TokenScope, token_id
from guardkit.web.api.operations import Caller
from guardkit.web.api.problems import ApiError

WRONG_LIMIT = 20
"""Wrong tokens that one client may send in `WRONG_SECONDS`."""

WRONG_SECONDS = 60.0
_CLIENTS = 10_000
"""Clients that are remembered at most; the one that was wrong longest ago is forgotten first."""

_log = logging.getLogger("guardkit.web")


class WrongTokens:
    """Counts wrong tokens per client address, in this process.

    Right tokens are never limited by it: behind a proxy all callers have one address, and nobody may lock others out.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, client: str) -> float | None:
        """Note a wrong token. Returns the seconds to wait when there were too many."""
        now = self._clock()
        with self._lock:
            times = self._seen.setdefault(client, deque(maxlen=WRONG_LIMIT))
            self._seen.move_to_end(client)
            while len(self._seen) > _CLIENTS:
                self._seen.popitem(last=False)
            if len(times) == WRONG_LIMIT and now - times[0] < WRONG_SECONDS:
                return WRONG_SECONDS - (now - times[0])
            times.append(now)
        return None


class Bearer:
    """Finds out whose token came with a request.

    Args:
        store: where tokens are, and the audit log.
        directory: who people are.
        clock: returns seconds; for the limit of wrong tokens.
    """

    def __init__(self, store: Store, directory: Directory, clock: Callable[[], float]) -> None:
        self._store = store
        self._directory = directory
        self._wrong = WrongTokens(clock)

    def caller(self, request: Request) -> Caller:
        """Whose token it is.

        Raises:
            ApiError: `unauthorized`, `too_many_wrong_tokens`; or `inactive`, when its person is not active in its
                tenant any more.
        """
        sent = request.headers.getlist("authorization")
        if not sent:
            raise _unauthorized("Send a token: Authorization: Bearer gk_…", "")
        scheme, _, text = sent[0].partition(" ")
        text = text.strip() if len(sent) == 1 and scheme.lower() == "bearer" else ""
        name = token_id(text)
        token = None if name is None else self._store.token(name)
        if token is None or not token.proves(text):
            raise self._refused(request, token, "wrong_token")
        if not token.is_live(self._store.now()):
            raise self._refused(request, token, "revoked" if token.revoked_at is not None else "expired")
        if token.holder == "service":
            return Caller(token, None)
        person = self._directory.find(token.subject)
        if person is None or not person.active or (person.id, person.tenant) != (token.subject, token.tenant):
            self._audit(token, "inactive")
            raise ApiError(
                "inactive",
                "The directory does not list the token's person as active in its tenant.",
                audited=True,
            )
        return Caller(token, person)

    def _refused(self, request: Request, token: ApiToken | None, why: str) -> ApiError:
        """What a token that does not count ends in. Callers are not told why; the audit log is, if it is a token's."""
        client = request.client.host if request.client else ""
        wait = self._wrong.count(client)
        if wait is not None:
            return ApiError(
                "too_many_wrong_tokens",
                "Wrong tokens from this address are not looked at for a while.",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        if token is None:
            _log.warning("a token that nobody knows was sent to the HTTP API")
        else:
            self._audit(token, why)
        return _unauthorized("The token is unknown, over, or revoked.", ', error="invalid_token"')

    def _audit(self, token: ApiToken, why: str) -> None:
        event = AuditEvent(kind="api.refused", data={"token": token.id, "subject": token.subject, "why": why})
        self._store.append(token.tenant, [event])


def check_scope(caller: Caller, scope: TokenScope) -> None:
    """Refuse a token that is not for this. Raises `ApiError`: `scope_missing`."""
    if scope not in caller.token.scopes:
        raise ApiError(
            "scope_missing",
            f"This needs a token with the scope {scope.value}.",
            headers={
                "WWW-Authenticate": f'Bearer realm="guardkit", error="insufficient_scope", scope="{scope.value}"'
            },
        )


def _unauthorized(detail: str, error: str) -> ApiError:
    return ApiError("unauthorized", detail, headers={"WWW-Authenticate": f'Bearer realm="guardkit"{error}'})
