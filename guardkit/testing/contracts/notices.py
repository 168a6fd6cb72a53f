"""The contract of the port `Notices`."""

from typing import Protocol

from guardkit.core.notices import Notices
from guardkit.core.ports import Store
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect
from guardkit.testing.contracts.samples import ADA, TENANT


class NoticingStore(Store, Notices, Protocol):
    """A store that takes notices."""


class NoticesContract:
    """Asking people once more. Needs a fixture `store`, empty for each test."""

    def test_a_cause_makes_messages_due_once(self, store: NoticingStore) -> None:
        [approval] = samples.paused(store)
        for one in store.deliveries():
            store.delivered(one, error=None)
        said = at_once([lambda: store.ask_again(approval, 0, "delegation a b 1")] * 4)
        expect(sorted(said), [False] * 3 + [True], "who made them due")
        due = [(one.kind, one.stage, one.channel) for one in store.deliveries()]
        channels = approval.request.stages[0].channels
        expect(sorted(due), sorted(("ask", 0, channel) for channel in channels), "messages")
        expect(store.ask_again(approval, 0, "delegation a b 1"), False, "again")
        expect(store.ask_again(approval, 0, "delegation a c 2"), True, "another cause")
        expect(store.ask_again(approval, 7, "x"), False, "a stage that does not wait")

    def test_what_has_changed_or_is_settled_is_not_asked(self, store: NoticingStore) -> None:
        [approval] = samples.paused(store)
        after = samples.said(store, approval, ADA, "reject")
        store.settle(after, approval.version, [])
        expect(store.ask_again(approval, 0, "x"), False, "an approval that has changed")
        expect(store.ask_again(after, 0, "x"), False, "one that is settled")
        gone = approval.request.model_copy(update={"id": "f" * 32, "tenant": TENANT})
        expect(
            store.ask_again(approval.model_copy(update={"request": gone}), 0, "x"),
            False,
            "one that is not there",
        )
