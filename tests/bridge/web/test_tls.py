"""TLS ended by the bridge itself, with a real certificate."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.checkup.process import Process
from bridge.config import Web
from bridge.core.start import CannotStart, Reason
from bridge.web.server import Server, serve, tls_of

PLAIN = serialization.NoEncryption()


def write_certificate(folder: Path, *, encryption: serialization.KeySerializationEncryption = PLAIN) -> Web:
    """One for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bridge")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return Web(tls_certificate=str(folder / "cert.pem"), tls_key=str(folder / "key.pem"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="in")

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    server = await serve(app, host="127.0.0.1", port=0, tls=tls_of(write_certificate(tmp_path)))
    yield server
    await server.stop()


async def test_what_is_sent_is_encrypted(server: Server, tmp_path: Path) -> None:
    known = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with aiohttp.ClientSession() as session:
        async with session.get(f"https://127.0.0.1:{server.port}/", ssl=known) as response:
            assert await response.text() == "in"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):  # it is checked indeed
            await session.get(f"https://127.0.0.1:{server.port}/")


async def test_nothing_is_answered_in_the_clear(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{server.port}/")


async def test_the_doctor_asks_by_tls_too(tmp_path: Path) -> None:
    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"status": "ready", "checks": {"database": "ok"}})

    bridge, stand_in = web.Application(), web.Application()
    bridge.add_routes([web.get("/health/ready", ready)])
    tls = tls_of(write_certificate(tmp_path))
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        running = await serve(bridge, host="127.0.0.1", port=0, tls=tls)
        process = Process("127.0.0.1", running.port, session, stack, tls)
        try:
            assert await process.check(stand_in) == "runs, and is ready"
        finally:
            await running.stop()
        assert "is listened at in its place" in await process.check(stand_in)
        known = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        async with session.get(f"https://127.0.0.1:{running.port}/", ssl=known) as response:
            assert response.status == 404


def missing(files: Web) -> None:
    Path(str(files.tls_key)).unlink()


def no_certificate(files: Web) -> None:
    Path(str(files.tls_certificate)).write_text("certificate")


def of_another(files: Web) -> None:
    folder = Path(str(files.tls_key)).parent / "other"
    folder.mkdir()
    other = write_certificate(folder)
    Path(str(files.tls_key)).write_bytes(Path(str(other.tls_key)).read_bytes())


def with_a_password(files: Web) -> None:
    encryption = serialization.BestAvailableEncryption(b"hunter2")
    write_certificate(Path(str(files.tls_key)).parent, encryption=encryption)


@pytest.mark.parametrize("spoil", [missing, no_certificate, of_another, with_a_password])
def test_files_that_are_none_are_told_at_the_start(tmp_path: Path, spoil: object) -> None:
    files = write_certificate(tmp_path)
    assert callable(spoil)
    spoil(files)
    with pytest.raises(CannotStart) as error:
        tls_of(files)
    assert error.value.reason == Reason.CONFIG_INVALID
    assert "`web.tls_key`" in error.value.what


def test_without_files_somebody_else_ends_it() -> None:
    assert tls_of(Web(behind_proxy=True)) is None
