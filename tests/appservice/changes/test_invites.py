"""Whom somebody invites in their client: known people take part, of others the invite is taken back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from appservice.inbound.late import INVITE
from appservice.outbound.rooms import OWNER, STAFF, levels_of
from appservice.room_map import Room, remember_room
from bridge.conversations.model import Conversation as Stored
from bridge.conversations.model import Member, Type
from bridge.conversations.service import Newcomer
from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId, ParticipantId
from bridge.storage.database import Database
from tests.appservice.changes.room import Conversation
from tests.appservice.encryption.engine import BOT, NAMES, TENANT, Engine
from tests.appservice.encryption.reader import ANNA, CHEF, TALK
from tests.bridge.conversations.features import person
from tests.databases import both_databases
from tests.fakes.homeserver import FakeHomeserver, Json

BEN, CLEO, STRANGER = "@ben:people.test", "@cleo:elsewhere.test", "@stranger:elsewhere.test"
NOT_INTRODUCED = "The platform introduces people to each other. Ask it to add them."
Part = tuple[str, str, str | None]
"""Role, standing, away."""


class Group(Conversation):
    """Anna owns it, Ben takes part. Cleo and the chef, a vendor, are known from elsewhere, with their accounts."""

    async def opened(self, kind: Type = "group") -> "Group":
        people = {"anna": ANNA, "ben": BEN, "cleo": CLEO}
        known = {name: person(name, name, mxid=mxid, tenant=TENANT) for name, mxid in people.items()}
        await self.features.open(
            hosts=[known["cleo"]], vendor=person("chef", "Chef", mxid=CHEF, tenant=TENANT), tenant=TENANT
        )
        self.conversation = Stored(
            tenant_id=TENANT,
            conversation_id=ConversationId("group"),
            party_id=None,
            vendor_id=None,
            title="Surprise!",
            status="active",
            created_at=self.clock.now(),
            type=kind,
        )
        async with self.engine.database.transaction() as tx:
            newcomers = [Newcomer(known["anna"], "host", "owner"), Newcomer(known["ben"], "host")]
            await self.features.conversations.make(tx, self.conversation, newcomers)
            await remember_room(tx, Room(TALK, TENANT, self.conversation.conversation_id), self.clock)
        self.homeserver.add_room(TALK, {BOT: "join", ANNA: "join", BEN: "join"})
        await self.change("DELETE FROM outbox")
        return self

    async def invite(self, whom: str, *, by: str = ANNA, event_id: str = "$invite") -> None:
        """The room takes it, and tells us."""
        self.homeserver.set_membership(TALK, whom, "invite")
        await self.deliver(
            {
                "type": "m.room.member",
                "state_key": whom,
                "room_id": TALK,
                "event_id": event_id,
                "sender": by,
                "origin_server_ts": self.clock.now(),
                "content": {"membership": "invite"},
            }
        )

    async def people(self) -> dict[str, Part]:
        found = await self.features.conversation_store.members(
            self.engine.database, self.conversation.conversation_id
        )
        return {one.participant.participant_id: (one.role, one.standing, one.away) for one in found}

    def there(self) -> dict[str, str]:
        return dict(self.homeserver.rooms[TALK].members)

    async def change(self, sql: str, *args: str) -> None:
        async with self.engine.database.transaction() as tx:
            await tx.execute(sql, *args)

    async def went(self, who: str, away: str) -> None:
        await self.change("UPDATE conversation_members SET away = $1 WHERE participant_id = $2", away, who)


@pytest.fixture
async def group(database: Database) -> Group:
    return await Group(Engine(database, FakeHomeserver(), FrozenClock())).opened()


def refused(whom: str, reason: str) -> list[str]:
    return [INVITE.format(who=whom, reason=reason)]


ANNA_AND_BEN: dict[str, Part] = {"anna": ("host", "owner", None), "ben": ("host", "member", None)}


@both_databases
@pytest.mark.parametrize(("whom", "who", "role"), [(CLEO, "cleo", "host"), (CHEF, "chef", "vendor")])
async def test_whom_the_platform_knows_takes_part_and_keeps_the_invite(
    group: Group, whom: str, who: str, role: str
) -> None:
    await group.invite(whom)
    assert await group.people() == {**ANNA_AND_BEN, who: (role, "member", None)}
    await group.go_out()
    assert group.there()[whom] == "invite"
    assert (await group.told(), await group.dead()) == ([], [])
    recap = "SELECT state, invited_at FROM recaps WHERE conversation_id = 'group' AND participant_id = $1"
    row = await group.engine.database.fetch_one(recap, who)
    assert row is not None
    assert (row["state"], row["invited_at"]) == ("invited", group.clock.now())


@both_databases
async def test_the_invite_of_a_stranger_is_taken_back_and_answered(group: Group) -> None:
    await group.invite(STRANGER)
    assert await group.people() == ANNA_AND_BEN
    assert await group.told() == refused(STRANGER, NOT_INTRODUCED)
    await group.go_out()
    assert group.there()[STRANGER] == "leave"


async def test_a_stranger_who_was_faster_than_we_is_put_out_before_anything_is_said(group: Group) -> None:
    await group.invite(STRANGER)
    group.homeserver.set_membership(TALK, STRANGER, "join")
    item = await group.next_out()
    assert item is not None
    assert item.topic == "matrix.InviteRefused"
    await group._handlers[item.topic](item)
    assert group.there()[STRANGER] == "leave"


async def test_a_refusal_is_repeatable_and_minds_who_may_be_there_by_now(group: Group) -> None:
    await group.invite(STRANGER)
    item = await group.next_out()
    assert item is not None
    group.homeserver.set_membership(
        TALK, STRANGER, "leave"
    )  # they declined, or a kill came before the note of it
    await group._handlers[item.topic](item)

    await group.invite(STRANGER, event_id="$again")
    async with group.engine.database.transaction() as tx:
        stranger = Newcomer(person("stranger", "S", mxid=STRANGER, tenant=TENANT), "host")
        await group.parts.product.conversations.add(tx, group.conversation, [stranger])
    await group.go_out()
    assert group.there()[STRANGER] == "invite"


async def test_a_ghost_that_nobody_speaks_through_is_taken_back_by_the_bot(group: Group) -> None:
    """As it may never have been: it cannot leave by itself."""
    ghost = NAMES.ghost(TENANT, ParticipantId("nobody"))
    await group.invite(ghost)
    await group.go_out()
    assert group.there()[ghost] == "leave"
    assert group.homeserver.calls("leave") == []
    assert await group.told() == refused(ghost, NOT_INTRODUCED)


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        # Power levels keep them from it; a room may be older than what somebody may do.
        (BEN, "Only an owner or an admin of the conversation may do this. Nothing was changed."),
        (STRANGER, NOT_INTRODUCED),
    ],
)
async def test_who_may_not_add_people_by_the_api_may_not_in_a_client(
    group: Group, by: str, reason: str
) -> None:
    await group.invite(CLEO, by=by)
    assert await group.people() == ANNA_AND_BEN
    assert await group.told() == refused(CLEO, reason)
    await group.go_out()
    assert group.there()[CLEO] == "leave"


async def test_nobody_is_invited_into_a_direct_conversation(database: Database) -> None:
    talk = await Group(Engine(database, FakeHomeserver(), FrozenClock())).opened("direct")
    await talk.invite(CLEO)
    assert await talk.people() == ANNA_AND_BEN
    (told,) = await talk.told()
    assert "People are added to groups only." in told
    await talk.go_out()
    assert talk.there()[CLEO] == "leave"


@pytest.mark.parametrize("away", ["left", "removed", "declined"])
async def test_who_had_gone_is_brought_back(group: Group, away: str) -> None:
    await group.went("ben", away)
    await group.invite(BEN)
    assert await group.people() == ANNA_AND_BEN
    await group.go_out()
    assert (group.there()[BEN], await group.told()) == ("invite", [])


async def test_who_is_blocked_stays_out(group: Group) -> None:
    await group.invite(CLEO)
    await group.went("cleo", "blocked")
    await group.invite(CLEO, event_id="$again")
    assert (await group.people())["cleo"][2] == "blocked"
    assert await group.told() == refused(CLEO, "They are blocked. Reopen the conversation first.")


async def test_who_asked_to_be_erased_is_a_stranger(group: Group) -> None:
    await group.change(
        "INSERT INTO erasures (tenant_id, participant_id, asked_at) VALUES ($1, 'cleo', 1)", TENANT
    )
    await group.invite(CLEO)
    assert await group.people() == ANNA_AND_BEN
    assert await group.told() == refused(CLEO, NOT_INTRODUCED)


async def test_what_we_invite_ourselves_changes_nothing(group: Group) -> None:
    await group.invite(STRANGER, by=BOT)
    assert (await group.people(), await group.told()) == (ANNA_AND_BEN, [])


@pytest.mark.parametrize(("kind", "level"), [("group", OWNER), ("direct", STAFF), ("support", STAFF)])
async def test_owners_invite_into_groups_only(group: Group, kind: Type, level: int) -> None:
    conversation = replace(group.conversation, type=kind)
    people: list[Member] = await group.features.conversation_store.members(
        group.engine.database, group.conversation.conversation_id
    )
    address: Callable[..., str] = lambda one: str(one.mxid)  # noqa: E731
    for one in (conversation, replace(conversation, closed_at=1)):
        levels = levels_of(one, people, address)
        assert (levels["invite"], levels["users"], levels["kick"]) == (level, {ANNA: OWNER}, STAFF)


async def test_the_room_of_an_older_group_follows_with_the_next_change(group: Group) -> None:
    before: Json = {"invite": STAFF, "state_default": STAFF}
    event = {"type": "m.room.power_levels", "state_key": "", "sender": BOT, "content": before}
    group.homeserver.rooms[TALK].state.append(event)
    async with group.engine.database.transaction() as tx:
        await group.parts.product.conversations.add(
            tx, group.conversation, [Newcomer(person("dora", "Dora", tenant=TENANT), "host")]
        )
    await group.go_out()
    state = group.homeserver.rooms[TALK].state
    (levels,) = [one["content"] for one in state if one["type"] == "m.room.power_levels"]
    assert levels["invite"] == OWNER
