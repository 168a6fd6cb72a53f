"""The tables of `docs/reference/telemetry.md`, made from the schema. `python -m tests.unit.otel.reference` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from guardkit.core import telemetry_names as names
from guardkit.core.telemetry_attributes import ATTRIBUTES
from guardkit.core.telemetry_schema import EVENTS, METRICS, RUN, SPANS
from guardkit.otel import drafts

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "telemetry.md"


def tables() -> dict[str, str]:
    """Each generated table, by the name in its marker."""
    return {
        "spans": _table(
            ("span", "kind", "when", "attributes", "sometimes", "opt-in content"),
            (
                (
                    f"`{verb} {{{shape.of}}}`",
                    f"{shape.kind}{', linked' if shape.linked else ''}",
                    shape.when,
                    _names(shape.always),
                    _names(shape.sometimes),
                    _names(shape.opt_in),
                )
                for verb, shape in SPANS.items()
            ),
        ),
        "events": _table(
            ("event", "severity", "when", "attributes", "sometimes", "opt-in content"),
            (
                (
                    f"`{name}`",
                    "ERROR" if shape.severe else "INFO",
                    shape.when,
                    _names(shape.always),
                    _names(shape.sometimes),
                    _names(shape.opt_in),
                )
                for name, shape in EVENTS.items()
            ),
        ),
        "metrics": _table(
            ("metric", "instrument", "unit", "what", "attributes"),
            (
                (
                    f"`{name}`",
                    shape.instrument,
                    f"`{shape.unit}`",
                    shape.means,
                    _names(shape.always) + (f"; one of {_names(shape.sometimes)}" if shape.sometimes else ""),
                )
                for name, shape in METRICS.items()
            ),
        ),
        "attributes": _table(
            ("attribute", "type", "means", "values"),
            (
                (
                    f"`{name}`{' (opt-in)' if shape.content else ''}",
                    shape.type,
                    shape.means,
                    ", ".join(f"`{value}`" for value in shape.values),
                )
                for name, shape in ATTRIBUTES.items()
            ),
        ),
        "drafts": _table(("where", "draft", "is a copy of"), _copies()),
    }


def page(text: str) -> str:
    """The page with its tables as they should be."""
    for name, table in tables().items():
        marked = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text, found = marked.subn(lambda match, table=table: f"{match[1]}\n{table}\n{match[2]}", text)
        if found != 1:
            raise ValueError(f"the page has {found} places for the table {name!r}, not one")
    return text


def _names(attributes: Sequence[str]) -> str:
    run = set(RUN) <= set(attributes)
    said = [f"`{name}`" for name in attributes if name != names.SPAN_KIND and not (run and name in RUN)]
    return ", ".join(["*run*", *said] if run else said)


def _copies() -> Iterable[tuple[str, str, str]]:
    for verb, draft in drafts.SPANS.items():
        for ours, theirs in draft.copies.items():
            yield f"span `{verb}`", f"`{theirs}`", f"`{ours}`"
        for theirs, value in draft.fixed.items():
            yield f"span `{verb}`", f"`{theirs}`", f"always `{value}`"
    for name, followers in drafts.EVENTS.items():
        for event, draft in followers.items():
            for ours, theirs in draft.copies.items():
                words = draft.words.get(ours, {})
                said = "".join(f"; `{one}` is `{other}`" for one, other in words.items())
                yield f"event `{event}` after `{name}`", f"`{theirs}`", f"`{ours}`{said}"
            for theirs, value in draft.fixed.items():
                yield f"event `{event}` after `{name}`", f"`{theirs}`", f"always `{value}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
