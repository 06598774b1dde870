"""What a token must say to be believed, and whom it stands for: pure."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NoReturn

from bridge.core.caller import Caller, CallerRole, Credential
from bridge.core.ids import ParticipantId
from bridge.tokens.errors import NotBelieved
from bridge.tokens.model import Issuer, RevocationKind

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""Asymmetric ones alone: whoever can verify a token of ours cannot make one."""
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What `typ` may say, in any case; a token that was made for something else is none for us."""
LEEWAY = timedelta(seconds=30)
"""How far the issuer's clock may be from ours."""
LONGEST_LIFE = timedelta(days=30)
"""From `iat` to `exp`: nothing that was revoked has to be remembered for longer."""
ROLES: Mapping[str, CallerRole] = {"host": "host", "vendor": "vendor", "admin": "admin"}
"""Never `service`: programs have keys."""

_LATEST = 2**43  # ms: some 250 years after the epoch
_PARTICIPANT = re.compile(r"[A-Za-z0-9._~-]{1,128}")  # what the API takes for an id
_NAME = re.compile(r"[!-~]{1,255}")

Claims = Mapping[str, object]


def read_object(text: bytes) -> Claims:
    """A JSON object of a token."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotBelieved("malformed") from None
    if not isinstance(value, dict):
        raise NotBelieved("malformed")
    return value


def check_header(header: Claims) -> str:
    """Return the id of the key that it names."""
    algorithm, kind, key_id = header.get("alg"), header.get("typ", "JWT"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise NotBelieved("algorithm")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise NotBelieved("type")
    # RFC 7515, 4.1.11: what must be understood and is not; RFC 7797 is of that kind.
    if "crit" in header or "b64" in header:
        raise NotBelieved("malformed")
    if not isinstance(key_id, str) or not key_id:
        raise NotBelieved("key_unknown")
    return key_id


def issuer_of(claims: Claims, issuers: Iterable[Issuer]) -> Issuer:
    """The one by which, and for which, the token says it was made. To be believed only once its signature is."""
    named, audience = claims.get("iss"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    found = [one for one in issuers if one.issuer == named and one.audience in audiences]
    if len(found) != 1:  # for two tenants at once it is for none
        raise NotBelieved("issuer_unknown")
    return found[0]


def caller_of(claims: Claims, issuer: Issuer, *, now: int) -> Caller:
    """Whom the claims of a token with a good signature stand for. `now`: epoch ms."""
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued_at
    leeway = _milliseconds(LEEWAY)
    if now >= expires_at + leeway:
        raise NotBelieved("expired")
    if max(not_before, issued_at) > now + leeway:
        raise NotBelieved("not_yet_valid")
    if expires_at - issued_at > _milliseconds(LONGEST_LIFE):
        raise NotBelieved("lives_too_long")
    role = _role(_at(claims, issuer.role_claim))
    subject = _at(claims, issuer.participant_claim)
    if not isinstance(subject, str) or not (_NAME if role == "admin" else _PARTICIPANT).fullmatch(subject):
        raise NotBelieved("participant")
    return Caller(
        tenant_id=issuer.tenant_id,
        role=role,
        participant_id=None if role == "admin" else ParticipantId(subject),
        credential=Credential(
            kind="token",
            subject=subject,
            token_id=_name(claims, "jti"),
            session_id=_name(claims, "sid"),
            issued_at=issued_at,
            expires_at=expires_at,
        ),
    )


def has_expired(credential: Credential, *, now: int) -> bool:
    return credential.expires_at is not None and now >= credential.expires_at + _milliseconds(LEEWAY)


def is_revoked(credential: Credential, found: Sequence[tuple[RevocationKind, int]]) -> bool:
    """`found`: the revocations of the token, its session and its subject, each with its time (epoch ms)."""
    return any(kind != "subject" or credential.issued_at <= at for kind, at in found)


def forgotten_before(now: int) -> int:
    """Revocations from before this time (epoch ms) end nothing any more: what they ended has expired."""
    return now - _milliseconds(LONGEST_LIFE + 3 * LEEWAY)


def _role(value: object) -> CallerRole:
    """Of a text, or of the one in a list that is a role here."""
    named = value if isinstance(value, list) else [value]
    roles = {ROLES[one] for one in named if isinstance(one, str) and one in ROLES}
    if len(roles) != 1:
        raise NotBelieved("role")
    return roles.pop()


def _at(claims: Claims, name: str) -> object:
    """The claim of this name; else, where it has dots, what it leads to, as in `realm_access.roles`."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _time(claims: Claims, name: str) -> int:
    """NumericDate (RFC 7519) in epoch ms."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotBelieved("malformed")
    if not math.isfinite(value) or not 0 <= value * 1000 <= _LATEST:
        raise NotBelieved("malformed")
    return int(value * 1000)


def _name(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise NotBelieved("malformed")
    return value


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
