"""What a condition on sources may look at."""

from guardkit.core.sources import Authority, Source, SourceStatus
from guardkit.core.values import Json
from guardkit.policy.conditions import Scope
from guardkit.policy.shapes import TextShape, record

SOURCE_SCOPE = Scope(
    variables={
        "source": record(
            id=TextShape(),
            owner=TextShape(),
            title=TextShape(),
            uri=TextShape(nullable=True),
            section=TextShape(nullable=True),
            tenant=TextShape(),
            authority=TextShape(values=frozenset(one.value for one in Authority)),
            status=TextShape(values=frozenset(one.value for one in SourceStatus)),
            language=TextShape(nullable=True),
        )
    },
    taint=False,
)
"""Not its text, hash and validity, which are judged elsewhere, nor its provenance, which never decides anything."""


def source_values(source: Source) -> dict[str, Json]:
    """What the variables of a condition on sources stand for."""
    return {
        "source": {
            "id": source.id,
            "owner": source.owner,
            "title": source.title,
            "uri": source.uri,
            "section": source.section,
            "tenant": source.tenant,
            "authority": source.authority.value,
            "status": source.status.value,
            "language": source.language,
        }
    }
