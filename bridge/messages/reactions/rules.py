"""What a reaction may be: pure."""

import unicodedata
from collections.abc import Collection

from bridge.messages.errors import MessageIsDeleted
from bridge.messages.model import Message
from bridge.messages.reactions.errors import NotAReaction, TooManyReactions

LONGEST_EMOJI = 64
"""Characters. A family of four is 11 of them; some clients let people react with a word."""
MOST_OF_ONE = 20
"""Different reactions of one person to one message."""
_NOT_SHOWN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, halves of characters, separators of lines and paragraphs."""


def check_emoji(emoji: str) -> None:
    if not emoji.strip() or len(emoji) > LONGEST_EMOJI:
        raise NotAReaction(
            f"A reaction is an emoji, or a word of {LONGEST_EMOJI} characters at most. Shorten it.",
            field="emoji",
        )
    if any(unicodedata.category(character) in _NOT_SHOWN for character in emoji):
        raise NotAReaction("A reaction is one line without control characters.", field="emoji")


def check_message(message: Message) -> None:
    if message.is_deleted:
        raise MessageIsDeleted(
            "The message was deleted, so nobody can react to it any more. Nothing was changed."
        )


def check_number(of_same_person: Collection[str]) -> None:
    """`of_same_person`: the emojis of their reactions to the message."""
    if len(of_same_person) >= MOST_OF_ONE:
        raise TooManyReactions(
            f"One person can react to a message in {MOST_OF_ONE} ways. Take one of them back first.",
            field="emoji",
        )
