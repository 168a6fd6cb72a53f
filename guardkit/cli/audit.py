"""The audit chain, from the command line."""

import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from guardkit.cli.base import err, out, settings, store
from guardkit.core.audit import AuditEntry, AuditHead, AuditReport, verify
from guardkit.core.cef import to_cef
from guardkit.core.signing import Verifier
from guardkit.errors import AuditError, ConfigurationError, InputError, StorageError
from guardkit.runtime.witness import Anchor, Chains, HeadFiles, Witness, Witnessed, pages

app = typer.Typer(no_args_is_help=True, help="The hash-chained audit log.")

Heads = dict[str, list[AuditHead]]


class Format(StrEnum):
    """How entries are written."""

    JSON = "json"
    CEF = "cef"


_ANCHOR_SECONDS = 60
"""How long an anchor may take."""


@app.command("verify")
def audit_verify(
    tenant: Annotated[str | None, typer.Option()] = None,
    head: Annotated[
        list[Path] | None, typer.Option(help="A signed head, kept outside the database. Repeatable.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="The folder in which `guardkit audit witness` keeps heads.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Verify this export (JSON lines) instead of the database.")
    ] = None,
) -> None:
    """Check every chain. Exit status 1 when one does not hold."""
    known = _known_heads(head or [], heads)
    if tenant is not None and (other := sorted(known.keys() - {tenant})) and heads is None:
        raise InputError(f"the head is of tenant {other[0]!r}, not of {tenant!r}")
    intact = True
    with store() if file is None else nullcontext(Export(file)) as chains:
        # A chain that is gone is still known by its head.
        for name in [tenant] if tenant else sorted({*chains.tenants(), *known}):
            intact = _tell(name, _checked(chains, name, known.get(name, ()))) and intact
    raise typer.Exit(0 if intact else 1)


def _checked(chains: Chains, tenant: str, heads: Sequence[AuditHead]) -> AuditReport:
    try:
        return verify(tenant, pages(chains, tenant), heads)
    except AuditError as error:
        return AuditReport(tenant=tenant, entries=0, intact=False, problem=error.message)


def _tell(tenant: str, result: AuditReport) -> bool:
    if not result.intact:
        where = "" if result.first_bad is None else f"entry {result.first_bad} "
        out.print(f"[bold red]broken[/] {escape(tenant)}: {where}{escape(result.problem or '')}")
        return False
    tail = result.entries - result.covered
    which = f" ({result.covered + 1} to {result.entries})" if tail and result.covered else ""
    erased = f", {result.erased} values erased" if result.erased else ""
    out.print(
        f"[green]intact[/] {escape(tenant)}: {result.entries} entries, {tail} not covered by a signed head{which}{erased}"
    )
    return True


def _known_heads(files: Sequence[Path], folder: Path | None) -> Heads:
    found: Heads = {}
    verifier = Verifier(settings().keys.audit_public_keys)
    signed = [(path.name, _read_head(path)) for path in files]
    if folder is not None:
        if not folder.is_dir():
            raise InputError(f"{folder.name} is not a folder of heads")
        kept = HeadFiles(folder)
        signed += [(f"a head in {folder.name}", head) for name in kept.tenants() for head in kept.of(name)]
    for where, head in signed:
        if not verifier.head(head):
            raise ConfigurationError(
                f"{where} is not signed by a known audit key", remedy="set GUARDKIT_AUDIT_PUBLIC_KEYS"
            )
        found.setdefault(head.tenant, []).append(head)
    return found


def _read_head(path: Path) -> AuditHead:
    try:
        return AuditHead.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read as a signed head: {type(error).__name__}",
            remedy="name a file that `guardkit audit head` printed",
        ) from None


