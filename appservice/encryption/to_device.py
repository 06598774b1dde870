"""Messages to devices on their way: stored with the ratchet that made them, sent before the event that needs them."""

import json
from typing import Any

from appservice.encryption.own_devices import OwnDevices
from appservice.homeserver import Homeserver
from bridge.core.ids import new_id
from bridge.storage.database import Database, Transaction

INSERT = "INSERT INTO to_device (id, sender, session_id, type, body, owed) VALUES ($1, $2, $3, $4, $5, $6)"
SELECT = "SELECT id, sender, type, body FROM to_device WHERE session_id = $1 ORDER BY seq"
DELETE = "DELETE FROM to_device WHERE id = $1"
DELETE_OF_SESSION = "DELETE FROM to_device WHERE session_id = $1 AND owed = 0"
HAND_ON = "UPDATE to_device SET session_id = $2 WHERE session_id = $1"


class ToDevice:
    def __init__(self, database: Database, homeserver: Homeserver, own_devices: OwnDevices) -> None:
        self._database = database
        self._homeserver = homeserver
        self._own_devices = own_devices

    async def add(
        self,
        tx: Transaction,
        sender: str,
        session_id: str,
        event_type: str,
        messages: dict[str, Any],
        *,
        owed: bool = False,
    ) -> None:
        """`messages`: MXID -> device id -> content (ciphertext, or a withheld code: nothing secret).

        `owed`: of an earlier session, so that it has to arrive even if this one ends before.
        """
        body = json.dumps(messages, separators=(",", ":"))
        await tx.execute(INSERT, new_id(), sender, session_id, event_type, body, int(owed))

    async def drop(self, tx: Transaction, session_id: str) -> None:
        """Nobody needs what was not sent of it."""
        await tx.execute(DELETE_OF_SESSION, session_id)

    async def follow(self, tx: Transaction, former: str, session_id: str) -> None:
        """The former session has ended: the next one delivers what is owed all the same."""
        await self.drop(tx, former)
        await tx.execute(HAND_ON, former, session_id)

    async def deliver(self, session_id: str) -> None:
        """Send what waits for this session; the row's id is the transaction id, so a repeat is no second message."""
        for row in await self._database.fetch(SELECT, session_id):
            device = await self._own_devices.ensure(row["sender"])
            await self._homeserver.send_to_device(
                row["sender"], device, row["type"], row["id"], json.loads(row["body"])
            )
            async with self._database.transaction() as tx:
                await tx.execute(DELETE, row["id"])
