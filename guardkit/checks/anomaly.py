"""An agent that behaves unlike itself."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from guardkit.core.anomalies import CHECK, Anomaly, Demand, StandingAnomalies, Watch
from guardkit.core.steps import Action
from guardkit.core.verdicts import ActionCheck, CheckContext, Outcome, Verdict
from guardkit.errors import ConfigurationError

_OUTCOMES: Mapping[Demand, Outcome] = {"stop": "stop", "block": "block", "review": "review", "note": "pass"}
"""The strictest first."""


def unusual_behaviour(
    anomalies: StandingAnomalies, watch: Watch | None = None, clock: Callable[[], float] = time.monotonic
) -> tuple[str, ActionCheck]:
    """The check that holds an agent up while an anomaly of it stands, with its name: a pair for `action_checks`.

    `Guard(watch=...)` adds it by itself. It judges by what the worker's looks have found, so never by the step that is
    under way. What stands is read once in `watch.stale` seconds for each agent; if that fails, the check raises, which
    is a block.

    Args:
        anomalies: where anomalies are kept.
        watch: the settings; those that the worker looks by.
        clock: seconds that only go on, for the age of what was read.
    """
    return CHECK, _UnusualBehaviour(anomalies, watch or Watch(), clock)


class _UnusualBehaviour:
    def __init__(self, anomalies: StandingAnomalies, watch: Watch, clock: Callable[[], float]) -> None:
        self._anomalies = anomalies
        self._watch = watch
        self._clock = clock
        self._read: dict[tuple[str, str], tuple[float, Sequence[Anomaly]]] = {}
        self._reading = threading.Lock()

    def __call__(self, action: Action, context: CheckContext, /) -> Verdict | None:
        standing = self._standing(context)
        if not standing:
            return None
        demands = {self._watch.demanded(one.measure) for one in standing}
        outcomes: list[Outcome] = [_OUTCOMES[demand] for demand in _OUTCOMES if demand in demands]
        return Verdict(
            check=CHECK,
            outcome=outcomes[0],
            why="; ".join(one.says() for one in standing),
            evidence=tuple(f"anomaly:{one.id}" for one in standing),
        )

    def _standing(self, context: CheckContext) -> Sequence[Anomaly]:
        if not context.agent:
            raise ConfigurationError(
                "the check does not know which agent it judges", remedy="name the agent in the CheckContext"
            )
        key = (context.principal.tenant, context.agent)
        now = self._clock()
        with self._reading:
            read_at, standing = self._read.get(key, (now, ()))
            if key not in self._read or now - read_at >= self._watch.stale:
                standing = self._anomalies.standing(*key)
                self._read[key] = (now, standing)
            return standing
