"""Canonical JSON and the digest that binds an approval to one exact action.

Canonical form: RFC 8785 (JSON Canonicalization Scheme). Values without exactly one such form are refused with the
path of the culprit: NaN and infinities, integers outside ±(2^53 - 1) and floats that are written as such, lone
surrogates, duplicate keys, and anything that is not JSON.
"""

import hashlib
import json
import math
from typing import cast

import rfc8785

from guardkit.core.principals import Principal
from guardkit.core.values import Json, JsonObject
from guardkit.errors import CanonicalError

_SAFE = 2**53 - 1
_EXPONENT = 1e21
"""From here on RFC 8785 writes numbers with an exponent."""

_MAX_DEPTH = 64


def _refuse(value: object, path: str, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {_MAX_DEPTH} levels", path=path)
    match value:
        case None | bool():
            return
        case int():
            if not -_SAFE <= value <= _SAFE:
                raise CanonicalError(
                    f"integer {value!r} is outside ±(2^53 - 1)", path=path, remedy="pass it as a string"
                )
        case float():
            if not math.isfinite(value):
                raise CanonicalError(f"{value!r} is not a JSON number", path=path)
            if _SAFE < abs(value) < _EXPONENT and value.is_integer():
                # It is written without a fraction or an exponent, so it is read back as an integer.
                raise CanonicalError(
                    f"{value!r} is written as an integer outside ±(2^53 - 1)",
                    path=path,
                    remedy="pass it as a string",
                )
        case str():
            if any("\ud800" <= char <= "\udfff" for char in value):
                raise CanonicalError("the text holds a lone surrogate", path=path)
        case list():
            for index, item in enumerate(cast("list[object]", value)):
                _refuse(item, f"{path}[{index}]", depth + 1)
        case dict():
            for key, item in cast("dict[object, object]", value).items():
                if not isinstance(key, str):
                    raise CanonicalError(f"key {key!r} is not a string", path=path)
                _refuse(key, f"{path}.{key!r}", depth + 1)
                _refuse(item, f"{path}.{key}", depth + 1)
        case _:
            raise CanonicalError(
                f"{type(value).__name__} is not JSON", path=path, remedy="give the argument a JSON form"
            )


def canonical(value: Json, *, path: str = "value") -> bytes:
    """The RFC 8785 form of a value, as UTF-8.

    Args:
        value: the value.
        path: what to call the value in errors, e.g. `args`.

    Raises:
        CanonicalError: the value has no single canonical form; names the path of the culprit.
    """
    _refuse(value, path)
    return rfc8785.dumps(value)


def parse(data: bytes | str, *, path: str = "value") -> Json:
    """Parse JSON, refusing what `canonical` refuses and duplicate keys.

    Args:
        data: JSON text, UTF-8 if bytes.
        path: what to call the value in errors.

    Raises:
        CanonicalError: not JSON, or JSON without one canonical form.
    """

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        seen: dict[str, Json] = {}
        for key, item in items:
            if key in seen:
                raise CanonicalError(f"duplicate key {key!r}", path=path)
            seen[key] = item
        return seen

    try:
        value = cast("Json", json.loads(data, object_pairs_hook=pairs))
    except CanonicalError:
        raise
    except (
        ValueError,
        RecursionError,
    ) as error:  # ValueError: not UTF-8, not JSON, a number of too many digits
        raise CanonicalError(f"not JSON: {type(error).__name__}", path=path) from error
    _refuse(value, path)
    return value


def sha256(domain: str, value: Json) -> str:
    """Hex SHA-256 over the canonical form of `[domain, value]`: one domain's hashes never equal another's."""
    return hashlib.sha256(canonical([domain, value], path=domain)).hexdigest()


def action_digest(
    *,
    tool: str,
    schema_version: str,
    args: JsonObject,
    reads: JsonObject,
    principal: Principal,
    salt: str,
) -> str:
    """The digest that policy decisions and approvals are bound to.

    SHA-256 over a domain label, tool, tool schema version, arguments, bound reads, principal and salt, as one
    canonical JSON value, so no two different field tuples share an encoding.

    Args:
        tool: the tool's name.
        schema_version: hash of the tool's argument schema.
        args: validated arguments.
        reads: declared injected values that the tool reads.
        principal: who the run acts for.
        salt: random hex of the turn; kept and shredded with the arguments.

    Raises:
        CanonicalError: arguments or reads have no single canonical form.
    """
    _refuse(args, "args")
    _refuse(reads, "reads")
    fields: JsonObject = {
        "tool": tool,
        "schema": schema_version,
        "args": args,
        "reads": reads,
        "principal": principal.model_dump(mode="json"),
        "salt": salt,
    }
    return sha256("guardkit.action.v1", fields)


def action_id(
    *, tenant: str, thread_id: str, namespace: str, turn: int, message_id: str | None, call: str
) -> str:
    """The stable id of one proposed call: the same over resumes, crashes and time travel.

    Args:
        tenant: the tenant.
        thread_id: the thread.
        namespace: LangGraph's checkpoint namespace of the node whose code makes the call, without task ids; empty for a
            call that a message holds.
        turn: number of the turn, from 1; 0 for a call that a message holds, whose id tells it apart.
        message_id: id of the AIMessage, or `None` for a call made in node code.
        call: the tool call's id, or for node code the task id and the running number of the call.
    """
    fields: JsonObject = {
        "tenant": tenant,
        "thread": thread_id,
        "namespace": namespace,
        "turn": turn,
        "message": message_id,
        "call": call,
    }
    return sha256("guardkit.action-id.v1", fields)[:32]


def approval_id(action_id: str, digest: str, route_hash: str) -> str:
    """The id of the question about one exact action on one route.

    A node that runs again asks no second question; a changed action or a changed policy asks a new one.
    """
    return sha256("guardkit.approval-id.v1", [action_id, digest, route_hash])[:32]
