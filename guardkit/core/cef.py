"""Audit entries in the Common Event Format, which log collectors of security teams read.

Source: ArcSight, "Implementing ArcSight Common Event Format (CEF)", version 26: the header's fields, the escapes of header
and extension, and the names of the extension's keys.
"""

import json

from guardkit.core.audit import AuditEntry
from guardkit.core.values import Json

_PREFIX = "CEF:0|guardkit|guardkit|"

_SEVERITIES = {
    "approval.refused": 6,
    "approval.void": 6,
    "channel.refused": 6,
    "database.downgraded": 8,
    "database.encrypted": 4,
    "effect.reconciled": 5,
    "hold.lifted": 5,
    "person.erased": 6,
    "retention.pruned": 4,
    "stop.set": 8,
    "stop.lifted": 5,
    "turn.ended": 4,
}
_SEVERITY = 2
"""Of everything else: 0 is the least, 10 the most important."""

_LONGEST = 4000
"""Characters of a custom string that collectors keep."""


def to_cef(entry: AuditEntry, version: str) -> str:
    """One line of CEF, without a line end.

    The entry's own fields are `rt` (milliseconds), `externalId` (place in the chain), `cs1` to `cs4` (tenant, thread, hash,
    data as JSON) and `cn1` (turn). A person who decided is `suser`. Data that is longer than 4000 characters is cut;
    the chain is verified on an export in JSON.

    Args:
        entry: of a chain.
        version: of the guardkit that exports.
    """
    event = entry.event
    header = (version, event.kind, event.kind, str(_SEVERITIES.get(event.kind, _SEVERITY)))
    fields: dict[str, Json] = {
        "rt": round(entry.at * 1000),
        "externalId": entry.seq,
        "cs1Label": "tenant",
        "cs1": entry.tenant,
        "cs2Label": "thread",
        "cs2": event.thread_id,
        "cn1Label": "turn",
        "cn1": event.turn,
        "suser": event.data.get("person") or event.data.get("by"),
        "act": event.data.get("decision"),
        "cs3Label": "hash",
        "cs3": entry.hash,
        "cs4Label": "data",
        "cs4": json.dumps(event.data, ensure_ascii=False, sort_keys=True)[:_LONGEST],
    }
    for label in [name for name in fields if name.endswith("Label")]:
        if fields[label.removesuffix("Label")] is None:
            del fields[label]
    extension = " ".join(
        f"{name}={_in_extension(str(value))}" for name, value in fields.items() if value is not None
    )
    return _PREFIX + "|".join(map(_in_header, header)) + "|" + extension


def _in_header(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _in_extension(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return _one_line(escaped)


def _one_line(text: str) -> str:
    """Without what some reader takes for the end of a line."""
    return " ".join(text.splitlines())
