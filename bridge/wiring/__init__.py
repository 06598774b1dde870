"""The only place where objects meet: from a configuration to a running bridge."""

from bridge.wiring.callers import api_keys, sealer_of, tokens
from bridge.wiring.parts import Parts
from bridge.wiring.product import dead_letters
from bridge.wiring.running import Bridge, assembled, running
from bridge.wiring.webhooks import courier_of, webhooks

__all__ = [
    "Bridge",
    "Parts",
    "api_keys",
    "assembled",
    "courier_of",
    "dead_letters",
    "running",
    "sealer_of",
    "tokens",
    "webhooks",
]
