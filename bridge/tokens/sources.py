"""An issuer's keys from its address, or from a file beside the configuration."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bridge.tokens.errors import KeysUnusable

WITHIN = aiohttp.ClientTimeout(total=5)
LARGEST = 512 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """`url`: https, or http on this machine; where it leads on to somewhere else, that is not followed."""

    url: str

    async def fetch(self) -> bytes:
        # A session for each: this happens once in an hour.
        try:
            async with (
                aiohttp.ClientSession(timeout=WITHIN) as session,
                session.get(self.url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise KeysUnusable(f"their address answers {response.status}")
                return await _all(response.content)
        except TimeoutError:
            raise KeysUnusable(f"their address gives no answer within {WITHIN.total} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise KeysUnusable(f"their address cannot be read ({type(error).__qualname__})") from None


async def _all(content: aiohttp.StreamReader) -> bytes:
    read = bytearray()
    async for chunk in content.iter_any():
        read += chunk
        if len(read) > LARGEST:
            raise KeysUnusable(f"they are larger than {LARGEST} bytes")
    return bytes(read)


@dataclass(frozen=True, slots=True)
class OnDisk:
    path: Path

    async def fetch(self) -> bytes:
        try:
            return await asyncio.to_thread(self.path.read_bytes)
        except OSError as error:
            raise KeysUnusable(f"their file cannot be read: {error.strerror}") from None
