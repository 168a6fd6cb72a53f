"""What runs tell telemetry is what the schema lists: no name more, no name less."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from guardkit.core import telemetry_names as names
from guardkit.core.telemetry_attributes import ATTRIBUTES
from guardkit.core.telemetry_schema import (
    ASKED,
    EVENTS,
    METRICS,
    RUN,
    SPANS,
    EventShape,
    MetricShape,
    SpanShape,
)
from guardkit.otel import observe
from guardkit.sql import SQLStore
from tests.unit.otel.everything import everything
from tests.unit.otel.reference import PAGE, page
from tests.unit.otel.scene import SECRETS, Seen, asynchronously, synchronously

TYPES = {"string": str, "int": int, "double": float, "boolean": bool}

Shape = SpanShape | EventShape | MetricShape


@pytest.fixture(scope="module", params=[synchronously, asynchronously], ids=["sync", "async"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything, once."""
    seen = Seen()
    folder = tmp_path_factory.mktemp("everything")
    everything(folder, seen.telemetry, request.param)
    store = SQLStore(f"sqlite:///{folder / 'whole' / 'guardkit.db'}")
    observe(store.backlog, agents=["clerk"], round_age=lambda: 0.5, meter_provider=seen.meters)
    return seen


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything, with content."""
    seen = Seen(content="span_and_event", content_limit=30)
    everything(tmp_path_factory.mktemp("shown"), seen.telemetry, synchronously)
    return seen


def told(seen: Seen) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The attributes of all that was emitted, by kind of signal and name."""
    spans: dict[str, list[dict[str, Any]]] = {}
    for span in seen.spans:
        spans.setdefault(span.name.partition(" ")[0], []).append(dict(span.attributes or {}))
    events = {name: seen.logged(name) for name in seen.events()}
    metrics = {
        name: [dict(point.attributes or {}) for point in points] for name, points in seen.points().items()
    }
    return {"spans": spans, "events": events, "metrics": metrics}


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    ("signal", "shapes"),
    [("spans", SPANS), ("events", EVENTS), ("metrics", METRICS)],
    ids=["spans", "events", "metrics"],
)
def test_what_is_emitted_is_what_is_listed(seen: Seen, signal: str, shapes: dict[str, Shape]) -> None:
    found = told(seen)[signal]
    assert set(found) == set(shapes) - {names.CONTENT}
    for name, occurrences in found.items():
        always, sometimes = set(shapes[name].always), set(getattr(shapes[name], "sometimes", ()))
        assert not always & sometimes
        assert set[str]().union(*occurrences) == always | sometimes, name
        assert [missing for one in occurrences if (missing := always - set(one))] == [], name


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    ("signal", "shapes"), [("spans", SPANS), ("events", EVENTS)], ids=["spans", "events"]
)
def test_what_is_shown_is_what_is_listed_as_opt_in(
    shown: Seen, signal: str, shapes: dict[str, SpanShape | EventShape]
) -> None:
    found = told(shown)[signal]
    assert set(found) == set(shapes)
    for name, occurrences in found.items():
        shape = shapes[name]
        listed = {*shape.always, *shape.sometimes, *shape.opt_in}
        assert set[str]().union(*occurrences) - {names.CONTENT_CUT} == listed, name
        assert shape.opt_in or not any(names.CONTENT_CUT in one for one in occurrences), name


@pytest.mark.promise("P13")
def test_content_is_in_no_metric(shown: Seen) -> None:
    found = told(shown)["metrics"]
    assert {names.DECISIONS, names.GUARD_DURATION} <= set(found) <= set(METRICS)
    content = {name for name, shape in ATTRIBUTES.items() if shape.content}
    assert not content & {name for points in found.values() for one in points for name in one}
    assert [one for one in (*SECRETS, "burst pipes") if one in str(found)] == []


