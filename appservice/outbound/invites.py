"""Invites. Nothing waits for ever for a server that does not answer, or may not even exist."""

import asyncio

from appservice.encryption.other_servers import server_of
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.members import IN_ROOM
from appservice.names import Names
from bridge.delivery.dispatcher import Fail
from bridge.delivery.queue import Item

MOST_ATTEMPTS = 8
"""At an invite that the homeserver itself says it cannot pass on: about 20 s."""
PATIENCE = 20.0
"""Seconds with one attempt that needs another server: ours asks a silent one for minutes."""


class Unanswered(Fail):
    """The server of who is invited does not answer; later it may."""


class Invites:
    def __init__(self, homeserver: Homeserver, names: Names) -> None:
        self._homeserver = homeserver
        self._names = names

    async def account(self, item: Item, room_id: str, user_id: str) -> None:
        """Invite somebody who is to be there already."""
        silence = f"{user_id} cannot be invited: {server_of(user_id)} does not answer"
        is_far = server_of(user_id) != self._names.server_name
        try:
            async with asyncio.timeout(PATIENCE if is_far else None):
                if not await self._homeserver.exists(user_id):
                    raise Fail(f"{user_id} cannot be invited: there is no such user. Check the spelling")
                await self.invite(room_id, user_id)
        except TimeoutError:
            raise Unanswered(silence) from None
        except HomeserverUnavailable as trouble:
            if trouble.errcode is not None and item.attempts >= MOST_ATTEMPTS:
                raise Unanswered(silence) from trouble
            raise

    async def invite(self, room_id: str, user_id: str) -> None:
        try:
            await self._homeserver.invite(self._names.bot, room_id, user_id)
        except HomeserverRefused as refusal:
            # Invited or joined already is what we want; the homeserver says 403 to a repeated invite of a member.
            if refusal.status == 403:
                members = await self._homeserver.members(self._names.bot, room_id)
                if members.get(user_id) in IN_ROOM:
                    return
            raise
