"""Who reaches the API, and how it is protected on the way."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from bridge.config.section import Section, is_loopback

_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?")


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(
            "must be an address or a network, like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
        ) from None
    return value


def _origin(value: str) -> str:
    match = _ORIGIN.fullmatch(value)
    if match is None or (match["scheme"] == "http" and not is_loopback(match["host"].strip("[]"))):
        raise ValueError(
            "must be just what a browser sends as Origin, like https://festipin.example: in lower case, without a path,"
            " no `*`; plain http is for this machine only"
        )
    return value


Network = Annotated[str, AfterValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]


class Web(Section):
    behind_proxy: bool = Field(
        default=False,
        description="true: nobody reaches `appservice.listen` but through a proxy that ends TLS",
    )
    tls_certificate: str | None = Field(
        default=None, description="PEM file of the certificate and its chain, to end TLS ourselves"
    )
    tls_key: str | None = Field(
        default=None, validate_default=True, description="PEM file of its private key, without a password"
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), strict=False, description="networks of the proxies whose X-Forwarded-For is believed"
    )
    allowed_ips: tuple[Network, ...] = Field(
        default=(), strict=False, description="networks that may use the API; everybody while it is empty"
    )
    allowed_origins: tuple[Origin, ...] = Field(
        default=(), strict=False, description="web sites whose pages may use the API from a browser (CORS)"
    )

    @field_validator("tls_key")
    @classmethod
    def _both_or_none(cls, tls_key: str | None, info: ValidationInfo) -> str | None:
        if (tls_key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("is set without `tls_certificate`, or the other way round. TLS needs both")
        return tls_key
