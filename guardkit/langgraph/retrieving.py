"""Retrievers: what they return are sources, and the unauthorised ones never pass."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from langchain_core.documents import Document
from pydantic import ValidationError

from guardkit.core.sources import Authority, Source, SourceStatus, text_sha256
from guardkit.errors import InputError, OutsideRunError
from guardkit.grounding import admit
from guardkit.langgraph.node import NODE
from guardkit.runtime.session import Session


class Retriever:
    """A function from state to sources, declared with `guard.retriever`.

    Called in node code it returns only the sources that an answer for the run's principal may rest on. The drafting
    node sees the others too, to say why they did not count; they reach no prompt.

    Args:
        function: returns `Source`s or LangChain `Document`s, best first; sync or async.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.is_async = inspect.iscoroutinefunction(function)

    def found(self, state: Any) -> tuple[Source, ...]:
        """Everything that the function finds, unsorted.

        Raises:
            InputError: it is async, or returned something that is no source.
        """
        if self.is_async:
            raise InputError(f"retriever {self.name!r} is async", remedy="use ainvoke or astream")
        return _sources(self.name, self._function(state))

    async def afound(self, state: Any) -> tuple[Source, ...]:
        """As `found`, for async graphs."""
        result = self._function(state)
        return _sources(self.name, (await result) if inspect.isawaitable(result) else result)

    def __call__(self, state: Any) -> tuple[Source, ...]:
        """The authorised sources for this state.

        Raises:
            OutsideRunError: called outside a guarded run, where nobody knows for whom.
        """
        return authorised(_session(self.name), self.found(state))

    async def acall(self, state: Any) -> tuple[Source, ...]:
        """As calling it, for async nodes."""
        return authorised(_session(self.name), await self.afound(state))


def _session(name: str) -> Session:
    node = NODE.get()
    if node is None:
        raise OutsideRunError(f"retriever {name!r} was called outside a guarded run")
    return node.session


def authorised(session: Session, sources: Iterable[Source]) -> tuple[Source, ...]:
    """The sources that an answer for the session's principal may rest on now."""
    moment = datetime.fromtimestamp(session.services.store.now(), UTC)
    tenant = session.turn.principal.tenant
    return admit(sources, tenant=tenant, now=moment, only=session.services.policy.admits).admitted


def _sources(name: str, found: object) -> tuple[Source, ...]:
    if not isinstance(found, Iterable):
        raise InputError(f"retriever {name!r} returned {type(found).__name__}, not sources")
    return tuple(_source(name, item) for item in cast("Iterable[object]", found))


def _source(name: str, item: object) -> Source:
    if isinstance(item, Source):
        return item
    if isinstance(item, Document):
        return _from_document(name, item)
    raise InputError(
        f"retriever {name!r} returned {type(item).__name__}",
        remedy="return guardkit.Source or LangChain Documents",
    )


def _from_document(name: str, document: Document) -> Source:
    """A source from a document's metadata. What the metadata does not vouch for counts as nothing."""
    fields: Mapping[str, Any] = document.metadata
    kept = {field: fields[field] for field in Source.model_fields if field in fields and field != "text"}
    vouched = {
        "id": str(fields.get("id") or document.id or text_sha256(document.page_content)[:16]),
        "title": str(fields.get("title") or fields.get("source") or "untitled"),
        "owner": str(fields.get("owner") or "unknown"),
        "tenant": str(fields.get("tenant") or "unknown"),
        "authority": fields.get("authority") or Authority.UNTRUSTED,
        "status": fields.get("status") or SourceStatus.DRAFT,
        "sha256": fields.get("sha256") or text_sha256(document.page_content),
    }
    try:
        return Source.model_validate({**kept, **vouched, "text": document.page_content})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"retriever {name!r}: metadata {where}: {first['msg']}") from None
