"""What `encrypt_attachment` makes, matrix-nio opens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nio.crypto.attachments import decrypt_attachment
from nio.exceptions import EncryptionError
from unpaddedbase64 import decode_base64

from appservice.encryption.attachment import encrypt_attachment
from tests.fakes.homeserver import Json


def opened(ciphertext: bytes, file: Json) -> bytes:
    return bytes(decrypt_attachment(ciphertext, file["key"]["k"], file["hashes"]["sha256"], file["iv"]))


@given(st.binary(max_size=5000))
def test_an_independent_client_opens_the_file(data: bytes) -> None:
    ciphertext, file = encrypt_attachment(data)
    assert opened(ciphertext, file) == data


def test_an_altered_file_is_refused() -> None:
    ciphertext, file = encrypt_attachment(b"an offer for forty guests")
    for altered in (b"x" + ciphertext[1:], ciphertext[:-1], ciphertext + b"x", b""):
        with pytest.raises(EncryptionError):
            opened(altered, file)


def test_each_file_has_its_own_key_and_a_counter_that_cannot_overflow() -> None:
    files = [encrypt_attachment(b"the same")[1] for _ in range(20)]
    assert len({file["key"]["k"] for file in files}) == len({file["iv"] for file in files}) == 20
    assert all(decode_base64(file["iv"])[8:] == bytes(8) for file in files)
    assert all(len(decode_base64(file["iv"])) == 16 for file in files)


def test_the_description_is_the_one_of_the_specification() -> None:
    _, file = encrypt_attachment(b"x")
    assert file["v"] == "v2"
    assert {key: value for key, value in file["key"].items() if key != "k"} == {
        "kty": "oct",
        "alg": "A256CTR",
        "ext": True,
        "key_ops": ["encrypt", "decrypt"],
    }
