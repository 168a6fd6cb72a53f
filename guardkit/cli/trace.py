"""The story of a thread, from the command line."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from guardkit.cli.base import out, store
from guardkit.cli.timeline import page
from guardkit.core.runs import Turn
from guardkit.core.story import ActionStory, Moment, Story, Tone, TurnStory, span, tell
from guardkit.errors import InputError
from guardkit.sql import SQLStore

_STYLES: dict[Tone, str] = {"plain": "", "good": "green", "held": "yellow", "bad": "bold red"}


def trace(
    thread_id: str,
    tenant: Annotated[str, typer.Option()] = "default",
    turn: Annotated[int | None, typer.Option(min=1, help="Only this turn.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page of its own to this file.")] = None,
) -> None:
    """Tell what happened in a thread: what was proposed, decided, asked, answered, done, and why it ended."""
    with store() as found:
        story = _story(found, tenant, thread_id)
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
    if as_json:
        sys.stdout.write(story.model_dump_json() + "\n")
    elif html is None:
        out.print(_tree(story))


def _story(found: SQLStore, tenant: str, thread_id: str) -> Story:
    turns: list[Turn] = []
    while (turn := found.turn(tenant, thread_id, len(turns) + 1)) is not None:
        turns.append(turn)
    if not turns:
        raise InputError(f"tenant {tenant!r} has no thread {thread_id!r}", remedy="see guardkit db threads")
    approvals = found.listed(tenant=tenant, thread_id=thread_id, limit=100_000)
    return tell(turns, found.history(tenant, thread_id), approvals)


def _tree(story: Story) -> Tree:
    tree = Tree(f"[bold]{escape(story.thread_id)}[/]  [dim]tenant {escape(story.tenant)}[/]")
    for turn in story.turns:
        branch = tree.add(_head(turn))
        parts: list[ActionStory | Moment] = sorted([*turn.actions, *turn.moments], key=_place)
        for part in parts:
            if isinstance(part, Moment):
                branch.add(_line(part))
                continue
            call = branch.add(Text.assemble((part.tool, "bold cyan"), (f"  {part.action_id[:12]}", "dim")))
            for moment in part.moments:
                call.add(_line(moment))
        if turn.no_result is not None:
            for why in turn.no_result.why:
                branch.add(Text(f"because: {why}", style="yellow"))
    return tree


def _place(part: ActionStory | Moment) -> int:
    return part.seq if isinstance(part, Moment) else part.moments[0].seq


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
        (f"{at:%H:%M:%S.%f}"[:-3], "dim"), "  ", (f"{moment.says}{again}", _STYLES[moment.tone])
    )
