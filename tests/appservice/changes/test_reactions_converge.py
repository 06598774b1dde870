"""Whatever people do to a message, by the API and in clients, and whatever is lost: the room shows what counts."""

import asyncio
import contextlib
import itertools
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from bridge.core.clock import FrozenClock
from bridge.core.ids import MessageId
from bridge.delivery.dispatcher import Retry
from bridge.storage.database import open_database
from tests.appservice.changes.room import GHOST, Conversation
from tests.appservice.encryption.engine import BOT, Engine
from tests.appservice.encryption.reader import ANNA, TALK
from tests.examples import LONGER, examples
from tests.fakes.homeserver import FakeHomeserver

Step = tuple[str, str]
"""What is done, and with which emoji or to which call."""

EMOJIS = st.sampled_from(["👍", "🎂"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["anna adds", "anna removes", "chef adds", "chef removes", "client adds", "client removes"]),
        EMOJIS,
    )
    | st.tuples(st.sampled_from(["lose before", "lose after"]), st.sampled_from(["react", "redact"]))
    | st.tuples(st.just("go out"), st.just("")),
    max_size=14,
)  # fmt: skip


class Story:
    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self._numbers = itertools.count()
        self._echoed = 0

    async def told(self, steps: list[Step]) -> None:
        """One message, these steps, and then everything goes out."""
        message_id = await self.talk.post("Hello!")
        await self.go_out()
        target = self.talk.in_room()[-1]["event_id"]
        for what, which in steps:
            await self.do(message_id, target, what, which)
        self.talk.homeserver.lose_nothing()
        await self.go_out()
        assert await self.talk.next_out() is None
        counted = {(emoji, who) for emoji, people in await self.talk.reactions(message_id) for who in people}
        shown = sorted(self.chips(target))
        assert len(set(shown)) == len(shown)
        assert {emoji for emoji, sender in shown if sender == GHOST} == {
            e for e, who in counted if who == "chef"
        }
        # Anna's own or Festimo's for her, never both.
        for_anna = [emoji for emoji, sender in shown if sender in (ANNA, BOT)]
        assert sorted(for_anna) == sorted(emoji for emoji, who in counted if who == "anna")

    def chips(self, target: str) -> list[tuple[str, str]]:
        relations = [
            (event["content"]["m.relates_to"], event["sender"])
            for event in self.talk.in_room()
            if event["type"] == "m.reaction" and event["content"]
        ]
        return [(relation["key"], who) for relation, who in relations if relation["event_id"] == target]

    async def do(self, message_id: MessageId, target: str, what: str, which: str) -> None:
        match what.split():
            case [("anna" | "chef") as who, "adds"]:
                await self.talk.react(message_id, which, sender=who)
            case [("anna" | "chef") as who, "removes"]:
                await self.talk.take_back(message_id, which, sender=who)
            case ["client", "adds"]:
                await self.client_adds(target, which)
            case ["client", "removes"]:
                await self.client_removes(target, which)
            case ["lose", ("before" | "after") as moment]:
                self.talk.homeserver.fail(which, HomeserverUnavailable("no answer"), moment=moment)
                await self.go_out()
            case _:
                await self.go_out()

    async def client_adds(self, target: str, emoji: str) -> None:
        with self.talk.homeserver.undisturbed():
            try:
                event_id = await self.talk.homeserver.react(
                    ANNA, "PHONE", TALK, target, emoji, f"txn {next(self._numbers)}"
                )
            except HomeserverRefused:
                return  # she has already
        await self.talk.deliver(self.talk.reaction(event_id, target, emoji))

    async def client_removes(self, target: str, emoji: str) -> None:
        for event in self.talk.in_room():
            relation = event["content"].get("m.relates_to", {})
            if event["sender"] == ANNA and (relation.get("event_id"), relation.get("key")) == (target, emoji):
                event_id, number = event["event_id"], next(self._numbers)
                with self.talk.homeserver.undisturbed():
                    await self.talk.homeserver.redact(ANNA, "PHONE", TALK, event_id, f"txn {number}")
                await self.talk.deliver(self.talk.redaction(f"$x{number}", event_id))

    async def go_out(self) -> None:
        with contextlib.suppress(Retry):
            await self.talk.go_out()
        # The homeserver shows us what we took away.
        redactions = self.talk.homeserver.calls("redact")
        for user, event_id in redactions[self._echoed :]:
            if user != ANNA:
                await self.talk.deliver(
                    self.talk.redaction(f"$x{next(self._numbers)}", event_id, sender=user)
                )
        self._echoed = len(redactions)


def test_the_room_shows_what_is_counted(tmp_path: Path) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 12: all devices and views of one person converge on one
    state."""
    with asyncio.Runner() as runner:
        database = runner.run(open_database(f"sqlite:///{tmp_path / 'bridge.db'}"))

        async def begun() -> Story:
            talk = await Conversation(Engine(database, FakeHomeserver(), FrozenClock())).opened()
            await talk.joined(ANNA)
            return Story(talk)

        story = runner.run(begun())

        @settings(max_examples=examples(100), derandomize=not LONGER, deadline=None)
        @given(STEPS)
        def check(steps: list[Step]) -> None:
            runner.run(story.told(steps))

        try:
            check()
        finally:
            runner.run(database.close())
