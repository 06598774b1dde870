"""Who gets in, and to what: keys, tenants; every operation."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from bridge.admin.dead_letters.model import Filter
from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, MessageId, TenantId
from bridge.webhooks.model import Attempt
from tests.bridge.api.client import DOCUMENT, Answer, Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import (
    CONVERSATIONS,
    asked,
    event_sent,
    group,
    group_opened,
    opened,
    pair,
    quote,
    quoted,
    said,
    scheduled,
    sent_with,
)
from tests.bridge.api.world import OURS, SECRETS, THEIRS, World
from tests.bridge.bookings.examples import B1, news
from tests.bridge.platform.sender import host, party, vendor

OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
TAKE_BODY = {
    operation["operationId"]
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
    if "requestBody" in operation
}
SIGNED = {"sendEvent", "sendEvents"}
KEYED = sorted(OPERATIONS.keys() - SIGNED)
# Those that name an object; what an id stands for below is ours.
WITH_IDS = sorted(name for name in KEYED if "{" in OPERATIONS[name][1])
BODIES: dict[str, Any] = {
    "openConversation": pair(),
    "postMessage": {"sender_id": "u-anna", "text": "Hello"},
    "postMessageIn": {"conversation_id": "{conversation_id}", "sender_id": "u-anna", "text": "Hello"},
    "openConversationOfPair": {},
    "editMessage": {"sender_id": "u-anna", "text": "Hello!"},
    "replayDeadLetters": {},
    "revokeTokens": {"kind": "token", "value": "t-1"},
    "readConversation": {"participant_id": "v-1"},
    "putConversationRead": {"participant_id": "v-1"},
    "readMessages": {"participant_id": "v-1", "all": True},
    "setTyping": {"participant_id": "v-1", "conversation_id": "{conversation_id}"},
    "setPresence": {"participant_id": "v-1", "presence": "online"},
    "addReaction": {"sender_id": "u-anna", "emoji": "👍"},
    "votePoll": {"sender_id": "u-anna", "answers": ["1"]},
    "closePoll": {"sender_id": "u-anna"},
    "forwardMessage": {"sender_id": "u-anna", "conversation_id": "{conversation_id}"},
    "openInquiry": {"host": host(), "vendor": vendor()},
    "openGroup": group(),
    "openSupport": {"title": "Help", "person": host() | {"role": "host"}},
    "blockConversation": {"side": "vendor"},
    "addParticipants": {"participants": [{"id": "u-ben", "name": "Ben", "role": "host"}]},
    "linkAccount": {"mxid": "@new:example.org"},
    "changeConversation": {"subject": "The cake"},
    "changeStanding": {"standing": "admin"},
    "changeSettings": {"muted": True},
    "exportConversation": {"format": "json"},
    "searchMessages": {"words": "Hello"},
    "changeScheduledMessage": {"text": "Hello later"},
    "createQuickReply": {"title": "Greeting", "text": "Hello {{host_name}}"},
    "changeQuickReply": {"title": "Greeting", "text": "Dear {{host_name}}"},
    "changeVendor": {"specialties": ["wedding cakes"]},
    "setVendorStatus": {"status": "away"},
    "openLead": {
        "lead_id": "l-1",
        "title": "A wedding cake",
        "host": host(),
        "vendor": vendor(),
        "party": party(),
    },
    "changeLead": {"status": "won"},
    "rateVendor": {"host_id": "u-anna", "rating": 5},
    "sendQuote": quote(),
    "reviseQuote": quote(tax=0),
    "withdrawQuote": {"sender_id": "v-1"},
    "acceptQuote": {"sender_id": "u-anna", "revision": 1, "total": 384_000, "currency": "EUR"},
    "declineQuote": {"sender_id": "u-anna", "revision": 1},
    "createWebhook": {"url": "https://hooks.festipin.example/festimo"},
    "changeWebhook": {"url": "https://hooks.festipin.example/festimo", "events": ["message.*"]},
    "rotateWebhookSecret": {},
    "replayWebhook": {},
}
QUERIES = {
    "getEvent": {"source": "/festipin"},
    "replayEvent": {"source": "/festipin"},
    "leaveConversation": {"participant_id": "u-anna"},
    "changeSettings": {"participant_id": "u-anna"},
    "searchConversation": {"q": "Hello"},
    "listMessagesOf": {"conversation_id": "{conversation_id}"},
    "getMessageStats": {"conversation_id": "{conversation_id}"},
    "listUnread": {"participant_id": "u-anna"},
    "removeReaction": {"sender_id": "u-anna"},
    "bookmarkMessage": {"participant_id": "u-anna"},
    "removeBookmark": {"participant_id": "u-anna"},
    "listBookmarks": {"participant_id": "u-anna"},
}


POLLS = ("votePoll", "closePoll")
OF_GROUP_WITH_VENDOR = ("changeStanding", "removeParticipant")
UNKNOWN_LETTER = "inbox.dW5rbm93bg"
KINDS = sorted({kind for _, path in OPERATIONS.values() for kind in re.findall(r"\{(\w+)\}", path)})


async def ask(
    api: Api,
    name: str,
    ids: dict[str, str],
    bodies: Mapping[str, Any] = MappingProxyType({}),
    *,
    as_oneself: bool = False,
) -> Answer:
    """`bodies`: instead of the usual ones. A text "{conversation_id}" in one stands for that id.

    `as_oneself`: naming nobody in the query.
    """
    method, path = OPERATIONS[name]
    path = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
    given = {**BODIES, **bodies}
    query = {
        key: ids[value[1:-1]] if value.startswith("{") else value
        for key, value in QUERIES.get(name, {}).items()
        if not (as_oneself and key in ("participant_id", "sender_id"))
    }
    if name in TAKE_BODY:
        body = json.dumps(given.get(name, {}))
        filled = re.sub(r'"\{(\w+)\}"', lambda match: json.dumps(ids[match[1]]), body)
        return await sent_with(api, method, path, json.loads(filled), query)
    return await api.request(method, path, params=query)


async def ids_of(sides: Sides, world: World, name: str = "") -> dict[str, str]:
    """Of each kind that the operation is about one object of ours, "unknown" of any other; a conversation and a message
    always. What people are added to and taken out of is a group, and what they vote in a poll. Without a name: of all
    kinds."""
    conversation_id = await opened(sides.ours)
    message = await (asked if name in POLLS else said)(sides.ours, conversation_id)
    ids = dict.fromkeys(KINDS, "unknown") | {
        "conversation_id": conversation_id,
        "participant_id": "v-1",
        "vendor_id": "v-1",
        "party_id": "p-1",
        "message_id": message.json["message_id"],
        "emoji": "%F0%9F%91%8D",
    }
    if name == "addParticipants":
        ids["conversation_id"] = await group_opened(sides.ours)
    if name in OF_GROUP_WITH_VENDOR:
        ids["conversation_id"] = await group_with_vendor(sides.ours)

    def is_about(kind: str) -> bool:
        return not name or kind in OPERATIONS[name][1]

    if is_about("event") or is_about("dead-letter"):
        ids["event_id"] = (await event_sent(sides.ours, SECRETS[OURS])).json["id"]
        ids["dead_letter_id"] = await dead_letter(world)
    if is_about("booking"):
        ids["booking_id"] = await booked(world, conversation_id)
    if is_about("lead"):
        ids["lead_id"] = await lead(sides.ours)
    if is_about("scheduled"):
        ids["scheduled_id"] = (await scheduled(sides.ours, conversation_id)).json["scheduled_id"]
    if is_about("quick-repl"):
        ids["quick_reply_id"] = await quick_reply(sides.ours)
    if is_about("quote"):
        ids["quote_id"] = (await quoted(sides.ours, conversation_id)).json["quote_id"]
    if is_about("webhook"):
        ids |= await webhook(sides.ours, world)
    return ids


async def group_with_vendor(api: Api) -> str:
    """The id of one of Anna's, in which Sweet Bites is, too."""
    return await group_opened(api, vendor() | {"role": "vendor"})


