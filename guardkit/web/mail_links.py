"""Where the links in mails lead: a page that shows the approval, and takes one person's answer."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from guardkit.channels.email import Email, MailLink, MailLinks
from guardkit.channels.email.ways import link_decisions
from guardkit.channels.host import Refusals
from guardkit.core.approvals import Approval, ApprovalState, DecisionKind
from guardkit.core.people import Assurance, Directory, Person
from guardkit.core.ports import Store
from guardkit.core.presentation import present
from guardkit.core.versions import shown_digest
from guardkit.errors import ConfigurationError, DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.askers import askers_of
from guardkit.runtime.desk import Desk
from guardkit.web.bodies import Form
from guardkit.web.detail import Detail, whole_value
from guardkit.web.mail_tokens import OPENED, PREFIX, token_of
from guardkit.web.pages import Pages
from guardkit.web.problems import PageError, refused
from guardkit.web.reception import SEE_OTHER, Reception
from guardkit.web.settings import WebSettings

_REASON_LIMIT = 4000
_DONE = {
    ApprovalState.APPROVED: "approved it",
    ApprovalState.CONSUMED: "approved it",
    ApprovalState.REJECTED: "rejected it",
    ApprovalState.RESPONDED: "answered instead",
}
_EDITED = PageError(
    HTTPStatus.CONFLICT,
    "The action has changed since this mail was written",
    "Somebody edited it. Your answer changed nothing. A newer mail has a link that decides on it as it is now.",
)
_SECOND = PageError(
    HTTPStatus.FORBIDDEN,
    "This needs a stronger sign-in",
    "Either the stage asks for more than a link in a mail, or one approval by such a link already counts. "
    "Your answer changed nothing. Sign in to the inbox to decide.",
)

_Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that counts at this moment: whose it is, and what it is about."""

    token: str
    link: MailLink
    person: Person
    approval: Approval


