"""Why a key is not made."""

from typing import ClassVar

from bridge.core.errors import Refusal


class TenantUnknown(Refusal):
    code: ClassVar[str] = "tenant_unknown"


class NameUnusable(Refusal):
    code: ClassVar[str] = "name_unusable"


class ScopeUnknown(Refusal):
    code: ClassVar[str] = "scope_unknown"
