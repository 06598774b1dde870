"""Signing JSON, against the specification's own test vectors. Spec: appendices, "Cryptographic Test Vectors"."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from unpaddedbase64 import decode_base64, encode_base64

from appservice.encryption.signing import is_signed_by, with_signature
from tests.fakes.homeserver import canonical

SPEC_KEY = Ed25519PrivateKey.from_private_bytes(decode_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"))
PUBLIC = str(encode_base64(SPEC_KEY.public_key().public_bytes_raw()))
KEY_ID = "ed25519:1"

VECTORS: list[tuple[dict[str, Any], str]] = [
    ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
    (
        {"one": 1, "two": "Two"},
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
    ),
]


def sign(message: bytes) -> str:
    return str(encode_base64(SPEC_KEY.sign(message)))


@pytest.mark.parametrize(("bare", "signature"), VECTORS)
def test_signatures_are_those_of_the_specification(bare: dict[str, Any], signature: str) -> None:
    signed = with_signature(bare, "domain", KEY_ID, sign)
    assert signed == {**bare, "signatures": {"domain": {KEY_ID: signature}}}
    assert is_signed_by(signed, "domain", PUBLIC, key_id=KEY_ID)


def test_unsigned_parts_and_other_signatures_are_not_signed_and_stay() -> None:
    before = {"one": 1, "unsigned": {"age": 5}, "signatures": {"other": {"ed25519:x": "y"}}}
    signed = with_signature(before, "domain", KEY_ID, sign)
    assert signed["signatures"] == {"other": {"ed25519:x": "y"}, "domain": {KEY_ID: sign(b'{"one":1}')}}
    assert is_signed_by({**signed, "unsigned": {"age": 6}}, "domain", PUBLIC, key_id=KEY_ID)
    assert before["signatures"] == {"other": {"ed25519:x": "y"}}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("another content", {"one": 2}),
    ("a field more", {"two": 2}),
    ("no signatures", {"signatures": None}),
    ("signatures of a wrong kind", {"signatures": []}),
    ("somebody else's signature", {"signatures": {"other": {KEY_ID: sign(b'{"one":1}')}}}),
    ("signatures of a user of a wrong kind", {"signatures": {"domain": "x"}}),
    ("a number for a signature", {"signatures": {"domain": {KEY_ID: 5}}}),
    ("no base64", {"signatures": {"domain": {KEY_ID: "\ud800"}}}),
    ("too short", {"signatures": {"domain": {KEY_ID: "AAAA"}}}),
]


@pytest.mark.parametrize("change", [change for _, change in WRONG], ids=[name for name, _ in WRONG])
def test_what_is_not_signed_like_this_is_not_accepted(change: dict[str, Any]) -> None:
    signed = with_signature({"one": 1}, "domain", KEY_ID, sign)
    assert not is_signed_by({**signed, **change}, "domain", PUBLIC, key_id=KEY_ID)


@given(st.text())
def test_no_text_in_place_of_a_public_key_raises(key: str) -> None:
    assert not is_signed_by(with_signature({"one": 1}, "domain", KEY_ID, sign), "domain", key, key_id=KEY_ID)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
INTEGER = st.integers(-(2**53) + 1, 2**53 - 1)


@given(
    st.dictionaries(
        TEXT,
        st.recursive(
            st.none() | st.booleans() | INTEGER | TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    ).filter(lambda signed: "signatures" not in signed)
)
def test_what_we_sign_others_verify(bare: dict[str, Any]) -> None:
    signed = with_signature(bare, "domain", KEY_ID, sign)
    SPEC_KEY.public_key().verify(decode_base64(signed["signatures"]["domain"][KEY_ID]), canonical(bare))
    assert is_signed_by(signed, "domain", PUBLIC, key_id=KEY_ID)
