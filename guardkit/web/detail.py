"""One approval: what is asked, what was said, what became of it."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.asked import was_asked_by
from guardkit.core.audit import AuditEntry
from guardkit.core.breaking import broken
from guardkit.core.digest import canonical
from guardkit.core.ports import Store
from guardkit.core.presentation import full_value, present, presentation_hash
from guardkit.core.values import Json
from guardkit.core.visible import human, one_line
from guardkit.errors import DecisionRefusedError
from guardkit.runtime.desk import Desk
from guardkit.web.arrivals import Arrivals
from guardkit.web.pages import Pages
from guardkit.web.problems import not_found
from guardkit.web.reception import Reception, Visitor
from guardkit.web.trail import aftermath, trail

_LEFT_OUT = frozenset({"action", "approval", "delivery", "key_id", "shown", "signature", "tool"})
"""What the page is about anyway, or what only machines compare."""

_HASH = re.compile(r"[0-9a-f]{64}")


class Detail:
    """The pages of one approval.

    Args:
        desk: knows what is for whose eyes.
        store: where runs, effects and the audit log are.
        reception: knows who asks.
        pages: renders pages.
        arrivals: knows which messages lead here.
    """

    def __init__(
        self, desk: Desk, store: Store, reception: Reception, pages: Pages, arrivals: Arrivals
    ) -> None:
        self._desk = desk
        self._store = store
        self._reception = reception
        self._pages = pages
        self._arrivals = arrivals

    def routes(self) -> Sequence[BaseRoute]:
        """The approval, its audit trail, its values in full."""
        return [
            Route("/approvals/{id}", self._show, methods=["GET"]),
            Route("/approvals/{id}/audit", self._audit, methods=["GET"]),
            Route("/approvals/{id}/{section:str}/{index}.txt", self._value, methods=["GET"]),
        ]

    def page(
        self, visitor: Visitor, approval: Approval, *, status: int = 200, delivery: str = "", **more: Any
    ) -> Response:
        """The page of an approval.

        Args:
            visitor: who looks.
            approval: as it stands.
            status: HTTP status.
            delivery: id of the message whose link led here.
            more: what else the template is told, e.g. what is wrong with a form.
        """
        refusal, glass = None, False
        person, assurance = visitor.person, visitor.session.assurance
        if approval.state is ApprovalState.PENDING:
            refusal = self._desk.refusal(approval, person, assurance)
            glass = self._desk.emergencies.refusal(approval, person, assurance) is None
        offer = None if any(said.kind == "edit" for said in approval.decisions) else approval.request.standing
        named = approval.request.break_glass
        reviewable = broken(approval) is not None and named is not None and named.may_review(person)
        asked = was_asked_by(approval.request, person)
        context = {
            **self.context(approval, refusal),
            "own": asked,
            "whole": not asked or self._desk.may_look(approval, person),
            "withdrawable": asked and approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED),
            "offer": offer,
            "delivery": delivery,
            "glass": glass,
            "reviewable": reviewable,
            **more,
        }
        return self._pages.render("approval.html", status=status, visitor=visitor, **context)

    def context(self, approval: Approval, refusal: DecisionRefusedError | None) -> dict[str, Any]:
        """What the template of an approval's page is told, whoever looks.

        Args:
            approval: as it stands.
            refusal: why whoever looks cannot decide, if they cannot.
        """
        shown = present(approval)
        return {
            "shown": shown,
            "shown_hash": presentation_hash(shown),
            "refusal": refusal,
            "offer": None,
            "delivery": "",
            "now": self._store.now(),
            "errors": {},
            "typed": {},
            "after": None if approval.state is ApprovalState.PENDING else aftermath(self._store, approval),
            "was": {change.path: change for change in shown.changes},
            "glass": False,
            "reviewable": False,
            "own": False,
            "whole": True,
            "withdrawable": False,
        }

    def _show(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        person = visitor.person
        approval = self._desk.look(request.path_params["id"], person)
        named = request.query_params.get("delivery", "")
        return self.page(visitor, approval, delivery=self._arrivals.delivery(approval, person, named))

    def _audit(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        approval = self._desk.see(request.path_params["id"], visitor.person)
        found = trail(self._store, approval)
        entries = [(entry, self._facts(entry)) for entry in found.entries]
        return self._pages.render(
            "audit.html",
            visitor=visitor,
            shown=present(approval),
            entries=entries,
            complete=found.complete,
        )

    def _value(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        approval = self._desk.look(request.path_params["id"], visitor.person)
        return whole_value(approval, request.path_params["section"], request.path_params["index"])

    def _facts(self, entry: AuditEntry) -> list[tuple[str, str]]:
        """What an entry says beside what the page is about anyway."""
        said = entry.event.data
        return [
            (human(name), self._fact(name, value))
            for name, value in said.items()
            if name not in _LEFT_OUT and value not in (None, [], {})
        ]

    def _fact(self, name: str, value: Json) -> str:
        match name, value:
            case "stage", int():
                return str(value + 1)  # people count from 1
            case "person" | "for", str():
                return self._pages.who(value)
            case _:
                text = value if isinstance(value, str) else canonical(value).decode()
                return text[:12] if _HASH.fullmatch(text) else one_line(text, 200)


def whole_value(approval: Approval, section: str, index: str) -> Response:
    """A value in full, as a file: nothing that a browser would show as a page.

    Args:
        approval: as it stands.
        section: `args` or `reads`.
        index: `Row.index`, or `all`.

    Raises:
        PageError: there is no such value.
    """
    number = int(index) if index.isascii() and index.isdecimal() and len(index) < 8 else None
    if section not in ("args", "reads") or (number is None and index != "all"):
        raise not_found()
    value = full_value(approval, section, number)
    if value is None:
        raise not_found()
    return Response(
        value,
        media_type="text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{section}-{index}.txt"',
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        },
    )
