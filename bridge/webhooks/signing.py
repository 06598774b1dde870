"""Standard Webhooks: what an endpoint tells us by, and secrets to do it with."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_SECRET_BYTES = 32
"""Standard Webhooks, "Signature scheme": between 24 and 64 bytes."""


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed(body: str, *, message_id: str, at: int, by: Sequence[str]) -> dict[str, str]:
    """The headers. `at`: of this attempt, in epoch ms; `by`: each of these secrets."""
    seconds = at // 1000
    moment = datetime.fromtimestamp(seconds, UTC)
    return {
        ID: message_id,
        TIMESTAMP: str(seconds),
        SIGNATURE: " ".join(str(Webhook(secret).sign(message_id, moment, body)) for secret in by),
    }