async def lead(api: Api) -> str:
    """The id of one of Anna's to Sweet Bites."""
    return str((await api.post("/api/v1/leads", BODIES["openLead"])).json["lead_id"])


async def booked(world: World, conversation_id: str) -> str:
    """The id of a booking of the conversation."""
    conversation = await world.conversation_store.get(world.database, ConversationId(conversation_id))
    assert conversation is not None
    async with world.database.transaction() as tx:
        await world.bookings.follow(tx, conversation, B1, news("confirmed", 1))
    return B1


async def webhook(api: Api, world: World) -> dict[str, str]:
    """The id of one of ours, and of what was delivered there."""
    made = await api.post("/api/v1/webhooks", BODIES["createWebhook"])
    webhook_id = str(made.json["webhook_id"])
    async with world.database.transaction() as tx:
        one = await world.webhooks.test(tx, OURS, webhook_id)
        attempt = Attempt(at=world.clock.now(), status=204, failure=None, took=20)
        assert await world.deliveries.finish(tx, one, attempt, dead=False, now=world.clock.now())
    return {"webhook_id": webhook_id, "delivery_id": one.happened.event_id}


async def quick_reply(api: Api) -> str:
    """The id of one of Anna's."""
    made = await api.post("/api/v1/quick-replies", BODIES["createQuickReply"] | {"owner_id": "u-anna"})
    return str(made.json["quick_reply_id"])


