"""Which sources may be used at all. Pure; what is not admitted never reaches a prompt or a verifier."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from guardkit.core.sources import (
    Authority,
    RejectionReason,
    Source,
    SourceRejection,
    SourceStatus,
    text_sha256,
)

WITHHELD = "a document of another tenant"
"""Stands for the id and title of another tenant's source."""

_VOUCHED = frozenset({Authority.AUTHORITATIVE, Authority.APPROVED})
_BY_STATUS = {
    SourceStatus.DRAFT: RejectionReason.DRAFT,
    SourceStatus.WITHDRAWN: RejectionReason.WITHDRAWN,
    SourceStatus.SUPERSEDED: RejectionReason.SUPERSEDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Sources, sorted into those that count and those that do not."""

    admitted: tuple[Source, ...]
    rejected: tuple[SourceRejection, ...]
    refused: tuple[Source, ...] = ()
    """The rejected sources of this tenant, beside their rejections in `rejected`. Kept so that a
    `NoResult` can say that only an unauthorised document speaks to the question; never for a prompt."""


def admit(
    sources: Iterable[Source],
    *,
    tenant: str,
    now: datetime,
    only: Callable[[Source], bool] | None = None,
) -> Admission:
    """The sources that an answer for this tenant may rest on now.

    Tenant, authority, status, validity, hash and uniqueness are always enforced. Of two sources with the
    same id or text the first counts.

    Args:
        sources: what was retrieved, best first.
        tenant: for whom the answer is.
        now: aware time of admission.
        only: the policy's own condition. It is asked last and can only narrow; if it raises, the
            source is not admitted.

    Raises:
        ValueError: `now` is naive.
    """
    if now.tzinfo is None:
        raise ValueError(f"now must be an aware datetime, not {now!r}")
    admitted: list[Source] = []
    rejected: list[SourceRejection] = []
    refused: list[Source] = []
    ids: set[str] = set()
    hashes: set[str] = set()
    for source in sources:
        reason = _rejection(source, tenant, now, only)
        if reason is None and (source.id in ids or source.sha256 in hashes):
            reason = RejectionReason.DUPLICATE
        if reason is None:
            ids.add(source.id)
            hashes.add(source.sha256)
            admitted.append(source)
            continue
        foreign = reason is RejectionReason.OTHER_TENANT
        rejected.append(
            SourceRejection(
                source_id=WITHHELD if foreign else source.id,
                title=WITHHELD if foreign else source.title,
                reason=reason,
            )
        )
        if not foreign:
            refused.append(source)
    return Admission(admitted=tuple(admitted), rejected=tuple(rejected), refused=tuple(refused))


def _rejection(
    source: Source, tenant: str, now: datetime, only: Callable[[Source], bool] | None
) -> RejectionReason | None:
    if source.tenant != tenant:
        return RejectionReason.OTHER_TENANT
    if source.authority not in _VOUCHED:
        return RejectionReason.UNAUTHORISED
    if source.status is not SourceStatus.APPROVED:
        return _BY_STATUS[source.status]
    if source.valid_from is not None and now < source.valid_from:
        return RejectionReason.NOT_YET_VALID
    if source.valid_until is not None and now >= source.valid_until:
        return RejectionReason.EXPIRED
    if text_sha256(source.text) != source.sha256:
        return RejectionReason.HASH_MISMATCH
    if only is not None and not _allows(only, source):
        return RejectionReason.POLICY
    return None


def _allows(only: Callable[[Source], bool], source: Source) -> bool:
    try:
        return only(source) is True
    except Exception:  # noqa: BLE001  # a condition that cannot be evaluated admits nothing
        return False
