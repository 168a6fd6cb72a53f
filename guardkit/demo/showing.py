"""What the demo prints."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from guardkit.core.drafts import Answer
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

    def trail(self, records: Iterable[Record]) -> None:
        """Draft, critique and verification, as they happened."""
        for record in records:
            match record:
                case Drafted():
                    self.console.print(
                        Panel(escape(record.text), title="draft (nobody sees it)", border_style="dim")
                    )
                case Revised():
                    self.console.print(
                        Panel(
                            escape(record.text),
                            title=f"revision {record.revision} (nobody sees it)",
                            border_style="dim",
                        )
                    )
                case Criticised():
                    for answer in record.critique.answers:
                        mark = "[green]met[/]" if answer.met else "[red]not met[/]"
                        self.console.print(f"  critique  {mark} {escape(answer.criterion_id)}")
                case Verified():
                    for check in record.verification.checks:
                        mark = "[green]supported[/]" if check.supported else "[red]withheld[/] "
                        flags = ", ".join(flag.value for flag in check.flags)
                        self.console.print(
                            f"  verified  {mark} {escape(check.claim.text.strip())} [dim]{escape(flags)}[/]"
                        )
                case Removed():
                    self.console.print(
                        f"  [red]removed[/]   {escape(record.text.strip())} [dim]{escape(record.why)}[/]"
                    )
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
                    place = (
                        f"{citation.document}, {citation.section}" if citation.section else citation.document
                    )
                    self.console.print(
                        f"  \\[{citation.number}] {escape(place)}: “{escape(citation.quote)}”",
                        highlight=False,
                    )
            case NoResult():
                self.no_result(outcome)
            case Paused():
                self.line(
                    f"Paused: {len(outcome.approvals)} approval(s), {len(outcome.questions)} question(s)"
                )
            case Finished():
                self.line(f"Finished: {outcome.text}")

    def no_result(self, outcome: NoResult) -> None:
        """A turn that ended without an answer."""
        lines = [escape(outcome.message), f"[dim]reason[/]    {outcome.reason.value}"]
        for label, values in (
            ("why", outcome.why),
            ("looked at", outcome.looked_at),
            ("missing", outcome.missing),
        ):
            lines += [f"[dim]{label:<9}[/] {escape(value)}" for value in values]
        self.console.print(Panel("\n".join(lines), title="[yellow]NoResult[/]", border_style="yellow"))

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
