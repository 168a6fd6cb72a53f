"""The lists: what waits for somebody, what is open, what is over, what they asked for themselves."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from guardkit.core.listings import ListName, ListQuery
from guardkit.core.ports import Store
from guardkit.core.presentation import present
from guardkit.errors import InputError
from guardkit.runtime.desk import Desk
from guardkit.web.filters import AGES, DUES, SPANS, Filters, states_of
from guardkit.web.pages import Pages
from guardkit.web.problems import bad_request
from guardkit.web.reception import Reception
from guardkit.web.settings import WebSettings

COUNTED = 100
"""How far a list is counted; where it is longer, the page says so."""


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
            Route("/", self._page_of(ListName.WAITING), methods=["GET"]),
            Route("/open", self._page_of(ListName.OPEN), methods=["GET"]),
            Route("/history", self._page_of(ListName.HISTORY), methods=["GET"]),
            Route("/asked", self._page_of(ListName.ASKED), methods=["GET"]),
        ]

    def _page_of(self, view: ListName) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            person = (visitor := self._reception.visitor(request)).person
            now = self._store.now()
            filters = Filters.read(view, request.query_params, now)
            try:
                page = self._desk.page(
                    person,
                    filters.query,
                    limit=self._settings.page_size,
                    cursor=request.query_params.get("cursor"),
                )
            except InputError:
                raise bad_request("The link is not one that a page of this list has made.") from None
            found = self._desk.count(person, filters.query, COUNTED)
            waiting = ListQuery(list=ListName.WAITING)
            same = filters.query == waiting
            return self._pages.render(
                "list.html",
                visitor=visitor,
                view=view.value,
                items=[present(approval) for approval in page.approvals],
                previous=None if page.previous is None else filters.link(page.previous),
                next=None if page.next is None else filters.link(page.next),
                begun=filters.link() if "cursor" in request.query_params else None,
                waiting=found if same else self._desk.count(person, waiting, COUNTED),
                found=found,
                counted=COUNTED,
                filters=filters,
                reviews=len(self._desk.emergencies.reviews(person)),
                choices={"age": AGES, "due": DUES, "within": SPANS, "state": states_of(view)},
                now=now,
            )

        return show
