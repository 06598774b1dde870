"""How our own Matrix users and aliases are named, and how to tell them from everybody else's."""

import base64
import hashlib
from dataclasses import dataclass

from bridge.core.ids import ConversationId, ParticipantId, TenantId


@dataclass(frozen=True, slots=True)
class Names:
    server_name: str
    bot_localpart: str
    ghost_prefix: str

    @property
    def bot(self) -> str:
        return f"@{self.bot_localpart}:{self.server_name}"

    def ghost_localpart(self, tenant_id: TenantId, participant_id: ParticipantId) -> str:
        """The same for the same person for ever, and without the platform's ids, which may be private."""
        digest = hashlib.sha256(f"{tenant_id}\0{participant_id}".encode()).digest()
        return self.ghost_prefix + base64.b32encode(digest)[:26].decode().lower()

    def ghost(self, tenant_id: TenantId, participant_id: ParticipantId) -> str:
        return f"@{self.ghost_localpart(tenant_id, participant_id)}:{self.server_name}"

    def is_ours(self, user_id: str) -> bool:
        localpart, _, server = user_id.partition(":")
        if server != self.server_name:
            return False
        return localpart == f"@{self.bot_localpart}" or localpart.startswith(f"@{self.ghost_prefix}")

    def alias_localpart(self, conversation_id: ConversationId) -> str:
        return f"{self.ghost_prefix}{conversation_id}"

    def alias(self, conversation_id: ConversationId) -> str:
        return f"#{self.alias_localpart(conversation_id)}:{self.server_name}"
