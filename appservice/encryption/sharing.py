"""Which devices get room keys: pure policy. Deny by default, and never fall back to less than was seen before."""

from dataclasses import dataclass
from typing import Literal

from appservice.encryption.device_keys import Device

ShareWith = Literal["identity_aware", "cross_signed", "everyone"]

UNVERIFIED = "m.unverified"
"""Withheld code. Spec: client-server API, "Reporting that decryption keys are withheld"."""
NO_OLM = "m.no_olm"


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """A user's master key when first seen, and now; None where there is none."""

    pinned: str | None
    current: str | None


def withheld_code(policy: ShareWith, identity: KnownIdentity, device: Device) -> str | None:
    """None: the device gets the key. Otherwise the code that tells the device why it does not."""
    if policy == "everyone":
        return None
    if policy == "identity_aware" and identity.pinned is None:
        return None
    trusted = identity.pinned is not None and identity.current == identity.pinned and device.signed
    return None if trusted else UNVERIFIED
