"""What makes Synapses on this machine federate with each other: names, certificates of an authority of their own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appservice.embedded.settings import LOOPBACK
from appservice.embedded.synapse import free_port

HOST = "localhost"


class Authority:
    """Signs the certificates of servers on this machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "authority.pem"
        self._folder = folder
        self._name = _name("authority of the tests")
        self._key = ec.generate_private_key(ec.SECP256R1())
        only_signs = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = (
            _certificate(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(only_signs, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str) -> tuple[Path, Path]:
        """A new certificate for this machine, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        here = [x509.DNSName(HOST), x509.IPAddress(ip_address(LOOPBACK))]
        signed = (
            _certificate(self._name, _name(name), key.public_key())
            .add_extension(x509.SubjectAlternativeName(here), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate_path, key_path = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key_path.touch(mode=0o600)
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate_path, key_path


@dataclass(frozen=True, slots=True)
class Federating:
    """A server that other servers find by its name: `port` is for clients, the port in its name for servers."""

    authority: Authority
    port: int = field(default_factory=free_port)
    server_port: int = field(default_factory=free_port)

    @property
    def server_name(self) -> str:
        return f"{HOST}:{self.server_port}"

    def settings(self) -> dict[str, Any]:
        """The keys of homeserver.yaml by which a lone Synapse differs from this one."""
        certificate, key = self.authority.certificate(f"server-{self.server_port}")
        return {
            "listeners": [
                _listener(self.port, "client", "media"),
                _listener(self.server_port, "federation") | {"tls": True},
            ],
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(key),
            "federation_custom_ca_list": [str(self.authority.path)],
            # Each server's keys are asked from itself: `trusted_key_servers` is empty on embedded Synapses.
            "ip_range_whitelist": [LOOPBACK],
            # Between the attempts at one transaction it is 4, 16, 60 s, and nothing wakes it before.
            "federation": {"max_long_retry_delay": "1s"},
        }


def _listener(port: int, *resources: str) -> dict[str, Any]:
    return {
        "type": "http",
        "port": port,
        "bind_addresses": [LOOPBACK],
        "resources": [{"names": list(resources), "compress": False}],
    }


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _certificate(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
