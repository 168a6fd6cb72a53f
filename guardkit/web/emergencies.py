"""Breaking the glass in the inbox, and the reviews of it."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.core.approvals import Approval
from guardkit.core.breaking import broken, is_reason
from guardkit.core.ports import Store
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.reviews import COMMENT_LIMIT, Review, ReviewVerdict
from guardkit.core.visible import shortened
from guardkit.errors import DecisionRefusedError
from guardkit.runtime.desk import Desk
from guardkit.web.arrivals import INBOX
from guardkit.web.bodies import Form
from guardkit.web.pages import Pages
from guardkit.web.problems import bad_request, not_found
from guardkit.web.reception import SEE_OTHER, Reception, Visitor

LISTED = 100
"""Reviews on one page, longest due first."""


class EmergencyPages:
    """The pages of emergencies: where one breaks the glass, and where somebody else looks at it afterwards.

    Args:
        desk: takes decisions.
        store: where approvals and reviews are.
        reception: knows who asks.
        pages: renders pages.
    """

    def __init__(self, desk: Desk, store: Store, reception: Reception, pages: Pages) -> None:
        self._desk = desk
        self._store = store
        self._reception = reception
        self._pages = pages

    def routes(self) -> Sequence[BaseRoute]:
        """The pages, and where their forms go."""
        return [
            Route("/approvals/{id}/break-glass", self._ask, methods=["GET"]),
            Route("/approvals/{id}/break-glass", self._break, methods=["POST"]),
            Route("/reviews", self._list, methods=["GET"]),
            Route("/reviews/{id}", self._show, methods=["GET"]),
            Route("/reviews/{id}/close", self._close, methods=["POST"]),
        ]

    # --- breaking ---

    def _ask(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        approval = self._desk.see(request.path_params["id"], visitor.person)
        refusal = self._desk.emergencies.refusal(approval, visitor.person, visitor.session.assurance)
        if refusal is not None:
            raise refusal
        return self._breaking(visitor, approval)

    def _breaking(
        self, visitor: Visitor, approval: Approval, *, status: int = 200, error: str = "", typed: str = ""
    ) -> Response:
        shown = present(approval)
        return self._pages.render(
            "break_glass.html",
            status=status,
            visitor=visitor,
            shown=shown,
            shown_hash=presentation_hash(shown),
            version=approval.version,
            glass=approval.request.break_glass,
            was={change.path: change for change in shown.changes},
            error=error,
            typed=typed,
            now=self._store.now(),
        )

    async def _break(self, request: Request) -> Response:
        form = await self._reception.read(request)
        return await run_in_threadpool(self._broken, request, form)

    def _broken(self, request: Request, form: Form) -> Response:
        visitor = self._reception.sender(request, form)
        approval = self._desk.see(request.path_params["id"], visitor.person)
        page = f"/approvals/{approval.request.id}"
        digest, reason, version = form.get("digest", ""), form.text("reason"), form.get("version", "")
        said = broken(approval)
        if said is not None and (said.person, said.digest) == (visitor.person.id, digest):
            return RedirectResponse(page, SEE_OTHER)  # a second click
        if not (version.isascii() and version.isdecimal() and len(version) <= 10):
            raise bad_request("The form does not say what was on its page. Nothing was decided.")
        glass = approval.request.break_glass
        error = ""
        if len(reason) > COMMENT_LIMIT:
            error = f"At most {COMMENT_LIMIT:,} characters; this has {len(reason):,}."
        elif glass is not None and not is_reason(glass, reason):
            error = f"Say what the emergency is, in {glass.reason_length} characters or more."
        elif form.get("sure", "") != "yes":
            error = "Tick the box: you decide alone, and it is reviewed."
        if error and self._may(visitor, approval):
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return self._breaking(visitor, approval, status=status, error=error, typed=reason)
        self._desk.emergencies.break_glass(
            approval.request.id,
            identity=visitor.session.identity,
            digest=digest,
            reason=reason,
            assurance=visitor.session.assurance,
            via="web",
            delivery=INBOX,
            version=int(version),
            shown=form.get("shown", ""),
        )
        return RedirectResponse(page, SEE_OTHER)

    def _may(self, visitor: Visitor, approval: Approval) -> bool:
        refusal = self._desk.emergencies.refusal(approval, visitor.person, visitor.session.assurance)
        return refusal is None

    # --- reviews ---

    def _list(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        closed = request.query_params.get("closed", "")
        if closed not in ("", "yes"):
            raise bad_request("The address names a list that is not there.")
        found = self._desk.emergencies.reviews(visitor.person, closed=closed == "yes")
        return self._pages.render(
            "reviews.html",
            visitor=visitor,
            reviews=found[:LISTED],
            count=len(found),
            limit=LISTED,
            closed=closed == "yes",
            now=self._store.now(),
        )

    def _own(self, visitor: Visitor, name: str) -> Review:
        """A review that is for this visitor's eyes."""
        person = visitor.person
        review = self._store.review(person.tenant, name)
        if review is None or not review.glass.may_review(person):
            raise not_found()
        return review

    def _show(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        return self._page(visitor, self._own(visitor, request.path_params["id"]))

    def _page(
        self, visitor: Visitor, review: Review, *, status: int = 200, error: str = "", typed: str = ""
    ) -> Response:
        approval = self._store.find(review.approval_id)
        shown = None if approval is None else present(approval)
        return self._pages.render(
            "review.html",
            status=status,
            visitor=visitor,
            review=review,
            state=review.state(self._store.now()),
            reason=shortened(review.reason, COMMENT_LIMIT),
            comment=None if review.closed is None else shortened(review.closed.comment, COMMENT_LIMIT),
            refusal=self._desk.emergencies.review_refusal(review, visitor.person),
            shown=shown,
            was={} if shown is None else {change.path: change for change in shown.changes},
            error=error,
            typed=typed,
            now=self._store.now(),
        )

    async def _close(self, request: Request) -> Response:
        form = await self._reception.read(request)
        return await run_in_threadpool(self._closed, request, form)

    def _closed(self, request: Request, form: Form) -> Response:
        visitor = self._reception.sender(request, form)
        review = self._own(visitor, request.path_params["id"])
        comment, said = form.text("comment"), form.get("verdict", "")
        end = review.closed
        if end is not None and (end.by, end.verdict.value, end.comment) == (visitor.person.id, said, comment):
            return RedirectResponse(f"/reviews/{review.approval_id}", SEE_OTHER)  # a second click
        error = ""
        if said not in {verdict.value for verdict in ReviewVerdict}:
            error = "Choose what you find."
        elif not comment:
            error = "Say why you find so. It is kept with the review."
        elif len(comment) > COMMENT_LIMIT:
            error = f"At most {COMMENT_LIMIT:,} characters; this has {len(comment):,}."
        if error and self._desk.emergencies.review_refusal(review, visitor.person) is None:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return self._page(visitor, review, status=status, error=error, typed=comment)
        if error:
            raise DecisionRefusedError("not_allowed", "the review cannot be closed so")
        self._desk.emergencies.close_review(
            review.approval_id,
            identity=visitor.session.identity,
            verdict=ReviewVerdict(said),
            comment=comment,
            via="web",
        )
        return RedirectResponse(f"/reviews/{review.approval_id}", SEE_OTHER)
