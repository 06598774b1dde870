"""Who may see what, whoever was added, left, was blocked, or had a conversation deleted before."""

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversations.access import Access, member_of
from bridge.conversations.errors import LastOwner
from bridge.conversations.listing import Filter, newest
from bridge.conversations.model import Conversation
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, TenantId
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person

PEOPLE = ("anna", "ben", "cleo")
STRANGER = "dora"
tenants = count()
moves = st.lists(
    st.tuples(
        st.sampled_from(("add", "leave", "remove", "close", "archive", "block", "reopen", "delete")),
        st.integers(0, 1),
        st.sampled_from(PEOPLE),
    ),
    max_size=10,
)


@pytest.fixture
def features(database: Database) -> Features:
    return Features(database)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
async def test_nobody_sees_what_they_take_no_part_in(
    features: Features, moves: list[tuple[str, int, str]]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 9: no access without right"""
    tenant, other = (TenantId(f"t{next(tenants)}") for _ in range(2))
    there: list[Conversation] = []
    takes_part: list[set[str]] = []
    blocked = [False, False]
    for number in range(2):
        there.append(await opened(features, tenant, number, "anna"))
        takes_part.append({"anna", "chef"})
    await opened(features, other, 0, STRANGER)
    for move, number, who in moves:
        where, them = there[number], takes_part[number]
        if not them and move != "add":
            continue
        async with features.database.transaction() as tx:
            changes = features.conversation_changes
            match move:
                case "add":
                    pass
                case "leave" if who in them:
                    await changes.leave(tx, where, who=ParticipantId(who))
                    them.discard(who)
                case "remove" if who in them:
                    with suppress(LastOwner):
                        await changes.remove(tx, where, ParticipantId(who), asking=None)
                        them.discard(who)
                case "close" | "archive":
                    current = await features.conversation_store.get(tx, where.conversation_id)
                    assert current is not None
                    if current.status != "blocked":
                        await changes.act(tx, where, move, asking=None)
                case "reopen":
                    await changes.act(tx, where, "reopen", asking=None)
                    blocked[number] = False
                case "block":
                    await changes.act(tx, where, "block", asking=None, side="vendor")
                    blocked[number] = True
                case "delete":
                    await changes.delete(tx, where, asking=None)
                    them.clear()
                    blocked[number] = False
        if move == "add":
            if not them:  # deleted: it begins anew
                them.add("chef")
            there[number] = await opened(features, tenant, number, who)
            them |= {who, "chef"}
    for them, is_blocked in zip(takes_part, blocked, strict=True):
        if is_blocked:
            them.discard("chef")
    for name in (*PEOPLE, "chef", STRANGER):
        wanted = {one.conversation_id for one, them in zip(there, takes_part, strict=True) if name in them}
        caller = Caller(tenant_id=tenant, role="host", participant_id=ParticipantId(name))
        shown = await newest(
            features.database,
            tenant,
            Filter(member=member_of(caller), archive=True),
            before=None,
            limit=9,
        )
        assert {one.conversation.conversation_id for one in shown} == wanted
        for one in there:
            await look(features, caller, one, allowed=one.conversation_id in wanted)
            stranger = Caller(tenant_id=other, role="service")
            await look(features, stranger, one, allowed=False)


async def opened(features: Features, tenant: TenantId, number: int, host: str) -> Conversation:
    return await features.open(
        party=f"p{number}",
        hosts=[person(host, host, tenant=tenant)],
        vendor=person("chef", "Chef", tenant=tenant),
        tenant=tenant,
    )


async def look(features: Features, caller: Caller, conversation: Conversation, *, allowed: bool) -> None:
    access, here = Access(features.conversation_store), conversation.conversation_id
    if allowed:
        assert (await access.to(features.database, caller, here)).conversation.conversation_id == here
        return
    with pytest.raises(NotFound):
        await access.to(features.database, caller, here)
