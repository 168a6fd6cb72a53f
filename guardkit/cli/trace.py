"""The story of a thread, from the command line."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from guardkit.cli.base import STYLES, out, store
from guardkit.cli.timeline import page
from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEntry
from guardkit.core.runs import Turn
from guardkit.core.story import ActionStory, Moment, Story, TurnStory, tell
from guardkit.core.wording import span
from guardkit.errors import ConfigurationError, InputError
from guardkit.sql import SQLStore

_MANY = 100_000


def trace(
    thread_id: str,
    tenant: Annotated[str, typer.Option()] = "default",
    turn: Annotated[int | None, typer.Option(min=1, help="Only this turn.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page of its own to this file.")] = None,
    otlp: Annotated[bool, typer.Option("--otlp", help="Send it to a collector, as spans.")] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The collector; else as OTEL_EXPORTER_OTLP_ENDPOINT says."),
    ] = None,
) -> None:
    """Tell what happened in a thread: what was proposed, decided, asked, answered, done, and why it ended."""
    if endpoint is not None and not otlp:
        raise InputError("--endpoint goes with --otlp, and only with it")
    with store() as found:
        known = _known(found, tenant, thread_id)
        story = tell(
            known.turns,
            known.entries,
            known.approvals,
            found.messages(tenant, thread_id),
            found.effects(tenant=tenant, thread_id=thread_id, limit=_MANY),
        )
    if turn is not None:
        chosen = tuple(one for one in story.turns if one.number == turn)
        if not chosen:
            raise InputError(f"thread {thread_id!r} has turns 1 to {len(story.turns)}, not {turn}")
        story = story.model_copy(update={"turns": chosen})
    if html is not None:
        try:
            html.write_text(page(story), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{html} cannot be written: {error.strerror}") from error
    if otlp:
        sent = _send(known, turn, endpoint)
        sys.stderr.write(f"sent {sent} spans\n")
    if as_json:
        sys.stdout.write(story.model_dump_json() + "\n")
    elif html is None and not otlp:
        out.print(_tree(story))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has of a thread."""

    turns: list[Turn]
    entries: list[AuditEntry]
    approvals: list[Approval]


def _known(found: SQLStore, tenant: str, thread_id: str) -> _Known:
    turns: list[Turn] = []
    while (turn := found.turn(tenant, thread_id, len(turns) + 1)) is not None:
        turns.append(turn)
    if not turns:
        raise InputError(f"tenant {tenant!r} has no thread {thread_id!r}", remedy="see guardkit db threads")
    approvals = found.listed(tenant=tenant, thread_id=thread_id, limit=_MANY)
    return _Known(turns, list(found.history(tenant, thread_id)), list(approvals))


def _send(known: _Known, turn: int | None, endpoint: str | None) -> int:
    try:
        from guardkit.otel.replay import send  # noqa: PLC0415  # an optional extra
        from guardkit.otel.retelling import retell  # noqa: PLC0415  # goes with it
    except ImportError as error:
        raise ConfigurationError(
            "--otlp needs the extra 'otel'", remedy="pip install guardkit[otel]"
        ) from error
    spans = retell(known.turns, known.entries, known.approvals)
    return send([one for one in spans if turn in (None, one.turn)], endpoint)


def _tree(story: Story) -> Tree:
    tree = Tree(f"[bold]{escape(story.thread_id)}[/]  [dim]tenant {escape(story.tenant)}[/]")
    for turn in story.turns:
        branch = tree.add(_head(turn))
        parts: list[ActionStory | Moment] = sorted([*turn.actions, *turn.moments], key=_place)
        above = branch
        for part in parts:
            if isinstance(part, ActionStory):
                call = branch.add(
                    Text.assemble((part.tool, "bold cyan"), (f"  {part.action_id[:12]}", "dim"))
                )
                for moment in part.moments:
                    call.add(_line(moment))
            elif part.kind == "claim":
                above.add(Text(part.says, style=STYLES[part.tone]))
            else:
                above = branch.add(_line(part))
        if turn.no_result is not None:
            for why in turn.no_result.why:
                branch.add(Text(f"because: {why}", style="yellow"))
    return tree


def _place(part: ActionStory | Moment) -> tuple[float, int]:
    first = part if isinstance(part, Moment) else part.moments[0]
    return first.at, first.seq or 0


def _head(turn: TurnStory) -> Text:
    opened = datetime.fromtimestamp(turn.opened_at, UTC)
    ran = f"ran {span(turn.active_seconds)}, {turn.tool_calls} tool calls"
    return Text.assemble(
        (f"turn {turn.number}: {turn.status.value}", "bold"),
        f"  {turn.agent} for {turn.principal}, {opened:%Y-%m-%d %H:%M:%S} UTC, {ran}",
    )


def _line(moment: Moment) -> Text:
    at = datetime.fromtimestamp(moment.at, UTC)
    again = f" ({moment.times} times)" if moment.times > 1 else ""
    return Text.assemble(
        (f"{at:%H:%M:%S.%f}"[:-3], "dim"), "  ", (f"{moment.says}{again}", STYLES[moment.tone])
    )
