"""Withdrawing: whoever asked takes a question back."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.core.approvals import ApprovalState
from guardkit.errors import DecisionRefusedError
from guardkit.runtime.desk import Desk
from guardkit.web.bodies import Form
from guardkit.web.detail import Detail
from guardkit.web.reception import SEE_OTHER, Reception

_TOLD: Mapping[str, str] = {
    "reason_required": "Say why. The reason is kept in the audit log.",
    "reason_invalid": "At most 500 characters, and text only.",
}


class Withdrawing:
    """What the form does with which people withdraw their own questions.

    Args:
        desk: takes questions back.
        detail: renders the approval's page where the form has to be corrected.
        reception: knows who has sent the form.
    """

    def __init__(self, desk: Desk, detail: Detail, reception: Reception) -> None:
        self._desk = desk
        self._detail = detail
        self._reception = reception

    def routes(self) -> Sequence[BaseRoute]:
        """Where the form goes."""
        return [Route("/approvals/{id}/withdraw", self._withdraw, methods=["POST"])]

    async def _withdraw(self, request: Request) -> Response:
        form = await self._reception.read(request)
        return await run_in_threadpool(self._withdrawn, request, form)

    def _withdrawn(self, request: Request, form: Form) -> Response:
        visitor = self._reception.sender(request, form)
        approval = self._desk.look(request.path_params["id"], visitor.person)
        page = f"/approvals/{approval.request.id}"
        if approval.state is ApprovalState.CANCELLED:
            return RedirectResponse(page, SEE_OTHER)  # a second click, or it was withdrawn meanwhile
        why = form.text("why")
        try:
            self._desk.withdrawals.withdraw(
                approval.request.id,
                identity=visitor.session.identity,
                why=why,
                assurance=visitor.session.assurance,
                via="web",
            )
        except DecisionRefusedError as error:
            if error.reason not in _TOLD:
                raise
            return self._detail.page(
                visitor,
                approval,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
                errors={"withdraw": _TOLD[error.reason]},
                typed={"withdraw": why},
            )
        return RedirectResponse(page, SEE_OTHER)
