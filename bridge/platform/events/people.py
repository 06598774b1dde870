"""What the platform tells of people: who they are now, and that they are to be forgotten."""

from collections.abc import Sequence
from typing import Literal

from bridge.core.ids import TenantId
from bridge.platform.events.envelope import Known, person_lane
from bridge.web.fields import Data, Id, MxcUri, Mxid, Name


class UserChange(Data):
    """What is left out stays; null takes it away, but for the name, which stays."""

    user_id: Id
    name: Name | None = None
    avatar_url: MxcUri | None = None
    mxid: Mxid | None = None


class UserUpdated(Known):
    type: Literal["user.updated"]
    data: UserChange

    def needs(self) -> Sequence[str]:
        return (self.data.user_id,)

    def lane(self, tenant_id: TenantId) -> str:
        return person_lane(tenant_id, self.data.user_id)


class UserToErase(Data):
    user_id: Id


class UserDeleted(Known):
    type: Literal["user.deleted"]
    data: UserToErase

    def lane(self, tenant_id: TenantId) -> str:
        return person_lane(tenant_id, self.data.user_id)
