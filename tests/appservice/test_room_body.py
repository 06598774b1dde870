"""What a room is made of, and whom the space of a party is for."""

from dataclasses import replace
from typing import Any, cast

import pytest

from appservice.names import Names
from appservice.outbound.rooms import POWER_LEVELS, room_body
from appservice.outbound.spaces import Spaces
from bridge.conversations.model import Member
from bridge.core.ids import ParticipantId, PartyId
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person

PICTURE = "mxc://example.org/picture"


@pytest.mark.parametrize("avatar_url", [None, PICTURE])
def test_a_room_has_the_picture_that_is_configured_and_else_none(avatar_url: str | None) -> None:
    body = room_body(alias="a", name="n", topic="t", power_levels=POWER_LEVELS, avatar_url=avatar_url)
    state = {event["type"]: event["content"] for event in body["initial_state"]}
    assert state.get("m.room.avatar") == (None if avatar_url is None else {"url": avatar_url})
    assert state["m.room.encryption"]["algorithm"] == "m.megolm.v1.aes-sha2"


async def test_the_space_of_a_party_is_not_for_the_hosts_of_another(database: Database) -> None:
    features = Features(database)
    anna, ben = (person(name, name, mxid=f"@{name}:example.org") for name in ("anna", "ben"))
    alone = await features.open(hosts=[anna, ben])
    unused = cast("Any", None)
    spaces = Spaces(
        database=database,
        homeserver=unused,
        names=Names("example.org", "festimo_bot", "festimo_"),
        rooms=unused,
        conversations=features.conversation_store,
        outbox=unused,
        clock=unused,
    )
    people: list[Member] = await features.conversation_store.members(database, alone.conversation_id)
    assert {one.role for one in people} == {"host", "vendor"}
    only_anna = [ParticipantId("anna")]
    assert await spaces._hosts(only_anna, [alone]) == {"@anna:example.org", "@ben:example.org"}
    shared = replace(alone, party_ids=(PartyId("p1"), PartyId("p2")))
    assert await spaces._hosts(only_anna, [shared]) == {"@anna:example.org"}
