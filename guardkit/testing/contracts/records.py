"""The contract of the port `ChannelRecords`."""

from guardkit.core.approvals import Approval
from guardkit.core.ports import Store
from guardkit.core.runs import Contact, Post
from guardkit.errors import InputError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, refused
from guardkit.testing.contracts.samples import TENANT


def _post(approval: Approval, number: int = 1, **changes: object) -> Post:
    post = Post(
        id=f"post-{number}",
        approval_id=approval.request.id,
        tenant=TENANT,
        channel="desk",
        delivery=f"delivery-{number}",
        stage=0,
        recipient="C1",
        version=0,
    )
    return post.model_copy(update=changes)


class ChannelRecordsContract:
    """What channels must remember."""

    def test_a_copy_is_kept_and_replaced(self, store: Store) -> None:
        approval = samples.paused(store)[0]
        first, second = _post(approval), _post(approval, 2, recipient="C2")
        store.keep_post(first)
        store.keep_post(second)
        expect(list(store.posts(TENANT, approval.request.id)), [first, second], "two copies, oldest first")
        found = first.model_copy(update={"address": {"ts": "1.2"}, "version": 1, "open": False})
        store.keep_post(found)
        expect(list(store.posts(TENANT, approval.request.id)), [found, second], "the first copy, replaced")

    def test_a_copy_belongs_to_one_approval_of_one_tenant(self, store: Store) -> None:
        one, two = samples.paused(store, approvals=2)
        store.keep_post(_post(one))
        with refused(InputError, "the same id for another approval"):
            store.keep_post(_post(two))
        with refused(InputError, "another tenant"):
            store.keep_post(_post(one, 3, tenant="other"))
        with refused(InputError, "no such approval"):
            store.keep_post(_post(one, 3, approval_id="none"))
        with refused(InputError, "a long id"):
            store.keep_post(_post(one, id="x" * 65))
        expect(list(store.posts("other", one.request.id)), [], "what another tenant sees")
        expect(len(store.posts(TENANT, one.request.id)), 1, "copies")

    def test_a_contact_is_kept_replaced_and_forgotten(self, store: Store) -> None:
        contact = Contact(tenant=TENANT, channel="desk", key="Ana", reference={"conversation": "a:1"})
        store.keep_contact(contact)
        changed = contact.model_copy(update={"reference": {"conversation": "a:2"}})
        store.keep_contact(changed)
        expect(store.contact(TENANT, "desk", "Ana"), changed, "the contact")
        for where in (("other", "desk", "Ana"), (TENANT, "other", "Ana"), (TENANT, "desk", "ana")):
            expect(store.contact(*where), None, f"a contact at {where}")
        expect(store.forget_contact("other", "desk", "Ana"), False, "forgetting another tenant's")
        expect(store.forget_contact(TENANT, "desk", "Ana"), True, "forgetting")
        expect(store.contact(TENANT, "desk", "Ana"), None, "the contact afterwards")

    def test_a_contact_may_be_everybodys(self, store: Store) -> None:
        contact = Contact(tenant="*", channel="desk", key="Ana", reference={"conversation": "a:1"})
        store.keep_contact(contact)
        expect(store.contact("*", "desk", "Ana"), contact, "the contact")
        expect(store.contact(TENANT, "desk", "Ana"), None, "one of a tenant")
        expect(store.forget_contact("*", "desk", "Ana"), True, "forgetting")

    def test_a_request_is_taken_once(self, store: Store) -> None:
        expect(store.first_time("slack", "signature", 60.0), True, "the first time")
        expect(store.first_time("slack", "signature", 60.0), False, "the second time")
        expect(store.first_time("slack", "Signature", 60.0), True, "another signature")
        expect(store.first_time("teams", "signature", 60.0), True, "another channel")
        expect(store.first_time("slack", "short", 0.0), True, "something that is over at once")
        expect(store.first_time("slack", "short", 60.0), True, "the same, after it was over")

    def test_of_many_at_once_one_is_the_first(self, store: Store) -> None:
        said = at_once([lambda: store.first_time("slack", "raced", 60.0)] * 8)
        expect(sorted(said), [False] * 7 + [True], "who was the first")
