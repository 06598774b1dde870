"""How content lies at rest."""

from pydantic import Field, SecretBytes, ValidationInfo, field_validator

from bridge.config.section import Key, Section


class Storage(Section):
    master_key: Key = Field(
        description="32 random bytes in base64; seals all message content in the database"
    )
    former_master_key: Key | None = Field(
        default=None,
        description="the `master_key` so far, until everything is wrapped by the new one; see docs/backup.md",
    )

    @field_validator("former_master_key")
    @classmethod
    def _keys_differ(cls, former: SecretBytes | None, info: ValidationInfo) -> SecretBytes | None:
        if former is not None and former == info.data.get("master_key"):
            raise ValueError("is the same as `master_key`. Name the key of before there, or remove it")
        return former

    @property
    def former(self) -> bytes | None:
        return None if self.former_master_key is None else self.former_master_key.get_secret_value()
