"""How content lies at rest."""

from pydantic import Field

from bridge.config.section import Key, Section


class Storage(Section):
    master_key: Key = Field(
        description="32 random bytes in base64; seals all message content in the database"
    )
