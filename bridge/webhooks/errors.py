"""Why a webhook is not made, changed or sent."""

from typing import ClassVar

from bridge.core.errors import Refusal


class UrlRefused(Refusal):
    code: ClassVar[str] = "webhook_url_refused"


class UnknownEvent(Refusal):
    code: ClassVar[str] = "unknown_event"


class TooManyWebhooks(Refusal):
    code: ClassVar[str] = "too_many_webhooks"


class WebhookDisabled(Refusal):
    code: ClassVar[str] = "webhook_disabled"


class StillWaiting(Refusal):
    code: ClassVar[str] = "still_waiting"
