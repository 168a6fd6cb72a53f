"""What every implementation of guardkit's ports must do, as tests that pytest collects.

Inherit a contract in a test module and say how an implementation is made:

```python
class TestMyStore(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        yield MyStore(...)
```

The suites need no pytest themselves and state what they expect without `assert`, so they mean the same under
`python -O`.
"""

from guardkit.testing.contracts.anomalies import AnomaliesContract
from guardkit.testing.contracts.approvals import ApprovalsContract
from guardkit.testing.contracts.audit import AuditContract
from guardkit.testing.contracts.calendars import CalendarsContract
from guardkit.testing.contracts.channel import ApprovalChannelContract
from guardkit.testing.contracts.effects import EffectsContract
from guardkit.testing.contracts.listings import ListingsContract
from guardkit.testing.contracts.notices import NoticesContract
from guardkit.testing.contracts.queue import QueueContract
from guardkit.testing.contracts.records import ChannelRecordsContract
from guardkit.testing.contracts.replies import RepliesContract
from guardkit.testing.contracts.reviews import ReviewsContract
from guardkit.testing.contracts.runs import RunsContract
from guardkit.testing.contracts.stages import StagesContract
from guardkit.testing.contracts.standing import StandingContract
from guardkit.testing.contracts.stats import StatsContract
from guardkit.testing.contracts.stops import StopsContract
from guardkit.testing.contracts.threads import ThreadsContract
from guardkit.testing.contracts.tokens import TokensContract

__all__ = [
    "AnomaliesContract",
    "ApprovalChannelContract",
    "ApprovalsContract",
    "AuditContract",
    "CalendarsContract",
    "ChannelRecordsContract",
    "EffectsContract",
    "ListingsContract",
    "NoticesContract",
    "QueueContract",
    "RepliesContract",
    "ReviewsContract",
    "RunsContract",
    "StagesContract",
    "StandingContract",
    "StatsContract",
    "StopsContract",
    "StoreContract",
    "ThreadsContract",
    "TokensContract",
]


class StoreContract(
    RunsContract,
    ThreadsContract,
    ApprovalsContract,
    CalendarsContract,
    StagesContract,
    ListingsContract,
    EffectsContract,
    AuditContract,
    StopsContract,
    QueueContract,
    ChannelRecordsContract,
    TokensContract,
    RepliesContract,
    ReviewsContract,
    StandingContract,
    StatsContract,
    NoticesContract,
):
    """Everything that `guardkit.core.ports.Store` promises. Needs a fixture `store`, empty for each test."""
