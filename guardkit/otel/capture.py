"""Content: whether it is asked for, where it goes, and what is left of it when it does."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from guardkit.core import telemetry_names as names
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.otel.redaction import Redactor, redact

Where: TypeAlias = Literal["none", "span", "event", "span_and_event"]

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The variable that OpenTelemetry's GenAI instrumentations share, with the values of `opentelemetry-util-genai`."""

_MEANS: Mapping[str, Where] = {
    "NO_CONTENT": "none",
    "SPAN_ONLY": "span",
    "EVENT_ONLY": "event",
    "SPAN_AND_EVENT": "span_and_event",
}

LIMIT = 2048
"""Characters of one attribute that are shown, by default."""

MOST = 65_536
"""Characters that the redactors are given. What is longer is not shown at all: a part of it could end in the middle of
what they would have found."""

log = logging.getLogger("guardkit")


def asked_for(environ: Mapping[str, str] = os.environ) -> Where:
    """What the environment asks for; nothing, with a warning, where it says something else than it may."""
    said = environ.get(VARIABLE, "").strip()
    if not said:
        return "none"
    where = _MEANS.get(said.upper())
    if where is None:
        log.warning("%s is none of %s: no content is captured", VARIABLE, ", ".join(_MEANS))
        return "none"
    return where


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """How content is shown.

    Raises:
        InputError: the place is none, or the limit is below 0.
    """

    where: Where
    redactors: Sequence[Redactor]
    limit: int

    def __post_init__(self) -> None:
        if self.where not in get_args(Where):
            raise InputError(
                f"content={self.where!r} is no place", remedy=f"use one of {', '.join(get_args(Where))}"
            )
        if self.limit < 0:
            raise InputError(f"content_limit={self.limit} is below 0", remedy="give a number of characters")

    @property
    def on_spans(self) -> bool:
        """Whether content becomes attributes of spans."""
        return self.where in ("span", "span_and_event")

    @property
    def in_events(self) -> bool:
        """Whether content becomes log records."""
        return self.where in ("event", "span_and_event")

    def shown(self, content: Mapping[str, Json]) -> dict[str, str | bool]:
        """What may leave: redacted first, then cut. JSON values become texts.

        Whatever a redactor raises is raised here, and nothing is shown.
        """
        found: dict[str, str | bool] = {}
        for name, value in content.items():
            if len(_written(value)) > MOST:
                text, cut = f"[{len(_written(value))} characters, not captured]", True
            else:
                text, cut = self._cut(_written(redact(value, self.redactors)))
            found[name] = text
            if cut:
                found[names.CONTENT_CUT] = True
        return found

    def _cut(self, text: str) -> tuple[str, bool]:
        if len(text) <= self.limit:
            return text, False
        return f"{text[: self.limit]}… [{self.limit} of {len(text)} characters]", True


def _written(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone surrogate cannot be sent: the exporter would lose the whole batch.
    return text.encode("utf-8", "replace").decode("utf-8")
