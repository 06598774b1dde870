"""Who gets room keys: the policy as tables."""

import pytest

from appservice.encryption.device_keys import Device
from appservice.encryption.sharing import UNVERIFIED, KnownIdentity, ShareWith, withheld_code

NEVER_SEEN = KnownIdentity(None, None)
SAME = KnownIdentity("first", "first")
REPLACED = KnownIdentity("first", "second")
VANISHED = KnownIdentity("first", None)


def device(*, signed: bool) -> Device:
    return Device(
        user_id="@alice:people.test",
        device_id="PHONE",
        identity_key="identity",
        signing_key="signing",
        olm=True,
        signed=signed,
    )


ROWS: list[tuple[ShareWith, KnownIdentity, bool, bool]] = [
    # A user without an identity is taken as they are: nothing was ever promised about their devices.
    ("identity_aware", NEVER_SEEN, False, True),
    # A signature of an identity that we do not know makes nothing worse.
    ("identity_aware", NEVER_SEEN, True, True),
    # With an identity, the devices it signed get keys.
    ("identity_aware", SAME, True, True),
    # Whoever signs some of their devices says that the others are not theirs.
    ("identity_aware", SAME, False, False),
    # Somebody else may be behind the new identity, and its signatures prove only that.
    ("identity_aware", REPLACED, True, False),
    ("identity_aware", REPLACED, False, False),
    # A homeserver that hides the identity does not get the laxer treatment.
    ("identity_aware", VANISHED, True, False),
    ("identity_aware", VANISHED, False, False),
    # The stricter setting: without an identity, nothing.
    ("cross_signed", NEVER_SEEN, False, False),
    ("cross_signed", NEVER_SEEN, True, False),
    ("cross_signed", SAME, True, True),
    ("cross_signed", SAME, False, False),
    ("cross_signed", REPLACED, True, False),
    ("cross_signed", REPLACED, False, False),
    ("cross_signed", VANISHED, True, False),
    ("cross_signed", VANISHED, False, False),
    # The laxer one: every device the homeserver tells of, whatever is known.
    ("everyone", NEVER_SEEN, False, True),
    ("everyone", NEVER_SEEN, True, True),
    ("everyone", SAME, True, True),
    ("everyone", SAME, False, True),
    ("everyone", REPLACED, True, True),
    ("everyone", REPLACED, False, True),
    ("everyone", VANISHED, True, True),
    ("everyone", VANISHED, False, True),
]


@pytest.mark.parametrize(("policy", "identity", "signed", "gets_key"), ROWS)
def test_a_device_gets_the_key_or_is_told_why_not(
    policy: ShareWith, identity: KnownIdentity, signed: bool, gets_key: bool
) -> None:
    assert withheld_code(policy, identity, device(signed=signed)) == (None if gets_key else UNVERIFIED)


def test_the_table_is_complete() -> None:
    assert len({row[:3] for row in ROWS}) == len(ROWS) == 3 * 4 * 2
