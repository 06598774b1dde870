"""Vendors as the API is told of them."""

import re
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from bridge.vendors.model import Declared, Private, Status, Vendor, Work
from bridge.web.fields import (
    Data,
    Id,
    MxcUri,
    Name,
    Text,
    Title,
    refuse_repeated,
    schema,
    whole,
)
from bridge.web.times import Timestamp, milliseconds

MOST_SPECIALTIES, MOST_WORKS, MOST_ENTRIES = 50, 50, 50
KEY = r"^[A-Za-z0-9_.-]{1,64}$"

_EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])?$"
_PHONE = r"^\+[1-9][0-9]{6,14}$"
_WEB = r"^https://[!-~]{1,2000}$"


def _like(pattern: str, hint: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(hint)
        return text

    return AfterValidator(check)


def _differ(items: tuple[str, ...] | None) -> tuple[str, ...] | None:
    refuse_repeated(items or ())
    return items


Email = Annotated[
    str, _like(_EMAIL, "Must be an e-mail address, like kitchen@example.org"), schema(3, 248, _EMAIL)
]
Phone = Annotated[
    str, _like(_PHONE, "Must be a phone number with its country, like +4930123456"), schema(8, 16, _PHONE)
]
WebAddress = Annotated[
    str, _like(_WEB, "Must be an https address of at most 2008 characters"), schema(9, 2008, _WEB)
]
Entries = Annotated[
    dict[
        Annotated[str, Field(pattern=KEY)],
        Annotated[str, StringConstraints(max_length=500)] | int | float | bool | None,
    ],
    Field(max_length=MOST_ENTRIES, json_schema_extra={"propertyNames": {"pattern": KEY}}),
]


class WorkToShow(Data):
    title: Title
    url: WebAddress | None = None
    description: Text | None = None

    def work(self) -> Work:
        return Work(title=self.title, url=self.url, description=self.description)


class VendorChange(Data):
    """What is left out stays; null takes it away."""

    business_name: Annotated[
        Name | None,
        Field(description="of a vendor who is new; null leaves it as it is. Their ghost takes it on"),
    ] = None
    vendor_type: Name | None = None
    avatar_url: MxcUri | None = None
    contact_name: Annotated[Name | None, Field(description="kept sealed")] = None
    email: Annotated[Email | None, Field(description="kept sealed")] = None
    phone: Annotated[Phone | None, Field(description="kept sealed")] = None
    specialties: Annotated[
        tuple[Name, ...] | None,
        Field(max_length=MOST_SPECIALTIES, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_differ),
    ] = None
    portfolio: Annotated[tuple[WorkToShow, ...] | None, Field(max_length=MOST_WORKS)] = None
    pricing_info: Entries | None = None
    metadata: Annotated[Entries | None, Field(description="kept sealed")] = None

    def of(self, vendor: Vendor) -> Vendor:
        given: dict[str, object] = {
            name: getattr(self, name)
            for name in ("vendor_type", "avatar_url")
            if name in self.model_fields_set
        }
        if self.business_name is not None:
            given["business_name"] = self.business_name
        if "specialties" in self.model_fields_set:
            given["specialties"] = self.specialties or ()
        if "portfolio" in self.model_fields_set:
            given["portfolio"] = tuple(work.work() for work in self.portfolio or ())
        if "pricing_info" in self.model_fields_set:
            given["pricing_info"] = self.pricing_info or {}
        return replace(vendor, **given)  # type: ignore[arg-type] # each is the field's own

    def of_private(self, private: Private) -> Private:
        given: dict[str, object] = {
            name: getattr(self, name)
            for name in ("contact_name", "email", "phone")
            if name in self.model_fields_set
        }
        if "metadata" in self.model_fields_set:
            given["metadata"] = self.metadata or {}
        return replace(private, **given)  # type: ignore[arg-type] # each is the field's own


class StatusToSet(Data):
    status: Annotated[Status | None, Field(description="null: as their presence is")]
    until: Annotated[
        Timestamp | None, Field(description="afterwards as their presence is; left out: until said otherwise")
    ] = None

    def declared(self) -> Declared | None:
        if self.status is None:
            return None
        return Declared(status=self.status, until=None if self.until is None else milliseconds(self.until))


class NewRating(Data):
    rating: Annotated[int, Field(ge=1, le=5), BeforeValidator(whole)]
    review: Text | None = None
    host_id: Annotated[Id | None, Field(description="whose opinion; a host may leave it out")] = None
    party_id: Annotated[
        Id | None,
        Field(description="after which party; may be left out where there is only one for which they met"),
    ] = None
