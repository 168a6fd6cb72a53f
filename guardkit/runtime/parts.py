"""What a worker does: all of it in one process, or each part where its keys may be."""

from collections.abc import Collection
from enum import StrEnum

from guardkit.errors import ConfigurationError


class Part(StrEnum):
    """One part of a worker's work. Whatever it does, a worker also closes what is over."""

    RUNS = "runs"
    """Goes on with threads: it runs the code of graphs and tools, and needs public keys only."""

    MESSAGES = "messages"
    """Sends what has to go out to people."""

    ANSWERS = "answers"
    """Takes answers by connections of its own, such as Slack's Socket Mode, and signs them with the decision key."""


USUAL = frozenset({Part.RUNS, Part.MESSAGES})
"""What a worker does if nothing else is said: nothing that needs a private key."""


def parts_of(given: Collection[str]) -> frozenset[Part]:
    """The parts by their names.

    Raises:
        ConfigurationError: there are none, or a name is no part.
    """
    known = ", ".join(Part)
    for name in given:
        if name not in set(Part):
            raise ConfigurationError(f"a worker has no part {name!r}", remedy=f"one or more of {known}")
    if not given:
        raise ConfigurationError("a worker without a part does nothing", remedy=f"one or more of {known}")
    return frozenset(map(Part, given))
