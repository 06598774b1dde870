"""Who says what others may do in a conversation, and who takes them out: every case of the two rules."""

import dataclasses

import pytest

from bridge.conversations import rules
from bridge.conversations.errors import LastOwner, NotAGroup, NotAllowed
from bridge.conversations.model import Away, Member, Role, Standing, Type
from bridge.core.errors import Refusal
from tests.bridge.conversations.features import person
from tests.bridge.conversations.test_rules import conversation


def one(name: str, standing: Standing = "member", *, role: Role = "host", away: Away | None = None) -> Member:
    return Member(person(name, name.title()), role, away, standing=standing)


ANNA, BEN = one("anna", "owner"), one("ben", "owner")
CLEO, DORA = one("cleo", "admin"), one("dora", "admin")
EMIL, FAY = one("emil"), one("fay")
SAM = one("sam", "admin", role="staff")
PEOPLE = [ANNA, BEN, CLEO, DORA, EMIL, FAY, SAM]


def away(member: Member, why: Away) -> Member:
    return dataclasses.replace(member, away=why)


def with_(*changed: Member) -> list[Member]:
    """Everybody, these as they are here."""
    names = {member.participant.participant_id: member for member in changed}
    return [names.get(member.participant.participant_id, member) for member in PEOPLE]


# (who asks, whose standing, what it is to be, why not)
STANDINGS: list[tuple[Member | None, Member, Standing, type[Refusal] | None]] = [
    (None, EMIL, "owner", None),  # a program, or staff
    (None, ANNA, "member", None),
    (ANNA, EMIL, "admin", None),
    (ANNA, EMIL, "owner", None),
    (ANNA, CLEO, "member", None),
    (ANNA, BEN, "member", None),  # the other owner
    (ANNA, ANNA, "admin", None),  # there is another owner
    (ANNA, ANNA, "owner", None),
    (ANNA, away(EMIL, "declined"), "admin", None),  # spoken for all the same
    (ANNA, away(EMIL, "blocked"), "admin", None),
    (CLEO, EMIL, "owner", NotAllowed),
    (CLEO, EMIL, "admin", NotAllowed),
    (CLEO, DORA, "member", NotAllowed),
    (CLEO, CLEO, "owner", NotAllowed),
    (CLEO, CLEO, "member", NotAllowed),
    (SAM, EMIL, "admin", NotAllowed),  # staff in the name of a participant have that participant's rights
    (EMIL, EMIL, "admin", NotAllowed),
    (EMIL, FAY, "member", NotAllowed),  # not even what is so already
    (away(ANNA, "blocked"), EMIL, "admin", NotAllowed),
    (away(ANNA, "left"), EMIL, "admin", NotAllowed),
    (away(ANNA, "removed"), EMIL, "admin", NotAllowed),
    (ANNA, away(EMIL, "left"), "admin", NotAllowed),
    (None, away(EMIL, "removed"), "owner", NotAllowed),
]


@pytest.mark.parametrize(("asking", "whose", "standing", "refusal"), STANDINGS)
def test_owners_say_what_others_may_do(
    asking: Member | None, whose: Member, standing: Standing, refusal: type[Refusal] | None
) -> None:
    people = with_(whose)
    if refusal is None:
        return rules.check_may_set_standing(people, whose, standing, asking=asking)
    with pytest.raises(refusal):
        rules.check_may_set_standing(people, whose, standing, asking=asking)
    return None


# (in what, who asks, whom, why not)
REMOVALS: list[tuple[Type, Member | None, Member, type[Refusal] | None]] = [
    ("group", None, EMIL, None),
    ("group", None, ANNA, None),  # there is another owner
    ("direct", None, EMIL, None),
    ("support", None, SAM, None),
    ("group", ANNA, EMIL, None),
    ("group", ANNA, CLEO, None),
    ("group", ANNA, BEN, None),
    ("group", CLEO, EMIL, None),
    ("group", CLEO, DORA, None),
    ("group", CLEO, ANNA, NotAllowed),
    ("group", EMIL, FAY, NotAllowed),
    ("group", EMIL, ANNA, NotAllowed),
    ("group", ANNA, ANNA, NotAllowed),  # leaves instead
    ("group", CLEO, CLEO, NotAllowed),
    ("group", EMIL, EMIL, NotAllowed),
    ("group", away(ANNA, "blocked"), EMIL, NotAllowed),
    ("group", away(ANNA, "left"), EMIL, NotAllowed),
    ("group", away(CLEO, "removed"), EMIL, NotAllowed),
    ("group", ANNA, away(EMIL, "left"), None),  # and stays away
    ("group", ANNA, away(EMIL, "declined"), None),
    ("group", ANNA, away(EMIL, "blocked"), None),
    ("direct", ANNA, EMIL, NotAGroup),  # the two sides
    ("direct", ANNA, BEN, NotAGroup),
    ("direct", CLEO, EMIL, NotAGroup),
    ("direct", EMIL, FAY, NotAllowed),
    ("support", ANNA, SAM, NotAGroup),  # whoever needs help does not choose who helps
    ("support", SAM, EMIL, None),
    ("support", SAM, ANNA, NotAllowed),  # whose question it is
]


@pytest.mark.parametrize(("type_", "asking", "whom", "refusal"), REMOVALS)
def test_who_takes_out_whom(
    type_: Type, asking: Member | None, whom: Member, refusal: type[Refusal] | None
) -> None:
    here, people = conversation(type_=type_), with_(whom)
    if refusal is None:
        return rules.check_may_remove(here, people, whom, asking=asking)
    with pytest.raises(refusal):
        rules.check_may_remove(here, people, whom, asking=asking)
    return None


# (what the other owner is, is Anna then the only one)
OTHER_OWNERS: list[tuple[Member, bool]] = [
    (BEN, False),
    (
        away(BEN, "declined"),
        False,
    ),  # as for an heir: who is spoken for, or may come back, is one all the same
    (away(BEN, "blocked"), False),
    (away(BEN, "left"), True),
    (away(BEN, "removed"), True),
    (one("ben", "admin"), True),
]


@pytest.mark.parametrize(("other", "is_last"), OTHER_OWNERS)
@pytest.mark.parametrize("asking", [None, ANNA, one("gus", "owner")])
def test_the_last_owner_stays_one(other: Member, is_last: bool, asking: Member | None) -> None:
    here, people = conversation(type_="group"), with_(other)
    rules.check_may_set_standing(people, ANNA, "owner", asking=asking)
    for standing in ("admin", "member"):
        if is_last:
            with pytest.raises(LastOwner):
                rules.check_may_set_standing(people, ANNA, standing, asking=asking)
        else:
            rules.check_may_set_standing(people, ANNA, standing, asking=asking)
    if asking is ANNA:
        return
    if is_last:
        with pytest.raises(LastOwner):
            rules.check_may_remove(here, people, ANNA, asking=asking)
    else:
        rules.check_may_remove(here, people, ANNA, asking=asking)
