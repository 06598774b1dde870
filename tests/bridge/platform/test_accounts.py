"""An event that gives somebody another one's account has no effect, and says whose it is; it can be replayed."""

from typing import Any

import pytest

from bridge.core.ids import ParticipantId
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    booking_confirmed,
    host,
    party,
    user_updated,
    vendor,
    vendor_selected,
)

ANNAS = host()["mxid"]


@pytest.fixture
def platform(database: Database) -> Platform:
    return Platform(database)


async def account(platform: Platform, participant_id: str) -> str | None:
    found = await platform.features.participants.get(
        platform.features.database, TENANT, ParticipantId(participant_id)
    )
    return None if found is None else found.mxid


def of_vendor_with(mxid: str, sent: dict[str, Any]) -> dict[str, Any]:
    told = vendor() | {"mxid": mxid}
    return sent | {"data": sent["data"] | {"vendor": told, "party": party() | {"id": "p-2"}}}


async def test_no_event_gives_somebody_anothers_account(platform: Platform) -> None:
    await platform.accept(vendor_selected(), event_id="e-1")
    await platform.apply()
    before = await platform.features.everything()
    for number, sent in enumerate(
        (
            of_vendor_with(ANNAS, vendor_selected()),
            of_vendor_with(ANNAS, booking_confirmed()),
            user_updated(user_id="v-1", name="Sour Bites", mxid=ANNAS),
        ),
        start=2,
    ):
        await platform.accept(sent, event_id=f"e-{number}")
    await platform.apply()
    assert await platform.features.everything() == before
    reason = "account_taken: The account that is to be v-1's is u-anna's already. Unlink it there first."
    assert [failure.startswith(reason) for failure in await platform.failures()] == [True] * 3
    assert (await account(platform, "u-anna"), await account(platform, "v-1")) == (ANNAS, None)


async def test_what_follows_is_applied_all_the_same(platform: Platform) -> None:
    await platform.accept(vendor_selected(), event_id="e-1")
    await platform.accept(of_vendor_with(ANNAS, vendor_selected()), event_id="e-2")
    await platform.accept(of_vendor_with("@chef:example.org", vendor_selected()), event_id="e-3")
    await platform.apply()
    assert len(await platform.failures()) == 1
    assert await account(platform, "v-1") == "@chef:example.org"
