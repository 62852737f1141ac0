"""The envelope of every event, as it stands in a message's body."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

CONTENT_TYPE = "application/json"


class Event(BaseModel):
    """One thing that happened. `subject` is the account that it is about; the routing key is `type`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: UUID
    type: str = Field(pattern=r"^[a-z]+(\.[a-z_]+)+$", max_length=100)
    version: int = Field(ge=1)
    occurred_at: AwareDatetime
    subject: UUID
    data: dict[str, Any]
