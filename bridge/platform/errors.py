"""Why an event of the platform is refused."""

from bridge.core.errors import Refusal


class SignatureRefused(Refusal):
    code = "signature_refused"


class EventIdReused(Refusal):
    code = "event_id_reused"
