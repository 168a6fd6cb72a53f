"""What can go wrong at the HTTP API: problem details after RFC 9457, each kind with its own URI.

Nothing in them repeats what somebody sent, nor tells anything about the insides.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import Field
from starlette.responses import Response

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.values import Value
from guardkit.errors import DecisionRefusedError
from guardkit.web.problems import PageError

MEDIA_TYPE = "application/problem+json"
URN = "urn:guardkit:problem:"
"""What the URIs of the kinds begin with. They name; nothing is there to be fetched."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    name: str
    status: HTTPStatus
    title: str


_ALL = (
    Kind("bad_request", HTTPStatus.BAD_REQUEST, "This request cannot be understood"),
    Kind("key_required", HTTPStatus.BAD_REQUEST, "This request needs an Idempotency-Key"),
    Kind("unauthorized", HTTPStatus.UNAUTHORIZED, "No token that counts"),
    Kind("scope_missing", HTTPStatus.FORBIDDEN, "The token is not for this"),
    Kind("people_only", HTTPStatus.FORBIDDEN, "Only people may do this"),
    Kind("services_only", HTTPStatus.FORBIDDEN, "Only services are told this"),
    Kind("not_an_approver", HTTPStatus.FORBIDDEN, "This does not wait for you"),
    Kind("not_the_requester", HTTPStatus.FORBIDDEN, "This is not your request"),
    Kind("requester", HTTPStatus.FORBIDDEN, "You cannot decide on your own request"),
    Kind("inactive", HTTPStatus.FORBIDDEN, "The person is not active here"),
    Kind("assurance_too_low", HTTPStatus.FORBIDDEN, "This needs a surer sign-in than a token"),
    Kind("not_found", HTTPStatus.NOT_FOUND, "There is nothing here"),
    Kind("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "This address does not take such a request"),
    Kind("already_settled", HTTPStatus.CONFLICT, "This is already decided"),
    Kind("already_decided", HTTPStatus.CONFLICT, "Your answer already counts"),
    Kind("version_mismatch", HTTPStatus.CONFLICT, "Others have answered since you looked"),
    Kind("digest_mismatch", HTTPStatus.CONFLICT, "The action has changed since you looked"),
    Kind("shown_mismatch", HTTPStatus.CONFLICT, "It does not look as it did"),
    Kind("not_whole", HTTPStatus.CONFLICT, "This is decided by itself"),
    Kind("expired", HTTPStatus.CONFLICT, "The time to decide is over"),
    Kind("stopped", HTTPStatus.CONFLICT, "A stop is in force"),
    Kind("conflict", HTTPStatus.CONFLICT, "Others are deciding at this moment"),
    Kind("in_progress", HTTPStatus.CONFLICT, "The same request is being answered"),
    Kind("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This request is too large"),
    Kind("unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only application/json is read here"),
    Kind("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "Some fields cannot be used"),
    Kind("key_reused", HTTPStatus.UNPROCESSABLE_ENTITY, "This Idempotency-Key stands for another request"),
    Kind("edit_invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "These arguments cannot be used"),
    Kind("reason_required", HTTPStatus.UNPROCESSABLE_ENTITY, "This decision needs a comment"),
    Kind("reason_invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "This comment cannot be kept"),
    Kind("not_allowed", HTTPStatus.UNPROCESSABLE_ENTITY, "The policy does not allow this answer here"),
    Kind("standing_invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "The policy permits less of actions like it"),
    Kind("too_many_wrong_tokens", HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong tokens"),
    Kind("fault", HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here"),
    Kind("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "The database cannot be reached"),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind by name."""


class FieldProblem(Value):
    """What is wrong with one field."""

    field: str
    """Where: dotted path into the body, the name of a parameter, or empty for the whole."""

    message: str


class Standing(Value):
    """Where an approval stands now."""

    id: str
    state: ApprovalState
    version: int
    digest: str

    @classmethod
    def of(cls, approval: Approval) -> "Standing":
        """Where this approval stands."""
        return cls(
            id=approval.request.id, state=approval.state, version=approval.version, digest=approval.digest
        )


class Problem(Value):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = Field(default=(), max_length=20)
    """With `invalid`: what is wrong with which field."""

    current: Standing | None = None
    """With a conflict about an approval: where it stands now."""


class ApiError(Exception):
    """A request that ends in a problem.

    Attributes:
        kind: which kind.
        problem: what the caller is told.
        headers: what goes with it.
        audited: whether the audit log has it already.
    """

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        errors: tuple[FieldProblem, ...] = (),
        current: Approval | None = None,
        headers: Mapping[str, str] | None = None,
        audited: bool = False,
    ) -> None:
        super().__init__(name)
        self.kind = KINDS[name]
        self.headers = dict(headers or {})
        self.audited = audited
        self.problem = Problem(
            type=URN + name,
            title=self.kind.title,
            status=self.kind.status,
            detail=detail,
            errors=errors,
            current=None if current is None else Standing.of(current),
        )


def refused(error: DecisionRefusedError, current: Approval | None) -> ApiError:
    """A decision that does not count; the desk has audited it.

    Args:
        error: why.
        current: the approval as it stands.
    """
    name = error.reason if error.reason in KINDS else "bad_request"
    about_now = KINDS[name].status is HTTPStatus.CONFLICT
    return ApiError(
        name, f"{error.message}. Nothing was decided.", current=current if about_now else None, audited=True
    )


def not_found() -> ApiError:
    """Nothing there, or nothing for these eyes: callers cannot tell which."""
    return ApiError("not_found", "Either it does not exist, or it is not for this token to see.")


def unavailable() -> ApiError:
    """The database does not answer."""
    return ApiError(
        "unavailable",
        "Nothing is lost: send the same request again, with the same Idempotency-Key if it has one.",
        headers={"Retry-After": "5"},
    )


def response(error: ApiError) -> Response:
    """A problem as it goes out."""
    body = dumped(error.problem)
    return Response(body, status_code=error.kind.status, media_type=MEDIA_TYPE, headers=error.headers)


def dumped(value: Value) -> str:
    """A value as JSON in ASCII: nothing in it is invisible, and nothing reorders what is around it."""
    return json.dumps(
        value.model_dump(mode="json", exclude_none=False), allow_nan=False, separators=(",", ":")
    )


class JsonProblems:
    """Says as problem details what the shield around every request refuses."""

    def problem(self, error: PageError) -> Response:
        """The response that says so."""
        name = {HTTPStatus.BAD_REQUEST: "bad_request", HTTPStatus.FORBIDDEN: "bad_request"}.get(
            error.status, "fault"
        )
        return response(ApiError(name, error.text))
