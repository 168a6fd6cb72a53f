"""The contract of the port `Anomalies`."""

import time
from collections.abc import Callable

from guardkit.core.anomalies import Anomalies, Watch
from guardkit.testing.contracts.expectations import at_once, expect, holds


class AnomaliesContract:
    """The watch over agents.

    Needs a fixture `anomalies`, empty for each test, and a fixture `misbehave`: a function of a tenant and an agent
    that makes the agent unusual in one way.
    """

    watch = Watch(windows=(3600,))
    """The settings that the suite looks by, but for what a test changes."""

    def test_what_is_unusual_is_found_once(
        self, anomalies: Anomalies, misbehave: Callable[[str, str], None]
    ) -> None:
        expect(list(anomalies.look(self.watch)), [], "before anything has happened")
        misbehave("default", "claims")
        found = anomalies.look(self.watch)
        expect([(one.tenant, one.agent) for one in found], [("default", "claims")], "what is found")
        expect(list(anomalies.look(self.watch)), [], "what is found again")

    def test_of_many_who_look_at_once_one_finds_it(
        self, anomalies: Anomalies, misbehave: Callable[[str, str], None]
    ) -> None:
        misbehave("default", "claims")
        found = at_once([lambda: anomalies.look(self.watch)] * 4)
        expect([len(one) for one in found if one], [1], "findings of four who look")

    def test_it_stands_for_its_agent_in_its_tenant_only(
        self, anomalies: Anomalies, misbehave: Callable[[str, str], None]
    ) -> None:
        misbehave("default", "claims")
        expect(list(anomalies.standing("default", "claims")), [], "what stands before anybody has looked")
        found = list(anomalies.look(self.watch))
        expect(list(anomalies.standing("default", "claims")), found, "what stands")
        expect(list(anomalies.standing("default", "Claims")), [], "what stands for another agent")
        expect(list(anomalies.standing("north", "claims")), [], "what stands for another tenant's agent")

    def test_it_stands_no_longer_than_the_watch_says(
        self, anomalies: Anomalies, misbehave: Callable[[str, str], None]
    ) -> None:
        misbehave("default", "claims")
        hold = 0.01
        (found,) = anomalies.look(self.watch.model_copy(update={"hold": hold}))
        holds(
            abs(found.stands_until - found.found_at - hold) < 0.001, "it stands for as long as the watch says"
        )
        self.let_pass(anomalies, 2 * hold)
        expect(list(anomalies.standing("default", "claims")), [], "what stands afterwards")

    def let_pass(self, anomalies: Anomalies, seconds: float) -> None:
        """Let time pass for the implementation; overridden where the clock is a fake."""
        time.sleep(seconds)
