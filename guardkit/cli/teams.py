"""Microsoft Teams: what is uploaded there."""

from pathlib import Path
from typing import Annotated

import typer

from guardkit.channels.teams.package import package
from guardkit.cli.base import out

app = typer.Typer(no_args_is_help=True, help="Microsoft Teams.")


@app.callback()
def _teams() -> None:
    """Microsoft Teams."""


@app.command("package")
def teams_package(
    app_id: Annotated[str, typer.Option("--app-id", help="Application (client) id of the Azure Bot.")],
    developer: Annotated[str, typer.Option(help="Who publishes the app; people see it.")],
    website: Annotated[str, typer.Option(help="The publisher's web site, https.")],
    name: Annotated[str, typer.Option(help="What the app is called.")] = "Approvals",
    to: Annotated[Path, typer.Option("--out", help="Where the package is written.")] = Path("approvals.zip"),
) -> None:
    """Write the app package that is uploaded in the Teams admin center."""
    to.write_bytes(package(app_id, name, developer=developer, website=website))
    out.print(f"wrote {to}")
