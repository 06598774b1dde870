"""The tenants of the event-planning platform, and the secrets their webhooks are signed with."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.problems import ConfigProblem
from bridge.config.section import Section, decode_base64, refuse_placeholder
from bridge.config.tokens import Tokens

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
# Standard Webhooks, "Signature scheme": between 24 and 64 bytes.
WEBHOOK_SECRET_BYTES = range(24, 65)

Entry = TypeVar("Entry")

_TENANT_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_MAKE_WEBHOOK_SECRET = "`echo whsec_$(openssl rand -base64 32)`"  # noqa: S105 - a recipe


def _tenant_id(value: str) -> str:
    if not _TENANT_ID.fullmatch(value):
        raise ValueError("may hold letters, digits and . _ ~ - only, 64 characters at most")
    return value


def _webhook_secret(secret: SecretStr) -> SecretStr:
    value = refuse_placeholder(secret.get_secret_value(), make=_MAKE_WEBHOOK_SECRET)
    if _decoded(value) is None:
        raise ValueError(
            f"must be `{WEBHOOK_SECRET_PREFIX}` and 24-64 bytes in base64. Make it by {_MAKE_WEBHOOK_SECRET}"
        )
    return secret


def _decoded(value: str) -> bytes | None:
    if not value.startswith(WEBHOOK_SECRET_PREFIX):
        return None
    decoded = decode_base64(value.removeprefix(WEBHOOK_SECRET_PREFIX))
    return decoded if decoded is not None and len(decoded) in WEBHOOK_SECRET_BYTES else None


def _at_least_one(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    # Not `min_length`, which also complains when the only entry is at fault.
    if not entries:
        raise ValueError("is empty. Add at least one entry")
    return entries


WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]


class Tenant(Section):
    id: Annotated[str, AfterValidator(_tenant_id)] = Field(
        description="short name, part of every id; never changes"
    )
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], AfterValidator(_at_least_one)] = Field(
        strict=False,
        description="whsec_... secrets the platform signs with; several while rotating",
    )
    tokens: Tokens | None = Field(
        default=None, description="whose tokens let people in; without it only API keys open anything"
    )


class Platform(Section):
    tenants: Annotated[tuple[Tenant, ...], AfterValidator(_at_least_one)] = Field(
        strict=False, description="one entry for each organisation that sends events"
    )


def conflicts(platform: object) -> Iterator[ConfigProblem]:
    """What is wrong between tenants; from the raw section, so that a fault in one hides no other."""
    tenants = platform.get("tenants") if isinstance(platform, Mapping) else None
    if not isinstance(tenants, list):
        return
    first_with_id: dict[str, int] = {}
    first_with_secret: dict[bytes, tuple[int, str]] = {}
    first_with_tokens: dict[tuple[str, str], int] = {}
    for index, tenant in enumerate(tenants):
        if not isinstance(tenant, Mapping):
            continue
        tenant_id = tenant.get("id")
        if isinstance(tenant_id, str) and first_with_id.setdefault(tenant_id, index) != index:
            yield ConfigProblem(
                f"platform.tenants[{index}].id",
                f"is the id of platform.tenants[{first_with_id[tenant_id]}] already. Choose another",
            )
        tokens = _issuer_and_audience(tenant)
        if tokens is not None and first_with_tokens.setdefault(tokens, index) != index:
            yield ConfigProblem(
                f"platform.tenants[{index}].tokens",
                f"has the issuer and the audience of platform.tenants[{first_with_tokens[tokens]}].tokens, so nobody"
                " could tell whose a token is. Give each tenant an audience of its own",
            )
        for key, secret in _secrets(index, tenant):
            owner, owner_key = first_with_secret.setdefault(secret, (index, key))
            if owner != index:
                yield ConfigProblem(
                    key,
                    f"is the same secret as {owner_key}, so nobody could tell the two tenants apart."
                    f" Make another with {_MAKE_WEBHOOK_SECRET}",
                )
            elif owner_key != key:
                yield ConfigProblem(key, f"is the same secret as {owner_key}. Remove one of them")


def _issuer_and_audience(tenant: Mapping[object, object]) -> tuple[str, str] | None:
    tokens = tenant.get("tokens")
    if not isinstance(tokens, Mapping):
        return None
    issuer, audience = tokens.get("issuer"), tokens.get("audience")
    return (issuer, audience) if isinstance(issuer, str) and isinstance(audience, str) else None


def _secrets(index: int, tenant: Mapping[object, object]) -> Iterator[tuple[str, bytes]]:
    secrets = tenant.get("webhook_secrets")
    for position, secret in enumerate(secrets if isinstance(secrets, list) else []):
        decoded = _decoded(secret) if isinstance(secret, str) else None
        if decoded is not None:
            yield f"platform.tenants[{index}].webhook_secrets[{position}]", decoded
