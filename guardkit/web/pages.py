"""Templates, and how values are written into them."""

import hashlib
import re
from datetime import datetime
from importlib.resources import files
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from guardkit.core.durations import format_duration
from guardkit.core.people import Directory
from guardkit.core.presentation import utc
from guardkit.core.rows import Change, Row, RowType
from guardkit.core.visible import human, one_line, visible
from guardkit.web.problems import PageError
from guardkit.web.settings import WebSettings

_BRIEF = 120
_MARK = re.compile("⟨[^⟨⟩]*⟩")

STATIC = {
    name: (files("guardkit.web").joinpath("static", name).read_bytes(), kind)
    for name, kind in (("inbox.css", "text/css"), ("icon.svg", "image/svg+xml"))
}
"""What is served beside the pages: bytes and media type by name."""


class Pages:
    """Renders templates. Everything written into them is escaped.

    Args:
        settings: name and time zone.
        directory: to call people by their names.
        sign_in_hint: what somebody is told who is not signed in.
        sign_in_at: where the sign-in begins, if it begins on a page.
    """

    def __init__(
        self,
        settings: WebSettings,
        directory: Directory,
        *,
        sign_in_hint: str,
        sign_in_at: str | None,
    ) -> None:
        self._directory = directory
        self._zone = settings.zone()
        # Jinja2 leaves the types of its tables open.
        self._env = env = cast(
            "Any",
            Environment(
                loader=PackageLoader("guardkit.web"),
                autoescape=True,
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
            ),
        )
        env.filters |= {
            "marked": marked,
            "when": self.when,
            "left": self.left,
            "length_of": format_duration,
            "seen": visible,
            "who": self.who,
            "human": human,
            "size": size,
            "as_value": as_value,
            "kind": kind,
            "plain": plain,
            "brief": brief,
            "utc": utc,
            "visible": visible,
        }
        env.globals |= {
            "site": settings.name,
            "style": hashlib.sha256(STATIC["inbox.css"][0]).hexdigest()[:12],
            "sign_in_hint": sign_in_hint,
            "sign_in_at": sign_in_at,
        }

    def render(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """A page.

        Args:
            template: file name.
            status: HTTP status.
            context: what the template uses; `visitor` is who is signed in, if anybody.
        """
        context.setdefault("visitor", None)
        return HTMLResponse(self._env.get_template(template).render(context), status_code=status)

    def problem(self, error: PageError, *, path: str | None = None, again: str | None = None) -> Response:
        """An error page.

        Args:
            error: what happened.
            path: the page that somebody who is not signed in wanted.
            again: the page to look at again.
        """
        if path is not None and path.startswith("//"):
            path = None  # a link to it would lead to another host
        return self.render("problem.html", status=error.status, problem=error, path=path, again=again)

    def when(self, at: float) -> Markup:
        """A time in the reader's zone, with the exact one for machines."""
        local = datetime.fromtimestamp(at, self._zone)
        return Markup('<time datetime="{}">{}</time>').format(
            local.isoformat(timespec="seconds"), f"{local:%d %b %Y, %H:%M} {local.tzname()}"
        )

    @staticmethod
    def left(at: float, now: float) -> str:
        """How long until a time, or since it, in its two largest units."""
        seconds = round(abs(at - now))
        parts = [
            f"{count} {unit}"
            for unit, count in (
                ("d", seconds // 86400),
                ("h", seconds % 86400 // 3600),
                ("min", seconds % 3600 // 60),
            )
            if count
        ]
        length = " ".join(parts[:2]) or "under a minute"
        return f"in {length}" if at >= now else f"{length} ago"

    def who(self, identity: str) -> str:
        """A person's name, or the identity where the directory has none."""
        person = self._directory.find(identity)
        return one_line(person.name, 120) if person is not None and person.name else visible(identity)


def marked(text: str) -> Markup:
    """Visible text with its marks set apart from the text. The brackets of a mark cannot come from the text."""
    parts: list[Markup] = []
    last = 0
    for found in _MARK.finditer(text):
        parts.append(escape(text[last : found.start()]))
        parts.append(Markup('<span class="mark">{}</span>').format(found.group()))
        last = found.end()
    return Markup().join([*parts, escape(text[last:])])


_KINDS: dict[RowType | None, str] = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "yes or no",
    "null": "no value",
    "object": "group",
    "array": "list",
}


def kind(of: RowType | None) -> str:
    """The type of a value in words."""
    return _KINDS.get(of, "")


def as_value(text: str, of: RowType | None) -> Markup:
    """The text of a value: marked, and yes or no for what is true or false."""
    return escape({"true": "yes", "false": "no"}[text]) if of == "boolean" else marked(text)


def brief(text: str) -> str:
    """Visible text for a list: one line, its middle left out where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _BRIEF else f"{line[: _BRIEF // 2]} ⟨…⟩ {line[-_BRIEF // 2 :]}"


def plain(named: Row | Change) -> bool:
    """Whether the label says all that the path says."""
    return re.sub(r"\W|_", "", named.label).casefold() == re.sub(r"\W|_", "", named.path).casefold()


def size(row: Row) -> str:
    """The length of a value in words."""
    return f"{row.bytes:,} bytes" if row.bytes != 1 else "1 byte"
