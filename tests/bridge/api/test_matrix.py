"""Every operation, asked by everybody: deny by default. Operations find their way in here by themselves.

A new one fails until `WHO` says who may use it; one with a body, until `BODIES` of `test_access` holds an example.
"""

import json
from typing import Any

import pytest

from bridge.core.caller import EVERYBODY, PEOPLE, STAFF, CallerRole
from bridge.platform.rest import OPERATIONS, SCOPES
from bridge.web.openapi import AnyOperation
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import opened, pair, quote
from tests.bridge.api.test_access import (
    BODIES,
    QUERIES,
    UNKNOWN_LETTER,
    ask,
    failed,
    group_with_vendor,
    ids_of,
    quick_reply,
    webhook,
)
from tests.bridge.api.world import OURS, THEIRS, World

WHO: dict[str, frozenset[CallerRole]] = {
    "openConversation": STAFF,
    "listConversations": EVERYBODY,
    "getConversation": EVERYBODY,
    "listConversationsOfParty": EVERYBODY,
    "openConversationOfPair": STAFF,
    "openInquiry": STAFF,
    "openGroup": STAFF,
    "openSupport": STAFF,
    "archiveConversation": EVERYBODY,
    "archiveConversationByPut": EVERYBODY,
    "unarchiveConversation": EVERYBODY,
    "closeConversation": EVERYBODY,
    "closeConversationByPut": EVERYBODY,
    "reopenConversation": EVERYBODY,
    "blockConversation": EVERYBODY,
    "upgradeConversation": STAFF,
    "changeConversation": EVERYBODY,
    "deleteConversation": EVERYBODY,
    "leaveConversation": EVERYBODY,
    "addParticipants": EVERYBODY,
    "changeStanding": EVERYBODY,
    "removeParticipant": EVERYBODY,
    "changeSettings": EVERYBODY,
    "linkAccount": STAFF,
    "unlinkAccount": STAFF,
    "postMessage": EVERYBODY,
    "postMessageIn": EVERYBODY,
    "listMessagesOf": EVERYBODY,
    "listMessages": EVERYBODY,
    "getMessage": EVERYBODY,
    "editMessage": EVERYBODY,
    "deleteMessage": EVERYBODY,
    "retryMessage": EVERYBODY,
    "forwardMessage": EVERYBODY,
    "searchConversation": EVERYBODY,
    "searchMessages": EVERYBODY,
    "exportConversation": EVERYBODY,
    "getMessageStats": EVERYBODY,
    "listVendors": EVERYBODY,
    "getVendor": EVERYBODY,
    "changeVendor": STAFF | {"vendor"},
    "setVendorStatus": STAFF | {"vendor"},
    "rateVendor": STAFF | {"host"},
    "listVendorRatings": STAFF | {"vendor"},
    "getVendorAnalytics": STAFF | {"vendor"},
    "readConversation": EVERYBODY,
    "putConversationRead": EVERYBODY,
    "readMessages": EVERYBODY,
    "listUnread": EVERYBODY,
    "getTyping": EVERYBODY,
    "setTyping": EVERYBODY,
    "getPresence": EVERYBODY,
    "setPresence": EVERYBODY,
    "addReaction": EVERYBODY,
    "listReactions": EVERYBODY,
    "removeReaction": EVERYBODY,
    "pinMessage": EVERYBODY,
    "unpinMessage": EVERYBODY,
    "votePoll": EVERYBODY,
    "closePoll": EVERYBODY,
    "sendQuote": STAFF | {"vendor"},
    "listQuotes": EVERYBODY,
    "getQuote": EVERYBODY,
    "reviseQuote": STAFF | {"vendor"},
    "withdrawQuote": STAFF | {"vendor"},
    "acceptQuote": STAFF | {"host"},
    "declineQuote": STAFF | {"host"},
    "listMedia": EVERYBODY,
    "bookmarkMessage": EVERYBODY,
    "removeBookmark": EVERYBODY,
    "listBookmarks": EVERYBODY,
    "listScheduledMessages": EVERYBODY,
    "getScheduledMessage": EVERYBODY,
    "changeScheduledMessage": EVERYBODY,
    "cancelScheduledMessage": EVERYBODY,
    "createQuickReply": EVERYBODY,
    "listQuickReplies": EVERYBODY,
    "getQuickReply": EVERYBODY,
    "changeQuickReply": EVERYBODY,
    "deleteQuickReply": EVERYBODY,
    "openLead": STAFF,
    "listLeads": EVERYBODY,
    "getLead": EVERYBODY,
    "changeLead": STAFF | {"vendor"},
    "linkMessageToLead": STAFF | {"vendor"},
    "unlinkMessageFromLead": STAFF | {"vendor"},
    "listEvents": STAFF,
    "listBookings": EVERYBODY,
    "listBookingsOfConversation": EVERYBODY,
    "getBooking": EVERYBODY,
    "getEvent": STAFF,
    "replayEvent": STAFF,
    "listDeadLetters": STAFF,
    "getDeadLetter": STAFF,
    "replayDeadLetter": STAFF,
    "replayDeadLetters": STAFF,
    "revokeTokens": STAFF,
    "createWebhook": STAFF,
    "listWebhooks": STAFF,
    "getWebhook": STAFF,
    "changeWebhook": STAFF,
    "deleteWebhook": STAFF,
    "rotateWebhookSecret": STAFF,
    "testWebhook": STAFF,
    "listWebhookDeliveries": STAFF,
    "getWebhookDelivery": STAFF,
    "replayWebhookDelivery": STAFF,
    "replayWebhook": STAFF,
}
# Objects that belong to nobody in particular: everybody of the tenant whom `WHO` lets in may have them.
FOR_THE_WHOLE_TENANT: frozenset[str] = frozenset()
KEYED: dict[str, AnyOperation] = {one.name: one for one in OPERATIONS if one.security == "api_key"}
OFFER = {name: value for name, value in quote().items() if name != "sender_id"}
# Asked by a person for themselves, these name nobody.
AS_ONESELF: dict[str, Any] = {
    "addParticipants": {"participants": [{"id": "u-ben"}]},
    "postMessage": {"text": "Hello"},
    "postMessageIn": {"conversation_id": "{conversation_id}", "text": "Hello"},
    "editMessage": {"text": "Hello!"},
    "forwardMessage": {"conversation_id": "{conversation_id}"},
    "addReaction": {"emoji": "👍"},
    "votePoll": {"answers": ["1"]},
    "closePoll": {},
    "readConversation": {},
    "putConversationRead": {},
    "readMessages": {"all": True},
    "setTyping": {"conversation_id": "{conversation_id}"},
    "setPresence": {"presence": "online"},
    "rateVendor": {"rating": 4},
    "sendQuote": OFFER,
    "reviseQuote": OFFER,
    "withdrawQuote": {},
    "acceptQuote": {"revision": 1, "total": 384_000, "currency": "EUR"},
    "declineQuote": {"revision": 1},
}
BY_RULE = ("not_allowed", "not_an_owner")
"""What somebody who may see it may not do all the same."""
ANNAS_OWN = (
    "addParticipants",  # the group is hers
    "getScheduledMessage",
    "changeScheduledMessage",
    "cancelScheduledMessage",
    "getQuickReply",
    "changeQuickReply",
    "deleteQuickReply",
)
"""What the other side knows nothing of."""
ENDS = ("deleteConversation", "leaveConversation")
"""After which there is nothing to do it to."""
DENIED = (401, 403, 404)
PLACEHOLDER = '"{'
ELSEWHERE = {
    "another tenant's program",
    "another tenant's staff",
    "another tenant's host of the same id",
    "another tenant's vendor of the same id",
}


