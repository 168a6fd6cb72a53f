"""Serves one operation: who calls, what they send, once, and what comes of it."""

import logging
import re
from typing import Generic

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from guardkit.core.audit import AuditEvent
from guardkit.core.digest import sha256
from guardkit.core.ports import Store
from guardkit.core.replies import Answered, Held, InProgress, KeyedRequest, Reply, Reused
from guardkit.core.values import Json, Value
from guardkit.errors import StorageError
from guardkit.web.api.bearer import Bearer, check_scope
from guardkit.web.api.operations import ROOT, B, Call, Caller, Q, Served
from guardkit.web.api.problems import MEDIA_TYPE, ApiError, dumped, not_found, response, unavailable
from guardkit.web.api.reading import check_json, key_of, parsed, query_of, read_body

_JSON = "application/json"
_log = logging.getLogger("guardkit.web")


class Serving(Generic[Q, B]):
    """An operation at its address.

    Args:
        served: the operation, and what answers it.
        bearer: knows whose token it is.
        store: where answers are kept, and the audit log.
        limit: the most bytes of a body that are read.
    """

    def __init__(self, served: Served[Q, B], bearer: Bearer, store: Store, limit: int) -> None:
        self._operation = served.operation
        self._act = served.act
        self._bearer = bearer
        self._store = store
        self._limit = limit

    def route(self) -> Route:
        """The operation's address."""
        return Route(
            ROOT + self._operation.path,
            self._endpoint,
            methods=[self._operation.method],
            name=self._operation.id,
        )

    async def _endpoint(self, request: Request) -> Response:
        caller: Caller | None = None
        try:
            caller = await run_in_threadpool(self._bearer.caller, request)
            check_scope(caller, self._operation.scope)
            body = await read_body(request, self._limit)
            return await run_in_threadpool(self._served, request, caller, body)
        except ApiError as error:
            return await run_in_threadpool(self._refused, request, caller, error)
        except StorageError as error:
            _log.error("the database does not answer: %s", type(error).__qualname__)
            return response(unavailable())

    def _served(self, request: Request, caller: Caller, body: bytes) -> Response:
        operation = self._operation
        parts = {name: str(value) for name, value in request.path_params.items()}
        if not all(re.fullmatch(pattern, parts[name]) for name, pattern in operation.parts.items()):
            raise not_found()
        query = query_of(request, operation.query)
        if operation.method == "GET":
            call = Call(caller=caller, parts=parts, query=query, body=operation.body())
            return _answer(dumped(self._act(call)), operation.status)
        check_json(request)
        key = key_of(request)
        said = parsed(body, operation.body)
        keyed = KeyedRequest(
            tenant=caller.token.tenant,
            token_id=caller.token.id,
            key=key,
            fingerprint=sha256("guardkit.api-request.v1", [operation.id, dict(parts), _content(said)]),
        )
        mark = f"api-{keyed.name[:32]}-{keyed.fingerprint[:32]}"
        return self._once(request, Call(caller=caller, parts=parts, query=query, body=said, mark=mark), keyed)

    def _once(self, request: Request, call: Call[Q, B], keyed: KeyedRequest) -> Response:
        """Act, unless the same request has been answered."""
        match self._store.hold(keyed):
            case Answered(reply):
                self._audit(request, call.caller, "api.replayed")
                return _answer(reply.body, reply.status)
            case InProgress():
                raise ApiError(
                    "in_progress",
                    "Send it again in a moment, with the same key.",
                    headers={"Retry-After": "1"},
                )
            case Reused():
                raise ApiError("key_reused", "Send a new key with a new request.")
            case Held(owner):
                return self._acted(request, call, keyed, owner)

    def _acted(self, request: Request, call: Call[Q, B], keyed: KeyedRequest, owner: str) -> Response:
        try:
            reply = Reply(status=self._operation.status, body=dumped(self._act(call)))
        except ApiError as error:
            reply = Reply(status=error.kind.status, body=dumped(error.problem))
            if not error.audited:
                self._audit(request, call.caller, "api.refused", why=error.kind.name)
        except StorageError:
            self._store.let_go(keyed, owner)
            raise
        self._keep(keyed, owner, reply)
        return _answer(reply.body, reply.status)

    def _keep(self, keyed: KeyedRequest, owner: str, reply: Reply) -> None:
        try:
            self._store.answered(keyed, owner, reply)
        except (
            StorageError
        ) as error:  # what was done stands; who asks again is told the same once the key is free
            _log.error("an answer could not be kept: %s", type(error).__qualname__)

    def _refused(self, request: Request, caller: Caller | None, error: ApiError) -> Response:
        if caller is not None and not error.audited:
            try:
                self._audit(request, caller, "api.refused", why=error.kind.name)
            except StorageError as fault:
                _log.error("the database does not answer: %s", type(fault).__qualname__)
                return response(unavailable())
        return response(error)

    def _audit(self, request: Request, caller: Caller, kind: str, **data: Json) -> None:
        """Note what changed nothing: who, which operation, on which approval; nothing that they wrote."""
        named = str(request.path_params.get("id", ""))
        facts: dict[str, Json] = {
            "operation": self._operation.id,
            "token": caller.token.id,
            "by": caller.name,
            **({"approval": named} if re.fullmatch(r"[0-9a-f]{32}", named) else {}),
            **data,
        }
        self._store.append(caller.token.tenant, [AuditEvent(kind=kind, data=facts)])


def _content(said: Value) -> Json:
    return said.model_dump(mode="json")


def _answer(body: str, status: int) -> Response:
    return Response(body, status_code=status, media_type=MEDIA_TYPE if status >= 400 else _JSON)
