"""What Festimo says in the room where a client breaks a rule that the homeserver does not know."""

from bridge.conversations.model import Conversation
from bridge.messages.service import Messages
from bridge.storage.database import Transaction

EDIT = (
    "That edit came too late: a message can be edited for 15 minutes. The platform keeps the earlier text; if something"
    " has to be corrected, please write a new message."
)
POLL_EDIT = (
    "That poll had votes already, so it cannot be edited any more: the platform keeps what was asked, and the votes."
    " Please close it and ask anew."
)
NO_TEXT = "That edit was not taken, the platform keeps the earlier text. {reason}"
NOT_YOURS = (
    "That edit was not taken: only who wrote a message can edit it. Please say in a new one what is wrong."
)
INVITE = "{who} was invited here, and Festimo took that back. {reason}"
UNFIT = "That message is kept as everybody here has it, though it breaks a rule. {reason}"
DELETION = (
    "That deletion came too late: a message can be deleted for an hour. It is gone from this room, but the platform"
    " keeps what it said. The staff of the platform can delete it there."
)


class LateNotices:
    """In the transaction that is done with the event, so each gets one notice; encrypted like all that is said."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def edit(self, tx: Transaction, conversation: Conversation) -> None:
        await self._messages.say(tx, conversation, text=EDIT)

    async def no_text(self, tx: Transaction, conversation: Conversation, *, reason: str) -> None:
        """`reason`: why what it was edited to can be no text."""
        await self._messages.say(tx, conversation, text=NO_TEXT.format(reason=reason))

    async def not_yours(self, tx: Transaction, conversation: Conversation) -> None:
        await self._messages.say(tx, conversation, text=NOT_YOURS)

    async def unfit(self, tx: Transaction, conversation: Conversation, *, reason: str) -> None:
        """`reason`: why what was said can be no text from our side."""
        await self._messages.say(tx, conversation, text=UNFIT.format(reason=reason))

    async def invite(self, tx: Transaction, conversation: Conversation, *, who: str, reason: str) -> None:
        """`reason`: why they may not be there."""
        await self._messages.say(tx, conversation, text=INVITE.format(who=who, reason=reason))

    async def poll_edit(self, tx: Transaction, conversation: Conversation) -> None:
        await self._messages.say(tx, conversation, text=POLL_EDIT)

    async def deletion(self, tx: Transaction, conversation: Conversation) -> None:
        await self._messages.say(tx, conversation, text=DELETION)
