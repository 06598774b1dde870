"""What of a message's view is each person's own: looked up once, for however many look at it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.core.ids import ParticipantId
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.held import Poll
from bridge.messages.listing import who_misses_replies
from bridge.messages.model import Message
from bridge.messages.polls.rules import result
from bridge.messages.polls.store import PollStore
from bridge.messages.views import MessageView
from bridge.storage.database import Reader


@dataclass(frozen=True, slots=True)
class Own:
    """Of one person. Two of whom it is the same see the same.

    `alone`: who sees another count of answers in its thread than the rest, so that nobody sees what they see.
    """

    reactions: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    is_bookmarked: bool = False
    alone: ParticipantId | None = None


NOTHING = Own()


async def each_ones_own(
    reader: Reader,
    message: Message,
    view: MessageView,
    *,
    away: Collection[ParticipantId],
    bookmarks: BookmarkStore,
    polls: PollStore,
) -> Mapping[ParticipantId, Own]:
    """Of everybody of whom anything is. `view`: as a program sees it; `away`: who was not always there since then, and
    may not have seen all answers in its thread."""
    reactions: defaultdict[ParticipantId, set[str]] = defaultdict(set)
    for one in view.reactions:
        for person in one.participants:
            reactions[ParticipantId(person)].add(one.emoji)
    choices: Mapping[ParticipantId, Collection[str]] = {}
    if isinstance(message.held, Poll):
        votes = await polls.of(reader, message.message_id)
        choices = result(message.held, votes, await polls.end(reader, message.message_id)).choices
    marked = set() if message.is_deleted else await bookmarks.whose(reader, message)
    miss = {*away, *await who_misses_replies(reader, message)} if view.reply_count else set()
    return {
        person: Own(
            reactions=frozenset(reactions.get(person, ())),
            answers=frozenset(choices.get(person, ())),
            is_bookmarked=person in marked,
            alone=person if person in miss else None,
        )
        for person in {*reactions, *choices, *marked, *miss}
    }


def shown(view: MessageView, own: Own) -> MessageView:
    """`view`: as a program sees it. What is `alone`, is not in here."""
    poll = view.poll
    if poll is not None:
        answers = [one.model_copy(update={"mine": one.answer_id in own.answers}) for one in poll.answers]
        poll = poll.model_copy(update={"answers": answers})
    return view.model_copy(
        update={
            "reactions": [
                one.model_copy(update={"mine": one.emoji in own.reactions}) for one in view.reactions
            ],
            "poll": poll,
            "is_bookmarked": own.is_bookmarked,
        }
    )
