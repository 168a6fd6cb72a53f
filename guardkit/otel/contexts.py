"""Which span is around a new one, and which other it is linked to."""

import sys
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.trace import Link, Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from guardkit.core import telemetry_names as names

_W3C = TraceContextTextMapPropagator()
"""By itself: the process's own propagator may send baggage along, which is anybody's data."""

_OPEN_INFERENCE = "openinference.instrumentation.langchain"
_UNDER = create_key("guardkit.under")


def traceparent_of(span: Span) -> str | None:
    """The W3C trace context of a span, if it has one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context=trace.set_span_in_context(span))
    return carrier.get("traceparent")


def link_to(traceparent: str) -> Link | None:
    """A link to the question that a stored trace context stands for; `None` when it stands for nothing."""
    try:
        context = trace.get_current_span(_W3C.extract({"traceparent": traceparent})).get_span_context()
    except (TypeError, ValueError):
        return None
    return Link(context, {names.LINK_TYPE: "approval_request"}) if context.is_valid else None


def around() -> Span | None:
    """The span of LangChain's run around the current code, as OpenInference knows it.

    OpenInference keeps its spans beside the current context and never makes one the current one. Nothing is
    imported: where its module is not loaded, nobody traces with it.
    """
    module = sys.modules.get(_OPEN_INFERENCE)
    if module is None:
        return None
    find: Callable[[], Any] | None = getattr(module, "get_current_span", None)
    try:
        found = None if find is None else find()
    except Exception:  # noqa: BLE001  # somebody else's code; a span that is not found is none
        return None
    return found if isinstance(found, Span) and found.get_span_context().is_valid else None


def parent(run: Span | None) -> Context | None:
    """The context that a new span begins in; `None` for the current one.

    Args:
        run: the span of LangChain's run around it, see `around`.
    """
    if run is None or get_value(_UNDER) is run or _began(trace.get_current_span()) > _began(run):
        return None
    return trace.set_span_in_context(run)


def inside(span: Span, run: Span | None) -> Context:
    """The context of what happens in a span.

    Args:
        span: the span.
        run: what `around` said when it began: what begins in the same run belongs below the span.
    """
    context = trace.set_span_in_context(span)
    return context if run is None else set_value(_UNDER, run, context)


def _began(span: Span) -> int:
    """When it began, in nanoseconds since the epoch; 0 where nobody knows: the deeper of two began later."""
    start: object = getattr(span, "start_time", None)
    return start if isinstance(start, int) else 0
