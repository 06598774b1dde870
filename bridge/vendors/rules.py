"""Who may know what of a vendor, how they are shown, what they are found by: pure. Times in epoch ms."""

import unicodedata
from collections.abc import Collection, Sequence
from datetime import timedelta

from bridge.core.caller import Caller
from bridge.core.ids import ParticipantId, PartyId, VendorId
from bridge.vendors.errors import NeverMet, NotForVendors, PartyUnclear
from bridge.vendors.model import Acquaintance, Declared, Insight, Presence, Status, Vendor

PROMPTNESS_SPAN = timedelta(days=90)
"""How fast somebody answers is told by what they answered within this time: people change."""
OWN_FIELDS = frozenset({"contact_name", "email", "phone", "specialties", "portfolio", "pricing_info"})
"""What a vendor says of themself. By the rest others tell vendors apart: the platform vouches for that."""
_MINUTE = timedelta(minutes=1) // timedelta(milliseconds=1)


def insight(caller: Caller, vendor_id: VendorId, acquaintance: Acquaintance | None) -> Insight | None:
    """What the caller may know of the vendor; None: not even that there is one.

    `acquaintance`: of a person with them; None: they have no conversation.
    """
    if not caller.is_person:
        return "all"
    if caller.role == "vendor" and caller.participant_id == ParticipantId(vendor_id):
        return "all"
    if acquaintance is None:
        return None
    return "contact" if caller.role == "host" and acquaintance.is_open else "profile"


def check_may_change(caller: Caller, fields: Collection[str]) -> None:
    """Of a vendor about themself; what the platform and its staff may change is all."""
    others = sorted(set(fields) - OWN_FIELDS)
    if caller.is_person and others:
        raise NotForVendors(
            f"Only the platform changes `{others[0]}`. Nothing was changed. Leave it out, or ask the platform.",
            field=others[0],
        )


def holds(declared: Declared | None, *, now: int) -> bool:
    return declared is not None and (declared.until is None or now < declared.until)


def availability(declared: Declared | None, presence: Presence, *, now: int) -> Status:
    """What was said of them, while it holds; else as their clients and the platform see them."""
    if declared is not None and holds(declared, now=now):
        return declared.status
    return presence.state


def prompt_since(now: int) -> int:
    return now - PROMPTNESS_SPAN // timedelta(milliseconds=1)


def minutes(milliseconds: float) -> float:
    return round(milliseconds / _MINUTE, 2)


def average(total: int, count: int) -> float:
    """Of stars, as it is shown."""
    return round(total / count, 2)


def party_of(met: Collection[PartyId | None], named: PartyId | None) -> PartyId | None:
    """For which of the parties of which a host has conversations with a vendor a rating is.

    None among them: they also met without a party. `named`: what the host says; None: nothing.
    """
    if not met:
        raise NeverMet(
            "Only who has a conversation with a vendor can rate them. Nothing was changed. Name a host of one in"
            " `host_id`.",
            field="host_id",
        )
    if named is None:
        if len(met) > 1:
            raise PartyUnclear(
                "They met for more than one party. Nothing was changed. Say in `party_id` for which this is.",
                field="party_id",
            )
        return next(iter(met))
    if named not in met:
        raise NeverMet(
            "They have no conversation for this party. Nothing was changed. Check `party_id`, or leave it out.",
            field="party_id",
        )
    return named


def folded(text: str) -> str:
    """The same for what people take for the same when they look for it: without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def is_found(vendor: Vendor, words: Sequence[str]) -> bool:
    """Whether each of the folded words, or what begins or holds it, is in the vendor's name, kind or specialties."""
    told = folded("\n".join([vendor.business_name, vendor.vendor_type or "", *vendor.specialties]))
    return all(word in told for word in words)
