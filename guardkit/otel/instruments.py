"""The instruments of guardkit's metrics that runs record."""

from collections.abc import Callable
from typing import TypeAlias

from opentelemetry.metrics import Meter

from guardkit.core.telemetry_schema import METRICS, MetricShape
from guardkit.runtime.events import Attributes

Record: TypeAlias = Callable[[float, Attributes], None]


def instruments(meter: Meter) -> dict[str, Record]:
    """What records a value, for every metric of the schema but the gauges."""
    return {
        name: _instrument(meter, name, shape)
        for name, shape in METRICS.items()
        if shape.instrument != "gauge"
    }


def _instrument(meter: Meter, name: str, shape: MetricShape) -> Record:
    if shape.instrument == "counter":
        add = meter.create_counter(name, unit=shape.unit, description=shape.means).add
        return lambda value, attributes: add(value, dict(attributes))
    record = meter.create_histogram(
        name, unit=shape.unit, description=shape.means, explicit_bucket_boundaries_advisory=shape.buckets
    ).record
    return lambda value, attributes: record(value, dict(attributes))
