"""People's answers as rows, and what they come to."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, or_, select

from guardkit.core.approvals import Approval
from guardkit.core.listings import ListName
from guardkit.core.stats import (
    MEDIAN,
    NO,
    SLOW,
    YES,
    Agreement,
    AnswerCounts,
    ApproverCounts,
    Measured,
    RuleCounts,
    given_answers,
    person_hash,
)
from guardkit.sql import dialects
from guardkit.sql.side_tables import answers
from guardkit.sql.tables import listings
from guardkit.sql.vault import Vault, vault_of

MOST = 10_000
"""How far what waits is counted."""

_SOME = 500
_KINDS = tuple(AnswerCounts.model_fields)


def write(connection: Connection, before: Approval, after: Approval) -> None:
    """Insert the answers that an approval has got. The transaction holds its row's lock."""
    vault = vault_of(connection)
    rows = [
        {"tenant": after.request.tenant, **one.model_dump(), "who": vault.hashed(one.who)}
        for one in given_answers(after, after=len(before.decisions))
    ]
    if rows:
        connection.execute(insert(answers), rows)


def measure(connection: Connection, tenant: str, since: float, until: float) -> Measured:
    """What a tenant's people answered; see `guardkit.core.stats.Stats.measure`."""
    window = and_(answers.c.tenant == tenant, answers.c.at >= since, answers.c.at < until)
    compared = and_(window, answers.c.kind != "break_glass")
    both = (
        func.max(case((answers.c.delegated, 1), else_=0)),
        func.min(case((answers.c.delegated, 1), else_=0)),
    )
    return Measured(
        approvers=tuple(_approvers(connection, window)),
        rules=tuple(_rules(connection, window)),
        requests=_agreement(connection, compared, [answers.c.approval_id]),
        stages=_agreement(connection, compared, [answers.c.approval_id, answers.c.stage]),
        delegates=_agreement(connection, compared, [answers.c.approval_id], both[0] > both[1]),
    )


def in_clear(found: Measured, vault: Vault, approvals: Iterable[Approval]) -> Measured:
    """The same, with the hashes of people as they are where nothing is encrypted.

    Args:
        found: as `measure` found it.
        vault: what has hashed them.
        approvals: the examples that it names.
    """
    people = {said.person for one in approvals for said in one.decisions}
    plain = {vault.hashed(person_hash(person)): person_hash(person) for person in people}

    def renamed(who: str) -> str:
        return plain.get(who, who)

    return found.model_copy(
        update={
            "approvers": tuple(
                sorted(
                    (one.model_copy(update={"who": renamed(one.who)}) for one in found.approvers),
                    key=lambda one: one.who,
                )
            ),
            "rules": tuple(
                sorted(
                    (one.model_copy(update={"who": renamed(one.who)}) for one in found.rules),
                    key=lambda one: (one.who, one.rule),
                )
            ),
        }
    )


def count_waiting(connection: Connection, tenant: str, keys: Sequence[str]) -> int:
    """How many approvals wait under one of the keys; see `guardkit.core.stats.Stats.count_waiting`."""
    now = dialects.now(connection)
    found: set[str] = set()
    stored = [one for key in keys for one in vault_of(connection).lookups(key)]
    for start in range(0, len(stored), _SOME):
        chosen = (
            select(listings.c.approval_id)
            .where(
                listings.c.tenant == tenant,
                listings.c.list == ListName.WAITING.value,
                listings.c.who.in_(stored[start : start + _SOME]),
                listings.c.since <= now,
                listings.c.until > now,
            )
            .distinct()
            .limit(MOST)
        )
        found.update(connection.execute(chosen).scalars())
    return min(len(found), MOST)


def _count_of(kind: str) -> ColumnElement[Any]:
    return func.sum(case((answers.c.kind == kind, 1), else_=0)).label(kind)


def _counts(row: Any) -> AnswerCounts:
    return AnswerCounts(**{kind: int(getattr(row, kind)) for kind in _KINDS})


def _approvers(connection: Connection, window: ColumnElement[bool]) -> list[ApproverCounts]:
    times = _percentiles(connection, window)
    chosen = (
        select(
            answers.c.who,
            func.sum(case((answers.c.delegated, 1), else_=0)).label("delegated"),
            func.min(answers.c.approval_id).label("example"),
            *map(_count_of, _KINDS),
        )
        .where(window)
        .group_by(answers.c.who)
        .order_by(answers.c.who)
    )
    return [
        ApproverCounts(
            who=row.who,
            counts=_counts(row),
            delegated=int(row.delegated),
            median=times[row.who][0],
            slow=times[row.who][1],
            example=row.example,
        )
        for row in connection.execute(chosen)
    ]


def _percentiles(connection: Connection, window: ColumnElement[bool]) -> dict[str, tuple[float, float]]:
    """Median and slow time of each person. No database but PostgreSQL has percentiles of its own: rows are ranked."""
    order = (answers.c.waited, answers.c.approval_id, answers.c.number)
    ranked = (
        select(
            answers.c.who,
            answers.c.waited,
            func.row_number().over(partition_by=answers.c.who, order_by=order).label("place"),
            func.count().over(partition_by=answers.c.who).label("of"),
        )
        .where(window)
        .subquery()
    )
    median, slow = (
        func.min(case((ranked.c.place * 100 >= ranked.c.of * part, ranked.c.waited)))
        for part in (MEDIAN, SLOW)
    )
    chosen = select(ranked.c.who, median.label("median"), slow.label("slow")).group_by(ranked.c.who)
    return {row.who: (float(row.median), float(row.slow)) for row in connection.execute(chosen)}


def _rules(connection: Connection, window: ColumnElement[bool]) -> list[RuleCounts]:
    chosen = (
        select(answers.c.who, answers.c.rule, *map(_count_of, _KINDS))
        .where(window)
        .group_by(answers.c.who, answers.c.rule)
        .order_by(answers.c.who, answers.c.rule)
    )
    return [RuleCounts(who=row.who, rule=row.rule, counts=_counts(row)) for row in connection.execute(chosen)]


def _agreement(
    connection: Connection,
    compared: ColumnElement[bool],
    about: Sequence[ColumnElement[Any]],
    also: ColumnElement[bool] | None = None,
) -> Agreement:
    """How many of what several people answered they all answered alike."""
    yes = func.max(case((answers.c.kind.in_(YES), 1), else_=0))
    no = func.max(case((answers.c.kind.in_(NO), 1), else_=0))
    several = func.count(answers.c.who.distinct()) > 1
    groups = (
        select(yes.label("yes"), no.label("no"))
        .where(compared)
        .group_by(*about)
        .having(several if also is None else and_(several, also))
        .subquery()
    )
    alike = or_(groups.c.yes == 0, groups.c.no == 0)
    row = connection.execute(
        select(func.count(), func.sum(case((alike, 1), else_=0))).select_from(groups)
    ).one()
    return Agreement(compared=row[0], agreed=int(row[1] or 0))
