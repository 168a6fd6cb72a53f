"""The contract of the port `Replies`."""

from guardkit.core.ports import Store
from guardkit.core.replies import Answered, Held, InProgress, KeyedRequest, Reply, Reused
from guardkit.testing.contracts.expectations import at_once, expect, holds
from guardkit.testing.contracts.samples import TENANT

_REPLY = Reply(status=200, body='{"state":"approved"}')


def _request(key: str = "key-1", **changes: str) -> KeyedRequest:
    asked = KeyedRequest(tenant=TENANT, token_id="0" * 16, key=key, fingerprint="a" * 64)
    return asked.model_copy(update=changes)


def _held(store: Store, request: KeyedRequest, held: float = 60.0) -> str:
    got = store.hold(request, held=held)
    if not isinstance(got, Held):
        raise AssertionError(f"holding the key: got {got!r}")  # noqa: TRY004  # a failed expectation
    return got.owner


class RepliesContract:
    """What was answered to requests that carry a key."""

    def test_the_same_request_gets_the_same_answer(self, store: Store) -> None:
        request = _request()
        owner = _held(store, request)
        expect(store.hold(request), InProgress(), "while the first is being answered")
        expect(store.answered(request, owner, _REPLY), True, "answering")
        expect(store.hold(request), Answered(_REPLY), "afterwards")
        expect(store.answered(request, owner, Reply(status=409, body="{}")), False, "answering twice")
        expect(store.let_go(request, owner), False, "letting go of what is answered")
        expect(store.hold(request), Answered(_REPLY), "the answer stays")

    def test_a_key_stands_for_one_request(self, store: Store) -> None:
        owner = _held(store, _request())
        other = _request(fingerprint="b" * 64)
        expect(store.hold(other), Reused(), "another request, at the same moment")
        store.answered(_request(), owner, _REPLY)
        expect(store.hold(other), Reused(), "another request, later")
        for request in (_request("key-2"), _request(token_id="1" * 16), _request(tenant="other")):
            holds(isinstance(store.hold(request), Held), "a key of one's own")

    def test_a_key_whose_holder_died_is_handed_on(self, store: Store) -> None:
        request = _request()
        dead = _held(store, request, held=0.0)
        expect(store.hold(_request(fingerprint="b" * 64)), Reused(), "another request with it")
        alive = _held(store, request)
        holds(dead != alive, "each holder has a name of its own")
        expect(store.answered(request, dead, _REPLY), False, "an answer that comes too late")
        expect(store.let_go(request, dead), False, "letting go of what is another's")
        expect(store.answered(request, alive, _REPLY), True, "the answer that counts")

    def test_a_key_that_was_let_go_stands_for_nothing(self, store: Store) -> None:
        owner = _held(store, _request())
        expect(store.let_go(_request(), owner), True, "letting go")
        holds(isinstance(store.hold(_request(fingerprint="b" * 64)), Held), "any request may use it")

    def test_a_key_is_forgotten_after_its_time(self, store: Store) -> None:
        store.hold(_request(), kept=0.0)
        holds(isinstance(store.hold(_request(fingerprint="b" * 64)), Held), "it is free again")

    def test_of_many_at_once_one_holds_the_key(self, store: Store) -> None:
        said = at_once([lambda: store.hold(_request("raced"))] * 8)
        expect(sum(isinstance(one, Held) for one in said), 1, f"holders among {said!r}")
        expect(sum(isinstance(one, InProgress) for one in said), 7, f"others among {said!r}")
