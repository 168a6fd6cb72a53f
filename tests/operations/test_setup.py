"""The SDK as the standard variables ask for it, in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from guardkit.errors import ConfigurationError
from guardkit.otel.variables import EXPORTERS, PROTOCOLS, SIGNALS, wanted
from tests.unit.otel.receiver import receiving, receiving_by_grpc
from tests.unit.otel.scene import SECRETS

OTLP = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


def configured(folder: Path, variables: dict[str, str], *words: str) -> tuple[dict[str, Any], str]:
    """What the process says at its end, and what it has written besides."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.operations.configured", str(folder), *words],
        env={**clean, **variables}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *others, last = done.stdout.splitlines()
    return json.loads(last if last.startswith('{"') else others[-1]), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variables", "exporters"),
    [
        ({}, {}),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, {}),
        (OTLP, dict.fromkeys(SIGNALS, ("otlp",))),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:4318/v1/logs"}, {"logs": ("otlp",)}),
        ({"OTEL_METRICS_EXPORTER": "console, otlp"}, {"metrics": ("console", "otlp")}),
        (OTLP | {"OTEL_LOGS_EXPORTER": "none"}, {"traces": ("otlp",), "metrics": ("otlp",)}),
        (OTLP | {"OTEL_LOGS_EXPORTER": ""}, dict.fromkeys(SIGNALS, ("otlp",))),
        (OTLP | {"OTEL_SDK_DISABLED": "TRUE"}, {}),
        (OTLP | {"OTEL_SDK_DISABLED": "1"}, dict.fromkeys(SIGNALS, ("otlp",))),
    ],
    ids=["nothing", "others", "endpoint", "one", "list", "none", "empty", "disabled", "not-disabled"],
)
def test_what_the_variables_ask_for(variables: dict[str, str], exporters: dict[str, tuple[str, ...]]) -> None:
    assert wanted(variables).exporters == exporters


@pytest.mark.parametrize(
    ("variables", "protocol"),
    [
        ({}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            "http/protobuf",
        ),
    ],
    ids=["default", "all", "one"],
)
def test_the_protocol_of_traces(variables: dict[str, str], protocol: str) -> None:
    assert wanted(OTLP | variables).protocols["traces"] == protocol


@pytest.mark.promise("P15")
@given(st.text(alphabet="abcdefgh/", min_size=1).filter(lambda name: name not in (*EXPORTERS, *PROTOCOLS)))
def test_what_is_not_known_is_named_with_what_is(name: str) -> None:
    with pytest.raises(ConfigurationError) as exporter:
        wanted({"OTEL_LOGS_EXPORTER": name})
    assert f"OTEL_LOGS_EXPORTER names the exporter {name!r}" in str(exporter.value)
    assert "otlp, console, none" in str(exporter.value)
    with pytest.raises(ConfigurationError) as protocol:
        wanted(OTLP | {"OTEL_EXPORTER_OTLP_PROTOCOL": name})
    assert f"names the protocol {name!r}" in str(protocol.value)
    assert "http/protobuf, grpc" in str(protocol.value)


@pytest.mark.promise("P13")
def test_without_variables_nothing_is_set_up_and_nothing_is_said(tmp_path: Path) -> None:
    said, everything = configured(tmp_path, {})
    assert (said["signals"], said["kept"], said["sdk"]) == ([], True, False)
    assert len(everything.splitlines()) == 1


@pytest.mark.promise("P13")
def test_all_signals_arrive_when_the_process_ends_by_itself(tmp_path: Path) -> None:
    with receiving() as receiver:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=drill,service.version=8",
        }
        said, _ = configured(tmp_path, variables)
        assert said["signals"] == list(SIGNALS)
        assert ("claims-agent", "guardkit.run.paused") in receiver.events()
        assert ("claims-agent", "guardkit.decisions") in receiver.metrics()
        assert "run_turn clerk" in {span.name for _, span in receiver.spans()}
        sent = b"".join(receiver.bodies)
        assert b"drill" in sent
        assert [secret for secret in SECRETS if secret.encode() in sent] == []
        resource = next(
            request.resource_spans[0].resource
            for request in receiver.requests
            if hasattr(request, "resource_spans")
        )
        facts = {one.key: one.value.string_value for one in resource.attributes}
        assert facts["service.version"] == "8", "what the environment says wins"
        assert len(facts["service.instance.id"]) == 36


@pytest.mark.promise("P13")
def test_all_signals_arrive_over_grpc(tmp_path: Path) -> None:
    with receiving_by_grpc() as receiver:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        }
        said, _ = configured(tmp_path, variables, "close")
        assert (said["signals"], said["closed"]) == (list(SIGNALS), True)
        assert ("claims-agent", "guardkit.run.paused") in receiver.events()
        assert ("claims-agent", "guardkit.decisions") in receiver.metrics()
        assert "run_turn clerk" in {span.name for _, span in receiver.spans()}
        sent = b"".join(receiver.bodies)
        assert [secret for secret in SECRETS if secret.encode() in sent] == []


def test_a_provider_that_is_there_is_kept(tmp_path: Path) -> None:
    with receiving() as receiver:
        said, _ = configured(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}, "own", "close")
        assert said["signals"] == ["logs", "metrics"]
        assert said["kept"]
        assert receiver.spans() == []


def test_the_environment_names_the_service(tmp_path: Path) -> None:
    with receiving() as receiver:
        configured(
            tmp_path,
            {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_SERVICE_NAME": "desk"},
            "close",
        )
        assert {service for service, _ in receiver.spans()} == {"desk"}


@pytest.mark.promise("P13")
def test_a_collector_that_never_answers_holds_up_no_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said, _ = configured(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, "close")
    assert said["closed"] is False, "it gave up instead of waiting for the collector"


def test_prometheus_reads_what_a_run_has_counted(tmp_path: Path) -> None:
    said, _ = configured(tmp_path, {}, "prometheus")
    assert (
        'guardkit_decisions_total{gen_ai_tool_name="send_mail",guardkit_decision="escalate"'
        in said["scraped"]
    )
    assert 'service_name="claims-agent"' in said["scraped"]
    assert said["signals"] == ["metrics"]


def test_the_console_is_an_exporter(tmp_path: Path) -> None:
    _, everything = configured(tmp_path, {"OTEL_TRACES_EXPORTER": "console"}, "close")
    assert '"name": "run_turn clerk"' in everything


@pytest.mark.promise("P15")
def test_a_protocol_that_is_not_installed_is_named(tmp_path: Path) -> None:
    said, _ = configured(tmp_path, OTLP | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "without-grpc")
    assert "OTLP by grpc" in said["refused"]
    assert "pip install opentelemetry-exporter-otlp-proto-grpc" in said["refused"]
