"""Why an event of the platform is refused."""

from bridge.core.errors import Refusal


class SignatureRefused(Refusal):
    code = "signature_refused"


class NoEffect(Exception):
    """An event that is to change nothing, and why: it is dealt with all the same."""


class EventIdReused(Refusal):
    code = "event_id_reused"
