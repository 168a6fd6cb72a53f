"""Several approvals on one page, decided on together: each is shown in full, and each answer is reported by itself."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.core.approvals import Approval
from guardkit.core.batches import BATCH_LIMIT, BatchKind, Seen, are_of_one_kind, grouped, is_whole
from guardkit.core.listings import ListName, ListQuery
from guardkit.core.ports import Store
from guardkit.core.presentation import present, presentation_hash
from guardkit.errors import DecisionRefusedError, InputError, StorageError
from guardkit.runtime.batches import ItemOutcome
from guardkit.runtime.desk import Desk
from guardkit.web.bodies import Form
from guardkit.web.pages import Pages
from guardkit.web.problems import PageError, bad_request, not_found, refused, unavailable
from guardkit.web.reception import SEE_OTHER, Reception, Visitor

_ID = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_ITEM = re.compile(r"item\.[0-9]{1,3}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_PARTS = 4
_REASON_LIMIT = 4000
_PLACE = "/together"


class Together:
    """Where several approvals are looked at, and decided on, together.

    Args:
        desk: takes decisions.
        store: where approvals are.
        reception: knows who asks.
        pages: renders pages.
    """

    def __init__(self, desk: Desk, store: Store, reception: Reception, pages: Pages) -> None:
        self._desk = desk
        self._store = store
        self._reception = reception
        self._pages = pages

    def routes(self) -> Sequence[BaseRoute]:
        """The page, and where its forms go."""
        return [
            Route(_PLACE, self._show, methods=["GET"]),
            Route(f"{_PLACE}/approve", self._approve, methods=["POST"]),
            Route(f"{_PLACE}/reject", self._reject, methods=["POST"]),
        ]

    def _show(self, request: Request) -> Response:
        visitor = self._reception.visitor(request)
        ids = _ids(request.query_params.getlist("id"))
        if not ids:
            return RedirectResponse("/", SEE_OTHER)
        return self._page(visitor, ids)

    def _page(
        self, visitor: Visitor, ids: Sequence[str], *, status: int = 200, problem: str = "", kind: str = ""
    ) -> Response:
        now = self._store.now()
        found = {one.request.id: one for one in self._store.approvals(visitor.person.tenant, ids)}
        seen = [
            found[name]
            for name in ids
            if name in found and self._desk.may_look(found[name], visitor.person, now)
        ]
        if not seen:
            raise not_found()
        groups = [self._group(visitor, group, ids, now) for group in grouped(seen)]
        return self._pages.render(
            "together.html",
            status=status,
            visitor=visitor,
            groups=groups,
            missing=len(ids) - len(seen),
            more=self._more(visitor, seen),
            now=now,
            problem=problem,
            answered=kind,
        )

    def _group(
        self, visitor: Visitor, group: Sequence[Approval], ids: Sequence[str], now: float
    ) -> dict[str, Any]:
        items = [self._item(visitor, one, ids, now) for one in group]
        return {
            "title": items[0]["shown"].title,
            "asked": items,
            "open": [item for item in items if item["because"] is None],
            "comment": any(one.request.needs_comment("approve") for one in group),
            "kinds": _kinds(group, [item["because"] is None for item in items]),
        }

    def _item(self, visitor: Visitor, approval: Approval, ids: Sequence[str], now: float) -> dict[str, Any]:
        shown = present(approval)
        hashed = presentation_hash(shown)
        refusal = self._desk.refusal(approval, visitor.person, visitor.session.assurance, now)
        if refusal is None and not is_whole(shown):
            refusal = DecisionRefusedError("not_whole", "it is shown in part")
        rest = [name for name in ids if name != approval.request.id]
        return {
            "shown": shown,
            "sent": f"{shown.id} {approval.version} {approval.digest} {hashed}",
            "because": None if refusal is None else refused(refusal),
            "was": {change.path: change for change in shown.changes},
            "without": _link(rest) if rest else None,
        }

    def _more(self, visitor: Visitor, seen: Sequence[Approval]) -> dict[str, Any] | None:
        """What else of the same kind waits for this person."""
        if not are_of_one_kind(seen):
            return None
        request = seen[0].request
        query = ListQuery(list=ListName.WAITING, tool=request.action.tool, agent=request.agent)
        page = self._desk.page(visitor.person, query, limit=BATCH_LIMIT)
        same = [one for one in page.approvals if are_of_one_kind((seen[0], one))]
        chosen = {one.request.id for one in seen}
        others = [one.request.id for one in same if one.request.id not in chosen]
        if not others:
            return None
        whole = [*(one.request.id for one in seen), *others][:BATCH_LIMIT]
        return {"count": len(whole) - len(seen), "link": _link(whole)} if len(whole) > len(seen) else None

    async def _approve(self, request: Request) -> Response:
        form = await self._reception.read(request)
        return await run_in_threadpool(self._answered, request, form, "approve")

    async def _reject(self, request: Request) -> Response:
        form = await self._reception.read(request)
        return await run_in_threadpool(self._answered, request, form, "reject")

    def _need_a_comment(self, visitor: Visitor, items: Sequence[Seen]) -> bool:
        found = self._store.approvals(visitor.person.tenant, [one.approval for one in items])
        return any(one.request.needs_comment("approve") for one in found)

    def _answered(self, request: Request, form: Form, kind: BatchKind) -> Response:
        visitor = self._reception.sender(request, form)
        items, reason = _items(form), form.text("reason")
        problem = ""
        if kind == "reject" and not reason:
            problem = "Say why. The reason is kept with each decision."
        if kind == "approve" and not reason and self._need_a_comment(visitor, items):
            problem = "The policy asks for a comment with this answer. It is kept with each decision."
        if len(reason) > _REASON_LIMIT:
            problem = f"At most {_REASON_LIMIT:,} characters; this has {len(reason):,}."
        if problem:
            ids = [one.approval for one in items]
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return self._page(visitor, ids, status=status, problem=problem, kind=kind)
        try:
            outcomes = self._desk.batches.decide(
                items,
                identity=visitor.session.identity,
                kind=kind,
                assurance=visitor.session.assurance,
                via="web",
                reason=reason or None,
            )
        except InputError:
            raise bad_request(
                f"Up to {BATCH_LIMIT} approvals of one run or of one kind are decided on together. Nothing was decided."
            ) from None
        done = [_line(one) for one in outcomes]
        return self._pages.render(
            "together_done.html",
            status=HTTPStatus.OK,
            visitor=visitor,
            kind=kind,
            taken=[one for one in done if one["because"] is None],
            refused=[one for one in done if one["because"] is not None],
        )


def _line(outcome: ItemOutcome) -> dict[str, Any]:
    """One line of the report. What is not for these eyes has no name."""
    shown = None if outcome.approval is None else present(outcome.approval)
    because: PageError | None = None
    match outcome.error:
        case None:
            pass
        case StorageError():
            because = unavailable()
        case DecisionRefusedError() as error if shown is not None:
            because = refused(error)
        case _:
            because = not_found()
    return {"id": outcome.seen.approval, "shown": shown, "because": because, "unsure": _is_unsure(because)}


def _is_unsure(because: PageError | None) -> bool:
    return because is not None and because.status == HTTPStatus.SERVICE_UNAVAILABLE


def _kinds(group: Sequence[Approval], is_open: Sequence[bool]) -> set[str]:
    """What may be said of all of a group that are open."""
    allowed = [set(one.request.allowed) for one, is_one in zip(group, is_open, strict=True) if is_one]
    return set[str]().union(*allowed) & {"approve", "reject"}


def _ids(named: Sequence[str]) -> Sequence[str]:
    ids = list(dict.fromkeys(named))
    if len(ids) > BATCH_LIMIT or not all(_ID.fullmatch(name) for name in ids):
        raise bad_request(f"Choose 1 to {BATCH_LIMIT} approvals of a list.")
    return ids


def _link(ids: Sequence[str]) -> str:
    return f"{_PLACE}?{urlencode([('id', name) for name in ids])}"


def _items(form: Form) -> list[Seen]:
    """What the form says was on the page.

    Raises:
        PageError: it is not what the page sends.
    """
    names = [name for name in form if _ITEM.fullmatch(name)]
    found: list[Seen] = []
    for name in names:
        parts = form[name].split(" ")
        if len(parts) != _PARTS or not _NUMBER.fullmatch(parts[1]):
            raise bad_request("The form does not say what was on its page. Nothing was decided.")
        try:
            found.append(
                Seen(
                    approval=parts[0],
                    version=int(parts[1]),
                    digest=parts[2],
                    presentation_hash=parts[3],
                )
            )
        except ValidationError:
            raise bad_request("The form does not say what was on its page. Nothing was decided.") from None
    if not found:
        raise bad_request("The form names no approval. Nothing was decided.")
    return found
