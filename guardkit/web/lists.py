"""The lists: what waits for somebody, what is open, what is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Person
from guardkit.core.ports import Store
from guardkit.core.presentation import Presentation, present
from guardkit.runtime.desk import LISTED, Desk
from guardkit.web.pages import Pages
from guardkit.web.problems import bad_request
from guardkit.web.reception import Reception
from guardkit.web.settings import WebSettings

_SETTLED = [state for state in ApprovalState if state.settled]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: tuple[Presentation, ...]
    number: int
    last: int
    total: int
    full: bool
    """Whether the list may be longer than what is looked through."""


class Lists:
    """The lists of approvals.

    Args:
        desk: knows what is for whose eyes.
        store: knows the time.
        reception: knows who asks.
        pages: renders pages.
        settings: how long a page is.
    """

    def __init__(
        self, desk: Desk, store: Store, reception: Reception, pages: Pages, settings: WebSettings
    ) -> None:
        self._desk = desk
        self._store = store
        self._reception = reception
        self._pages = pages
        self._settings = settings

    def routes(self) -> Sequence[BaseRoute]:
        """A page for each list."""
        return [
            Route("/", self._page_of("waiting", self._desk.waiting), methods=["GET"]),
            Route("/open", self._page_of("open", self._open), methods=["GET"]),
            Route("/history", self._page_of("history", self._over), methods=["GET"]),
        ]

    def _open(self, person: Person) -> Sequence[Approval]:
        return self._desk.visible(person, [ApprovalState.PENDING])

    def _over(self, person: Person) -> Sequence[Approval]:
        return self._desk.visible(person, _SETTLED)

    def _page_of(
        self, view: str, find: Callable[[Person], Sequence[Approval]]
    ) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            visitor = self._reception.visitor(request)
            page = self._cut(find(visitor.person), request.query_params.get("page", "1"))
            waiting = page.total if view == "waiting" else len(self._desk.waiting(visitor.person))
            return self._pages.render(
                "list.html",
                visitor=visitor,
                view=view,
                page=page,
                waiting=waiting,
                listed=LISTED,
                now=self._store.now(),
            )

        return show

    def _cut(self, found: Sequence[Approval], number: str) -> Page:
        if not (number.isascii() and number.isdecimal() and 0 < len(number) < 7):
            raise bad_request("The number of the page is not a number.")
        size = self._settings.page_size
        last = max(1, -(-len(found) // size))
        at = min(max(1, int(number)), last)
        items = tuple(present(approval) for approval in found[(at - 1) * size : at * size])
        return Page(items, at, last, len(found), len(found) >= LISTED)
