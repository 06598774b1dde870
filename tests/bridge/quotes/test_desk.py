"""What a vendor writes: done, or answered with what is wrong and an example."""

from tests.bridge.conversations.features import person
from tests.bridge.quotes.stall import ANNA, Stall
from tests.databases import one_database

pytestmark = one_database
CAKE = "Cake\n2 x Tier at 150.00\nEUR\ntax 19%\nvalid 10 days"


async def test_it_is_sent_and_shown(stall: Stall) -> None:
    assert await stall.write(CAKE) is None
    (shown,) = await stall.festimo()
    assert shown.kind == "quote"
    assert shown.mentions == (ANNA, "ben")
    assert shown.text.splitlines()[:8] == [
        "Quote 1: Cake",
        "Offered by Sweet Bites",
        "- 2 × Tier at EUR 150.00: EUR 300.00",
        "Net: EUR 300.00",
        "Tax (19%): EUR 57.00",
        "Total: EUR 357.00",
        "Valid until Monday 25 January 2027, 08:00 UTC",
        "To answer, a host reacts with ✅ (accept) or ❌ (decline), or replies “accept” or “decline”. Before an"
        " acceptance counts I repeat the total.",
    ]
    assert shown.html is not None
    assert "<td>EUR 357.00</td>" in shown.html


async def test_what_people_write_is_no_html(stall: Stall) -> None:
    await stall.write("<b>Cake</b>; <script>alert(1)</script>: 5 EUR")
    (shown,) = await stall.festimo()
    assert shown.html is not None
    assert "<script>" not in shown.html
    assert "&lt;b&gt;Cake&lt;/b&gt;" in shown.html


async def test_what_is_wrong_is_answered_and_changes_nothing(stall: Stall) -> None:
    before = await stall.features.everything()
    for wrong in ("Cake: 350", "revise\nCake: 350", "withdraw 2", "Cake: 350 EUR; until 2020-01-01"):
        answer = await stall.write(wrong)
        assert answer is not None
        assert "!festimo quote Catering for 80 guests" in answer
        assert await stall.features.everything() == before
    help_ = await stall.write("help")
    assert help_ is not None
    assert "!festimo quote revise 1" in help_


async def test_a_host_sends_none(stall: Stall) -> None:
    before = await stall.features.everything()
    answer = await stall.write(CAKE, by=ANNA)
    assert answer is not None
    assert "Only a vendor" in answer
    assert await stall.features.everything() == before


async def test_the_only_one_need_not_be_named(stall: Stall) -> None:
    await stall.write(CAKE)
    assert await stall.write("revise\n2 x Tier at 120.00") is None
    said = (await stall.festimo())[-1].text
    assert said.startswith("Quote 1, revision 2: Cake")
    assert "Total: EUR 240.00" in said
    assert "This replaces revision 1." in said
    await stall.write(CAKE)
    unclear = await stall.write("withdraw")
    assert unclear is not None
    assert "1, 2" in unclear
    assert await stall.write("withdraw 2") is None
    assert (await stall.festimo())[-1].text == "Sweet Bites has withdrawn quote 2 (“Cake”)."
    assert await stall.write("withdraw") is None  # of the only one that is open
    gone = await stall.write("revise 1\nCake: 5")
    assert gone is not None
    assert "withdrawn" in gone


async def test_what_is_anothers_is_not_there(stall: Stall) -> None:
    await stall.write(CAKE)
    async with stall.database.transaction() as tx:
        other = person("band", "The Band")
        await stall.features.participants.put(tx, other)
        await stall.features.conversation_store.add_member(
            tx, stall.conversation, other.participant_id, "vendor", standing="member"
        )
    before = await stall.features.everything()
    answer = await stall.write("withdraw 1", by=other.participant_id)
    assert answer is not None
    assert "no quote 1" in answer
    assert await stall.features.everything() == before
