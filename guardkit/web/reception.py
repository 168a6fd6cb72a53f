"""Who comes in: reads the session, looks the person up, ties forms to sessions."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from guardkit.core.people import Assurance, Directory, Person
from guardkit.web.bodies import Form, read_form
from guardkit.web.pages import Pages
from guardkit.web.problems import foreign_request, no_longer_active, signed_out
from guardkit.web.sessions import Session, Sessions
from guardkit.web.settings import WebSettings
from guardkit.web.signin import EveryRequest

SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in, as the directory knows them at this moment."""

    person: Person
    session: Session
    token: str
    """What the forms of this session carry."""


class Reception:
    """Lets people in, and knows them again.

    Args:
        settings: how the inbox is set up.
        directory: who people are.
        sessions: who is signed in.
        pages: renders pages.
        every: the sign-in, if it says at every request who it is from.
    """

    def __init__(
        self,
        settings: WebSettings,
        directory: Directory,
        sessions: Sessions,
        pages: Pages,
        every: EveryRequest | None = None,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._sessions = sessions
        self._pages = pages
        self._every = every

    def visitor(self, request: Request) -> Visitor:
        """Who has sent this request.

        Raises:
            PageError: nobody is signed in, or somebody who is not active any more.
        """
        session = self._sessions.read(request)
        if session is None or not self._is_still(session, request):
            raise signed_out()
        person = self._directory.find(session.identity)
        if person is None or not person.active:
            raise no_longer_active()
        return Visitor(person, session, self._sessions.form_token(session))

    def _is_still(self, session: Session, request: Request) -> bool:
        """Whether a sign-in that speaks at every request still names the session's person."""
        return self._every is None or self._every.identity_of(request) == session.identity

    def sender(self, request: Request, form: Form) -> Visitor:
        """Who has sent this form, from a page that was made for them.

        Raises:
            PageError: as for `visitor`, or the form was not made for this session.
        """
        visitor = self.visitor(request)
        if not self._sessions.is_form_token(visitor.session, form.get("token", "")):
            raise foreign_request()
        return visitor

    async def read(self, request: Request) -> Form:
        """The form of a request, at most as large as the settings allow."""
        return await read_form(request, self._settings.body_limit)

    def page(self, template: str, **context: Any) -> Response:
        """One of the inbox's pages."""
        return self._pages.render(template, **context)

    def admit(
        self, identity: str, assurance: Assurance, after: str, *, from_elsewhere: bool = False
    ) -> Response:
        """Sign somebody in and lead them on.

        Args:
            identity: whom the sign-in has verified.
            assurance: how surely.
            after: the path to go to.
            from_elsewhere: whether another site has led here; then a page leads on, since a browser does not show the
                new session to a redirect.

        Raises:
            PageError: the directory does not list them as active.
        """
        person = self._directory.find(identity)
        if person is None or not person.active:
            raise no_longer_active()
        response: Response = RedirectResponse(after, SEE_OTHER)
        if from_elsewhere:
            response = self._pages.render("signed_in.html", after=after, identity=identity)
        self._sessions.issue(response, identity, assurance)
        return response

    def dismiss(self, visitor: Visitor) -> Response:
        """Sign somebody out."""
        response = self._pages.render("signed_out.html")
        self._sessions.end(response, visitor.session)
        return response
