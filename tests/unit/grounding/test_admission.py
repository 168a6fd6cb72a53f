"""Which sources count: everything is enforced here, and a policy can only narrow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from guardkit.core.sources import Authority, RejectionReason, Source, SourceStatus
from guardkit.grounding import admit
from guardkit.policy import Policy
from tests.unit.grounding.library import NOW, document


def reasons(*sources: Source, **options: Any) -> list[RejectionReason]:
    return [one.reason for one in admit(sources, tenant="harbour", now=NOW, **options).rejected]


REFUSED: dict[str, tuple[dict[str, Any], RejectionReason]] = {
    "draft": ({"status": SourceStatus.DRAFT}, RejectionReason.DRAFT),
    "withdrawn": ({"status": SourceStatus.WITHDRAWN}, RejectionReason.WITHDRAWN),
    "superseded": ({"status": SourceStatus.SUPERSEDED}, RejectionReason.SUPERSEDED),
    "of a user": ({"authority": Authority.USER}, RejectionReason.UNAUTHORISED),
    "of anybody": ({"authority": Authority.UNTRUSTED}, RejectionReason.UNAUTHORISED),
    "expired now": ({"valid_until": NOW}, RejectionReason.EXPIRED),
    "valid in a second": ({"valid_from": NOW + timedelta(seconds=1)}, RejectionReason.NOT_YET_VALID),
    "of another tenant": ({"tenant": "inland"}, RejectionReason.OTHER_TENANT),
    "of a tenant written otherwise": ({"tenant": "Harbour"}, RejectionReason.OTHER_TENANT),
}


@pytest.mark.promise("P7", "P14")
@pytest.mark.parametrize(("fields", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_source_that_does_not_count_is_refused_with_its_reason(
    fields: dict[str, Any], reason: RejectionReason
) -> None:
    assert reasons(document(**fields)) == [reason]
    assert reasons(document(**fields), only=lambda source: True) == [reason]


def test_a_source_counts_from_its_first_to_before_its_last_instant() -> None:
    assert reasons(document(valid_from=NOW, valid_until=NOW + timedelta(microseconds=1))) == []


@pytest.mark.promise("P14")
def test_a_text_that_was_changed_after_it_was_registered_does_not_count() -> None:
    changed = document().model_copy(update={"text": "Water damage is covered without limit."})
    assert reasons(changed) == [RejectionReason.HASH_MISMATCH]


@pytest.mark.parametrize("fields", [{"id": "other"}, {"text": "Another text."}], ids=["text", "id"])
def test_of_two_sources_with_one_id_or_one_text_the_first_counts(fields: dict[str, Any]) -> None:
    found = admit([document(), document(**fields)], tenant="harbour", now=NOW)
    assert [source.id for source in found.admitted] == ["household"]
    assert [one.reason for one in found.rejected] == [RejectionReason.DUPLICATE]


def test_a_refused_source_does_not_make_an_authorised_one_a_duplicate() -> None:
    found = admit([document(status=SourceStatus.DRAFT), document()], tenant="harbour", now=NOW)
    assert found.admitted == (document(),)


@pytest.mark.promise("P14")
def test_nothing_of_another_tenants_source_is_said() -> None:
    found = admit([document(tenant="inland", id="secret-id", title="Secret")], tenant="harbour", now=NOW)
    assert "ecret" not in str(found)
    assert found.refused == ()


def test_a_refused_source_of_the_own_tenant_is_named() -> None:
    found = admit([document(status=SourceStatus.DRAFT)], tenant="harbour", now=NOW)
    assert [(one.source_id, one.title) for one in found.rejected] == [("household", "Household cover")]


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        admit([], tenant="harbour", now=datetime(2026, 6, 1))  # noqa: DTZ001  # the point of the test


def policy(condition: str) -> Policy:
    return Policy.from_dict(
        {
            "policy": "answers",
            "version": "1",
            "owner": "cover@example.com",
            "default": "reject",
            "tools": {},
            "sources": {"admit": condition},
        }
    )


@pytest.mark.promise("P7", "P14")
def test_a_policys_condition_narrows() -> None:
    only = policy('source.authority == "authoritative"').admits
    assert reasons(document(), only=only) == []
    assert reasons(document(authority=Authority.APPROVED), only=only) == [RejectionReason.POLICY]


@pytest.mark.promise("P7", "P14")
@pytest.mark.parametrize(("fields", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_policys_condition_widens_nothing(fields: dict[str, Any], reason: RejectionReason) -> None:
    assert reasons(document(**fields), only=policy("true").admits) == [reason]


def raising(source: Source) -> bool:
    raise RuntimeError("down")


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    "only", [raising, lambda source: 1, lambda source: "yes"], ids=["raises", "1", "yes"]
)
def test_a_condition_that_does_not_say_true_admits_nothing(only: Any) -> None:
    assert reasons(document(), only=only) == [RejectionReason.POLICY]
