"""Who may know what of a vendor, when what was said of them holds, what they are found by."""

from dataclasses import dataclass
from typing import Literal

import pytest

from bridge.core.caller import Caller, CallerRole
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.vendors import rules
from bridge.vendors.errors import NeverMet, NotForVendors, PartyUnclear
from bridge.vendors.model import Acquaintance, Declared, Insight, Status, Vendor

TENANT, CHEF = TenantId("festipin"), VendorId("chef")
P1, P2 = PartyId("p1"), PartyId("p2")
NOW = 1_800_000_000_000
OPEN, OVER = Acquaintance(is_open=True), Acquaintance(is_open=False)


@dataclass(frozen=True)
class Seen:
    state: Literal["online", "away", "offline"]
    seen_at: int | None = None


def caller(role: CallerRole, person: str | None = None) -> Caller:
    return Caller(
        tenant_id=TENANT, role=role, participant_id=None if person is None else ParticipantId(person)
    )


@pytest.mark.parametrize(
    ("who", "acquaintance", "expected"),
    [
        # The platform and its staff know all there is.
        (caller("service"), None, "all"),
        (caller("admin"), None, "all"),
        # So does the vendor.
        (caller("vendor", "chef"), None, "all"),
        # A host who talks with them may call them; who did so once may not.
        (caller("host", "anna"), OPEN, "contact"),
        (caller("host", "anna"), OVER, "profile"),
        # Another vendor of the same group sees who it is, however open it is.
        (caller("vendor", "florist"), OPEN, "profile"),
        # A host who happens to have the vendor's id is not the vendor.
        (caller("host", "chef"), None, None),
        # Strangers, and who is nobody, do not even learn that there is one.
        (caller("host", "ben"), None, None),
        (caller("vendor", "florist"), None, None),
        (caller("vendor"), None, None),
        (caller("host"), None, None),
    ],
)
def test_who_may_know_what(who: Caller, acquaintance: Acquaintance | None, expected: Insight | None) -> None:
    assert rules.insight(who, CHEF, acquaintance) == expected


@pytest.mark.parametrize(
    ("declared", "presence", "expected"),
    [
        # Nothing was said: as their clients see them.
        (None, "away", "away"),
        # What was said holds before that, until something else is said.
        (Declared(status="busy"), "online", "busy"),
        (Declared(status="online"), "offline", "online"),
        # To the very moment.
        (Declared(status="busy", until=NOW + 1), "online", "busy"),
        (Declared(status="busy", until=NOW), "online", "online"),
    ],
)
def test_what_was_said_of_somebody_holds_before_their_presence(
    declared: Declared | None, presence: Literal["online", "away", "offline"], expected: Status
) -> None:
    assert rules.availability(declared, Seen(presence), now=NOW) == expected


def test_a_vendor_says_how_to_reach_them_and_not_who_they_are() -> None:
    vendor = caller("vendor", "chef")
    rules.check_may_change(vendor, rules.OWN_FIELDS)
    for field in ("business_name", "vendor_type", "avatar_url", "metadata", "rating"):
        with pytest.raises(NotForVendors) as refused:
            rules.check_may_change(vendor, {"email", field})
        assert refused.value.field == field
        rules.check_may_change(caller("service"), {field})
        rules.check_may_change(caller("admin"), {field})


@pytest.mark.parametrize(
    ("met", "named", "expected"),
    [
        # Said for which.
        ({P1, P2}, P2, P2),
        # There is only one.
        ({P1}, None, P1),
        ({None}, None, None),
        # Unclear.
        ({P1, P2}, None, PartyUnclear),
        ({P1, None}, None, PartyUnclear),
        # They never met, or not for this party.
        (set(), None, NeverMet),
        (set(), P1, NeverMet),
        ({P1}, P2, NeverMet),
        ({None}, P1, NeverMet),
    ],
)
def test_a_rating_is_for_a_party_for_which_they_met(
    met: set[PartyId | None], named: PartyId | None, expected: object
) -> None:
    if isinstance(expected, type):
        with pytest.raises(expected):
            rules.party_of(met, named)
    else:
        assert rules.party_of(met, named) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # Parts of the name, in whatever case and accents.
        ("creme", True),
        ("CRÈME", True),
        ("brulee cafe", True),
        # The kind, a specialty.
        ("caterer", True),
        ("vegan", True),
        # Each word must be there.
        ("creme pizza", False),
        # A mark that a pattern would take for anything.
        ("%", False),
    ],
)
def test_a_vendor_is_found_by_name_kind_and_specialties(asked: str, *, expected: bool) -> None:
    vendor = Vendor(
        tenant_id=TENANT,
        vendor_id=CHEF,
        business_name="Café Crème Brûlée",
        vendor_type="caterer",
        specialties=("vegan menus",),
        created_at=NOW,
        updated_at=NOW,
    )
    assert rules.is_found(vendor, rules.folded(asked).split()) is expected