class Export:
    """The chains of a file that `audit export` has printed, or several of them one after the other."""

    def __init__(self, file: Path) -> None:
        self._chains: dict[str, list[AuditEntry]] = {}
        try:
            with file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    entry = _entry(line, f"line {number} of {file.name}")
                    self._chains.setdefault(entry.tenant, []).append(entry)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file.name} cannot be read: {type(error).__name__}") from None

    def tenants(self) -> Sequence[str]:
        """Whose chains are in it."""
        return list(self._chains)

    def entries(self, tenant: str, after: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Entries with `seq > after`, in order."""
        return self._chains.get(tenant, [])[after : after + limit]


def _entry(line: str, where: str) -> AuditEntry:
    try:
        return AuditEntry.model_validate_json(line)
    except ValidationError:
        raise InputError(
            f"{where} is not an audit entry", remedy="name a file that `guardkit audit export` printed"
        ) from None


@app.command("head")
def audit_head(tenant: Annotated[str, typer.Option()] = "default") -> None:
    """Print a signed head. Keep it outside the database, out of the agent's reach."""
    signer = settings().keys.audit_signer()
    with store() as found:
        result = verify(tenant, pages(found, tenant))
        if not result.intact:
            raise ConfigurationError(
                f"the chain of {tenant!r} is broken at entry {result.first_bad}; a head is not signed"
            )
        last = found.entries(tenant, result.entries - 1)
        if not last:
            raise InputError(f"tenant {tenant!r} has no audit entries")
        head = signer.head(AuditHead(tenant=tenant, seq=last[-1].seq, hash=last[-1].hash, at=found.now()))
    sys.stdout.write(head.model_dump_json() + "\n")


@app.command("witness")
def audit_witness(
    to: Annotated[
        Path, typer.Option(help="The folder that keeps the heads, out of reach of agent and database.")
    ],
    every: Annotated[float, typer.Option(min=1.0, help="Seconds between two rounds.")] = 300.0,
    once: Annotated[bool, typer.Option("--once", help="One round, for cron.")] = False,
    anchor: Annotated[
        str | None, typer.Option(help="A command that gets each new head, as JSON, on its standard input.")
    ] = None,
) -> None:
    """Check what is new in every chain, and keep a signed head of it, until interrupted.

    Exit status 1 when a chain did not hold in some round, or an anchor failed in the last.
    """
    keys = settings().keys
    ended = threading.Event()

    def end(_number: int, _frame: object) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    well = anchored = True
    with store() as found:
        witness = Witness(
            found,
            signer=keys.audit_signer(),
            verifier=Verifier(keys.audit_public_keys),
            heads=HeadFiles(to),
            anchors=[] if anchor is None else [_command(anchor)],
        )
        while not ended.is_set():
            try:
                witnessed: Sequence[Witnessed] = witness.round(found.now())
            except StorageError as error:
                if once:
                    raise
                err.print(f"[bold red]no round[/] {error.code}: {escape(error.message)}")
                witnessed = ()
            anchored = sum(map(_report, witnessed)) == len(witnessed)
            well = well and all(one.report.intact for one in witnessed)
            if once:
                break
            ended.wait(every)
    raise typer.Exit(0 if well and anchored else 1)


def _report(one: Witnessed) -> bool:
    if one.head is not None or not one.report.intact:
        _tell(one.tenant, one.report)
    for kind in one.anchors_failed:
        err.print(f"[bold red]not anchored[/] {escape(one.tenant)}: {kind}")
    return not one.anchors_failed


def _command(line: str) -> Anchor:
    words = shlex.split(line)
    if not words:
        raise InputError("--anchor names no command")

    def run(head: AuditHead) -> None:
        subprocess.run(  # noqa: S603  # the operator's own command, without a shell
            words, input=head.model_dump_json() + "\n", text=True, check=True, timeout=_ANCHOR_SECONDS
        )

    return run


@app.command("export")
def audit_export(
    tenant: Annotated[str, typer.Option()] = "default",
    after: Annotated[int, typer.Option(min=0, help="Begin behind this entry.")] = 0,
    format: Annotated[Format, typer.Option(help="JSON lines can be verified again.")] = Format.JSON,
) -> None:
    """Print a chain, one entry a line, as JSON or in the Common Event Format (CEF)."""
    release = version("guardkit")
    with store() as found:
        for entry in pages(found, tenant, after):
            line = to_cef(entry, release) if format is Format.CEF else entry.model_dump_json()
            sys.stdout.write(line + "\n")
