"""What the demo prints."""

from collections.abc import Iterable

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from guardkit.core.drafts import Answer, Citation
from guardkit.core.no_result import NoResult
from guardkit.core.outcomes import Finished, Outcome, Paused
from guardkit.core.presentation import Presentation
from guardkit.grounding.outcome import Criticised, Drafted, Record, Removed, Revised, Verified


class Stage:
    """Prints one scene after the other.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._scene = 0

    def scene(self, title: str, says: str) -> None:
        """A heading."""
        self._scene += 1
        self.console.print()
        self.console.rule(f"[bold]{self._scene}. {escape(title)}[/]", align="left")
        self.console.print(f"[dim]{escape(says)}[/]")

    def line(self, text: str, style: str = "") -> None:
        """A line of plain text."""
        self.console.print(escape(text), style=style or None, highlight=False, soft_wrap=True)

    def _noted(self, label: str, mark: str, text: str, note: str = "") -> None:
        """A labelled finding, its text indented beside the label."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=10)
        grid.add_column(width=9)
        grid.add_column()
        grid.add_row(f"  {label}", mark, escape(text.strip()) + (f"\n[dim]{escape(note)}[/]" if note else ""))
        self.console.print(grid, highlight=False)

    def _text(self, text: str, title: str) -> None:
        self.console.print(Panel(escape(text), title=f"{title} (nobody sees it)", border_style="dim"))

    def trail(self, records: Iterable[Record]) -> None:
        """Draft, critique and verification, as they happened."""
        for record in records:
            match record:
                case Drafted():
                    self._text(record.text, "draft")
                case Revised():
                    self._text(record.text, f"revision {record.revision}")
                case Criticised():
                    for answer in record.critique.answers:
                        mark = "[green]met[/]" if answer.met else "[red]not met[/]"
                        self._noted("critique", mark, answer.criterion_id)
                case Verified():
                    for check in record.verification.checks:
                        mark = "[green]supported[/]" if check.supported else "[red]withheld[/]"
                        flags = ", ".join(flag.value for flag in check.flags)
                        self._noted("verified", mark, check.claim.text, flags)
                case Removed():
                    self._noted("removed", "", record.text, record.why)
                case _:
                    continue

    def outcome(self, outcome: Outcome) -> None:
        """What the caller gets."""
        match outcome:
            case Answer():
                self.console.print(
                    Panel(escape(outcome.text), title="[green]Answer[/]", border_style="green")
                )
                for citation in outcome.citations:
                    self._citation(citation)
            case NoResult():
                self.no_result(outcome)
            case Paused():
                self.line(
                    f"Paused: {len(outcome.approvals)} approval(s), {len(outcome.questions)} question(s)"
                )
            case Finished():
                self.line(f"Finished: {outcome.text}")

    def _citation(self, citation: Citation) -> None:
        place = citation.section or ""
        if not place.startswith(citation.document):
            place = f"{citation.document}, {place}" if place else citation.document
        grid = Table.grid(padding=(0, 1))
        grid.add_row(f"  \\[{citation.number}]", f"{escape(place)}: “{escape(citation.quote)}”")
        self.console.print(grid, highlight=False)

    def no_result(self, outcome: NoResult) -> None:
        """A turn that ended without an answer."""
        grid = Table.grid(padding=(0, 2))
        grid.add_row("[dim]reason[/]", outcome.reason.value)
        for label, values in (
            ("why", outcome.why),
            ("looked at", outcome.looked_at),
            ("missing", outcome.missing),
        ):
            for place, value in enumerate(values):
                grid.add_row("" if place else f"[dim]{label}[/]", escape(value))
        shown = Group(escape(outcome.message), grid)
        self.console.print(Panel(shown, title="[yellow]NoResult[/]", border_style="yellow"), highlight=False)

    def approval(self, shown: Presentation) -> None:
        """What a person is asked."""
        table = Table(show_header=False, box=None, padding=(0, 1))
        for row in shown.args:
            table.add_row(escape(row.path), f"[bold]{escape(row.text)}[/]")
        table.add_row("asked by", escape(shown.asked_by))
        table.add_row("why", escape("; ".join(shown.why) or "the policy asks people"))
        table.add_row("model says", f"[italic]{escape(shown.thought)}[/]")
        table.add_row("digest", shown.digest_short)
        self.console.print(
            Panel(table, title=f"[cyan]Approval[/] {escape(shown.title)}", border_style="cyan")
        )
