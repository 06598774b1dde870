"""Who may ask, and what content is sealed with: for the bridge and for the command line."""

from pathlib import Path

from bridge.api_keys.service import ApiKeys
from bridge.api_keys.store import ApiKeyStore
from bridge.config import Config
from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.platform import rest
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.tokens.keys import PublicKeys
from bridge.tokens.model import Issuer
from bridge.tokens.service import Tokens
from bridge.tokens.sources import OnDisk, Published
from bridge.tokens.store import RevocationStore


def api_keys(config: Config, database: Database, clock: Clock) -> ApiKeys:
    tenants = [TenantId(tenant.id) for tenant in config.platform.tenants]
    return ApiKeys(database, ApiKeyStore(), clock, tenants=tenants, scopes=rest.SCOPES)


def tokens(config: Config, database: Database, clock: Clock) -> Tokens:
    issuers: dict[Issuer, PublicKeys] = {}
    for tenant in config.platform.tenants:
        known, tenant_id = tenant.tokens, TenantId(tenant.id)
        if known is None:
            continue
        issuer = Issuer(
            tenant_id=tenant_id,
            issuer=known.issuer,
            audience=known.audience,
            role_claim=known.role_claim,
            participant_claim=known.participant_claim,
        )
        source = Published(known.jwks_url) if known.jwks_url else OnDisk(Path(known.jwks_file or ""))
        issuers[issuer] = PublicKeys(source, clock, tenant_id=tenant_id)
    return Tokens(database, RevocationStore(), clock, issuers=issuers)


def sealer_of(config: Config, clock: Clock) -> Sealer:
    storage = config.storage
    return Sealer(storage.master_key.get_secret_value(), clock, former_master_key=storage.former)
