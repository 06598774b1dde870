"""When something that somebody said cannot be read: whom Festimo tells, when, and in which words.

Not read by Festimo means not read by anybody who takes part without Matrix, so the sender should know.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from bridge.conversations.model import Member
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId
from bridge.messages.service import Messages
from bridge.storage.database import Reader, Transaction

TELL_AFTER = timedelta(minutes=1)
"""Keys are often only late."""
TELL_AGAIN_AFTER = timedelta(minutes=10)
"""One person in one conversation, however much of theirs cannot be read."""

PUT = """
INSERT INTO unread_notices (conversation_id, sender, batch, told_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (conversation_id, sender, batch) DO NOTHING
"""
SELECT = "SELECT batch, told_at FROM unread_notices WHERE conversation_id = $1 AND sender = $2"
DELETE = "DELETE FROM unread_notices WHERE conversation_id = $1 AND sender = $2 AND batch = $3"

SEND_AGAIN = (
    "Please send it again. If I cannot read that either, write /discardsession here first (in Element), or restart"
    " your app."
)
WITHHELD = {
    "m.unverified": (
        "Your app gives keys only to verified devices, and has not verified mine. Please turn off “only send messages"
        " to verified users” for this conversation in your app's security settings, then send it again."
    ),
    "m.blacklisted": (
        "Your app is set to give me no keys. Please unblock Festimo's device in your app, then send it again."
    ),
    "m.unauthorised": "Your app did not know that I take part in this conversation. Please send it again.",
    "m.unavailable": "Your app no longer has the key itself. Please send it again.",
    "m.no_olm": "Your app could not reach my device safely just then. Please send it again.",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What somebody (`sender`: an MXID) said that cannot be read. Times are in epoch ms.

    `batch`: the same for all that one key would open; `withheld`: the code with which the key was refused, if it was.
    """

    sender: str
    batch: str
    count: int
    first_sent_at: int
    since: int
    withheld: str | None


class UnreadNotices:
    def __init__(self, conversations: ConversationStore, messages: Messages, clock: Clock) -> None:
        self._conversations = conversations
        self._messages = messages
        self._clock = clock

    async def unread(self, tx: Transaction, conversation_id: ConversationId, unread: Unread) -> None:
        """Tell the sender in the conversation, if it is time to and they do not know it yet."""
        if not unread.count or self._clock.now() - unread.since < _ms(TELL_AFTER):
            return
        person = await self._person(tx, conversation_id, unread.sender)
        if person is None or await self._knows(tx, conversation_id, unread):
            return
        conversation = await self._conversations.get(tx, conversation_id)
        assert conversation is not None, "conversations are not deleted"
        await tx.execute(PUT, conversation_id, unread.sender, unread.batch, self._clock.now())
        await self._messages.say(tx, conversation, text=notice(person.participant.name, unread))
        log.info("unread_told", conversation=conversation_id, participant=person.participant.participant_id)

    async def read(
        self, tx: Transaction, conversation_id: ConversationId, *, sender: str, batch: str
    ) -> None:
        """All of the batch was read after all: whoever was asked to send it again need not."""
        if not await tx.execute(DELETE, conversation_id, sender, batch):
            return
        person = await self._person(tx, conversation_id, sender)
        conversation = await self._conversations.get(tx, conversation_id)
        assert conversation is not None, "conversations are not deleted"
        if person is not None:
            await self._messages.say(tx, conversation, text=read_now(person.participant.name))

    async def _person(self, reader: Reader, conversation_id: ConversationId, mxid: str) -> Member | None:
        """Who takes part under this address, and is there to be told."""
        members = await self._conversations.members(reader, conversation_id)
        return next(
            (member for member in members if member.participant.mxid == mxid and member.away is None), None
        )

    async def _knows(self, tx: Transaction, conversation_id: ConversationId, unread: Unread) -> bool:
        recent = self._clock.now() - _ms(TELL_AGAIN_AFTER)
        told = await tx.fetch(SELECT, conversation_id, unread.sender)
        return any(row["batch"] == unread.batch or row["told_at"] > recent for row in told)


def notice(name: str, unread: Unread) -> str:
    time = datetime.fromtimestamp(unread.first_sent_at / 1000, UTC).strftime("%H:%M UTC")
    what = (
        f"your message of {time}"
        if unread.count == 1
        else f"{unread.count} messages of yours, the first of {time}"
    )
    help_ = WITHHELD.get(unread.withheld or "", SEND_AGAIN)
    return (
        f"{name}, I could not read {what}: its encryption key has not reached me. Those who take part here without a"
        f" Matrix app have not seen it either. {help_}"
    )


def read_now(name: str) -> str:
    return (
        f"{name}, the key has come: I have read what I could not read before. Nothing needs to be sent again."
    )


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
