"""A homeserver in this process, as strict as the real ones with keys and signatures, and obedient with faults.

It is an `appservice.homeserver.Homeserver` without HTTP, for us and for other people's clients alike, and shares no
code with the engine: signatures are checked with `cryptography`.
"""

from tests.fakes.homeserver.ground import Action, Moment
from tests.fakes.homeserver.keys import Keys
from tests.fakes.homeserver.model import OTK, Backup, Json, Room, canonical, is_signed, refused
from tests.fakes.homeserver.own_account import OwnAccount
from tests.fakes.homeserver.rooms import Rooms

__all__ = [
    "OTK",
    "Action",
    "Backup",
    "FakeHomeserver",
    "Json",
    "Moment",
    "Room",
    "canonical",
    "is_signed",
    "refused",
]


class FakeHomeserver(OwnAccount, Rooms, Keys):
    """All calls."""
