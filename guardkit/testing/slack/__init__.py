"""A local Slack for tests: slack_sdk's own clients talk to it over loopback sockets.

```python
with SlackServer() as slack:
    ada = slack.person("Ada", "ada@example.com")
    client = WebClient(token=slack.bot_token, base_url=slack.base_url)
```
"""

from guardkit.testing.slack.blocks import message_problems, view_problems
from guardkit.testing.slack.rules import Problem, Rule
from guardkit.testing.slack.server import SlackServer
from guardkit.testing.slack.values import (
    Ack,
    Call,
    CannotActError,
    Conversation,
    Envelope,
    Ephemeral,
    Interaction,
    Message,
    OpenView,
    Person,
)

__all__ = [
    "Ack",
    "Call",
    "CannotActError",
    "Conversation",
    "Envelope",
    "Ephemeral",
    "Interaction",
    "Message",
    "OpenView",
    "Person",
    "Problem",
    "Rule",
    "SlackServer",
    "message_problems",
    "view_problems",
]