@pytest.mark.promise("P13")
def test_every_value_is_of_its_type_and_among_its_values(seen: Seen) -> None:
    occurrences = [one for signal in told(seen).values() for found in signal.values() for one in found]
    links = [dict(link.attributes or {}) for span in seen.spans for link in span.links]
    used: set[str] = set()
    for name, value in _pairs([*occurrences, *links]):
        used.add(name)
        shape = ATTRIBUTES[name]
        assert type(value) is TYPES[shape.type], (name, value)
        assert not shape.values or value in shape.values, (name, value)
    assert used == {name for name, shape in ATTRIBUTES.items() if not shape.content}


@pytest.mark.promise("P13")
def test_content_is_of_its_type(shown: Seen) -> None:
    signals = told(shown)
    pairs = _pairs(
        one for signal in ("spans", "events") for found in signals[signal].values() for one in found
    )
    content = [(name, value) for name, value in pairs if ATTRIBUTES[name].content]
    assert {name for name, _ in content} == {name for name, shape in ATTRIBUTES.items() if shape.content}
    assert [name for name, value in content if type(value) is not TYPES[ATTRIBUTES[name].type]] == []


def test_spans_are_of_their_kind_and_linked_where_the_schema_says_so(seen: Seen) -> None:
    for span in seen.spans:
        shape = SPANS[span.name.partition(" ")[0]]
        assert span.kind.name.lower() == shape.kind, span.name
        assert len(span.links) == shape.linked, span.name


def test_an_event_is_on_the_span_around_it_too(seen: Seen) -> None:
    on_spans = {event.name for span in seen.spans for event in span.events}
    assert on_spans == set(EVENTS) - {names.CONTENT}


def test_only_emergencies_are_severe(seen: Seen) -> None:
    severe = {
        str(one.log_record.event_name)
        for one in seen.records.get_finished_logs()
        if one.log_record.severity_text == "ERROR"
        or (one.log_record.severity_number and one.log_record.severity_number.value >= 17)
    }
    assert severe == {names.EMERGENCY_STOP, names.GLASS_BROKEN, names.REVIEW_OVERDUE}


def test_metrics_are_in_their_units_and_buckets(seen: Seen) -> None:
    for name, points in seen.points().items():
        for point in points:
            histogram = isinstance(point, HistogramDataPoint)
            assert histogram == (METRICS[name].instrument == "histogram")
            if isinstance(point, HistogramDataPoint):
                assert list(point.explicit_bounds) == list(METRICS[name].buckets)


@pytest.mark.promise("P13")
def test_metrics_hold_no_id() -> None:
    """What makes a series of its own for every thread, run, question or person is in no metric."""
    many = {names.CONVERSATION, names.SESSION, names.RUN_ID, names.TURN, names.TOOL_CALL, names.APPROVAL_ID, names.APPROVAL_TRACE, names.POLICY_RULE, names.NODE}  # fmt: skip
    few = {
        names.GUARD_NAME, names.GUARD_STAGE, names.VERDICT, names.ERROR_TYPE, names.DECISION, names.POLICY_ID,
        names.TOOL, names.AGENT, names.APPROVAL_OUTCOME, names.EFFECT_STATE, names.NO_RESULT_REASON, names.RESULT,
        names.ANOMALY_MEASURE, names.APPROVAL_ROUTE, names.APPROVAL_SAID,
    }  # fmt: skip
    used = {name for shape in METRICS.values() for name in (*shape.always, *shape.sometimes)}
    assert used == few
    assert not used & many


@pytest.mark.promise("P13")
def test_nothing_that_was_said_is_in_any_signal(seen: Seen) -> None:
    text = seen.everything()
    assert "guardkit.telemetry.faults" in text
    assert [secret for secret in (*SECRETS, "burst pipes", "Theft of gold") if secret in text] == []


def test_every_name_has_one_constant() -> None:
    constants = {value for name, value in vars(names).items() if name.isupper()}
    assert constants == {*SPANS, *EVENTS, *METRICS, *ATTRIBUTES}
    assert set(RUN) | set(ASKED) <= set(ATTRIBUTES)


def test_the_reference_page_is_made_from_the_schema() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m tests.unit.otel.reference"


def _pairs(occurrences: Iterable[dict[str, Any]]) -> Iterable[tuple[str, Any]]:
    for one in occurrences:
        yield from one.items()
