"""The only place where objects meet: from a configuration to a running bridge."""

from bridge.wiring.callers import api_keys, sealer_of, tokens
from bridge.wiring.parts import Parts
from bridge.wiring.product import dead_letters
from bridge.wiring.running import Bridge, assembled, running

__all__ = ["Bridge", "Parts", "api_keys", "assembled", "dead_letters", "running", "sealer_of", "tokens"]
