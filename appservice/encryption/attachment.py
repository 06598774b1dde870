"""Files in encrypted rooms. Spec: client-server API, "Sending encrypted attachments"."""

import hashlib
import secrets
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from unpaddedbase64 import encode_base64


def encrypt_attachment(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return the ciphertext for the media repository, and the `EncryptedFile` without its `url`."""
    key = secrets.token_bytes(32)
    # The lower half counts blocks from 0, so that no implementation wraps around.
    counter = secrets.token_bytes(8) + bytes(8)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    ciphertext = encryptor.update(data) + encryptor.finalize()
    file = {
        "v": "v2",
        "key": {
            "kty": "oct",
            "alg": "A256CTR",
            "ext": True,
            "key_ops": ["encrypt", "decrypt"],
            "k": encode_base64(key, urlsafe=True),
        },
        "iv": encode_base64(counter),
        "hashes": {"sha256": encode_base64(hashlib.sha256(ciphertext).digest())},
    }
    return ciphertext, file
