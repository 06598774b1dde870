"""The attributes that all events have: CloudEvents 1.0."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.core.ids import TenantId
from bridge.platform.fields import (
    Attribute,
    ExtensionName,
    ExtensionValue,
    JsonContentType,
    Uri,
    UriReference,
)
from bridge.web.times import Timestamp, milliseconds


class Envelope(BaseModel):
    """The attributes of CloudEvents 1.0; any other at this level is an extension attribute."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="allow",
        hide_input_in_errors=True,
        json_schema_extra={"propertyNames": {"pattern": "^[a-z0-9]{1,64}$"}},
    )
    __pydantic_extra__: dict[ExtensionName, ExtensionValue] = Field(init=False)

    specversion: Literal["1.0"]
    id: Attribute
    source: UriReference
    type: Attribute
    time: Timestamp | None = None
    subject: Attribute | None = None
    dataschema: Uri | None = None

    def needs(self) -> Sequence[str]:
        """The people without whom it has no effect."""
        return ()

    @property
    def told_at(self) -> int | None:
        """`time` in epoch ms."""
        return None if self.time is None else milliseconds(self.time)

    def said_at(self, *, received: int) -> int:
        """`time`, or else when it was accepted; in epoch ms."""
        return received if self.told_at is None else self.told_at


class Known(Envelope, ABC):
    """An event of a type that has an effect here."""

    datacontenttype: JsonContentType | None = None

    @abstractmethod
    def lane(self, tenant_id: TenantId) -> str:
        """Events of one lane apply in the order they came."""


def party_lane(tenant_id: TenantId, party_id: str) -> str:
    return f"party:{tenant_id}:{party_id}"


def person_lane(tenant_id: TenantId, participant_id: str) -> str:
    """Of what concerns a host or a vendor themself, in no conversation."""
    return f"person:{tenant_id}:{participant_id}"