def test_every_operation_says_who_may_use_it() -> None:
    assert {name: operation.roles for name, operation in KEYED.items()} == WHO, (
        "add the new operation here, with everybody who may use it"
    )


def test_every_operation_that_takes_a_body_has_an_example() -> None:
    assert {name for name, one in KEYED.items() if one.takes_body and name not in BODIES} == set()


def strangers(people: People) -> dict[str, tuple[CallerRole, Api]]:
    """Those to whom nothing of Anna's conversation with Sweet Bites may show."""
    return {
        "a host of another conversation": ("host", people.who("host", "u-ben")),
        "a vendor of another conversation": ("vendor", people.who("vendor", "v-2")),
        "a host of nothing": ("host", people.who("host", "u-nobody")),
        "a host who left": ("host", people.who("host", "u-gone")),
        "another tenant's program": ("service", people.sides.theirs),
        "another tenant's staff": ("admin", people.who("admin", "u-chief", THEIRS)),
        "another tenant's host of the same id": ("host", people.who("host", "u-anna", THEIRS)),
        "another tenant's vendor of the same id": ("vendor", people.who("vendor", "v-1", THEIRS)),
    }


def insiders(people: People) -> dict[str, tuple[CallerRole, Api]]:
    return {
        "our program": ("service", people.sides.ours),
        "our staff": ("admin", people.who("admin", "u-chief")),
        "who said it": ("host", people.anna),
        "the other side": ("vendor", people.sweet_bites),
    }


