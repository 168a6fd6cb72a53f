"""How a no result leaves the depth of a graph."""

from langgraph.errors import GraphBubbleUp

from guardkit.core.no_result import NoResult


class NoResultStop(GraphBubbleUp):
    """Carries a no result up to the root node of the graph, past tool nodes, retries and error handlers.

    Only the fast path: user code may swallow it. The turn's durable flag decides.
    """

    def __init__(self, outcome: NoResult) -> None:
        super().__init__(outcome.reason.value)
        self.outcome = outcome
