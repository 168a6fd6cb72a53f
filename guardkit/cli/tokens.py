"""Tokens of the HTTP API, from the command line."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from guardkit.cli.base import Operator, err, out, settings, store
from guardkit.core.people import Person
from guardkit.core.tokens import MAX_DAYS, ApiToken, Holder, TokenScope, new_token
from guardkit.errors import ConfigurationError, InputError
from guardkit.policy import Policy

app = typer.Typer(no_args_is_help=True, help="Tokens of the HTTP API.")

_DAY = 86400.0


@app.command("create")
def tokens_create(
    by: Operator,
    scope: Annotated[list[TokenScope], typer.Option(help="What it may be used for; repeat it for several.")],
    person: Annotated[
        str | None, typer.Option(help="Whose token it is, as the people directory knows them.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="The name of the program that calls with it.")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="With --service; a person's token is for the person's tenant.")
    ] = None,
    days: Annotated[float, typer.Option(min=0.001, max=MAX_DAYS, help="How long it lives.")] = 90.0,
) -> None:
    """Make a token for a person or a service. It is printed once and kept as a hash."""
    if (person is None) == (service is None):
        raise InputError("say whose token it is: --person or --service")
    if person is not None and tenant is not None:
        raise InputError("--tenant goes with --service", remedy="a person's tenant is in the directory")
    holder: Holder = "service"
    subject, of_tenant = service or "", tenant or "default"
    if person is not None:
        found = _person(person)
        holder, subject, of_tenant = "person", found.id, found.tenant
    text, made = new_token(tenant=of_tenant, holder=holder, subject=subject, scopes=scope, created_by=by)
    with store() as database:
        kept = database.add_token(made, days * _DAY)
    err.print(
        f"token {kept.id} for {kept.holder} {escape(kept.subject)} of tenant {escape(kept.tenant)}, "
        f"until {_time(kept.expires_at)}; this is the only time it is shown:"
    )
    sys.stdout.write(text + "\n")


@app.command("list")
def tokens_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List tokens, newest first, without their secrets."""
    with store() as found:
        listed, now = found.tokens(tenant), found.now()
    if as_json:
        shown = [
            {**one.model_dump(mode="json", exclude={"hash"}), "live": one.is_live(now)} for one in listed
        ]
        sys.stdout.write(json.dumps(shown) + "\n")
        return
    table = Table(
        Column("id", no_wrap=True, min_width=16),
        "whose",
        "tenant",
        "scopes",
        "until",
        Column("state", no_wrap=True),
    )
    for one in listed:
        table.add_row(
            one.id, f"{one.holder} {escape(one.subject)}", escape(one.tenant), " ".join(one.scopes), _time(one.expires_at),
            _state(one, now),
        )  # fmt: skip
    out.print(table)


@app.command("revoke")
def tokens_revoke(token_id: str, by: Operator) -> None:
    """Revoke a token for ever: its next request is refused."""
    with store() as found:
        if not found.revoke_token(token_id, by=by):
            raise InputError(f"no token {token_id!r} to revoke", remedy="see guardkit tokens list")
    out.print("revoked")


def _person(identity: str) -> Person:
    directory = Policy.from_file(settings().need_policy()).directory
    if directory is None:
        raise ConfigurationError("the policy names no directory of people")
    found = directory.find(identity)
    if found is None or not found.active:
        raise InputError(
            f"--person {identity!r} is nobody whom the policy's directory lists as active",
            remedy="add the person to the directory",
        )
    return found


def _state(token: ApiToken, now: float) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "live" if token.is_live(now) else "over"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}Z"
