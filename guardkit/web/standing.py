"""Standing approvals in the inbox: the part of the form that gives one, the list, and ending one."""

import re
from collections.abc import Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.core.allowances import SCOPES, bound, remaining
from guardkit.core.amounts import is_amount
from guardkit.core.durations import format_duration
from guardkit.core.ports import Store
from guardkit.core.standing import WHY_LIMIT, StandingOffer, StandingWish
from guardkit.errors import DecisionRefusedError
from guardkit.runtime.desk import Desk
from guardkit.web.bodies import Form
from guardkit.web.pages import Pages
from guardkit.web.problems import bad_request
from guardkit.web.reception import SEE_OTHER, Reception, Visitor

_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,4})?", re.ASCII)
FIELDS = ("standing", "hours", "uses", "at_most")
"""What the part of the form is made of."""

_TOLD = {
    "already_settled": "It is revoked already.",
    "reason_required": "Say why. The reason is kept with it.",
    "reason_invalid": f"The reason has at most {WHY_LIMIT} characters, and none that cannot be shown.",
}


def read_wish(form: Mapping[str, str], offer: StandingOffer | None) -> StandingWish | str | None:
    """What a form adds to a yes; `None` for nothing, and text where it has to be corrected.

    Args:
        form: the form's fields.
        offer: what the question permits.
    """
    said = {name: form.get(name, "").strip() for name in FIELDS}
    scope = said["standing"]
    if scope == "":
        return "Choose which actions, or leave the other fields empty." if any(said.values()) else None
    if offer is None:
        return "This question can only be approved by itself."
    if scope not in ("thread", "requester") or scope not in offer.scopes:
        return "Choose one of the list."
    hours, uses, amount = said["hours"], said["uses"], said["at_most"]
    if not _NUMBER.fullmatch(hours) or not 0 < float(hours) * 3600 <= offer.seconds:
        return f"Hours: write a number above zero; at most {format_duration(offer.seconds)} are permitted."
    if not uses.isascii() or not uses.isdecimal() or len(uses) > 6 or not 1 <= int(uses) <= offer.uses:
        return f"How many: write a whole number from 1 to {offer.uses}."
    if amount and (offer.amount is None or is_amount(amount) in (None, "0")):
        return "The sum: write a number above zero, like 1250.50, where the policy limits a sum."
    return StandingWish(scope=scope, seconds=float(hours) * 3600, uses=int(uses), at_most=amount or None)


class StandingPages:
    """The pages of standing approvals.

    Args:
        desk: knows what is for whose eyes, and ends them.
        store: its clock judges what is over.
        reception: knows who asks.
        pages: renders pages.
    """

    def __init__(self, desk: Desk, store: Store, reception: Reception, pages: Pages) -> None:
        self._desk = desk
        self._store = store
        self._reception = reception
        self._pages = pages

    def routes(self) -> Sequence[BaseRoute]:
        """The list, and where its forms go."""
        return [
            Route("/standing", self._list, methods=["GET"]),
            Route("/standing/{standing}/revoke", self._revoke, methods=["POST"]),
        ]

    def _list(self, request: Request) -> Response:
        return self._page(self._reception.visitor(request))

    def _page(self, visitor: Visitor, *, wrong: tuple[str, str] | None = None, status: int = 200) -> Response:
        now = self._store.now()
        items = [
            {
                "standing": one,
                "grant": one.grant,
                "state": one.state(now),
                "scope": SCOPES[one.grant.scope],
                "left": remaining(one),
                "same": bound(one),
            }
            for one in self._desk.standing.listed(visitor.person, active=None)
        ]
        items.sort(key=lambda item: item["state"] != "active")
        return self._pages.render(
            "standing.html", status=status, visitor=visitor, items=items, now=now, wrong=wrong
        )

    async def _revoke(self, request: Request) -> Response:
        form = await self._reception.read(request)
        return await run_in_threadpool(self._revoked, request, form)

    def _revoked(self, request: Request, form: Form) -> Response:
        visitor = self._reception.sender(request, form)
        name = request.path_params["standing"]
        if not re.fullmatch(r"[0-9a-f]{32}", name):
            raise bad_request("There is no such standing approval.")
        try:
            self._desk.standing.revoke(
                name,
                identity=visitor.session.identity,
                why=form.text("why"),
                assurance=visitor.session.assurance,
                via="web",
            )
        except DecisionRefusedError as error:
            if error.reason not in _TOLD:
                raise
            status = 409 if error.reason == "already_settled" else 422
            return self._page(visitor, wrong=(name, _TOLD[error.reason]), status=status)
        return RedirectResponse("/standing", SEE_OTHER)
