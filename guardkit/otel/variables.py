"""What the standard environment variables ask the OpenTelemetry SDK for.

The variables and their meanings are those of OpenTelemetry's specification, "Environment Variable Specification" and
"OpenTelemetry Protocol Exporter", with one exception: what no variable asks for is not exported. The specification
would send everything to a collector on this machine.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from guardkit.errors import ConfigurationError

Signal: TypeAlias = Literal["traces", "logs", "metrics"]

SIGNALS: tuple[Signal, ...] = get_args(Signal)
EXPORTERS = ("otlp", "console", "none")
PROTOCOLS = ("http/protobuf", "grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the environment asks for."""

    exporters: Mapping[Signal, tuple[str, ...]]
    """`otlp` and `console`, by signal; signals that nothing is exported of are left out."""

    protocols: Mapping[Signal, str]
    disabled: bool


def wanted(environ: Mapping[str, str] = os.environ) -> Wanted:
    """What the environment asks for.

    Raises:
        ConfigurationError: it names an exporter or a protocol that is not known.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        return Wanted(exporters={}, protocols={}, disabled=True)
    found: dict[Signal, tuple[str, ...]] = {signal: _exporters(signal, environ) for signal in SIGNALS}
    return Wanted(
        exporters={signal: names for signal, names in found.items() if names},
        protocols={signal: _protocol(signal, environ) for signal, names in found.items() if "otlp" in names},
        disabled=False,
    )


def _exporters(signal: Signal, environ: Mapping[str, str]) -> tuple[str, ...]:
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    named = [name.strip() for name in environ.get(variable, "").split(",") if name.strip()]
    for name in named:
        if name not in EXPORTERS:
            hint = "; for Prometheus use --metrics-port" if name == "prometheus" else ""
            raise ConfigurationError(
                f"{variable} names the exporter {name!r}", remedy=f"known are {', '.join(EXPORTERS)}{hint}"
            )
    if not named:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        return ("otlp",) if any(environ.get(endpoint, "").strip() for endpoint in endpoints) else ()
    return tuple(dict.fromkeys(name for name in named if name != "none"))


def _protocol(signal: Signal, environ: Mapping[str, str]) -> str:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(variable, "").strip()
        if protocol:
            if protocol not in PROTOCOLS:
                raise ConfigurationError(
                    f"{variable} names the protocol {protocol!r}", remedy=f"known are {', '.join(PROTOCOLS)}"
                )
            return protocol
    return PROTOCOLS[0]
