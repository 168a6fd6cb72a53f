"""The story of a thread as one HTML page: no script, nothing loaded from anywhere."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from guardkit.cli.axis import Axis
from guardkit.core.runs import TurnStatus
from guardkit.core.story import ActionStory, Moment, Story, TurnStory
from guardkit.core.wording import Tone, span

_OPEN = 12
"""Calls of a turn up to which all that happened to each is shown at once."""

_ENDS = {
    "approval.requested": (
        "approval.decided",
        "approval.expired",
        "approval.cancelled",
        "approval.superseded",
    ),
    "effect.claimed": ("effect.recorded", "effect.reconciled"),
}
"""What lasts until when."""

_TONES: Mapping[TurnStatus, Tone] = {
    TurnStatus.RUNNING: "plain",
    TurnStatus.PAUSED: "held",
    TurnStatus.DONE: "good",
    TurnStatus.FAILED: "bad",
    TurnStatus.ENDED: "held",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #566270; --line: #d9dee4; --page: #fff; --band: #f2f4f7;
  --good: #15713f; --held: #8f5300; --bad: #b3261e; --plain: #34618f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #a9b4bf; --line: #39434d; --page: #14191f;
  --band: #1c232b; --good: #5ccb92; --held: #e5a640; --bad: #f2837b; --plain: #86b2e8; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 76rem; margin: 0 auto;
  padding: 1.5rem 1.25rem 3rem; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 0; } h3 { font-size: 1rem; margin: 1.75rem 0 .4rem; }
p { margin: .15rem 0; } .about, time, small, .axis, .legend { color: var(--soft); }
nav a, .legend span { margin-right: 1.25rem; } a { color: var(--plain); }
ol { list-style: none; margin: 0; padding: 0; }
.good { color: var(--good); fill: var(--good); } .held { color: var(--held); fill: var(--held); }
.bad { color: var(--bad); fill: var(--bad); } .plain { fill: var(--plain); }
span.good::before { content: "\\2713\\00a0"; } span.held::before { content: "\\25D4\\00a0"; }
span.bad::before { content: "\\2717\\00a0"; }
.row, summary { display: grid; grid-template-columns: 13rem minmax(12rem, 1fr) 20rem; gap: 0 1rem; align-items: center; }
.axis { position: sticky; top: 0; background: var(--page); border-bottom: 1px solid var(--line); padding: .4rem .5rem; font-size: .8rem; z-index: 1; }
.axis .line { grid-column: 2; }
details { border-bottom: 1px solid var(--line); } summary { cursor: pointer; padding: .3rem .5rem; }
summary::marker { content: ""; } summary strong::before { content: "\\25B8\\00a0"; color: var(--soft); }
details[open] summary strong::before { content: "\\25BE\\00a0"; }
summary:hover { background: var(--band); } summary:focus-visible { outline: 2px solid var(--plain); }
summary .end { font-size: .9rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
svg { width: 100%; height: 22px; display: block; overflow: visible; } rect.pause { fill: var(--band); } rect.bar { opacity: .4; }
svg.scale { height: 34px; } svg text { fill: var(--soft); font-size: 12px; } line { stroke: var(--line); } line.pause { stroke-dasharray: 3 3; stroke: var(--soft); }
.moments { padding: .25rem .5rem .6rem 1.6rem; } .moments li { display: grid; grid-template-columns: 12.5rem 1fr; gap: 0 1rem; padding: .08rem 0; }
.moments li.claim span { padding-left: 1.5rem; } time { white-space: nowrap; font-size: .9rem; }
aside { border-left: 4px solid var(--held); background: var(--band); margin: 1rem 0; padding: .5rem 1rem; }
@media (max-width: 50rem) { .row, summary, .moments li { grid-template-columns: 1fr; } .axis .line { grid-column: 1; } }
@media print { body { max-width: none; font-size: 11px; padding: 0; } .axis { position: static; } li { break-inside: avoid; }
  h2, h3 { break-after: avoid; } details::details-content { content-visibility: visible; display: block; height: auto; } }
"""

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""What a browser may do with the page: apply this very style, and nothing else."""


def page(story: Story) -> str:
    """A page of its own, to be kept, sent or printed.

    Args:
        story: the thread's; everything in it is escaped.
    """
    turns = "\n".join(part for turn in story.turns for part in _turn(turn))
    links = "".join(f'<a href="#turn-{turn.number}">Turn {turn.number}</a>' for turn in story.turns)
    nav = f'<nav aria-label="Turns">{links}</nav>' if len(story.turns) > 1 else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<title>Thread {escape(story.thread_id)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Thread {escape(story.thread_id)}</h1>
<p class="about">tenant {escape(story.tenant)}; times are UTC, as the database wrote them down</p>
{nav}
</header>
<main>
{turns}
</main>
</body>
</html>
"""


