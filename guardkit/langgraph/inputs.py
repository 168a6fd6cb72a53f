"""A turn's input as bytes, to start again from when a run dies before its first checkpoint."""

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

_SERDE = JsonPlusSerializer()


def dump_input(value: Any) -> bytes:
    """LangGraph's own serialisation, its type name in front."""
    kind, data = _SERDE.dumps_typed(value)
    return kind.encode() + b"\n" + data


def load_input(data: bytes) -> Any:
    """The value again."""
    kind, _, payload = data.partition(b"\n")
    return _SERDE.loads_typed((kind.decode(), payload))
