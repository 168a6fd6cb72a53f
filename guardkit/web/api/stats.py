"""What people answered, over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from guardkit.core.stats import Agreement, AnswerCounts
from guardkit.core.values import Value
from guardkit.runtime.measuring import ApproverRuleStats, ApproverStats, DeskStats, RuleStats
from guardkit.web.api.answers import moment
from guardkit.web.api.requests import whole_number

LONGEST = 400
"""Days of the longest window."""


class StatsQuery(Value):
    """Which window is measured."""

    days: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=LONGEST, strict=True)] = 30
    """How many days ago it begins."""


class StatsAnswer(Value):
    """What the tenant's people answered in the window, and what waits for them now."""

    since: datetime
    until: datetime
    counts: AnswerCounts
    requests: Agreement
    """Of questions that two people or more answered."""

    stages: Agreement
    delegates: Agreement
    """Of questions that a delegate and somebody who spoke for themselves answered."""

    rules: tuple[RuleStats, ...]
    approvers: tuple[ApproverStats, ...]
    by_rule: tuple[ApproverRuleStats, ...]

    @classmethod
    def of(cls, counted: DeskStats) -> "StatsAnswer":
        """What was measured, as callers see it."""
        return cls(
            since=moment(counted.since),
            until=moment(counted.until),
            counts=counted.counts,
            requests=counted.requests,
            stages=counted.stages,
            delegates=counted.delegates,
            rules=counted.rules,
            approvers=counted.approvers,
            by_rule=counted.by_rule,
        )