async def failed(world: World, message_id: str) -> None:
    async with world.database.transaction() as tx:
        await world.messages.failed(tx, MessageId(message_id), reason="no room")


async def dead_letter(world: World) -> str:
    """The id of an event of ours that was given up."""
    (lane,) = await world.inbox.lanes()
    item = await world.inbox.head(lane)
    assert item is not None
    async with world.database.transaction() as tx:
        await world.inbox.bury(tx, item, failure="gave up after KeyError")
    (letter,) = await world.dead_letters.newest(Filter(tenant_id=OURS), limit=2)
    return letter.letter_id


@pytest.mark.parametrize("name", WITH_IDS)
async def test_another_tenants_object_is_not_there(sides: Sides, world: World, name: str) -> None:
    ids = await ids_of(sides, world, name)
    if name == "retryMessage":
        await failed(world, ids["message_id"])
    before = await world.contents()
    answer = await ask(sides.theirs, name, ids)
    assert (answer.status, answer.problem) == (404, "not_found")
    unknown = await ask(
        sides.theirs, name, dict.fromkeys(ids, "unknown") | {"dead_letter_id": UNKNOWN_LETTER}
    )
    assert answer.json == unknown.json  # nor can they tell that it exists
    assert await world.contents() == before
    assert (await ask(sides.ours, name, ids)).status in (200, 201, 202)


async def test_another_tenants_conversations_are_not_listed(sides: Sides) -> None:
    await opened(sides.ours)
    theirs = await opened(sides.theirs, "p-1", "v-1")
    for path, query in (
        (CONVERSATIONS, {}),
        (CONVERSATIONS, {"party_id": "p-1", "vendor_id": "v-1"}),
        ("/api/v1/parties/p-1/conversations", {}),
    ):
        listed = (await sides.theirs.get(path, **query)).json["conversations"]
        assert [view["conversation_id"] for view in listed] == [theirs]


async def test_the_same_ids_are_other_people_elsewhere(sides: Sides) -> None:
    ours, theirs = await opened(sides.ours), await opened(sides.theirs)
    assert ours != theirs
    asked = pair()
    asked["party"]["hosts"][0]["name"] = "Annabel"
    await sides.theirs.post(CONVERSATIONS, asked)
    view = (await sides.ours.get(f"{CONVERSATIONS}/{ours}")).json
    assert view["participants"][0]["name"] == "Anna"


