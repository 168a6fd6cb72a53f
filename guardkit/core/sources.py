"""Authorised documents, spans of them, and why a document was not admitted."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from guardkit.core.values import JsonObject, Value


class Authority(StrEnum):
    """Who stands behind a document."""

    AUTHORITATIVE = "authoritative"
    """The owner of the matter itself: the contract, the law, the policy wording."""

    APPROVED = "approved"
    """Approved by the owner for this use: a handbook, an FAQ."""

    USER = "user"
    """Handed in by a user of the system."""

    UNTRUSTED = "untrusted"
    """Anybody may have written it."""


class SourceStatus(StrEnum):
    """Where a document is in its life."""

    APPROVED = "approved"
    DRAFT = "draft"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


def text_sha256(text: str) -> str:
    """Lower-case hexadecimal SHA-256 of the text in UTF-8: the hash that `Source.sha256` holds."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Source(Value):
    """A document that answers may rest on, as its owner registered it.

    Nothing about authority has a default: a document that nobody vouches for is not admitted.
    """

    id: str = Field(min_length=1)
    """Stable identifier of the document (or of this part of it)."""

    owner: str
    """Who answers for the content."""

    text: str
    """The whole text. Every span and citation is an offset into it, in Python characters."""

    title: str
    """What readers are shown as the name of the document."""

    uri: str | None = None
    """Where readers find it."""

    section: str | None = None
    """The section, if this source is one section of a larger document."""

    tenant: str
    """The one tenant whose document it is. There are no documents without a tenant."""

    authority: Authority
    status: SourceStatus

    valid_from: AwareDatetime | None = None
    """First instant at which it counts; `None` for always."""

    valid_until: AwareDatetime | None = None
    """First instant at which it no longer counts; `None` for open end."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the text that was registered, as by `text_sha256`; admission computes it again."""

    language: str | None = None
    """BCP 47 tag of the text, e.g. `en`, if known."""

    provenance: JsonObject = Field(default_factory=dict)
    """How it came here: retriever, rank, score, time of fetching. Never decides anything."""

    @model_validator(mode="after")
    def _validity_is_a_period(self) -> Self:
        if (
            self.valid_from is not None
            and self.valid_until is not None
            and self.valid_until <= self.valid_from
        ):
            raise ValueError(f"valid_until {self.valid_until} is not after valid_from {self.valid_from}")
        return self

    @classmethod
    def of(
        cls,
        text: str,
        *,
        id: str,
        title: str,
        owner: str,
        tenant: str,
        authority: Authority,
        status: SourceStatus = SourceStatus.APPROVED,
        uri: str | None = None,
        section: str | None = None,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        language: str | None = None,
        provenance: JsonObject | None = None,
    ) -> Self:
        """A source whose text is registered here and now, so its hash is taken from the text itself."""
        return cls(
            id=id,
            owner=owner,
            text=text,
            title=title,
            uri=uri,
            section=section,
            tenant=tenant,
            authority=authority,
            status=status,
            valid_from=valid_from,
            valid_until=valid_until,
            sha256=text_sha256(text),
            language=language,
            provenance=provenance or {},
        )

    def evidence(self, start: int, end: int) -> "Evidence":
        """The span `text[start:end]` as evidence.

        Raises:
            ValueError: the span is empty or outside the text.
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(
                f"span [{start}, {end}) is not inside source {self.id!r} of {len(self.text)} characters"
            )
        return Evidence(source_id=self.id, start=start, end=end, text=self.text[start:end])


class Evidence(Value):
    """A span of a source. `text` is exactly `source.text[start:end]`; `is_span_of` checks it."""

    source_id: str
    start: int = Field(ge=0)
    end: int
    text: str

    @model_validator(mode="after")
    def _length_fits(self) -> Self:
        if self.end <= self.start or len(self.text) != self.end - self.start:
            raise ValueError(
                f"span [{self.start}, {self.end}) does not fit a text of {len(self.text)} characters"
            )
        return self

    def is_span_of(self, source: Source) -> bool:
        """Whether this is a true span of that source."""
        return self.source_id == source.id and source.text[self.start : self.end] == self.text


class RejectionReason(StrEnum):
    """Why a source was not admitted."""

    UNAUTHORISED = "unauthorised"
    """Nobody with authority over the matter stands behind it."""

    DRAFT = "draft"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OTHER_TENANT = "other_tenant"
    HASH_MISMATCH = "hash_mismatch"
    """The text is not the one that was registered."""

    DUPLICATE = "duplicate"
    """The same id or the same text came before."""

    POLICY = "policy"
    """The policy's own condition on sources says no, or could not be evaluated."""

    @property
    def words(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


class SourceRejection(Value):
    """A source that was not admitted, and why. Holds nothing of its text.

    For a source of another tenant `source_id` and `title` are withheld: tenants do not learn
    the names of each other's documents.
    """

    source_id: str
    title: str
    reason: RejectionReason

    speaks_to_question: bool = False
    """Whether its words cover the question although no admitted source does. Always false
    for another tenant's source, which is not even read."""
