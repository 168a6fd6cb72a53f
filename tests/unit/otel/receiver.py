"""Receivers of OTLP on loopback, over HTTP and gRPC: they keep what arrives, as bytes and as what the bytes say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SIGNALS: dict[str, tuple[Any, Any]] = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class Receiver:
    """What has arrived."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self.requests: list[Any] = []

    def spans(self) -> list[tuple[str, Span]]:
        """Every span, with the name of the service that sent it."""
        return [
            (service_of(resource), span)
            for request in self.requests
            if isinstance(request, ExportTraceServiceRequest)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def events(self) -> set[tuple[str, str]]:
        """The names of log records, with the service that sent them."""
        return {
            (service_of(resource), record.event_name)
            for request in self.requests
            if isinstance(request, ExportLogsServiceRequest)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        }

    def metrics(self) -> set[tuple[str, str]]:
        """The names of metrics, with the service that sent them."""
        return {
            (service_of(resource), metric.name)
            for request in self.requests
            if isinstance(request, ExportMetricsServiceRequest)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def service_of(resource: Any) -> str:
    """The name of the service that a part of a request comes from."""
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    return named["service.name"]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            asked, answer = SIGNALS[self.path]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = asked()
            request.ParseFromString(body)
            receiver.bodies.append(body)
            receiver.requests.append(request)
            said = answer().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_SERVICES = {
    "/v1/traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "/v1/logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "/v1/metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}


@contextmanager
def receiving_by_grpc() -> Iterator[Receiver]:
    """A receiver over gRPC, without TLS, on a free port of loopback."""
    server: Any = grpc.server(ThreadPoolExecutor(max_workers=2))
    receiver = Receiver(server.add_insecure_port("127.0.0.1:0"))

    def export(answer: Any) -> Any:
        def keep(request: Any, context: Any) -> Any:
            receiver.bodies.append(request.SerializeToString())
            receiver.requests.append(request)
            return answer()

        return keep

    for path, (asked, answer) in SIGNALS.items():
        method = grpc.unary_unary_rpc_method_handler(
            export(answer),
            request_deserializer=asked.FromString,
            response_serializer=answer.SerializeToString,
        )
        handlers = grpc.method_handlers_generic_handler(_SERVICES[path], {"Export": method})
        server.add_generic_rpc_handlers((handlers,))
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
