"""A conversation is deleted: whoever asks, by whatever there is to ask by, finds and counts nothing of it."""

from typing import Any

from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, quoted, said, scheduled
from tests.bridge.api.test_access import booked
from tests.bridge.api.world import World
from tests.databases import both_databases

LISTS = (
    CONVERSATIONS,
    "/api/v1/parties/p-1/conversations",
    f"{CONVERSATIONS}/unread",
    "/api/v1/bookmarks",
    "/api/v1/scheduled-messages",
    "/api/v1/bookings",
)
WITHIN = (
    "",
    "/messages",
    "/search",
    "/media",
    "/typing",
    "/presence",
    "/quotes",
    "/bookings",
)
"""What is asked of a conversation."""
OF_SOMEBODY = (f"{CONVERSATIONS}/unread", "/api/v1/bookmarks")
SEARCHES: tuple[dict[str, Any], ...] = (
    {"words": "marzipan"},
    {"sender_id": "v-1"},
    {"kind": "text"},
    {"from": "2020-01-01T00:00:00Z"},
)


def asked_of(people: People) -> dict[str, Api]:
    return {"Anna": people.anna, "staff": people.who("admin", "u-chief"), "a program": people.sides.ours}


async def shown(api: Api, path: str, who: str) -> str:
    query = {"participant_id": "u-anna"} if path in OF_SOMEBODY and who != "Anna" else {}
    answer = await api.get(path, **query)
    assert answer.status in (200, 404), answer.json
    return str(answer.json)


@both_databases
async def test_what_is_deleted_is_not_there(people: People, world: World) -> None:
    api, anna = people.sides.ours, people.anna
    here = await opened(api)
    message = (await api.post(messages_of(here), {"sender_id": "v-1", "text": "Marzipan, with roses?"})).json[
        "message_id"
    ]
    async with world.database.transaction() as tx:  # what is not delivered is not unread
        await world.messages.sent(tx, message, origin_id="$1")
    assert (await anna.request("PUT", f"/api/v1/messages/{message}/bookmark")).status == 200
    later = (await scheduled(api, here)).json["scheduled_id"]
    quote = (await quoted(api, here)).json["quote_id"]
    booking = await booked(world, here)
    ones = (
        f"/api/v1/messages/{message}",
        f"/api/v1/messages/{message}/reactions",
        f"/api/v1/scheduled-messages/{later}",
        f"/api/v1/quotes/{quote}",
        f"/api/v1/bookings/{booking}",
        *(f"{CONVERSATIONS}/{here}{part}" for part in WITHIN),
    )
    by_query = {"/api/v1/messages/stats": "conversation_id", "/api/v1/messages": "conversationId"}
    for who, asking in asked_of(people).items():
        for path in LISTS:
            assert here in await shown(asking, path, who), (who, path)
        for search in SEARCHES:
            assert here in str((await asking.post("/api/v1/messages/search", search)).json), (who, search)
        for path in ones:
            assert (await asking.get(path)).status == 200, (who, path)
        for path, name in by_query.items():
            assert (await asking.get(path, **{name: here})).status == 200, (who, path)
    assert (await anna.request("DELETE", f"{CONVERSATIONS}/{here}")).json["conversation_id"] == here
    for who, asking in asked_of(people).items():
        for path in LISTS:
            assert here not in await shown(asking, path, who), (who, path)
        for search in SEARCHES:
            found = await asking.post("/api/v1/messages/search", search)
            assert (found.status, found.json["messages"]) == (200, []), (who, search)
        for path in ones:
            assert (await asking.get(path)).problem == "not_found", (who, path)
        for path, name in by_query.items():
            assert (await asking.get(path, **{name: here})).problem == "not_found", (who, path)
        within = await asking.post("/api/v1/messages/search", {"conversation_id": here})
        assert within.problem == "not_found", who
        export = await asking.post(f"{CONVERSATIONS}/{here}/export", {"format": "json"})
        assert export.problem == "not_found", who
    unread = await anna.get(f"{CONVERSATIONS}/unread")
    assert unread.json["unread_count"] == 0
    assert (await said(api, here)).problem == "not_found"
    assert (await anna.post("/api/v1/messages/read", {"all": True})).json["conversations"] == []
    assert await opened(api) != here
