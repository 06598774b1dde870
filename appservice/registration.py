"""The registration file that makes the homeserver know us. Spec: application service API, "Registration"."""

import re
from typing import Any

from bridge.config import Config


def registration(config: Config) -> dict[str, Any]:
    """What goes, as YAML, into the homeserver's `app_service_config_files`. Holds both tokens: keep it secret."""
    ours = config.appservice
    server = re.escape(config.homeserver.server_name)
    bot, ghosts = re.escape(ours.bot_localpart), re.escape(ours.ghost_prefix)
    # All of what `Names.is_ours` takes for ours: a name left free would be a stranger's to register.
    users = [rf"@{ghosts}[^:]*:{server}"]
    if not ours.bot_localpart.startswith(ours.ghost_prefix):
        users.append(f"@{bot}:{server}")
    return {
        "id": ours.id,
        "url": ours.url,
        "as_token": ours.as_token.get_secret_value(),
        "hs_token": ours.hs_token.get_secret_value(),
        # Not the bot: Synapse answers 500 to a /sync of this one user.
        "sender_localpart": ours.sender_localpart,
        "rate_limited": False,
        "receive_ephemeral": True,
        # Devices and cross-signing keys without interactive authentication.
        "io.element.msc4190": True,
        "namespaces": {
            "users": [{"exclusive": True, "regex": f"{regex}$"} for regex in users],
            "aliases": [{"exclusive": True, "regex": rf"#{ghosts}.*:{server}$"}],
            "rooms": [],
        },
    }
