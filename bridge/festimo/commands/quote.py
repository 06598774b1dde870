"""`!festimo quote ...`: a vendor sends, revises or withdraws a quote. How it is written: docs/quotes.md."""

from bridge.festimo.model import Command, Scene, WriteQuote


def deed(scene: Scene, rest: str) -> WriteQuote | None:
    if scene.asker is None or scene.asker.role != "vendor":
        return None
    return WriteQuote(scene.asker.participant.participant_id, rest)


def answer(scene: Scene, rest: str) -> str:
    """To who is no vendor; vendors are answered by what they did."""
    return (
        "Quotes are sent by vendors. A host answers one by reacting to it with ✅ or ❌, or by replying “accept” or"
        " “decline”."
    )


QUOTE = Command(
    name="quote",
    summary="vendors send a quote: quote help shows how; also quote revise and quote withdraw",
    words=frozenset({"quote", "quotes"}),
    answer=answer,
    deed=deed,
)
