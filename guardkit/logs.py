"""Log lines: JSON for machines, text for people, in both one line that no message can break or forge.

Written here and not taken from structlog or python-json-logger: what matters is what they would let through. An
exception's text, a task's `repr` and a record's `extra` may quote people; of these only a type, places in the code and a
few known ids are shown.
"""

import contextlib
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TypeAlias, cast, get_args

from opentelemetry import trace

from guardkit.core.ambient import of_the_run
from guardkit.errors import ConfigurationError

LogFormat: TypeAlias = Literal["json", "text"]

VARIABLE = "GUARDKIT_LOG_FORMAT"

_log = logging.getLogger("guardkit")
_LONGEST = 8192
_FRAMES = 20
_IDS = ("agent", "thread_id", "run_id")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def configure(format: LogFormat | str | None = None) -> None:
    """Send the process's log to standard error: guardkit's from INFO on, that of others from WARNING on.

    Call it once, when the process starts. Handlers that the root logger has are replaced.

    Args:
        format: `json` or `text`; by default what `GUARDKIT_LOG_FORMAT` says, else text on a terminal and JSON elsewhere.

    Raises:
        ConfigurationError: it is neither.
    """
    asked = format or os.environ.get(VARIABLE) or ("text" if sys.stderr.isatty() else "json")
    if asked not in get_args(LogFormat):
        raise ConfigurationError(
            f"the log format {asked!r} is not known", remedy=f"{VARIABLE} and --log-format: json or text"
        )
    handler = _Stderr()
    handler.setFormatter(JsonLines() if asked == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(logging.INFO)
    logging.captureWarnings(True)


def in_json() -> bool:
    """Whether `configure` has chosen JSON."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def catch_unhandled() -> None:
    """Let exceptions that nobody handles end in the log too, once that is JSON."""

    def of_process(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if in_json() and issubclass(kind, Exception):
            _log.critical("the process is stopped by an unhandled exception", exc_info=(kind, error, at))
        else:
            sys.__excepthook__(kind, error, at)

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if in_json() and args.exc_value is not None and issubclass(args.exc_type, Exception):
            about = (args.exc_type, args.exc_value, args.exc_traceback)
            _log.error("a thread is stopped by an unhandled exception", exc_info=about)
        else:
            threading.__excepthook__(args)

    sys.excepthook = of_process
    threading.excepthook = of_thread


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        return json.dumps(_facts(record), ensure_ascii=True)


class TextLines(logging.Formatter):
    """For people: what continues a message is indented, and nothing controls the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record, with indented ones for what continues it."""
        facts = _facts(record)
        first = f"{facts['time']} {str(facts['level']).upper():<8} {facts['logger']}: "
        message = "\n    | ".join(_plain(line) for line in str(facts["message"]).split("\n"))
        ids = " ".join(
            f"{name}={_plain(str(facts[name]))}" for name in (*_IDS, "trace_id", "error") if name in facts
        )
        frames = "".join(f"\n    | {_plain(frame)}" for frame in cast("list[str]", facts.get("stack", [])))
        return f"{first}{message}{f'  [{ids}]' if ids else ''}{frames}"


class _Stderr(logging.Handler):
    """Writes to what standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        # Where standard error is gone, nothing is left to tell it to.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


def _facts(record: logging.LogRecord) -> Mapping[str, object]:
    at = datetime.fromtimestamp(record.created, UTC)
    facts: dict[str, object] = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _message(record),
    }
    facts |= of_the_run()
    facts |= {name: str(getattr(record, name)) for name in _IDS if hasattr(record, name)}
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        facts |= {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, where = record.exc_info
        facts |= {"error": kind.__qualname__, "stack": _places(where)}
    return facts


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001  # arguments that do not fit, or that cannot be shown
        return "a message that cannot be formatted"
    if record.exc_info:
        # asyncio and others go on with a repr of what failed.
        message = message.strip().partition("\n")[0]
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"


def _places(where: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(where)[-_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _plain(text: str) -> str:
    """Without what would control a terminal or turn the direction of the text."""
    return _CONTROLS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


__all__ = ["VARIABLE", "JsonLines", "LogFormat", "TextLines", "catch_unhandled", "configure", "in_json"]
