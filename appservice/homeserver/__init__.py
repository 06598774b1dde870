"""The homeserver, as we ask it: the calls, and what its refusals and silences mean."""

from appservice.homeserver.calls import Homeserver, pinned_ids
from appservice.homeserver.transport import TIMEOUT, HomeserverRefused, HomeserverUnavailable

__all__ = ["TIMEOUT", "Homeserver", "HomeserverRefused", "HomeserverUnavailable", "pinned_ids"]
