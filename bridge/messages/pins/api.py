"""Pins by REST."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from bridge.core.caller import EVERYBODY, Caller
from bridge.messages.access import MessageAccess
from bridge.messages.errors import NOT_WRITABLE
from bridge.messages.pins.service import Pins
from bridge.messages.views import MessageView, MessageViews
from bridge.participants.rules import acting
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer

PATH = "/api/v1/messages/{message_id}/pin"


class MessageToPin(Data):
    message_id: Id


PIN = Operation(
    method="PUT",
    path=PATH,
    name="pinMessage",
    summary="Pin a message",
    description="By the owners and admins of the conversation, who can do it in their Matrix clients, too, or by the"
    " platform. Everybody in the room sees it above the conversation. The same again changes nothing more.",
    tag="messages",
    params=MessageToPin,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is pinned, and the room will show it.", MessageView)},
    refusals=("not_found", "not_an_owner", "message_deleted", "too_many_pins", *NOT_WRITABLE),
    roles=EVERYBODY,
)
UNPIN = Operation(
    method="DELETE",
    path=PATH,
    name="unpinMessage",
    summary="Unpin a message",
    description="By whoever may pin. The same again changes nothing more.",
    tag="messages",
    params=MessageToPin,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is pinned no longer.", MessageView)},
    refusals=("not_found", "not_an_owner", *NOT_WRITABLE),
    roles=EVERYBODY,
)
OPERATIONS = (PIN, UNPIN)


class PinsApi:
    def __init__(self, pins: Pins, messages: MessageAccess, views: MessageViews) -> None:
        self._pins = pins
        self._messages = messages
        self._views = views

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.write(PIN, self.pin), toolkit.write(UNPIN, self.unpin))

    async def pin(self, tx: Transaction, caller: Caller, asked: MessageToPin, _: Nothing) -> Answer:
        message = await self._messages.message(tx, caller, asked.message_id)
        await self._pins.pin(tx, message, by=acting(caller, None, field="sender_id"))
        return answer(await self._views.one(tx, caller, message))

    async def unpin(self, tx: Transaction, caller: Caller, asked: MessageToPin, _: Nothing) -> Answer:
        message = await self._messages.message(tx, caller, asked.message_id)
        await self._pins.unpin(tx, message, by=acting(caller, None, field="sender_id"))
        return answer(await self._views.one(tx, caller, message))
