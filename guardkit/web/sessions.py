"""Who is signed in: a signed cookie, and the token that ties a form to it."""

import secrets
import threading
from collections.abc import Callable

from itsdangerous import BadSignature, Signer, URLSafeSerializer
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from guardkit.core.people import Assurance
from guardkit.core.values import Value
from guardkit.web.settings import WebSettings


class Session(Value):
    """A sign-in."""

    id: str
    identity: str
    """As the directory knows the person. Who that is, and whether still active, is looked up at every request."""

    assurance: Assurance
    until: float
    """Seconds since the epoch."""


class Sessions:
    """Issues, reads and ends sessions.

    The cookie holds the session itself, signed, so it survives a restart and needs no table. What signing out ends
    is remembered in this process only; after a restart a copied cookie would work until its time is over.

    Args:
        settings: keys and lifetime.
        clock: returns seconds since the epoch.
    """

    def __init__(self, settings: WebSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._serializer = URLSafeSerializer(settings.signing_keys, salt="guardkit.session.v1")
        self._forms = Signer(settings.signing_keys, salt="guardkit.form.v1")
        self._ended: dict[str, float] = {}
        self._lock = threading.Lock()
        # Cookies do not know ports, so two inboxes on one machine would take each other's.
        self.cookie = "__Host-guardkit" if settings.secure else f"guardkit-{settings.port}"

    def issue(self, response: Response, identity: str, assurance: Assurance) -> None:
        """Let the response sign somebody in."""
        session = Session(
            id=secrets.token_urlsafe(24),
            identity=identity,
            assurance=assurance,
            until=self._clock() + self._settings.session_seconds,
        )
        response.set_cookie(
            self.cookie,
            str(self._serializer.dumps(session.model_dump(mode="json"))),
            max_age=int(self._settings.session_seconds),
            path="/",
            httponly=True,
            samesite="strict",
            secure=self._settings.secure,
        )

    def read(self, request: Request) -> Session | None:
        """The session of a request, if it has one that is genuine and not over."""
        text = request.cookies.get(self.cookie)
        if text is None:
            return None
        try:
            session = Session.model_validate(self._serializer.loads(text))
        except (BadSignature, ValidationError):
            return None
        with self._lock:
            ended = session.id in self._ended
        return None if ended or session.until <= self._clock() else session

    def end(self, response: Response, session: Session | None) -> None:
        """Let the response sign somebody out."""
        response.delete_cookie(
            self.cookie, path="/", httponly=True, samesite="strict", secure=self._settings.secure
        )
        if session is not None:
            now = self._clock()
            with self._lock:
                self._ended = {ended: until for ended, until in self._ended.items() if until > now}
                self._ended[session.id] = session.until

    def form_token(self, session: Session) -> str:
        """What every form of this session carries."""
        return self._forms.get_signature(session.id).decode()

    def is_form_token(self, session: Session, token: str) -> bool:
        """Whether a form was made for this session."""
        return token.isascii() and self._forms.verify_signature(session.id, token)