async def furnish(people: People, name: str) -> dict[str, str]:
    """Anna's conversation with Sweet Bites, other conversations beside it; one of our objects of each kind."""
    ids = await ids_of(people.sides, people.world, name)
    elsewhere = pair("p-2", "v-2")
    elsewhere["party"]["hosts"] = [{"id": "u-ben", "name": "Ben"}]
    await people.sides.ours.post("/api/v1/conversations", elsewhere)
    gone = pair()
    gone["party"]["hosts"].append({"id": "u-gone", "name": "Gone"})
    await people.sides.ours.post("/api/v1/conversations", gone)
    await people.world.leave(ids["conversation_id"], "u-gone")
    return ids


async def of_ours(world: World) -> dict[str, list[dict[str, Any]]]:
    """All that is stored of our tenant."""
    contents = await world.contents()
    ours = {row["conversation_id"] for row in contents["conversations"] if row["tenant_id"] == OURS}

    def is_ours(row: dict[str, Any]) -> bool:
        if "tenant_id" in row or "conversation_id" not in row:
            return bool(row.get("tenant_id", OURS) == OURS)
        return row["conversation_id"] in ours

    return {table: [row for row in rows if is_ours(row)] for table, rows in contents.items()}


def names_an_object(operation: AnyOperation) -> bool:
    """In its path, or in its body by a placeholder such as "{conversation_id}"."""
    named = json.dumps([BODIES.get(operation.name), QUERIES.get(operation.name)])
    return bool(operation.path_parameters) or PLACEHOLDER in named


def hold_nothing_of(answer: Answer, ids: dict[str, str]) -> bool:
    told = json.dumps(answer.json)
    kinds = ("conversation_id", "message_id", "dead_letter_id")
    return not any(ids[kind] in told for kind in kinds if ids[kind] != "unknown")


@pytest.mark.parametrize("name", sorted(KEYED))
async def test_strangers_get_nothing(people: People, world: World, name: str) -> None:
    operation, ids = KEYED[name], await furnish(people, name)
    unknown = dict.fromkeys(ids, "unknown") | {"dead_letter_id": UNKNOWN_LETTER}
    for who, (role, api) in strangers(people).items():
        bodies = AS_ONESELF if role in PEOPLE else {}
        is_of_the_tenant = who not in ELSEWHERE
        before = await of_ours(world)
        answer = await ask(api, name, ids, bodies, as_oneself=role in PEOPLE)
        assert hold_nothing_of(answer, ids), who
        if role not in WHO[name]:
            assert (answer.status, answer.problem) == (403, "forbidden"), who
        elif name in FOR_THE_WHOLE_TENANT and is_of_the_tenant:
            assert answer.status not in (*DENIED, 422), (who, answer.json)
            continue
        elif names_an_object(operation):
            assert (answer.status, answer.problem) == (404, "not_found"), who
            there_is_none = await ask(api, name, unknown, bodies, as_oneself=role in PEOPLE)
            assert answer.json == there_is_none.json, who  # nor can they tell that it exists
        else:
            assert answer.status in (200, 201) or answer.problem == "not_found", who
            if is_of_the_tenant:
                continue  # it is something of their own
        assert await of_ours(world) == before, who


