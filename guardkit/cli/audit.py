"""The audit chain, from the command line."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import out, settings, store
from guardkit.core.audit import AuditEntry, AuditHead, AuditReport, verify
from guardkit.core.signing import Verifier
from guardkit.errors import AuditError, ConfigurationError, InputError
from guardkit.sql import SQLStore

app = typer.Typer(no_args_is_help=True, help="The hash-chained audit log.")


def report(found: SQLStore, tenant: str, head: AuditHead | None) -> AuditReport:
    """Verify one tenant's chain, read in pages."""

    def entries() -> Iterator[AuditEntry]:
        after = 0
        while page := found.entries(tenant, after):
            yield from page
            after = page[-1].seq

    return verify(tenant, entries(), head)


@app.command("verify")
def audit_verify(
    tenant: Annotated[str | None, typer.Option()] = None,
    head: Annotated[Path | None, typer.Option(help="A signed head, kept outside the database.")] = None,
) -> None:
    """Check every chain. Exit status 1 when one does not hold."""
    signed = None if head is None else _signed(head)
    if signed is not None and tenant not in (None, signed.tenant):
        raise InputError(f"the head is of tenant {signed.tenant!r}, not of {tenant!r}")
    intact = True
    with store() as found:
        # A chain that is gone from the database is still known by its head.
        known = {*found.tenants(), *([signed.tenant] if signed else [])}
        for name in [tenant] if tenant else sorted(known):
            try:
                result = report(found, name, signed if signed and signed.tenant == name else None)
            except AuditError as error:
                intact = False
                out.print(f"[bold red]broken[/] {escape(name)}: {escape(error.message)}")
                continue
            intact = intact and result.intact
            if result.intact:
                tail = result.entries - result.covered
                out.print(
                    f"[green]intact[/] {escape(name)}: {result.entries} entries, {tail} not covered by a signed head"
                )
            else:
                out.print(
                    f"[bold red]broken[/] {escape(name)}: entry {result.first_bad} {escape(result.problem or '')}"
                )
    raise typer.Exit(0 if intact else 1)


def _signed(path: Path) -> AuditHead:
    try:
        head = AuditHead.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read as a signed head: {type(error).__name__}",
            remedy="name a file that `guardkit audit head` printed",
        ) from None
    if not Verifier(settings().keys.audit_public_keys).head(head):
        raise ConfigurationError(
            f"{path.name} is not signed by a known audit key", remedy="set GUARDKIT_AUDIT_PUBLIC_KEYS"
        )
    return head


@app.command("head")
def audit_head(tenant: Annotated[str, typer.Option()] = "default") -> None:
    """Print a signed head. Keep it outside the database, out of the agent's reach."""
    signer = settings().keys.audit_signer()
    with store() as found:
        result = report(found, tenant, None)
        if not result.intact:
            raise ConfigurationError(
                f"the chain of {tenant!r} is broken at entry {result.first_bad}; a head is not signed"
            )
        last = found.entries(tenant, result.entries - 1)
        if not last:
            raise InputError(f"tenant {tenant!r} has no audit entries")
        head = signer.head(AuditHead(tenant=tenant, seq=last[-1].seq, hash=last[-1].hash, at=found.now()))
    sys.stdout.write(head.model_dump_json() + "\n")


@app.command("export")
def audit_export(tenant: Annotated[str, typer.Option()] = "default") -> None:
    """Print a chain as JSON lines."""
    with store() as found:
        after = 0
        while page := found.entries(tenant, after):
            for entry in page:
                sys.stdout.write(entry.model_dump_json() + "\n")
            after = page[-1].seq