async def test_a_signature_of_one_tenant_makes_events_of_that_tenant(sides: Sides) -> None:
    await event_sent(sides.nobody, SECRETS[THEIRS])
    assert (await ask(sides.theirs, "getEvent", {"event_id": "evt-1"})).status == 200
    assert (await ask(sides.ours, "getEvent", {"event_id": "evt-1"})).status == 404


async def test_an_api_key_signs_no_event(sides: Sides) -> None:
    answer = await sides.ours.post("/api/v1/events", b"{}")
    assert (answer.status, answer.problem) == (401, "signature_refused")


Spoil = Callable[[str, World], Awaitable[str | None]]


async def none(_: str, __: World) -> str | None:
    return None


async def no_key(_: str, __: World) -> str:
    return "letmein"


async def unknown_id(key: str, _: World) -> str:
    return key.replace(key.split("_")[1], "0" * 16)


async def wrong_secret(key: str, _: World) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


async def longer(key: str, _: World) -> str:
    return key + "0"


async def capitals(key: str, _: World) -> str:
    return key.upper()


async def revoked(key: str, world: World) -> str:
    assert await world.keys.revoke(key.split("_")[1])
    return key


async def of_a_tenant_that_left(key: str, world: World) -> str:
    async with world.database.transaction() as tx:
        await tx.execute("UPDATE api_keys SET tenant_id = 'left' WHERE key_id = $1", key.split("_")[1])
    return key


@pytest.mark.parametrize("spoil", [none, wrong_secret], ids=lambda spoil: spoil.__name__)
async def test_every_operation_asks_for_a_key(sides: Sides, world: World, spoil: Spoil) -> None:
    ids = await ids_of(sides, world)
    assert sides.ours.key is not None
    stranger = Api(sides.ours.http, await spoil(sides.ours.key, world))
    before = await world.contents()
    answers = {name: await ask(stranger, name, ids) for name in KEYED}
    assert {
        name for name, one in answers.items() if (one.status, one.problem) != (401, "unauthorized")
    } == set()
    assert await world.contents() == before


@pytest.mark.parametrize(
    "spoil",
    [none, no_key, unknown_id, wrong_secret, longer, capitals, revoked, of_a_tenant_that_left],
    ids=lambda spoil: spoil.__name__,
)
async def test_a_refusal_tells_nothing_of_why(sides: Sides, world: World, spoil: Spoil) -> None:
    assert sides.ours.key is not None
    answers = [
        await Api(sides.ours.http, key).get(CONVERSATIONS)
        for key in (None, await spoil(sides.ours.key, world))
    ]
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].json == answers[1].json
    assert answers[1].headers["WWW-Authenticate"] == 'Bearer realm="festimo"'


@pytest.mark.parametrize("value", ["{key}", "Basic {key}", "Bearer", "Bearer {key} x", "Bearer\t{key}"])
async def test_a_key_comes_as_a_bearer_token(sides: Sides, value: str) -> None:
    header = value.format(key=sides.ours.key)
    answer = await sides.nobody.request("GET", CONVERSATIONS, headers={"Authorization": header})
    assert answer.status == 401


async def test_the_schemes_name_has_no_case(sides: Sides) -> None:
    headers = {"Authorization": f"bearer {sides.ours.key}"}
    assert (await sides.nobody.request("GET", CONVERSATIONS, headers=headers)).status == 200


async def test_who_is_refused_sends_no_body(sides: Sides) -> None:
    """Neither its length nor its contents are looked at before the key."""
    answer = await sides.nobody.post(CONVERSATIONS, b" " * 2_000_000, Content_Type="text/plain")
    assert answer.status == 401


async def test_a_key_of_another_bridge_opens_nothing_here(world: World, sides: Sides) -> None:
    assert await world.keys.caller_of(f"festimo_{'a' * 16}_{'b' * 64}") is None
    assert await world.keys.caller_of(str(sides.ours.key)) == Caller(
        tenant_id=TenantId("festipin"), role="service"
    )
