"""A ghost looks like its person, whenever their name changes and whatever comes between."""

import pytest

from appservice.ghosts import Ghosts
from appservice.homeserver import HomeserverUnavailable
from appservice.outbound.profiles import Profiles
from bridge.core.ids import ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.queue import Item
from bridge.participants.events import AppearanceChanged
from bridge.storage.database import Database
from tests.appservice.encryption.engine import NAMES
from tests.bridge.conversations.features import TENANT, Features, person
from tests.fakes.homeserver import FakeHomeserver, Moment

CHEF = ParticipantId("chef")
GHOST = NAMES.ghost(TENANT, CHEF)
LANE = "profiles:person/festipin/chef"


class Stage:
    def __init__(self, database: Database) -> None:
        self.homeserver = FakeHomeserver()
        self.features = Features(database)
        self.features.outbox.subscribe("profiles", AppearanceChanged)
        self.ghosts = Ghosts(database, self.homeserver, NAMES, self.features.clock)
        self.profiles = Profiles(
            database=database,
            names=NAMES,
            ghosts=self.ghosts,
            participants=self.features.participants,
            conversations=self.features.conversation_store,
            outbox=self.features.outbox,
        )

    async def call(self, name: str, *, mxid: str | None = None) -> None:
        """The platform names the vendor so, from now on."""
        await self.features.open(vendor=person("chef", name, mxid=mxid))

    async def waiting(self) -> Item | None:
        return await self.features.outbox.head(LANE)

    async def deliver(self) -> None:
        while (item := await self.waiting()) is not None:
            await self.profiles.changed(item)

    async def bring(self, name: str) -> None:
        await self.ghosts.ensure(person("chef", name))

    @property
    def shown(self) -> str | None:
        names = [name for user, name in self.homeserver.calls("set_display_name") if user == GHOST]
        return names[-1] if names else None


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


async def test_a_ghost_takes_on_its_persons_new_name(stage: Stage) -> None:
    await stage.call("Sweet Bites")
    assert await stage.waiting() is None, "who is new looks as they look"
    await stage.bring("Sweet Bites")
    await stage.call("Sweet Bites")
    assert await stage.waiting() is None, "the same name is no news"
    pictures = len(stage.homeserver.calls("set_avatar"))
    await stage.call("Sweeter Bites")
    await stage.deliver()
    assert stage.shown == "Sweeter Bites"
    assert len(stage.homeserver.calls("set_avatar")) == pictures + 1, "initials are of the name"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["set_display_name", "set_avatar"])
async def test_a_name_reaches_the_homeserver_however_often_it_takes(
    stage: Stage, call: str, moment: Moment
) -> None:
    await stage.call("Sweet Bites")
    await stage.bring("Sweet Bites")
    await stage.call("Sweeter Bites")
    stage.homeserver.fail(call, HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await stage.deliver()
    await stage.deliver()
    assert (stage.shown, await stage.waiting()) == ("Sweeter Bites", None)
    calls = len(stage.homeserver.log)
    await stage.bring("Sweeter Bites")
    assert len(stage.homeserver.log) == calls, "it is known to be so"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_ghost_that_is_made_meanwhile_does_not_keep_the_old_name(
    stage: Stage, moment: Moment
) -> None:
    """Its name changes, and that is told, while another lane is about to give it the one from before."""
    await stage.call("Sweet Bites")

    async def renamed() -> None:
        await stage.call("Sweeter Bites")
        await stage.deliver()

    stage.homeserver.meanwhile("set_display_name", renamed, moment=moment)
    await stage.bring("Sweet Bites")
    assert stage.shown == "Sweeter Bites"


async def test_an_account_holders_name_is_their_own(stage: Stage) -> None:
    await stage.call("Sweet Bites", mxid="@chef:people.test")
    await stage.call("Sweeter Bites")
    await stage.deliver()
    assert (stage.shown, await stage.waiting()) == (None, None)
