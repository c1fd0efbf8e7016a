"""What the data of all events is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Instant = Annotated[str, Field(pattern=r"Z$", json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC with milliseconds."""
Positive = Annotated[int, Field(ge=1)]
Minor = Annotated[int, Field(description="Minor units of the club's currency.")]


class EventData(BaseModel):
    """What a kind of event tells besides what all tell. Camel case outside."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )
