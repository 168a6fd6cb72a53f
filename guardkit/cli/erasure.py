"""Erasing one person, and the certificate of it, from the command line."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from guardkit.cli.audit import Export
from guardkit.cli.base import database, directory, out, settings, store
from guardkit.core.audit import verify
from guardkit.core.erasure import ErasureCertificate, Names, certified
from guardkit.core.signing import Verifier
from guardkit.errors import InputError
from guardkit.runtime.witness import pages
from guardkit.sql import SQLErasure

Tenant = Annotated[str, typer.Option(help="Whose records.")]


def db_erase(
    person: Annotated[
        list[str],
        typer.Argument(help="Every name of the person: id, e-mail address, identities in channels."),
    ],
    reason: Annotated[
        str | None, typer.Option(help="Kept in the audit log; names nobody. Needed unless --dry-run.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who does it; goes into the audit log. Needed unless --dry-run."),
    ] = None,
    tenant: Tenant = "default",
    known: Annotated[
        bool, typer.Option("--directory", help="Take the names from the policy's directory too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be erased, and change nothing.")
    ] = False,
) -> None:
    """Erase a person, and print a signed certificate. All of it is done, or nothing."""
    names = _names(person) if known else list(person)
    if dry_run:
        with database() as opened:
            seen = SQLErasure(opened).preview(tenant, names)
        for table, count in sorted(seen.rows.items()):
            out.print(f"{escape(table)}: {count}", highlight=False)
        out.print(f"{seen.values} values of the audit log would go, {seen.kept} would stay", highlight=False)
        return
    if by is None or reason is None:
        raise InputError(
            "--by or --reason is missing", remedy="say who does it and why, or look first with --dry-run"
        )
    signer = settings().keys.audit_signer()  # before anything is gone
    with database() as opened:
        done = SQLErasure(opened).erase(tenant, names, by=by, why=reason)
    sys.stdout.write(signer.certificate(done).model_dump_json() + "\n")


def _names(person: Sequence[str]) -> list[str]:
    people = directory()
    found = [known for name in person if (known := people.find(name)) is not None]
    if not found:
        raise InputError("the directory knows nobody of these names")
    return sorted({*person, *(name for one in found for name in Names.of(one).all)})


def audit_certificate(case: str, tenant: Tenant = "default") -> None:
    """Print the certificate of an erasure once more, signed anew; without the salt that tells whose it is."""
    signer = settings().keys.audit_signer()
    with database() as opened:
        found = SQLErasure(opened).certificate(tenant, case)
    sys.stdout.write(signer.certificate(found).model_dump_json() + "\n")


def audit_verify_certificate(
    certificate: Annotated[Path, typer.Argument(help="What `guardkit db erase` printed.")],
    file: Annotated[
        Path | None, typer.Option(help="Look into this export (JSON lines) instead of the database.")
    ] = None,
    person: Annotated[
        list[str] | None, typer.Option(help="Every name of the person: whether it is of them. Repeatable.")
    ] = None,
) -> None:
    """Check the signature of a certificate, and that the audit log says the same. Exit status 1 when not."""
    said = _read(certificate)
    problem = _problem(said, file)
    if problem is None and person and not said.names_match(person):
        problem = "it is not of the person of these names, or has no salt"
    if problem is not None:
        out.print(f"[bold red]does not hold[/] {escape(problem)}", soft_wrap=True)
        raise typer.Exit(1)
    out.print(
        f"[green]holds[/] {escape(said.case)} of tenant {escape(said.tenant)}: {sum(said.rows.values())} rows, "
        f"{said.values} values of the audit log, {said.kept} kept",
        soft_wrap=True,
    )


def _problem(said: ErasureCertificate, file: Path | None) -> str | None:
    if not Verifier(settings().keys.audit_public_keys).certificate(said):
        return "it is not signed by a known audit key"
    with store() if file is None else nullcontext(Export(file)) as chains:
        report = verify(said.tenant, pages(chains, said.tenant))
        if not report.intact:
            return f"the audit log is broken: {report.problem}"
        return certified(said, pages(chains, said.tenant))


def _read(path: Path) -> ErasureCertificate:
    try:
        return ErasureCertificate.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            f"{path.name} cannot be read as a certificate: {type(error).__name__}",
            remedy="name a file that `guardkit db erase` printed",
        ) from None
