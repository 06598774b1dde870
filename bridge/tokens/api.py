"""Tokens by REST: end them before they expire."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints

from bridge.core.caller import STAFF, Caller
from bridge.storage.database import Transaction
from bridge.tokens.model import Revocation, RevocationKind
from bridge.tokens.service import Tokens
from bridge.web.fields import Data, Time, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer

PATH = "/api/v1/token-revocations"

TokenName = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


class TokensToRevoke(Data):
    """Those of a subject that were issued until now, those of a session, or a single one."""

    kind: Annotated[
        RevocationKind,
        Field(description="subject: of this participant (or member of staff); session: `sid`; token: `jti`"),
    ]
    value: TokenName


class RevocationView(BaseModel):
    kind: RevocationKind
    value: str
    revoked_at: Time


REVOKE = Operation(
    method="POST",
    path=PATH,
    name="revokeTokens",
    summary="End people's tokens before they expire",
    description="At once, and on connections that are open. Who signs in again afterwards gets in with the new token.",
    tag="tokens",
    params=Nothing,
    body=TokensToRevoke,
    answers={HTTPStatus.CREATED: Says("They open nothing any more.", RevocationView)},
    roles=STAFF,
)
OPERATIONS = (REVOKE,)

log = structlog.get_logger(__name__)


class TokensApi:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.write(REVOKE, self.revoke),)

    async def revoke(self, tx: Transaction, caller: Caller, _: Nothing, asked: TokensToRevoke) -> Answer:
        revocation = Revocation(tenant_id=caller.tenant_id, kind=asked.kind, value=asked.value)
        revoked_at = await self._tokens.revoke(tx, revocation)
        tx.after_commit(lambda: log.info("tokens_revoked", tenant=caller.tenant_id, kind=asked.kind))
        view = RevocationView(kind=asked.kind, value=asked.value, revoked_at=rfc3339(revoked_at))
        return answer(view, status=HTTPStatus.CREATED)
