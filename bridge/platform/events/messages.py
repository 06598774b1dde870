"""What the platform has somebody say."""

from collections.abc import Sequence
from typing import Literal

from bridge.core.ids import TenantId
from bridge.platform.events.envelope import Known, party_lane
from bridge.web.fields import Data, Id, Text


class NewMessage(Data):
    party_id: Id
    vendor_id: Id
    sender_id: Id
    text: Text


class MessageSend(Known):
    type: Literal["message.send"]
    data: NewMessage

    def needs(self) -> Sequence[str]:
        return (self.data.sender_id,)

    def lane(self, tenant_id: TenantId) -> str:
        return party_lane(tenant_id, self.data.party_id)
