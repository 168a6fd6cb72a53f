"""Three processes around one approval, each exporting to one real receiver: the tree that a reader of it gets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from guardkit import Keys
from tests.unit.otel.receiver import Receiver, receiving
from tests.unit.otel.reference import PAGE
from tests.unit.otel.scene import SECRETS

GOLDEN = Path(__file__).parent / "golden" / "three_processes.txt"
ROOT = PAGE.parents[2]


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder, keys = tmp_path_factory.mktemp("three"), Keys.generate()
    assert keys.decision_key is not None
    public = {"GUARDKIT_DECISION_PUBLIC_KEYS": keys.decision_public_keys[0]}
    private = {**public, "GUARDKIT_DECISION_KEY": keys.decision_key.get_secret_value()}
    with receiving() as receiver:
        for role, variables in (("agent", public), ("inbox", private), ("worker", public)):
            done = subprocess.run(
                [sys.executable, "-m", "tests.unit.otel.exporting", role, str(folder)],
                env={
                    **os.environ,
                    **variables,
                    "OTEL_SERVICE_NAME": role,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
                },
                capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert (done.stdout, done.stderr) == ("", "")
        yield receiver


def drawn(spans: Sequence[tuple[str, Span]]) -> str:
    """Every trace as a tree: name, kind, process, status if it is set, and the span at the other end of a link."""
    ordered = sorted(spans, key=lambda one: one[1].start_time_unix_nano)
    by_id = {span.span_id: span for _, span in ordered}
    lines: list[str] = []

    def draw(service: str, span: Span, depth: int) -> None:
        kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower()
        status = (
            "" if span.status.code == Status.STATUS_CODE_UNSET else Status.StatusCode.Name(span.status.code)
        )
        linked = "".join(
            f" --{link.attributes[0].value.string_value}--> {by_id[link.span_id].name}" for link in span.links
        )
        indent = "  " * depth
        lines.append(f"{indent}{span.name}  ({kind}, {service}){status}{linked}")
        for below in ordered:
            if below[1].parent_span_id == span.span_id:
                draw(*below, depth + 1)

    for service, span in ordered:
        if not span.parent_span_id:
            draw(service, span, 0)
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.promise("P13")
def test_the_tree_is_the_golden_one(received: Receiver) -> None:
    assert drawn(received.spans()) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.promise("P13")
def test_a_trace_is_a_process_of_its_own(received: Receiver) -> None:
    """Nothing stays open while people think: what happens after the answer has a trace of its own."""
    traces: dict[bytes, set[str]] = {}
    for service, span in received.spans():
        traces.setdefault(span.trace_id, set()).add(service)
    assert sorted(map(sorted, traces.values())) == [["agent"], ["inbox"], ["worker"]]


@pytest.mark.promise("P13")
def test_the_question_is_found_by_its_id_in_all_three(received: Receiver) -> None:
    found: dict[str, set[str]] = {}
    for service, span in received.spans():
        for one in span.attributes:
            if one.key == "guardkit.approval.id":
                found.setdefault(one.value.string_value, set()).add(service)
    assert list(found.values()) == [{"agent", "inbox", "worker"}]


@pytest.mark.promise("P13")
def test_events_and_metrics_arrive_too(received: Receiver) -> None:
    assert {
        ("agent", "guardkit.approval.requested"),
        ("agent", "guardkit.run.paused"),
        ("worker", "guardkit.run.resumed"),
        ("worker", "guardkit.approval.consumed"),
        ("worker", "guardkit.effect.recorded"),
    } <= received.events()
    assert {
        ("agent", "guardkit.approval.requests"),
        ("inbox", "guardkit.approval.wait.duration"),
        ("worker", "guardkit.effects"),
    } <= received.metrics()


@pytest.mark.promise("P13")
def test_nothing_that_was_said_is_in_any_exported_byte(received: Receiver) -> None:
    sent = b"".join(received.bodies)
    assert b"guard_step look_up" in sent
    assert [secret for secret in SECRETS if secret.encode() in sent] == []


def test_the_how_to_shows_this_tree() -> None:
    page = (ROOT / "docs" / "how-to" / "traces.md").read_text(encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") in page
