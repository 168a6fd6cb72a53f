"""Deciding on several approvals at once over HTTP."""

from guardkit.core.people import Assurance
from guardkit.errors import DecisionRefusedError, GuardkitError, InputError, StorageError
from guardkit.runtime.batches import ItemOutcome
from guardkit.runtime.desk import Desk
from guardkit.web.api.answers import DecisionTaken
from guardkit.web.api.batch_answers import BatchItem, BatchTaken, NewBatch
from guardkit.web.api.operations import DECIDE_TOGETHER, Call, Served
from guardkit.web.api.problems import ApiError, FieldProblem, Problem, not_found, refused
from guardkit.web.api.requests import Nothing


class Batches:
    """What callers say of several approvals at once.

    Args:
        desk: takes decisions.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def served(self) -> tuple[Served[Nothing, NewBatch], ...]:
        """The operation."""
        return (Served(DECIDE_TOGETHER, self._decide),)

    def _decide(self, call: Call[Nothing, NewBatch]) -> BatchTaken:
        person, said = call.caller.person, call.body
        if person is None:
            raise ApiError("people_only", "People decide; a service never does.")
        try:
            outcomes = self._desk.batches.decide(
                said.items,
                identity=person.id,
                kind=said.decision,
                assurance=Assurance.API_TOKEN,
                via="api",
                reason=said.comment,
                delivery=call.mark,
            )
        except InputError as error:
            problem = FieldProblem(field="items", message=error.message)
            raise ApiError("invalid", "See `errors`. Nothing was decided.", errors=(problem,)) from None
        for one in outcomes:
            if isinstance(one.error, StorageError):  # whoever asks again is told of all that count
                raise one.error
        return BatchTaken(items=tuple(_item(one) for one in outcomes))


def _item(outcome: ItemOutcome) -> BatchItem:
    name, approval = outcome.seen.approval, outcome.approval
    if outcome.error is not None or approval is None or outcome.number is None:
        return BatchItem(approval=name, taken=None, problem=_problem(outcome, outcome.error))
    return BatchItem(approval=name, taken=DecisionTaken.of(approval, outcome.number), problem=None)


def _problem(outcome: ItemOutcome, error: GuardkitError | None) -> Problem:
    if isinstance(error, DecisionRefusedError) and outcome.approval is not None:
        return refused(error, outcome.approval).problem
    return not_found().problem
