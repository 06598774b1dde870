"""A new configuration with new secrets, as it would stand in the YAML file."""

import base64
import secrets
from typing import Any

from bridge.config.section import KEY_BYTES

TOKEN_BYTES = 32


def fresh_settings(
    *,
    server_name: str,
    homeserver_url: str,
    listen: str,
    database_url: str,
    tenant: str,
    behind_proxy: bool = False,
) -> dict[str, Any]:
    """Everything that has no default, made new. `Config.model_validate` takes it; so does a YAML file."""
    made: dict[str, Any] = {
        "homeserver": {"url": homeserver_url, "server_name": server_name},
        "appservice": {
            "listen": listen,
            "as_token": secrets.token_hex(TOKEN_BYTES),
            "hs_token": secrets.token_hex(TOKEN_BYTES),
            "sender_localpart": f"festimo_as_{secrets.token_hex(6)}",
        },
        "database": {"url": database_url},
        "storage": {"master_key": _key()},
        "encryption": {"identity_secret": _key(), "pickle_key": _key()},
        "platform": {"tenants": [{"id": tenant, "webhook_secrets": [f"whsec_{_key()}"]}]},
    }
    if behind_proxy:
        made["web"] = {"behind_proxy": True}
    return made


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
