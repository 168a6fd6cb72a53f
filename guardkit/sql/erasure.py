"""Erasing one person over one SQL database."""

from collections.abc import Iterable

from guardkit.core.audit import ERASURE, AuditEntry
from guardkit.core.erasure import ErasureCertificate, Names, certificate_of
from guardkit.errors import InputError
from guardkit.sql import audit, erasing, names
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.engines import Target

_PAGE = 1000


class _Previewed(Exception):
    """Rolls a transaction back that was only looked at."""

    def __init__(self, certificate: ErasureCertificate) -> None:
        super().__init__(certificate.case)
        self.certificate = certificate


class SQLErasure:
    """Erases persons, and says what was erased.

    Args:
        database: the database, or its URL; on PostgreSQL as the owner of the tables, as other roles do not change the audit log.

    Raises:
        ConfigurationError: not a database that guardkit can keep its promises on.
    """

    def __init__(self, database: Database | Target) -> None:
        self.database = database if isinstance(database, Database) else Database(database)

    def preview(self, tenant: str, identities: Iterable[str]) -> ErasureCertificate:
        """What `erase` would erase now, as a certificate that nobody signs. Changes nothing.

        Raises:
            ErasureRefusedError: something of the person is not over.
            InputError: nobody is named, or no tenant can be called that.
            LegalHoldError: something of it is under a legal hold.
            StorageError: the database cannot be reached, or refuses.
        """
        try:
            return self._erase(tenant, Names(identities), by="nobody", why="preview", keep=False)
        except _Previewed as seen:
            return seen.certificate

    def erase(self, tenant: str, identities: Iterable[str], *, by: str, why: str) -> ErasureCertificate:
        """Erase a person of a tenant, audited, in one transaction. May be run again: what came since goes then.

        Args:
            tenant: whose records.
            identities: the person's id, e-mail address and identities in channels; compared without regard to case. Names of six
                characters or more are also looked for within texts.
            by: who does it; goes into the audit log.
            why: the reason; likewise. Name no person in it.

        Returns:
            The certificate, not signed: `Signer.certificate` signs it.

        Raises:
            AuditError: the audit log cannot be written; nothing was erased.
            ErasureRefusedError: something of the person is not over; nothing was erased.
            InputError: nobody is named, or a name cannot be used.
            LegalHoldError: something of it is under a legal hold; nothing was erased.
            StorageError: the database cannot be reached, or refuses.
        """
        names.checked("by", by, NAME_LENGTH)
        if not why.strip():
            raise InputError("why is empty", remedy="say why, for those who ask later")
        person = Names(identities)
        if person.within([by, why]) != [by, why]:
            raise InputError(
                "by or why names the person, and stays in the audit log", remedy="say it without the name"
            )
        return self._erase(tenant, person, by=by, why=why, keep=True)

    @redone
    def _erase(self, tenant: str, person: Names, *, by: str, why: str, keep: bool) -> ErasureCertificate:
        names.tenant(tenant)
        with self.database.writing() as connection:
            _, salt = erasing.erase(connection, tenant, person, by=by, why=names.plain(why))
            last = audit.heads(connection)[tenant]
            (entry,) = audit.entries(connection, tenant, last - 1, 1)
            certificate = certificate_of(entry, salt)
            if not keep:
                raise _Previewed(certificate)
        return certificate

    def certificate(self, tenant: str, case: str) -> ErasureCertificate:
        """The certificate of an erasure once more, without the salt that tells whose it is.

        Raises:
            InputError: the audit log of the tenant announces no such erasure.
        """
        after = 0
        with self.database.reading() as connection:
            while page := audit.entries(connection, tenant, after, _PAGE):
                for entry in page:
                    if _is(entry, case):
                        return certificate_of(entry)
                after = page[-1].seq
        raise InputError(f"no erasure {case!r} of tenant {tenant!r} is in the audit log")


def _is(entry: AuditEntry, case: str) -> bool:
    return entry.event.kind == ERASURE and entry.event.data.get("case") == case
