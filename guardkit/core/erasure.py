"""Erasing one person: what names them, what stands in their place, and the certificate of it."""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import cast

from guardkit.core.audit import ERASURE, AuditEntry, AuditEvent
from guardkit.core.digest import sha256
from guardkit.core.disclosure import ERASED
from guardkit.core.people import Person
from guardkit.core.values import Json, JsonObject, Value
from guardkit.errors import InputError

_LONG = 6
"""Characters from which on a name is looked for in running text too; a shorter one only as a whole value."""

_SPEAKERS = {"person": "reason", "by": "comment"}
"""Who said something, and what: words of a person go with the person's name."""


class Names:
    """What a person is called, whatever its case.

    Args:
        identities: ids, e-mail addresses and identities in channels.

    Raises:
        InputError: there is none, or one is empty.
    """

    def __init__(self, identities: Iterable[str]) -> None:
        self.all = tuple(sorted({name.strip().casefold() for name in identities}))
        if not self.all or not all(self.all):
            raise InputError(
                "nobody is named", remedy="name the person's id, e-mail address or identity in a channel"
            )
        self.pseudonym = f"erased-{secrets.token_hex(6)}"
        """What stands in their place, the same everywhere; made by chance, so it tells nothing."""

        long = [re.escape(name) for name in self.all if len(name) >= _LONG]
        self._within = (
            re.compile(rf"(?<![\w@.+-])(?:{'|'.join(long)})(?![\w@-])", re.IGNORECASE) if long else None
        )

    @classmethod
    def of(cls, person: Person) -> "Names":
        """All that a directory knows of a person."""
        return cls([person.id, *(() if person.email is None else (person.email,)), *person.identities])

    def is_one(self, text: str) -> bool:
        """Whether a text is one of the names."""
        return text.casefold() in self.all

    def in_text(self, text: str) -> str:
        """A text with the pseudonym in the place of every name."""
        if self.is_one(text):
            return self.pseudonym
        return text if self._within is None else self._within.sub(self.pseudonym, text)

    def within(self, value: Json) -> Json:
        """A value with the pseudonym in the place of every name, and without what the person said."""
        match value:
            case str():
                return self.in_text(value)
            case list():
                return [self.within(one) for one in value]
            case dict():
                made: JsonObject = {self.in_text(name): self.within(one) for name, one in value.items()}
                for who, said in _SPEAKERS.items():
                    if made.get(who) == self.pseudonym and isinstance(made.get(said), str):
                        made[said] = ERASED
                return made
            case _:
                return value


class Head(Value):
    """An entry of an audit chain."""

    seq: int
    hash: str


class ErasureCertificate(Value):
    """What was erased of a person, when and by whom; signed with an audit key."""

    version: int = 1
    case: str
    """What the erasure is called in the audit log."""

    tenant: str
    subject: str
    """Commitment to the person's names: SHA-256 of them with a salt, see `names_match`."""

    salt: str | None
    """The salt; kept nowhere else. `None` in a certificate that was issued again."""

    by: str
    why: str
    at: float
    """Seconds since the epoch, by the database's clock."""

    rows: Mapping[str, int]
    """Rows that were deleted or changed, by table."""

    values: int
    """Values of the audit log that were erased."""

    kept: int
    """Values of the audit log that name the person and cannot be erased: entries of releases that held no commitments."""

    before: Head
    """The end of the audit chain before the erasure."""

    after: Head
    """The entry that announces it."""

    key_id: str = ""
    signature: str = ""

    def signed_part(self) -> JsonObject:
        """All fields but the signature itself."""
        return self.model_dump(mode="json", exclude={"signature"})

    def names_match(self, identities: Iterable[str]) -> bool:
        """Whether it is of the person of these names, all of them."""
        return self.salt is not None and self.subject == subject_of(Names(identities), self.salt)


def subject_of(names: Names, salt: str) -> str:
    """The commitment to a person's names."""
    return sha256("guardkit.erasure-subject.v1", [salt, list(names.all)])


def erasure_event(
    *, case: str, subject: str, by: str, why: str, rows: Mapping[str, int], values: int, kept: int
) -> AuditEvent:
    """The entry that announces an erasure."""
    counted: JsonObject = {name: count for name, count in sorted(rows.items()) if count}
    data: JsonObject = {"case": case, "subject": subject, "by": by, "why": why}
    return AuditEvent(kind=ERASURE, data={**data, "rows": counted, "values": values, "entries": kept})


def certificate_of(entry: AuditEntry, salt: str | None = None) -> ErasureCertificate:
    """The certificate of an erasure, not signed, from the entry that announces it.

    Raises:
        InputError: it announces none.
    """
    data = entry.event.data
    if entry.event.kind != ERASURE:
        raise InputError(f"audit entry {entry.seq} announces no erasure")
    return ErasureCertificate(
        case=str(data["case"]),
        tenant=entry.tenant,
        subject=str(data["subject"]),
        salt=salt,
        by=str(data["by"]),
        why=str(data["why"]),
        at=entry.at,
        rows=cast("dict[str, int]", data["rows"]),
        values=cast("int", data["values"]),
        kept=cast("int", data["entries"]),
        before=Head(seq=entry.seq - 1, hash=entry.previous),
        after=Head(seq=entry.seq, hash=entry.hash),
    )


def certified(certificate: ErasureCertificate, entries: Iterable[AuditEntry]) -> str | None:
    """What is wrong with a certificate whose signature was checked, by the chain; `None` when it holds.

    Args:
        certificate: as it was given.
        entries: the chain of its tenant, verified.
    """
    for entry in entries:
        if entry.seq != certificate.after.seq:
            continue
        if entry.event.kind != ERASURE:
            return f"entry {entry.seq} announces no erasure"
        said = certificate_of(entry, certificate.salt).model_dump(exclude={"key_id", "signature"})
        differs = sorted(
            name
            for name, value in certificate.model_dump(exclude={"key_id", "signature"}).items()
            if said[name] not in (value, ERASED)
        )
        return f"the audit log says otherwise of {differs[0]}" if differs else None
    return f"the audit log has no entry {certificate.after.seq}"
