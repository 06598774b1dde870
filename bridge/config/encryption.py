"""The secrets behind our own devices in encrypted rooms, and whom room keys are given to."""

from typing import Literal

from pydantic import Field, SecretBytes, ValidationInfo, field_validator

from bridge.config.section import MAKE_KEY, Key, Section

ShareWith = Literal["identity_aware", "cross_signed", "everyone"]


class Encryption(Section):
    identity_secret: Key = Field(
        description="32 random bytes in base64; all our identities come from it, so it never changes"
    )
    pickle_key: Key = Field(
        description="32 random bytes in base64; seals device and session keys in the database"
    )
    share_with: ShareWith = Field(
        default="identity_aware",
        description="devices given room keys: identity_aware, cross_signed or everyone",
    )

    key_backup: bool = Field(
        default=True,
        description="on: room keys are backed up on the homeserver, encrypted, so that a lost database can be restored",
    )

    @field_validator("pickle_key")
    @classmethod
    def _keys_differ(cls, pickle_key: SecretBytes, info: ValidationInfo) -> SecretBytes:
        if pickle_key == info.data.get("identity_secret"):
            raise ValueError(f"is the same as `identity_secret`. Make another with {MAKE_KEY}")
        return pickle_key
