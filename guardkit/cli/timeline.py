"""The story of a thread as one HTML page: no script, nothing loaded from anywhere."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from guardkit.core.story import ActionStory, Moment, Story, TurnStory
from guardkit.core.wording import span

_LEFT, _WIDTH, _ROW = 190, 690, 30
"""Pixels of the drawing: where times begin, how wide they are, how high a row is."""

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

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6876; --line: #d5dbe1; --page: #fff; --good: #1a7f4b;
  --held: #a86200; --bad: #b3261e; --plain: #3f6ea8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #a3afbb; --line: #39434d; --page: #14191f;
  --good: #5ccb92; --held: #e5a640; --bad: #f2837b; --plain: #86b2e8; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 0; } h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p.about, time, small { color: var(--soft); } time { white-space: nowrap; }
@media (max-width: 40rem) { li { display: block; } } p.about { margin: 0; }
ol { list-style: none; margin: 0; padding: 0; } li { display: grid; grid-template-columns: 15rem 1fr; padding: .1rem 0; }
.good { color: var(--good); fill: var(--good); } .held { color: var(--held); fill: var(--held); }
.bad { color: var(--bad); fill: var(--bad); } .plain { fill: var(--plain); }
svg { width: 100%; height: auto; margin-top: 1rem; } svg text { fill: var(--soft); font-size: 13px; }
svg line { stroke: var(--line); } svg rect { opacity: .45; }
aside { border-left: 4px solid var(--held); margin: 1rem 0; padding: .25rem 1rem; }
"""


def page(story: Story) -> str:
    """A page of its own, to be kept, sent or printed.

    Args:
        story: the thread's; everything in it is escaped.
    """
    turns = "\n".join(part for turn in story.turns for part in _turn(turn))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Thread {escape(story.thread_id)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Thread {escape(story.thread_id)}</h1>
<p class="about">tenant {escape(story.tenant)}; times are UTC</p>
{turns}
</body>
</html>
"""


def _turn(turn: TurnStory) -> Iterator[str]:
    yield f"<h2>Turn {turn.number}: {escape(turn.status.value)}</h2>"
    yield (
        f'<p class="about">{escape(turn.agent)} for {escape(turn.principal)}, begun {_day(turn.opened_at)}; '
        f"ran {span(turn.active_seconds)}, {turn.tool_calls} tool calls</p>"
    )
    if turn.actions:
        yield from _drawing(turn)
    if turn.no_result is not None:
        yield f"<aside><p>{escape(turn.no_result.message)}</p>"
        yield from (f"<p>{escape(why)}</p>" for why in turn.no_result.why)
        yield "</aside>"
    for action in turn.actions:
        yield f"<h3>{escape(action.tool)} <small>{escape(action.action_id[:12])}</small></h3>"
        yield from _list(action.moments)
    if turn.moments:
        yield "<h3>The turn</h3>"
        yield from _list(turn.moments)


def _list(moments: Sequence[Moment]) -> Iterator[str]:
    yield "<ol>"
    for moment in moments:
        again = f" <small>({moment.times} times)</small>" if moment.times > 1 else ""
        yield (
            f'<li><time datetime="{_iso(moment.at)}">{_day(moment.at)}</time>'
            f'<span class="{moment.tone}">{escape(moment.says)}{again}</span></li>'
        )
    yield "</ol>"


def _drawing(turn: TurnStory) -> Iterator[str]:
    """A row for each call: what it waited for and what it did, over time."""
    moments = [moment for action in turn.actions for moment in action.moments] + [*turn.moments]
    begin = min(turn.opened_at, *(moment.at for moment in moments))
    length = max(max(moment.at for moment in moments) - begin, 0.001)
    height = _ROW * (len(turn.actions) + 1)
    told = f"{len(turn.actions)} calls over {span(length)}"
    yield f'<svg viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" role="img" aria-label="{told}">'
    for row, action in enumerate(turn.actions):
        yield from _row(action, _ROW * row + _ROW // 2, begin, length)
    foot = height - 10
    yield f'<text x="{_LEFT}" y="{foot}">0</text>'
    yield f'<text x="{_LEFT + _WIDTH}" y="{foot}" text-anchor="end">{span(length)}</text>'
    yield "</svg>"


def _row(action: ActionStory, y: int, begin: float, length: float) -> Iterator[str]:
    def x(at: float) -> float:
        return round(_LEFT + _WIDTH * (at - begin) / length, 1)

    name = action.tool if len(action.tool) <= 24 else f"{action.tool[:23]}…"
    yield f'<text x="0" y="{y + 4}">{escape(name)}</text>'
    yield f'<line x1="{_LEFT}" y1="{y}" x2="{_LEFT + _WIDTH}" y2="{y}"/>'
    for place, moment in enumerate(action.moments):
        ends = _ENDS.get(moment.kind, ())
        after = [one for one in action.moments[place + 1 :] if one.kind in ends]
        if after:
            kind = "held" if moment.kind.startswith("approval.") else after[-1].tone
            wide = max(x(after[-1].at) - x(moment.at), 2)
            yield f'<rect class="{kind}" x="{x(moment.at)}" y="{y - 7}" width="{round(wide, 1)}" height="14"/>'
    for moment in action.moments:
        yield (
            f'<circle class="{moment.tone}" cx="{x(moment.at)}" cy="{y}" r="5">'
            f"<title>{_day(moment.at)} {escape(moment.says)}</title></circle>"
        )


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
