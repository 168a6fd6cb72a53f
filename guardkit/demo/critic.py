"""The demo's critic: a few written rules, so that it needs no model."""

import re
from collections.abc import Sequence

from guardkit.core.drafts import Criterion, CriterionAnswer

_PROMISE = re.compile(
    r"\b(we|i) (will|shall|promise to|guarantee to) (pay|transfer|approve|settle)\b", re.IGNORECASE
)


class RuleCritic:
    """Answers the criterion `no-promise`; any other it cannot judge, so it is not met."""

    def criticise(
        self, question: str, draft: str, criteria: Sequence[Criterion], /
    ) -> Sequence[CriterionAnswer]:
        """An answer to each criterion."""
        return [self._answer(criterion, draft) for criterion in criteria]

    def _answer(self, criterion: Criterion, draft: str) -> CriterionAnswer:
        if criterion.id != "no-promise":
            return CriterionAnswer(criterion_id=criterion.id, met=False, gap="no rule judges this criterion")
        if _PROMISE.search(draft):
            return CriterionAnswer(
                criterion_id=criterion.id, met=False, gap="it promises a payment or a decision"
            )
        return CriterionAnswer(criterion_id=criterion.id, met=True)
