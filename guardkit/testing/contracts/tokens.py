"""The contract of the port `Tokens`."""

import time

from guardkit.core.ports import Store
from guardkit.core.tokens import ApiToken, TokenScope, new_token, token_id
from guardkit.errors import InputError
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused, there
from guardkit.testing.contracts.samples import TENANT


def _made(tenant: str = TENANT, subject: str = "p-ana") -> tuple[str, ApiToken]:
    return new_token(
        tenant=tenant,
        holder="person",
        subject=subject,
        scopes=[TokenScope.APPROVALS_READ, TokenScope.APPROVALS_DECIDE],
        created_by="ops",
    )


def _audited(store: Store, tenant: str = TENANT) -> list[tuple[str, object]]:
    return [
        (entry.event.kind, entry.event.data["token"])
        for entry in store.entries(tenant)
        if entry.event.kind.startswith("token.")
    ]


class TokensContract:
    """The tokens of the HTTP API."""

    def test_a_token_is_kept_as_a_hash_until_its_time_is_over(self, store: Store) -> None:
        text, made = _made()
        before = store.now()
        kept = store.add_token(made, 3600.0)
        holds(before <= kept.created_at <= store.now(), "a token's time is the store's")
        expect(round(kept.expires_at - kept.created_at, 3), 3600.0, "its life")
        found = there(store.token(there(token_id(text), "the id in the text")), "the token")
        expect(found, kept, "what is read back")
        holds(found.proves(text), "the text proves it")
        holds(not found.proves(text[:-1] + ("0" if text[-1] != "0" else "1")), "another text does not")
        holds(found.is_live(found.created_at) and not found.is_live(found.expires_at), "live until its time")
        holds(text.rpartition("_")[2] not in repr(found), "the secret is not kept")
        expect(_audited(store), [("token.created", kept.id)], "the audit")

    def test_an_id_is_taken_once(self, store: Store) -> None:
        _, made = _made()
        store.add_token(made, 60.0)
        with refused(InputError, "the same id again"):
            store.add_token(made.model_copy(update={"subject": "p-ben"}), 60.0)
        expect([token.subject for token in store.tokens(TENANT)], ["p-ana"], "tokens")

    def test_tokens_are_listed_by_tenant_newest_first(self, store: Store) -> None:
        first = store.add_token(_made()[1], 60.0)
        time.sleep(0.01)
        second = store.add_token(_made(subject="p-ben")[1], 60.0)
        other = store.add_token(_made("other")[1], 60.0)
        expect(list(store.tokens(TENANT)), [second, first], "a tenant's tokens")
        expect(list(store.tokens("other")), [other], "another tenant's")
        expect({token.id for token in store.tokens()}, {first.id, second.id, other.id}, "everybody's")
        expect(store.token("0" * 16), None, "a token that is not there")

    def test_a_token_is_revoked_once_and_for_ever(self, store: Store) -> None:
        kept = store.add_token(_made()[1], 60.0)
        said = at_once([lambda: store.revoke_token(kept.id, by="ops")] * 4)
        expect(sorted(said), [False] * 3 + [True], "who revoked it")
        found = there(store.token(kept.id), "the token")
        holds(not found.is_live(found.created_at), "it is not live any more")
        expect(found.revoked_by, "ops", "who it was")
        expect(store.revoke_token("0" * 16, by="ops"), False, "revoking one that is not there")
        expect(_audited(store), [("token.created", kept.id), ("token.revoked", kept.id)], "the audit")
