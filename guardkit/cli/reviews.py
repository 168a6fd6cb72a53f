"""Reviews of broken glasses, from the command line."""

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import directory, out, settings, store
from guardkit.core.presentation import utc
from guardkit.core.reviews import Review, ReviewVerdict
from guardkit.core.visible import one_line
from guardkit.runtime.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Reviews of what was approved by breaking the glass.")


@app.command("list")
def reviews_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List reviews, longest due first, and which of them are overdue."""
    with store() as found:
        listed = found.reviews(tenant, closed=None if everything else False, limit=limit)
        now = found.now()
    if as_json:
        shown = [{**one.model_dump(mode="json"), "state": one.state(now)} for one in listed]
        sys.stdout.write(json.dumps(shown) + "\n")
        return
    table = Table("approval", "state", "tool", "broken by", "reason", "due", "verdict")
    for one in listed:
        state = one.state(now)
        table.add_row(
            one.approval_id,
            f"[bold red]{state}[/]" if state == "overdue" else state,
            escape(one_line(one.tool, 60)),
            escape(one_line(one.broken_by, 60)),
            escape(one_line(one.reason, 200)),
            utc(one.due_at),
            _verdict(one),
        )
    out.print(table)


@app.command("close")
def reviews_close(
    approval_id: str,
    verdict: Annotated[ReviewVerdict, typer.Argument(help="What the reviewer finds.")],
    person: Annotated[str, typer.Option("--as", help="Who reviews, as the people directory knows them.")],
    comment: Annotated[str, typer.Option(help="Why, in the reviewer's words.")],
) -> None:
    """Close a review with a verdict, as somebody who neither broke the glass nor asked."""
    configured = settings()
    with store() as found:
        desk = Desk(found, directory(), configured.keys.decision_signer())
        after = desk.emergencies.close_review(
            approval_id, identity=person, verdict=verdict, comment=comment, via="cli"
        )
    out.print(f"review is closed: {_verdict(after)}")


def _verdict(review: Review) -> str:
    if review.closed is None:
        return ""
    return f"{review.closed.verdict.value.replace('_', ' ')}, by {escape(one_line(review.closed.by, 60))}"