class MailAnswers:
    """The pages behind links in mails. Opening one changes nothing, since scanners and previews open them too.

    A link proves that somebody can read the person's mail, and nothing more: it signs nobody in, decides on one
    approval in the version that the mail showed, and counts as `email_link`.

    Args:
        desk: takes decisions.
        store: where approvals and the audit log are.
        directory: who people are.
        settings: the keys that links are read with.
        detail: knows what an approval's page shows.
        reception: reads forms.
        pages: renders pages.
        channels: names of the channels whose links count.
    """

    def __init__(
        self,
        desk: Desk,
        store: Store,
        directory: Directory,
        settings: WebSettings,
        detail: Detail,
        reception: Reception,
        pages: Pages,
        channels: Collection[str],
    ) -> None:
        self._desk = desk
        self._store = store
        self._directory = directory
        self._links = MailLinks(settings.keys)
        self._detail = detail
        self._reception = reception
        self._pages = pages
        self._channels = frozenset(channels)
        # What is not genuine names no channel that could be believed.
        self._refusals = Refusals(store, ", ".join(sorted(channels)))

    def routes(self) -> Sequence[BaseRoute]:
        """The page of a link, the values that it shows in part, and where its forms go; none without such a channel."""
        if not self._channels:
            return []
        return [
            Route(OPENED, self._show, methods=["GET"]),
            Route(f"{OPENED}/{{section:str}}/{{index}}.txt", self._value, methods=["GET"]),
            Route(f"{PREFIX}approve", self._takes("approve"), methods=["POST"]),
            Route(f"{PREFIX}reject", self._takes("reject"), methods=["POST"]),
        ]

    def _show(self, request: Request) -> Response:
        return self._page(self._open(token_of(request.scope)))

    def _value(self, request: Request) -> Response:
        opened = self._open(token_of(request.scope))
        return whole_value(opened.approval, request.path_params["section"], request.path_params["index"])

    def _takes(self, kind: DecisionKind) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            form = await self._reception.read(request)
            return await run_in_threadpool(self._decide, form, kind)

        return endpoint

    def _decide(self, form: Form, kind: DecisionKind) -> Response:
        opened = self._open(form.get("token", ""))
        reason = form.text("reason")
        lacks = opened.approval.request.needs_comment(kind) and not reason
        problem = "Say why. The reason is kept with the decision." if lacks else None
        if len(reason) > _REASON_LIMIT:
            problem = f"At most {_REASON_LIMIT:,} characters; this has {len(reason):,}."
        if problem is not None:
            return self._page(opened, errors={kind: problem}, typed={kind: reason})
        link = opened.link
        try:
            self._desk.decide(
                link.approval,
                identity=link.person,
                digest=shown_digest(opened.approval, link.version) or "",
                kind=kind,
                assurance=Assurance.EMAIL_LINK,
                via=link.channel,
                reason=reason or None,
                delivery=link.delivery,
                shown=form.get("shown", ""),
            )
        except DecisionRefusedError as error:
            return self._pages.problem(self._why_not(link, error), again=PREFIX + opened.token)
        return RedirectResponse(PREFIX + opened.token, SEE_OTHER)

    def _open(self, token: str) -> Opened:
        """What a token opens.

        Raises:
            PageError: it does not count; that is audited.
        """
        link = self._links.read(token)
        if link is None or link.channel not in self._channels:
            self._refusals.note("bad_link")
            raise _no_link("It is not genuine, or not complete: copy the whole of it from the mail.")
        approval = self._store.find(link.approval)
        if link.until <= self._store.now():
            self._refusals.note("expired_link", approval=approval)
            raise PageError(
                HTTPStatus.GONE,
                "This link is too old",
                "Links in mails can be used for a limited time. Nothing was decided. Sign in to the inbox instead.",
            )
        person = self._directory.find(link.person)
        if approval is None or person is None or person.id != link.person or not self._may_look(link, person):
            self._refusals.note("foreign_link", approval=approval)
            raise _no_link("The directory does not list you, any more, as somebody who may answer.")
        askers = askers_of(self._directory, approval.request, self._store.now())
        if approval.request.excludes(person, None, askers):
            self._refusals.note("requester_link", approval=approval)
            raise refused(DecisionRefusedError("requester", "whoever started the turn cannot decide on it"))
        return Opened(token, link, person, approval)

    def _may_look(self, link: MailLink, person: Person) -> bool:
        try:
            self._desk.see(link.approval, person)
        except UnknownApprovalError:
            return False
        return True

    def _page(self, opened: Opened, **wrong: Mapping[str, str]) -> Response:
        approval = opened.approval
        refusal, open_to = self._standing(opened)
        context = {
            **self._detail.context(approval, refusal),
            "values_at": PREFIX + opened.token,
            "token": opened.token,
            "delivery": opened.link.delivery,
            "person": opened.person,
            "open_to": open_to,
            **wrong,
        }
        status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
        return self._pages.render("mail.html", status=status, **context)

    def _standing(self, opened: Opened) -> tuple[DecisionRefusedError | None, Sequence[DecisionKind]]:
        """Why this link cannot decide now, or what it can."""
        approval = opened.approval
        if approval.state is not ApprovalState.PENDING:
            return None, ()
        refusal = self._desk.refusal(approval, opened.person, Assurance.EMAIL_LINK)
        if refusal is None and shown_digest(approval, opened.link.version) != approval.digest:
            refusal = DecisionRefusedError("digest_mismatch", "it was edited after the mail was written")
        open_to = () if refusal else link_decisions(approval, approval.waiting())
        if refusal is None and not open_to:
            refusal = DecisionRefusedError("assurance_too_low", "a link in a mail cannot decide here")
        return refusal, open_to

    def _why_not(self, link: MailLink, error: DecisionRefusedError) -> PageError:
        match error.reason:
            case "already_settled":
                return self._settled(link) or refused(error)
            case "digest_mismatch":
                return _EDITED
            case "assurance_too_low":
                return _SECOND
            case _:
                return refused(error)

    def _settled(self, link: MailLink) -> PageError | None:
        """Who has decided already, if a person has."""
        approval = self._store.find(link.approval)
        outcome = None if approval is None else present(approval).outcome
        if outcome is None or outcome.by is None or outcome.at is None:
            return None
        who = "You" if outcome.by == link.person else self._pages.who(outcome.by)
        when = self._pages.when(outcome.at).striptags()
        return PageError(
            HTTPStatus.CONFLICT,
            "This is already decided",
            f"{who} {_DONE[outcome.state]} on {when}. This answer changed nothing.",
        )


def check_keys(channels: Mapping[str, Email], settings: WebSettings) -> None:
    """Refuse an inbox that could not read the links that its own channels sign.

    Args:
        channels: the channels that write mails, by name.
        settings: the inbox's keys.

    Raises:
        ConfigurationError: the web secret is not among the keys; names the channel.
    """
    for name, channel in channels.items():
        if not channel.signs_for(settings.keys):
            raise ConfigurationError(
                f"web.keys lacks the web secret that channel {name!r} signs links with",
                remedy="put GUARDKIT_WEB_SECRET first among the keys",
            )


def _no_link(text: str) -> PageError:
    return PageError(HTTPStatus.FORBIDDEN, "This link does not count", f"{text} Nothing was decided.")
