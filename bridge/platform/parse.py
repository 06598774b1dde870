"""From stored or received bytes to an event. The edge and the worker use it, so that both agree."""

from bridge.config.messages import LONGEST_TEXT
from bridge.platform.events import MODEL_BY_TYPE, PlatformEvent, Unknown
from bridge.web.body import decode_utf8, read_json
from bridge.web.fields import MAX_TEXT_LENGTH

KNOWN_TYPES = frozenset(MODEL_BY_TYPE)


def parse(body: bytes, *, max_text_length: int = LONGEST_TEXT) -> PlatformEvent:
    """The event in a structured-mode CloudEvent.

    Raises `MalformedJson` where it is not JSON, pydantic's `ValidationError` where it is not an event. The
    worker leaves `max_text_length` out: what was accepted stays valid when the operator lowers the limit.
    """
    text = decode_utf8(body)
    value = read_json(text)
    event_type = value.get("type") if isinstance(value, dict) else None
    model = MODEL_BY_TYPE.get(event_type, Unknown) if isinstance(event_type, str) else Unknown
    # From the text and not from `value`: only then does strict mode take an array for a tuple.
    return model.model_validate_json(text, context={MAX_TEXT_LENGTH: max_text_length})
