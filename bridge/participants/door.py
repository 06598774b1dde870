"""Keeps out who asked to be erased, whatever token they show."""

from bridge.core.caller import Caller
from bridge.participants.erasures import ErasureStore
from bridge.storage.database import Database
from bridge.web.auth import Door


class NotErased:
    """A door before another one."""

    def __init__(self, door: Door, database: Database) -> None:
        self._door = door
        self._database = database
        self._erasures = ErasureStore()

    async def caller_of(self, token: str) -> Caller | None:
        caller = await self._door.caller_of(token)
        return None if caller is None or await self._is_erased(caller) else caller

    async def still_holds(self, caller: Caller) -> bool:
        return await self._door.still_holds(caller) and not await self._is_erased(caller)

    async def _is_erased(self, caller: Caller) -> bool:
        return caller.participant_id is not None and await self._erasures.is_erased(
            self._database, caller.tenant_id, caller.participant_id
        )
