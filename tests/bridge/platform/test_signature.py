import base64
import time
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from bridge.config import Tenant
from bridge.platform.errors import SignatureRefused
from bridge.platform.signature import Signatures
from tests.bridge.platform.sender import NEW, OLD, OTHER, STRANGER, TENANTS, sign

# The example that the libraries of Standard Webhooks share in their tests.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_TIMESTAMP = 1614265330
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

BODY = '{"party": "Anna & Ben"}'


def tenant_of(headers: dict[str, str], body: str = BODY) -> str:
    return Signatures(TENANTS).tenant_of(body, headers)


def test_our_test_sender_signs_as_the_reference_vector_says() -> None:
    headers = sign(VECTOR_BODY, secret=VECTOR_SECRET, message_id=VECTOR_ID, timestamp=VECTOR_TIMESTAMP)
    assert headers["webhook-signature"] == VECTOR_SIGNATURE


def test_what_the_reference_library_signs_is_accepted() -> None:
    signatures = Signatures([Tenant(id="t", webhook_secrets=(SecretStr(VECTOR_SECRET),))])
    headers = sign(VECTOR_BODY, secret=VECTOR_SECRET)
    now = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=UTC)
    headers["webhook-signature"] = Webhook(VECTOR_SECRET).sign("msg_1", now, VECTOR_BODY.decode())
    assert signatures.tenant_of(VECTOR_BODY.decode(), headers) == "t"


def test_the_reference_vector_is_too_old_by_now() -> None:
    signatures = Signatures([Tenant(id="t", webhook_secrets=(SecretStr(VECTOR_SECRET),))])
    headers = sign(VECTOR_BODY, secret=VECTOR_SECRET, message_id=VECTOR_ID, timestamp=VECTOR_TIMESTAMP)
    with pytest.raises(SignatureRefused):
        signatures.tenant_of(VECTOR_BODY.decode(), headers)


@pytest.mark.parametrize(
    ("secret", "tenant"),
    [
        (OLD, "festipin"),  # while rotating, the old secret counts
        (NEW, "festipin"),  # and so does the new one
        (OTHER, "other"),  # each tenant by its own
    ],
)
def test_the_tenant_is_the_one_whose_secret_signed(secret: str, tenant: str) -> None:
    assert tenant_of(sign(BODY.encode(), secret=secret)) == tenant


def test_one_good_signature_among_several_is_enough() -> None:
    headers = sign(BODY.encode(), secret=OTHER)
    wrong = sign(BODY.encode(), secret=STRANGER)["webhook-signature"]
    headers["webhook-signature"] = f"v1a,AAAA {wrong} {headers['webhook-signature']}"
    assert tenant_of(headers) == "other"


def test_an_accented_body_is_signed_by_its_utf8_bytes() -> None:
    body = '{"party": "Zoë & Łukasz 🎈"}'
    assert tenant_of(sign(body.encode(), secret=NEW), body) == "festipin"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_timestamp_out_of_tolerance_is_refused(minutes: int) -> None:
    headers = sign(BODY.encode(), secret=NEW, timestamp=int(time.time()) + 60 * minutes)
    with pytest.raises(SignatureRefused):
        tenant_of(headers)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_header_is_named(name: str, value: str | None) -> None:
    headers = {key: text for key, text in sign(BODY.encode(), secret=NEW).items() if key != name}
    if value is not None:
        headers[name] = value
    with pytest.raises(SignatureRefused) as refusal:
        tenant_of(headers)
    assert refusal.value.field == name
    assert name in refusal.value.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "msg_2"),  # not the id that was signed
        ("webhook-id", "\udcff"),  # bytes that are not UTF-8, as aiohttp hands them on
        ("webhook-timestamp", "soon"),  # no number
        ("webhook-timestamp", "nan"),  # a float, but no time
        ("webhook-timestamp", "1e400"),  # beyond all time
        ("webhook-timestamp", "9" * 400),  # beyond all numbers
        ("webhook-signature", "v1"),  # no signature in it
        ("webhook-signature", "v1,"),  # an empty one
        ("webhook-signature", "v1,a,b"),  # two commas
        ("webhook-signature", "v1,?"),  # not base64
        ("webhook-signature", "v1,ä"),  # not ASCII
        ("webhook-signature", "v1,AAAA"),  # too short
        ("webhook-signature", " "),  # nothing at all
    ],
)
def test_headers_that_do_not_fit_are_refused_and_nothing_worse(name: str, value: str) -> None:
    with pytest.raises(SignatureRefused):
        tenant_of(sign(BODY.encode(), secret=NEW) | {name: value})


def test_a_good_signature_of_a_version_that_we_do_not_know_is_refused() -> None:
    headers = sign(BODY.encode(), secret=NEW)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(SignatureRefused):
        tenant_of(headers)


def test_one_changed_byte_of_the_body_is_refused() -> None:
    with pytest.raises(SignatureRefused):
        tenant_of(sign(BODY.encode(), secret=NEW), BODY.replace("Anna", "Anne"))


def test_a_refusal_reads_the_same_whichever_tenant_was_meant() -> None:
    details = set()
    for secret in (OLD, OTHER, STRANGER):
        with pytest.raises(SignatureRefused) as refusal:
            tenant_of(sign(b"another body", secret=secret))
        details.add(refusal.value.detail)
    (detail,) = details
    assert "festipin" not in detail


def test_an_unpadded_secret_is_the_same_secret() -> None:
    key = b"k" * 32
    unpadded = "whsec_" + base64.b64encode(key).decode().rstrip("=")
    signatures = Signatures([Tenant(id="t", webhook_secrets=(SecretStr(unpadded),))])
    padded = "whsec_" + base64.b64encode(key).decode()
    assert signatures.tenant_of(BODY, sign(BODY.encode(), secret=padded)) == "t"
