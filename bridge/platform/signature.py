"""Tells by the signature (Standard Webhooks) which tenant sent a body; never tells which did not."""

from collections.abc import Iterable, Mapping

from standardwebhooks import Webhook, WebhookVerificationError

from bridge.config import Tenant
from bridge.core.ids import TenantId
from bridge.platform.errors import SignatureRefused

ID, TIMESTAMP, SIGNATURE = HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

_REFUSED = (
    "The signature was made with no secret known here, or more than 5 minutes ago. Check the signing secret,"
    " the clock, that `webhook-timestamp` is in seconds and is the one signed, and that the body is sent byte"
    " for byte as it was signed."
)


class Signatures:
    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._secrets = [
            (TenantId(tenant.id), Webhook(secret.get_secret_value()))
            for tenant in tenants
            for secret in tenant.webhook_secrets
        ]

    def tenant_of(self, body: str, headers: Mapping[str, str]) -> TenantId:
        """The tenant one of whose secrets signed this; `SignatureRefused` if there is none."""
        sent = {name: headers[name] for name in HEADERS if headers.get(name)}
        missing = [name for name in HEADERS if name not in sent]
        if missing:
            raise SignatureRefused(
                f"The request is not signed: {', '.join(missing)} missing. Sign it per Standard Webhooks.",
                field=missing[0],
            )
        for tenant_id, webhook in self._secrets:
            if _is_signed(webhook, body, sent):
                return tenant_id
        raise SignatureRefused(_REFUSED)


def _is_signed(webhook: Webhook, body: str, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        # ValueError: what the library makes of headers that are not `version,base64`, or not UTF-8.
        return False
    return True
