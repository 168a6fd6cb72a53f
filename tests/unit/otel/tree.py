"""Draws spans as the tree that a reader sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.sdk.trace import ReadableSpan


def tree(spans: Iterable[ReadableSpan]) -> str:
    """One line a span, indented below its parent, siblings in the order in which they began."""
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    ids = {_id(span) for span in ordered}
    roots = [span for span in ordered if span.parent is None or span.parent.span_id not in ids]
    return "".join(_branch(root, ordered, 0) for root in roots)


def _branch(span: ReadableSpan, spans: Sequence[ReadableSpan], depth: int) -> str:
    below = [one for one in spans if one.parent is not None and one.parent.span_id == _id(span)]
    return f"{'  ' * depth}{span.name}\n" + "".join(_branch(one, spans, depth + 1) for one in below)


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return 0 if context is None else context.span_id