@pytest.mark.parametrize("name", sorted(KEYED))
async def test_insiders_may_do_what_their_role_may(people: People, world: World, name: str) -> None:
    ids = await ids_of(people.sides, world, name)
    for who, (role, api) in insiders(people).items():
        if name in ENDS:
            ids["conversation_id"] = await opened(people.sides.ours)
        if name == "removeParticipant":
            ids["conversation_id"] = await group_with_vendor(people.sides.ours)
        if name == "retryMessage":
            await failed(world, ids["message_id"])
        if name == "blockConversation":  # else the next one is on the side that is blocked
            await ask(people.sides.ours, "reopenConversation", ids)
        if name == "deleteQuickReply":
            ids["quick_reply_id"] = await quick_reply(people.sides.ours)
        if name == "deleteWebhook":
            ids |= await webhook(people.sides.ours, world)
        before = await of_ours(world)
        person = role in PEOPLE
        answer = await ask(api, name, ids, AS_ONESELF if person else {}, as_oneself=person)
        if name in ANNAS_OWN and who == "the other side":
            assert answer.problem == "not_found"
            assert await of_ours(world) == before
        elif answer.status == 403 and answer.problem in BY_RULE:
            assert person, who
            assert await of_ours(world) == before, who
        elif role in WHO[name]:
            assert answer.status not in (*DENIED, 422), (who, answer.json)
        else:
            assert (answer.status, answer.problem) == (403, "forbidden"), who
            assert await of_ours(world) == before, who


async def test_a_token_that_does_not_hold_opens_nothing(people: People, world: World) -> None:
    ids, sign_in = await ids_of(people.sides, world), world.sign_ins[OURS]
    http = people.sides.ours.http
    await people.sides.ours.post("/api/v1/token-revocations", {"kind": "session", "value": "s-1"})
    before = await of_ours(world)
    for token in (
        sign_in.token("u-chief", "admin", exp=sign_in.seconds - 60),
        sign_in.token("u-chief", "admin", sid="s-1"),
        world.sign_ins[THEIRS].signed(sign_in.claims("u-chief", "admin")),
        sign_in.token("u-chief", "admin")[:-4] + "AAAA",
        sign_in.token("u-chief", "service"),
    ):
        answers = {name: await ask(Api(http, token), name, ids) for name in KEYED}
        assert {
            name for name, one in answers.items() if (one.status, one.problem) != (401, "unauthorized")
        } == set()
    assert await of_ours(world) == before


@pytest.mark.parametrize("name", sorted(KEYED))
async def test_a_key_is_good_for_its_scopes_only(people: People, world: World, name: str) -> None:
    ids, scope = await ids_of(people.sides, world, name), KEYED[name].scope
    http = people.sides.ours.http
    others = str(await world.keys.create(OURS, name="all others", scopes=SCOPES - {scope}))
    alone = str(await world.keys.create(OURS, name="this alone", scopes=[scope]))
    before = await of_ours(world)
    refused = await ask(Api(http, others), name, ids)
    assert (refused.status, refused.problem) == (403, "forbidden")
    assert scope in refused.json["detail"]
    assert await of_ours(world) == before
    assert (await ask(Api(http, alone), name, ids)).status not in DENIED


async def test_people_are_shown_their_own_conversations_only(people: People, sides: Sides) -> None:
    first = await opened(sides.ours, "p-1", "v-1")
    second = await opened(sides.ours, "p-1", "v-2")  # the same hosts
    for api, own in (
        (people.anna, {first, second}),
        (people.sweet_bites, {first}),
        (people.who("vendor", "v-2"), {second}),
        (people.who("admin", "u-chief"), {first, second}),
        (people.who("host", "u-ben"), set()),
        (people.who("host", "u-anna", THEIRS), set()),
    ):
        listed = await api.get("/api/v1/conversations")
        assert {one["conversation_id"] for one in listed.json["conversations"]} == own
        of_party = await api.get("/api/v1/parties/p-1/conversations")
        assert of_party.status == (200 if own else 404)
        if own:
            assert {one["conversation_id"] for one in of_party.json["conversations"]} == own


async def test_a_persons_cursor_leads_nobody_else_on(people: People, sides: Sides) -> None:
    for vendor in ("v-1", "v-2"):
        await opened(sides.ours, "p-1", vendor)
    page = await people.anna.get("/api/v1/conversations", limit=1)
    cursor = page.json["next_cursor"]
    assert (await people.anna.get("/api/v1/conversations", limit=1, cursor=cursor)).status == 200
    for other in (people.sweet_bites, people.who("admin", "u-chief"), sides.ours, sides.theirs):
        refused = await other.get("/api/v1/conversations", limit=1, cursor=cursor)
        assert (refused.status, refused.problem) == (422, "invalid_cursor")
