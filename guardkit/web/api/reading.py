"""Reads what callers send, strictly: each part either is what the document says, or the request is refused."""

import re
from typing import TypeVar, cast, get_origin
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from guardkit.core.digest import parse
from guardkit.core.values import Value
from guardkit.errors import CanonicalError
from guardkit.web.api.problems import ApiError, FieldProblem

KEY = re.compile(r'"(?P<key>[!#-\[\]-~]{16,128})"', re.ASCII)
"""An Idempotency-Key: a structured field's string (RFC 8941), as draft-ietf-httpapi-idempotency-key-header-07 asks for."""

_LISTED = 20
_FIELDS = 100
_DIGITS = 15

V = TypeVar("V", bound=Value)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Args:
        request: the request.
        limit: the most bytes that are read.

    Raises:
        ApiError: `too_large`, or the caller went away.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and (len(declared) > _DIGITS or int(declared) > limit):
        raise _too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise ApiError("bad_request", "The body did not come to its end.") from None
    return bytes(body)


def _too_large(limit: int) -> ApiError:
    return ApiError("too_large", f"At most {limit:,} bytes are read (setting web.body_limit).")


def check_json(request: Request) -> None:
    """Refuse a body that does not say it is JSON. Raises `ApiError`: `unsupported_media_type`."""
    kinds = request.headers.getlist("content-type")
    kind, _, parameters = (kinds[0] if len(kinds) == 1 else "").partition(";")
    named = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or named not in ("", "charset=utf-8"):
        raise ApiError("unsupported_media_type", "Send application/json, in UTF-8.")


def key_of(request: Request) -> str:
    """The Idempotency-Key of a request. Raises `ApiError`: `key_required`."""
    keys = request.headers.getlist("idempotency-key")
    found = KEY.fullmatch(keys[0]) if len(keys) == 1 else None
    if found is None:
        raise ApiError(
            "key_required",
            'Send one header Idempotency-Key: 16 to 128 printable characters in double quotes, e.g. a UUID: "8e03978e-…".',
        )
    return found["key"]


def parsed(body: bytes, model: type[V]) -> V:
    """A body as the model that it must be.

    Raises:
        ApiError: `bad_request` when it is no JSON with one meaning, `invalid` when it does not fit.
    """
    try:
        value = parse(body, path="body")
    except CanonicalError as error:
        # The text may quote the body; the kind of fault does not.
        kind = "nested too deeply or not JSON" if error.__cause__ is not None else "JSON without one meaning"
        raise ApiError(
            "bad_request",
            f"The body is {kind}: duplicate keys, NaN, integers beyond 2^53 and lone surrogates are refused.",
        ) from None
    return _fitting(value, model)


def query_of(request: Request, model: type[V]) -> V:
    """The parameters of a request as the model that they must be.

    Raises:
        ApiError: `bad_request` when they are not encoded as parameters are, `invalid` when they do not fit.
    """
    raw = request.scope["query_string"]
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_FIELDS,
        )
    except ValueError:
        raise ApiError("bad_request", "The query is not encoded as parameters are.") from None
    repeated = _lists(model)
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in repeated:
            cast("list[object]", values.setdefault(name, [])).append(value)
        elif name in values:
            raise ApiError(
                "invalid",
                "A parameter is given twice.",
                errors=(FieldProblem(field=_place((name,), set(model.model_fields)), message="given twice"),),
            )
        else:
            values[name] = value
    return _fitting(values, model)


def _lists(model: type[Value]) -> frozenset[str]:
    """The parameters that may be repeated."""
    return frozenset(
        name for name, field in model.model_fields.items() if get_origin(field.annotation) is list
    )


def _fitting(value: object, model: type[V]) -> V:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        known = set(model.model_fields)
        problems = tuple(
            FieldProblem(field=_place(fault["loc"], known), message=_said(fault["type"], fault["msg"]))
            for fault in error.errors(include_url=False, include_input=False, include_context=False)[:_LISTED]
        )
        raise ApiError("invalid", "See `errors`. Nothing was done.", errors=problems) from None


def _place(where: tuple[int | str, ...], known: set[str]) -> str:
    """The field's name, if it is one of ours; what callers made up is not repeated."""
    return str(where[0]) if where and where[0] in known else ""


def _said(kind: str, message: str) -> str:
    return "there is a field that is not known here" if kind == "extra_forbidden" else message