def _turn(turn: TurnStory) -> Iterator[str]:
    yield f'<section aria-labelledby="turn-{turn.number}">'
    status = f'<span class="{_TONES[turn.status]}">{escape(turn.status.value)}</span>'
    yield f'<h2 id="turn-{turn.number}">Turn {turn.number}: {status}</h2>'
    runs = f" in {len(turn.runs)} runs" if len(turn.runs) > 1 else ""
    yield (
        f'<p class="about">{escape(turn.agent)} for {escape(turn.principal)}, begun {_day(turn.opened_at)}; '
        f"ran {span(turn.active_seconds)}{runs}, {turn.tool_calls} tool calls</p>"
    )
    if turn.no_result is not None:
        yield f"<aside><p><strong>{escape(turn.no_result.message)}</strong></p>"
        yield from (f"<p>{escape(why)}</p>" for why in turn.no_result.why)
        yield "</aside>"
    if turn.actions:
        yield from _calls(turn)
    if turn.moments:
        yield "<h3>The turn</h3>"
        yield from _list(turn.moments)
    yield "</section>"


def _calls(turn: TurnStory) -> Iterator[str]:
    """A row for each call: what it waited for and what it did, over time; unfolded, all that happened to it."""
    moments = [moment for action in turn.actions for moment in action.moments] + [*turn.moments]
    axis = Axis(
        min(turn.opened_at, *(moment.at for moment in moments)),
        max(moment.at for moment in moments),
        turn.runs,
    )
    yield f"<h3>{len(turn.actions)} {'call' if len(turn.actions) == 1 else 'calls'}</h3>"
    yield (
        '<p class="legend"><span class="good">done</span><span class="held">waited or was held back</span>'
        '<span class="bad">failed or in doubt</span>pauses are dashed and not to scale</p>'
    )
    yield '<div class="row axis" aria-hidden="true"><div class="line">'
    yield from _scale(axis)
    yield "</div></div>"
    yield "<ol>"
    unfolded = " open" if len(turn.actions) <= _OPEN else ""
    for action in turn.actions:
        last = action.moments[-1]
        yield f"<li><details{unfolded}><summary><span><strong>{escape(action.tool)}</strong> "
        yield f"<small>{escape(action.action_id[:12])}</small></span>"
        yield from _row(action, axis)
        yield f'<span class="end {last.tone}">{escape(last.says)}</span></summary>'
        yield from _list(action.moments)
        yield "</details></li>"
    yield "</ol>"


def _list(moments: Sequence[Moment]) -> Iterator[str]:
    yield '<ol class="moments">'
    for moment in moments:
        again = f" <small>({moment.times} times)</small>" if moment.times > 1 else ""
        kind = ' class="claim"' if moment.kind == "claim" else ""
        yield (
            f'<li{kind}><time datetime="{_iso(moment.at)}">{_day(moment.at)}</time>'
            f'<span class="{moment.tone}">{escape(moment.says)}{again}</span></li>'
        )
    yield "</ol>"


def _scale(axis: Axis) -> Iterator[str]:
    """The line with its stretches and how long each is."""
    yield '<svg class="scale">'
    for part in axis.stretches:
        left, middle, right = (round(part.left + part.width * share, 2) for share in (0, 0.5, 1))
        kind = "" if part.runs else ' class="pause"'
        yield f'<line x1="{left}%" y1="28" x2="{right}%" y2="28"{kind}/>'
        yield f'<line x1="{left}%" y1="23" x2="{left}%" y2="33"/>'
        if part.width >= 9:
            says = f"{'ran' if part.runs else 'paused'} {span(part.end - part.begin)}"
            yield f'<text x="{middle}%" y="16" text-anchor="middle">{says}</text>'
    yield '<line x1="100%" y1="23" x2="100%" y2="33"/></svg>'


def _row(action: ActionStory, axis: Axis) -> Iterator[str]:
    yield '<svg aria-hidden="true">'
    for part in axis.stretches:
        if not part.runs:
            yield f'<rect class="pause" x="{part.left:.2f}%" y="0" width="{part.width:.2f}%" height="22"/>'
    for place, moment in enumerate(action.moments):
        ends = _ENDS.get(moment.kind, ())
        after = [one for one in action.moments[place + 1 :] if one.kind in ends]
        if after:
            kind = "held" if moment.kind.startswith("approval.") else after[-1].tone
            left = axis.at(moment.at)
            wide = max(round(axis.at(after[-1].at) - left, 2), 0.3)
            yield f'<rect class="bar {kind}" x="{left}%" y="6" width="{wide}%" height="10"/>'
    for moment in action.moments:
        yield (
            f'<circle class="{moment.tone}" cx="{axis.at(moment.at)}%" cy="11" r="4.5">'
            f"<title>{_day(moment.at)} {escape(moment.says)}</title></circle>"
        )
    yield "</svg>"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
