"""Answers: approve, reject, respond, edit."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.core.answers import changes_between, read_fields, with_changes
from guardkit.core.approvals import Approval, ApprovalState, DecisionKind
from guardkit.core.digest import canonical
from guardkit.core.fields import fields_of
from guardkit.core.presentation import present, presentation_hash, schema_order
from guardkit.core.rows import changes, rows
from guardkit.core.values import JsonObject
from guardkit.errors import CanonicalError, DecisionRefusedError
from guardkit.runtime.changing import check_shown
from guardkit.runtime.desk import Desk
from guardkit.web.arrivals import INBOX, Arrivals
from guardkit.web.bodies import Form
from guardkit.web.detail import Detail
from guardkit.web.pages import Pages
from guardkit.web.problems import bad_request
from guardkit.web.reception import SEE_OTHER, Reception, Visitor
from guardkit.web.standing import FIELDS, read_wish

_REASON_LIMIT = 4000
_NEEDED: dict[DecisionKind, str] = {
    "approve": "Say why. The policy asks for a comment, which is kept with the decision.",
    "edit": "Say why. The policy asks for a comment, which is kept with the decision.",
    "reject": "Say why. The reason is kept with the decision.",
    "respond": "Write what the assistant should be told.",
}

_Endpoint = Callable[[Request], Awaitable[Response]]


class Answering:
    """What people's forms do. Every answer leads to the approval's page, so reloading repeats nothing.

    Args:
        desk: takes decisions.
        detail: renders the approval's page where a form has to be corrected.
        reception: knows who has sent a form.
        pages: renders pages.
        arrivals: knows which messages lead here.
    """

    def __init__(
        self, desk: Desk, detail: Detail, reception: Reception, pages: Pages, arrivals: Arrivals
    ) -> None:
        self._desk = desk
        self._detail = detail
        self._reception = reception
        self._pages = pages
        self._arrivals = arrivals

    def routes(self) -> Sequence[BaseRoute]:
        """Where the forms go."""
        return [
            Route("/approvals/{id}/approve", self._takes(self._approve), methods=["POST"]),
            Route("/approvals/{id}/reject", self._takes(self._reject), methods=["POST"]),
            Route("/approvals/{id}/respond", self._takes(self._respond), methods=["POST"]),
            Route("/approvals/{id}/edit", self._edit_form, methods=["GET"]),
            Route("/approvals/{id}/edit", self._takes(self._preview), methods=["POST"]),
            Route("/approvals/{id}/edit/confirm", self._takes(self._confirm), methods=["POST"]),
        ]

    def _takes(self, answer: Callable[[Visitor, Approval, Form], Response]) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            form = await self._reception.read(request)
            return await run_in_threadpool(taken, request, form)

        def taken(request: Request, form: Form) -> Response:
            visitor = self._reception.sender(request, form)
            return answer(visitor, self._desk.see(request.path_params["id"], visitor.person), form)

        return endpoint

    def _approve(self, visitor: Visitor, approval: Approval, form: Form) -> Response:
        return self._decide(visitor, approval, form, "approve")

    def _reject(self, visitor: Visitor, approval: Approval, form: Form) -> Response:
        return self._decide(visitor, approval, form, "reject")

    def _respond(self, visitor: Visitor, approval: Approval, form: Form) -> Response:
        return self._decide(visitor, approval, form, "respond")

    def _decide(
        self,
        visitor: Visitor,
        approval: Approval,
        form: Form,
        kind: DecisionKind,
        args: JsonObject | None = None,
    ) -> Response:
        reason = form.text("reason")
        delivery = self._delivery(visitor, approval, form.get("delivery", ""))
        page = f"/approvals/{approval.request.id}"
        problem = _problem(approval, kind, reason)
        if problem is not None and args is not None:
            return self._asks_to_confirm(visitor, approval, form, args, problem)
        wish = read_wish(form, approval.request.standing) if kind == "approve" else None
        if problem is not None or isinstance(wish, str):
            errors = {} if problem is None else {kind: problem}
            return self._detail.page(
                visitor,
                approval,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
                delivery=delivery,
                errors=errors | ({"standing": wish} if isinstance(wish, str) else {}),
                typed={kind: reason} | {name: form.text(name) for name in FIELDS},
            )
        try:
            self._desk.decide(
                approval.request.id,
                identity=visitor.session.identity,
                digest=form.get("digest", ""),
                kind=kind,
                assurance=visitor.session.assurance,
                via="web",
                reason=reason or None,
                args=args,
                delivery=delivery or INBOX,
                shown=form.get("shown", ""),
                standing=wish,
            )
        except DecisionRefusedError as error:
            if error.reason in ("already_settled", "already_decided") and self._said_before(
                visitor, approval, form, kind
            ):
                return RedirectResponse(page, SEE_OTHER)
            raise
        return RedirectResponse(page, SEE_OTHER)

    def _delivery(self, visitor: Visitor, approval: Approval, named: str) -> str:
        return self._arrivals.delivery(approval, visitor.person, named)

    def _said_before(self, visitor: Visitor, approval: Approval, form: Form, kind: DecisionKind) -> bool:
        """Whether this is a second click: the same person's same answer to the same question already counts."""
        now = self._desk.see(approval.request.id, visitor.person)
        return any(
            (said.person, said.kind, said.digest) == (visitor.person.id, kind, form.get("digest", ""))
            for said in now.decisions
        )

    def _editable(self, visitor: Visitor, approval: Approval) -> None:
        refusal = self._desk.refusal(approval, visitor.person, visitor.session.assurance)
        if refusal is None and "edit" not in approval.request.allowed:
            refusal = DecisionRefusedError("not_allowed", "the policy does not allow edits")
        if refusal is not None:
            raise refusal

    def _edit_form(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        approval = self._desk.see(request.path_params["id"], visitor.person)
        self._editable(visitor, approval)
        fields = fields_of(approval.request.args_schema, approval.args)
        shown = present(approval)
        return self._pages.render(
            "edit.html",
            visitor=visitor,
            shown=shown,
            shown_hash=presentation_hash(shown),
            fields=fields,
            problems=(),
            delivery=self._delivery(visitor, approval, request.query_params.get("delivery", "")),
        )

    def _preview(self, visitor: Visitor, approval: Approval, form: Form) -> Response:
        self._is_current(approval, form)
        check_shown(approval, form.get("shown", ""))
        self._editable(visitor, approval)
        reading = read_fields(approval.request.args_schema, approval.args, form)
        shown = present(approval)
        if not reading.ok:
            return self._pages.render(
                "edit.html",
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
                visitor=visitor,
                shown=shown,
                shown_hash=form.get("shown", ""),
                fields=reading.fields,
                problems=reading.problems,
                delivery=self._delivery(visitor, approval, form.get("delivery", "")),
            )
        return self._asks_to_confirm(visitor, approval, form, reading.args)

    def _asks_to_confirm(
        self,
        visitor: Visitor,
        approval: Approval,
        form: Form,
        args: JsonObject,
        problem: str | None = None,
    ) -> Response:
        """The page that shows what an edit changes; again, with what was written, where that was not enough."""
        order = schema_order(approval.request.args_schema)
        return self._pages.render(
            "confirm.html",
            status=HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY,
            visitor=visitor,
            shown=present(approval),
            shown_hash=form.get("shown", ""),
            changes=changes(approval.args, args, order),
            result=rows(args, order),
            carried=canonical(changes_between(approval.args, args)).decode(),
            delivery=self._delivery(visitor, approval, form.get("delivery", "")),
            problem=problem,
            typed="" if problem is None else form.text("reason"),
        )

    def _confirm(self, visitor: Visitor, approval: Approval, form: Form) -> Response:
        if form.get("digest", "") != approval.digest and self._said_before(visitor, approval, form, "edit"):
            return RedirectResponse(f"/approvals/{approval.request.id}", SEE_OTHER)
        self._is_current(approval, form)
        try:
            args = with_changes(approval.args, form.text("changes"))
        except CanonicalError as error:
            raise bad_request("The changes of this form cannot be read. Edit again.") from error
        return self._decide(visitor, approval, form, "edit", args)

    def _is_current(self, approval: Approval, form: Form) -> None:
        if approval.state is not ApprovalState.PENDING:
            raise DecisionRefusedError("already_settled", "it was decided meanwhile")
        if form.get("digest", "") != approval.digest:
            raise DecisionRefusedError("digest_mismatch", "it was edited meanwhile")


def _problem(approval: Approval, kind: DecisionKind, reason: str) -> str | None:
    """What is wrong with the words of a form."""
    if not reason and approval.request.needs_comment(kind):
        return _NEEDED[kind]
    if len(reason) > _REASON_LIMIT:
        return f"At most {_REASON_LIMIT:,} characters; this has {len(reason):,}."
    return None
