"""Signatures, against the reference library and the example that its tests share with those of other languages."""

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bridge.webhooks.signing import new_secret, signed
from tests.bridge.platform.test_signature import (
    VECTOR_BODY,
    VECTOR_ID,
    VECTOR_SECRET,
    VECTOR_SIGNATURE,
    VECTOR_TIMESTAMP,
)

BODY = '{"name":"Zoë & Łukasz 🎈"}'


def test_the_reference_vector() -> None:
    made = signed(
        VECTOR_BODY.decode(), message_id=VECTOR_ID, at=VECTOR_TIMESTAMP * 1000 + 999, by=[VECTOR_SECRET]
    )
    assert made == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": str(VECTOR_TIMESTAMP),
        "webhook-signature": VECTOR_SIGNATURE,
    }


def test_the_reference_library_accepts_either_secret_while_it_is_rotated() -> None:
    old, new, another = new_secret(), new_secret(), new_secret()
    headers = signed(BODY, message_id="evt", at=time.time_ns() // 1_000_000, by=[new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY.encode(), headers) == {"name": "Zoë & Łukasz 🎈"}
    with pytest.raises(WebhookVerificationError):
        Webhook(another).verify(BODY.encode(), headers)


def test_a_secret_is_long_enough_and_never_the_same() -> None:
    made = {new_secret() for _ in range(10)}
    assert len(made) == 10
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
