"""What may be said: pure."""

from bridge.messages.errors import TextBlank, TextTooLong

MAX_TEXT_LENGTH = 10_000
"""Characters, unless the configuration says otherwise."""


def check_text(text: str, *, max_length: int = MAX_TEXT_LENGTH) -> None:
    if not text.strip():
        raise TextBlank("The text is empty. Write at least one visible character.", field="text")
    if len(text) > max_length:
        raise TextTooLong(
            f"The text has {len(text)} characters; {max_length} are allowed. Shorten it or send it in parts.",
            field="text",
        )
