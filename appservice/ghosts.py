"""Matrix users that stand for people without Matrix: made on demand, with the person's name and a picture."""

import hashlib
import io
import json

from PIL import Image, ImageDraw, ImageFont

from appservice.homeserver import Homeserver
from appservice.names import Names
from bridge.core.clock import Clock
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Database, Reader

SELECT = "SELECT profile_hash FROM ghosts WHERE user_id = $1"
PUT = """
INSERT INTO ghosts (user_id, tenant_id, participant_id, profile_hash, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO UPDATE SET profile_hash = excluded.profile_hash
"""
EXISTS = "SELECT 1 FROM ghosts WHERE user_id = $1"
AVATAR_SIDE = 256
"""Pixels."""
AVATAR_HUES = ("#5b6abf", "#b8527f", "#2f8a7d", "#a9622c", "#7b55a8", "#3f7fb0", "#8a7a1f", "#b04a4a")


class Ghosts:
    def __init__(self, database: Database, homeserver: Homeserver, names: Names, clock: Clock) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._clock = clock
        self._participants = ParticipantStore(clock)

    async def ensure(self, person: Participant) -> str:
        """Return the ghost's MXID; it exists and looks like the person when this returns."""
        latest: Participant | None = person
        while latest is not None:
            person, latest = latest, await self._dress(latest)
        return self._names.ghost(person.tenant_id, person.participant_id)

    async def _dress(self, person: Participant) -> Participant | None:
        """Return how they look meanwhile, where that is otherwise: who told Matrix of that may have been overtaken."""
        user_id = self._names.ghost(person.tenant_id, person.participant_id)
        wanted = _look(person)
        if await self._database.fetch_value(SELECT, user_id) == wanted:
            return None
        await self._homeserver.register(user_id[1:].partition(":")[0])
        await self._homeserver.set_display_name(user_id, person.name)
        avatar = person.avatar_url or await self._homeserver.upload(
            user_id, initials_picture(person.name, seed=user_id), "image/png"
        )
        await self._homeserver.set_avatar(user_id, avatar)
        async with self._database.transaction() as tx:
            await tx.execute(PUT, user_id, person.tenant_id, person.participant_id, wanted, self._clock.now())
            now = await self._participants.get(tx, person.tenant_id, person.participant_id)
        return now if now is not None and _look(now) != wanted else None


def _look(person: Participant) -> str:
    return hashlib.sha256(json.dumps([person.name, person.avatar_url]).encode()).hexdigest()


async def has_ghost(reader: Reader, user_id: str) -> bool:
    """Whether this ghost was ever made."""
    return await reader.fetch_value(EXISTS, user_id) is not None


def initials_picture(name: str, *, seed: str) -> bytes:
    """A PNG with up to two initials; the same person gets the same colour."""
    words = [word for word in name.split() if word[0].isalnum()]
    initials = "".join(word[0].upper() for word in words[:1] + words[1:][-1:]) or "?"
    colour = AVATAR_HUES[hashlib.sha256(seed.encode()).digest()[0] % len(AVATAR_HUES)]
    image = Image.new("RGB", (AVATAR_SIDE, AVATAR_SIDE), colour)
    font = ImageFont.load_default(AVATAR_SIDE * 0.42)
    middle = AVATAR_SIDE / 2
    ImageDraw.Draw(image).text((middle, middle), initials, fill="white", font=font, anchor="mm")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
