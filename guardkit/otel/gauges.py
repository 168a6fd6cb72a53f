"""Gauges over what waits in the database. They are read when somebody looks, and cost nothing otherwise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from guardkit.core import telemetry_names as names
from guardkit.core.backlog import Backlog
from guardkit.core.telemetry_schema import METRICS
from guardkit.runtime.looking import Look

AGENTS = 50
"""Agents with series of their own; what others have waiting is added up as `other`."""

OTHER = "other"

_OF_AGENT: Mapping[str, Callable[[Backlog], float]] = {
    names.PENDING: lambda one: one.pending,
    names.PENDING_AGE: lambda one: one.pending_age,
    names.DUE: lambda one: one.due,
    names.DUE_LAG: lambda one: one.due_lag,
    names.DEAD_LETTERS: lambda one: one.dead_letters,
    names.IN_DOUBT: lambda one: one.in_doubt,
    names.REVIEWS: lambda one: one.reviews,
    names.REVIEWS_AGE: lambda one: one.reviews_age,
    names.REVIEWS_OVERDUE: lambda one: one.reviews_overdue,
}


def observe(
    backlog: Callable[[], Sequence[Backlog]],
    *,
    agents: Iterable[str] = (),
    round_age: Callable[[], float] | None = None,
    meter_provider: MeterProvider | None = None,
    fresh: float = 10.0,
    patience: float = 2.0,
) -> None:
    """Show what waits in the database as gauges: `observe(guard.store.backlog, agents=guard.graphs)`.

    The database is asked at most every `fresh` seconds, in a thread. While it does not answer, `guardkit.database.up`
    is 0 and the others are absent; no collection fails. No series names a tenant: their number has no bound, and
    whoever may read metrics need not know them. Of agents there are 50 series at most.

    Args:
        backlog: reads what waits.
        agents: names of agents that have series also while nothing of theirs waits.
        round_age: seconds since the slowest loop of this process's worker has finished a round.
        meter_provider: where gauges go; by default the process's.
        fresh: seconds that an answer of the database is used for.
        patience: seconds that a collection waits for it.
    """
    meter = metrics.get_meter("guardkit", version("guardkit"), meter_provider)
    look = Look("gauges", lambda: _known(backlog(), agents), fresh=fresh, patience=patience)

    def show(name: str, read: Callable[[], Iterable[Observation]]) -> None:
        def callback(options: CallbackOptions) -> Iterable[Observation]:
            return read()

        shape = METRICS[name]
        meter.create_observable_gauge(name, [callback], unit=shape.unit, description=shape.means)

    def of_agents(value: Callable[[Backlog], float]) -> Iterable[Observation]:
        return [Observation(value(one), {names.AGENT: one.agent}) for one in look() or ()]

    for name, value in _OF_AGENT.items():
        show(name, lambda value=value: of_agents(value))
    show(names.DATABASE_UP, lambda: [Observation(0 if look() is None else 1)])
    if round_age is not None:
        show(names.ROUND_AGE, lambda: [Observation(round_age())])


def _known(found: Sequence[Backlog], agents: Iterable[str]) -> Sequence[Backlog]:
    by_agent = {agent: Backlog(agent=agent) for agent in agents} | {one.agent: one for one in found}
    ordered = [by_agent[agent] for agent in sorted(by_agent)]
    return ordered if len(ordered) <= AGENTS else [*ordered[: AGENTS - 1], _together(ordered[AGENTS - 1 :])]


def _together(several: Sequence[Backlog]) -> Backlog:
    return Backlog(
        agent=OTHER,
        pending=sum(one.pending for one in several),
        pending_age=max(one.pending_age for one in several),
        due=sum(one.due for one in several),
        due_lag=max(one.due_lag for one in several),
        dead_letters=sum(one.dead_letters for one in several),
        in_doubt=sum(one.in_doubt for one in several),
        reviews=sum(one.reviews for one in several),
        reviews_age=max(one.reviews_age for one in several),
        reviews_overdue=sum(one.reviews_overdue for one in several),
    )
