"""The witness: follows audit chains from outside, and keeps a signed head of each where the database cannot reach it.

A chain proves that nothing inside it was changed; only a head that is kept elsewhere proves that its end was not cut off,
and that the whole was not written anew. The witness belongs in a process, and under an account, that is not the agent's.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from pydantic import ValidationError

from guardkit.core.audit import AuditEntry, AuditHead, AuditReport, Heads, verify
from guardkit.core.values import Value
from guardkit.errors import AuditError, ConfigurationError, InputError

Anchor = Callable[[AuditHead], None]
"""Takes a signed head somewhere else: an object store with a retention lock, a time-stamping authority, a ledger."""

_ENDING = ".heads.jsonl"
_LONGEST_NAME = 255
"""Bytes of a file's name that common file systems take."""


class Chains(Protocol):
    """What is read of `guardkit.core.ports.Audit`."""

    def entries(self, tenant: str, after: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Entries with `seq > after`, in order."""
        ...

    def tenants(self) -> Sequence[str]:
        """Tenants that have a chain."""
        ...


class HeadSigner(Protocol):
    """Signs heads: `guardkit.core.signing.Signer`, or what asks a key management service to."""

    def head(self, head: AuditHead) -> AuditHead:
        """The head with the key's id and signature."""
        ...


class HeadVerifier(Protocol):
    """Checks heads: `guardkit.core.signing.Verifier`."""

    def head(self, head: AuditHead) -> bool:
        """Whether a known key signed exactly this head."""
        ...


class Witnessed(Value):
    """What a round found about one tenant's chain."""

    tenant: str
    report: AuditReport
    head: AuditHead | None = None
    """The new head, if there were new entries and all of them hold."""

    anchors_failed: tuple[str, ...] = ()
    """The kinds of the errors that anchors raised. The head is kept; it is handed to them again in the next round."""


class HeadFiles:
    """Signed heads in a folder: one file a tenant, one line a head, only ever appended to.

    Args:
        folder: on a disk that neither the agent nor the database's administrator can write to.

    Raises:
        ConfigurationError: it is not a folder that can be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot hold heads: {type(error).__name__}") from error

    def tenants(self) -> Sequence[str]:
        """Tenants of which a head is kept."""
        return sorted(unquote(path.name.removesuffix(_ENDING)) for path in self._folder.glob(f"*{_ENDING}"))

    def of(self, tenant: str) -> Sequence[AuditHead]:
        """All heads of a tenant, oldest first.

        Raises:
            AuditError: a line is not a head of this tenant. The last line alone may be torn, by a crash while it was
                written, and is passed over.
        """
        path = self._path(tenant)
        if not path.exists():
            return ()
        *lines, _torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
        return tuple(self._read(path, number, line, tenant) for number, line in enumerate(lines, 1))

    def put(self, head: AuditHead) -> None:
        """Append a head. It is on the disk when this returns."""
        path = self._path(head.tenant)
        new = not path.exists()
        with path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(head.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            directory = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _path(self, tenant: str) -> Path:
        name = quote(tenant, safe="") + _ENDING
        if len(name) > _LONGEST_NAME or name.startswith("."):
            raise InputError(f"tenant {tenant[:40]!r} cannot be the name of a file")
        return self._folder / name

    @staticmethod
    def _read(path: Path, number: int, line: str, tenant: str) -> AuditHead:
        try:
            head = AuditHead.model_validate_json(line)
        except ValidationError:
            raise AuditError(f"line {number} of {path.name} is not a head") from None
        if head.tenant != tenant:
            raise AuditError(f"line {number} of {path.name} is a head of another tenant")
        return head


class Witness:
    """Checks what is new in every chain, and keeps a signed head of it.

    A round reads the entries since the newest kept head and no others, so it costs the same however long the chains are.
    It finds a chain that was cut, rolled back, or written anew behind that head. It does not read again what lies
    before it: `guardkit audit verify --heads` does.

    Args:
        audit: the chains.
        signer: signs heads.
        verifier: knows the keys of the heads that are kept.
        heads: where they are kept.
        anchors: are handed every new head as well.
    """

    def __init__(
        self,
        audit: Chains,
        *,
        signer: HeadSigner,
        verifier: HeadVerifier,
        heads: Heads,
        anchors: Sequence[Anchor] = (),
    ) -> None:
        self._audit = audit
        self._signer = signer
        self._verifier = verifier
        self._heads = heads
        self._anchors = anchors
        self._owed: dict[str, AuditHead] = {}

    def round(self, now: float) -> Sequence[Witnessed]:
        """Look at every chain, also at those of which only a head is left.

        Args:
            now: seconds since the epoch, for the new heads.

        Raises:
            StorageError: the database cannot be reached.
        """
        return tuple(
            self._look(tenant, now) for tenant in sorted({*self._audit.tenants(), *self._heads.tenants()})
        )

    def _look(self, tenant: str, now: float) -> Witnessed:
        try:
            start = newest(self._heads.of(tenant), self._verifier)
            report, last = self._checked(tenant, start)
        except AuditError as error:
            broken = AuditReport(tenant=tenant, entries=0, intact=False, problem=error.message)
            return Witnessed(tenant=tenant, report=broken)
        if not report.intact:
            return Witnessed(tenant=tenant, report=report)
        head = None
        if last is not None:
            head = self._signer.head(AuditHead(tenant=tenant, seq=last.seq, hash=last.hash, at=now))
            self._heads.put(head)
            self._owed[tenant] = head
            report = report.model_copy(update={"covered": head.seq})
        return Witnessed(tenant=tenant, report=report, head=head, anchors_failed=self._anchor(tenant))

    def _checked(self, tenant: str, start: AuditHead | None) -> tuple[AuditReport, AuditEntry | None]:
        last: list[AuditEntry] = []

        def entries() -> Iterator[AuditEntry]:
            for entry in pages(self._audit, tenant, 0 if start is None else start.seq):
                last[:] = [entry]
                yield entry

        if start is not None:
            at_head = self._audit.entries(tenant, start.seq - 1, 1)
            before = AuditHead(
                tenant=tenant, seq=start.seq - 1, hash=at_head[0].previous if at_head else "", at=0
            )
            report = verify(tenant, at_head, [start], start=before)
            if not report.intact:
                return report, None
        report = verify(tenant, entries(), start=start)
        return report, last[0] if last else None

    def _anchor(self, tenant: str) -> tuple[str, ...]:
        head = self._owed.get(tenant)
        if head is None:
            return ()
        failed: list[str] = []
        for anchor in self._anchors:
            try:
                anchor(head)
            except Exception as error:  # noqa: BLE001  # somebody else's code; the head is kept whatever it does
                failed.append(type(error).__name__)
        if not failed:
            del self._owed[tenant]
        return tuple(failed)


def newest(heads: Sequence[AuditHead], verifier: HeadVerifier) -> AuditHead | None:
    """The head that reaches farthest.

    Raises:
        AuditError: a head is not signed by a known key, or two that reach equally far differ.
    """
    found: AuditHead | None = None
    for head in heads:
        if not verifier.head(head):
            raise AuditError(
                f"the kept head of entry {head.seq} is not signed by a known audit key",
                remedy="set GUARDKIT_AUDIT_PUBLIC_KEYS, with the keys of before too",
            )
        if found is not None and head.seq == found.seq and head.hash != found.hash:
            raise AuditError(f"two kept heads of entry {head.seq} differ")
        if found is None or head.seq > found.seq:
            found = head
    return found


def pages(audit: Chains, tenant: str, after: int = 0) -> Iterator[AuditEntry]:
    """All entries with `seq > after`, read in pages."""
    while page := audit.entries(tenant, after):
        yield from page
        after = page[-1].seq
