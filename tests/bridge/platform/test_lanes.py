"""Which events are applied in the order they came: those of one conversation, whatever belongs to it."""

from typing import Any

import pytest

from bridge.conversations.model import Scope
from bridge.core.ids import TenantId
from bridge.platform.lanes import lane_of
from bridge.platform.parse import parse
from bridge.platform.reception import Reception
from tests.bridge.platform.sender import (
    MemoryIntake,
    booking_told,
    encode,
    event,
    message_send,
    payment_received,
    plan_completed,
    review_created,
    user_deleted,
    user_updated,
    vendor_selected,
    vendor_status,
    vendor_updated,
)

FESTIPIN, OTHER = TenantId("festipin"), TenantId("other")
IN_CONVERSATIONS: list[dict[str, Any]] = [
    plan_completed(),
    vendor_selected(),
    booking_told("changed"),
    payment_received(),
    message_send(),
    review_created(),
]
OF_PEOPLE: list[dict[str, Any]] = [vendor_updated(), vendor_status("away"), user_updated(), user_deleted()]


def of_party(sent: dict[str, Any], party_id: str) -> dict[str, Any]:
    data = dict(sent["data"])
    if "party" in data:
        data["party"] = data["party"] | {"id": party_id}
    else:
        data["party_id"] = party_id
    return sent | {"data": data}


@pytest.mark.parametrize("sent", IN_CONVERSATIONS, ids=lambda sent: sent["type"])
def test_where_a_conversation_belongs_to_several_parties_their_events_keep_their_order(
    sent: dict[str, Any],
) -> None:
    events = [parse(encode(of_party(sent, party_id))) for party_id in ("p-1", "p-2")]
    first = parse(encode(vendor_selected()))

    def lanes(tenant: TenantId) -> set[str]:
        return {lane_of(one, tenant, scope="host_vendor") for one in (first, *events)}

    assert len(lanes(FESTIPIN)) == 1
    assert not lanes(FESTIPIN) & lanes(OTHER)
    assert len({lane_of(one, FESTIPIN, scope="party_vendor") for one in events}) == 2


@pytest.mark.parametrize("sent", [*OF_PEOPLE, event("unheard.of", {})], ids=lambda sent: sent["type"])
def test_what_is_of_no_conversation_waits_for_none(sent: dict[str, Any]) -> None:
    one = parse(encode(sent))
    assert lane_of(one, FESTIPIN, scope="host_vendor") == one.lane(FESTIPIN)


async def test_events_are_accepted_into_the_lanes_of_the_scope() -> None:
    bodies = [encode(of_party(message_send(), one) | {"id": one}) for one in ("p-1", "p-2")]
    scopes: dict[Scope, int] = {"party_vendor": 2, "host_vendor": 1}
    for scope, count in scopes.items():
        intake = MemoryIntake()
        await Reception(intake, max_text_length=1_000, scope=scope).take(FESTIPIN, bodies)
        assert len({stored.lane for stored in intake.stored}) == count
