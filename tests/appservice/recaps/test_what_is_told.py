"""What a recap repeats: never what has been deleted."""

import json

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.delivery.dispatcher import Retry
from bridge.messages.held import Document, Held, Location, Media
from bridge.messages.model import Kind
from tests.appservice.recaps.world import World
from tests.databases import both_databases
from tests.fakes.homeserver import Moment


async def test_what_was_deleted_before_is_not_repeated_and_an_edit_is(world: World) -> None:
    deleted, edited = await world.say("deleted"), await world.say("first")
    await world.delete(deleted)
    await world.edit(edited, "second")
    chef = await world.sign_in()
    await world.join()
    while (item := await world.head("recap")) is not None:
        await world.handle(item)
    await world.work()
    contents = await world.read(chef)
    texts = json.dumps(contents)
    assert "deleted" not in texts
    assert "> first" not in texts
    assert "> second" in texts


@both_databases
async def test_what_is_deleted_while_the_recap_goes_out_is_taken_back(world: World) -> None:
    kept, deleted = await world.say("kept"), await world.say("regretted")
    chef = await world.sign_in()
    await world.join()

    async def regret() -> None:
        await world.delete(deleted)
        item = await world.head("recap")
        assert item is not None
        await world.handle(item)

    world.homeserver.meanwhile("send_encrypted", regret, moment="before")
    await world.work()
    recap, edit = await world.read(chef)
    assert "regretted" in recap["body"]
    assert "regretted" not in json.dumps(edit)
    assert "> kept" in edit["m.new_content"]["body"]
    assert edit["m.relates_to"]["rel_type"] == "m.replace"
    assert kept


async def test_what_changes_nothing_of_a_recap_is_no_edit(world: World) -> None:
    """A deletion of which the listener hears only when the recap without it is on its way."""
    await world.say("kept")
    deleted = await world.say("regretted")
    chef = await world.sign_in()
    await world.join()
    await world.delete(deleted)
    await world.work()
    assert "regretted" not in await world.recap(chef)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_edit_whose_answer_was_lost_is_made_once(world: World, moment: Moment) -> None:
    await world.say("kept")
    deleted = await world.say("regretted")
    chef = await world.sign_in()
    await world.join()
    await world.work()
    await world.delete(deleted)
    world.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await world.work()
    await world.restart()
    await world.work()
    recap, edit = await world.read(chef)
    assert "regretted" in recap["body"]
    assert "regretted" not in json.dumps(edit)


async def test_many_changes_of_sources_are_one_edit(world: World) -> None:
    sources = [await world.say(f"number {number}") for number in range(3)]
    chef = await world.sign_in()
    await world.join()
    await world.work()
    for source in sources:
        await world.delete(source)
    await world.work()
    recap, edit = await world.read(chef)
    assert edit["m.new_content"]["body"] == "What this repeated has been deleted since."
    assert "m.relates_to" not in recap


@both_databases
async def test_of_many_the_newest_are_shown_and_the_others_counted(world: World) -> None:
    for number in range(53):
        await world.hear(f"number {number}.")
    chef = await world.sign_in()
    await world.join()
    await world.work()
    text = await world.recap(chef)
    assert "3 earlier messages are not repeated here. https://matrix.to/#/" in text
    assert "number 2." not in text
    assert "> number 3." in text
    assert "> number 52." in text


@both_databases
@pytest.mark.parametrize(
    ("kind", "held"),
    [
        ("image", Media(attachment_id="a1", name="cake.png", source={})),
        ("file", Document(attachment_id="a2", name="booking.ics", mimetype="text/calendar", text="BEGIN")),
        ("location", Location(latitude=1.0, longitude=2.0, uri="geo:1,2")),
    ],
)
async def test_what_is_not_text_is_named_with_a_link_to_it(world: World, kind: Kind, held: Held) -> None:
    await world.hear("before")
    await world.hear("named", kind=kind, held=held)
    chef = await world.sign_in()
    await world.join()
    await world.work()
    text = await world.recap(chef)
    assert "> named https://matrix.to/#/" in text
    assert "> before\n" in text, "what is only text is repeated as a whole"
