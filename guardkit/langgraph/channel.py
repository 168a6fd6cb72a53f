"""The `guard` channel: how a turn's outcome shows in state, streams and snapshots.

JSON only. Nodes and tools cannot write it, because it is no key of the user's schema and has a writer of its own;
still the store, not the channel, is the truth.
"""

from typing import cast

from guardkit.core.values import JsonObject
from guardkit.runtime.session import Session

CHANNEL = "guard"


def merge(current: JsonObject, update: JsonObject) -> JsonObject:
    """The later turn wins; within a turn a no result wins over an answer, and the first one stays."""
    if current.get("turn") != update.get("turn"):
        return update
    if "no_result" in current:
        return current
    return {**current, **update}


def shown(session: Session) -> JsonObject:
    """What the channel says of a session now."""
    fields: JsonObject = {"turn": session.run.turn}
    if session.ended is not None:
        fields["no_result"] = cast("JsonObject", session.ended.model_dump(mode="json"))
    elif session.outcome is not None:
        fields["answer"] = session.outcome
    return fields
