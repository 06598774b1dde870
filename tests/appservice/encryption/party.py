"""Another person's client, on vodozemac alone: it shares no code with the engine that it talks to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from unpaddedbase64 import decode_base64, encode_base64
from vodozemac import (
    Account,
    AnyOlmMessage,
    Curve25519PublicKey,
    ExportedSessionKey,
    GroupSession,
    InboundGroupSession,
    MegolmMessage,
    Session,
    SessionKey,
)

from tests.fakes.homeserver import OTK, FakeHomeserver, Json, canonical, is_signed

OLM, MEGOLM = "m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"


class Unreadable(Exception):
    """This client cannot decrypt the event."""


class Identity:
    """Somebody's cross-signing identity."""

    def __init__(self, user: str) -> None:
        self.user = user
        self._master, self._self_signing, self._user_signing = (
            Ed25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
        )

    @property
    def master_key(self) -> str:
        return _public(self._master)

    @property
    def signature_key_id(self) -> str:
        return f"ed25519:{_public(self._self_signing)}"

    def signature(self, signed: Mapping[str, Any]) -> str:
        return str(encode_base64(self._self_signing.sign(canonical(signed))))

    async def publish(self, homeserver: FakeHomeserver, device: str) -> None:
        await homeserver.upload_cross_signing(
            self.user,
            device,
            {
                "master_key": self._key("master", self._master),
                "self_signing_key": self._signed("self_signing", self._self_signing),
                "user_signing_key": self._signed("user_signing", self._user_signing),
            },
        )

    def _key(self, usage: str, key: Ed25519PrivateKey) -> Json:
        public = _public(key)
        return {"user_id": self.user, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def _signed(self, usage: str, key: Ed25519PrivateKey) -> Json:
        bare = self._key(usage, key)
        signature = encode_base64(self._master.sign(canonical(bare)))
        return {**bare, "signatures": {self.user: {f"ed25519:{self.master_key}": signature}}}


@dataclass(frozen=True)
class RoomKey:
    session: InboundGroupSession
    sender: str
    sender_key: str


@dataclass
class Party:
    """One device. With an `identity` it is cross-signed from its first upload."""

    homeserver: FakeHomeserver
    user: str
    device: str
    identity: Identity | None = None
    algorithms: list[str] = field(default_factory=lambda: [OLM, MEGOLM])
    account: Account = field(default_factory=Account)
    room_keys: dict[tuple[str, str], RoomKey] = field(default_factory=dict)
    withheld: list[Json] = field(default_factory=list)
    outbound: dict[str, GroupSession] = field(default_factory=dict)
    sessions: dict[str, list[Session]] = field(default_factory=dict)
    since: str | None = None

    @property
    def identity_key(self) -> str:
        return self.account.curve25519_key.to_base64()

    @property
    def signing_key(self) -> str:
        return self.account.ed25519_key.to_base64()

    # Keys

    async def publish(self, *, one_time_keys: int = 20) -> "Party":
        await self.homeserver.create_device(self.user, self.device, "a client")
        if self.identity is not None and self.homeserver.users[self.user].master is None:
            await self.identity.publish(self.homeserver, self.device)
        await self.homeserver.upload_keys(self.user, self.device, {"device_keys": self.device_keys()})
        if one_time_keys:
            await self.publish_one_time_keys(one_time_keys)
        return self

    async def publish_one_time_keys(self, count: int) -> None:
        self.account.generate_one_time_keys(count)
        keys = {
            f"{OTK}:{key_id}": self._signed({"key": key.to_base64()})
            for key_id, key in self.account.one_time_keys.items()
        }
        await self.homeserver.upload_keys(self.user, self.device, {"one_time_keys": keys})
        self.account.mark_keys_as_published()

    def device_keys(self) -> Json:
        keys = self._signed(
            {
                "user_id": self.user,
                "device_id": self.device,
                "algorithms": self.algorithms,
                "keys": {
                    f"curve25519:{self.device}": self.identity_key,
                    f"ed25519:{self.device}": self.signing_key,
                },
            }
        )
        if self.identity is not None:
            keys["signatures"][self.user][self.identity.signature_key_id] = self.identity.signature(keys)
        return keys

    def sign_with(self, identity: Identity) -> None:
        """The owner signs this device later than it was made."""
        signature = identity.signature(self.device_keys())
        self.homeserver.sign_device(self.user, self.device, identity.signature_key_id, signature)

    # Receiving

    async def sync(self) -> list[Json]:
        """Take in what came for this device; return the payloads of what was encrypted."""
        answer = await self.homeserver.sync(self.user, self.device, since=self.since, filter_={})
        self.since = answer["next_batch"]
        payloads = []
        for event in answer["to_device"]["events"]:
            if event["type"] == "m.room_key.withheld":
                self.withheld.append(event["content"])
            elif event["type"] == "m.room.encrypted":
                payload = self._open(event)
                payloads.append(payload)
                if payload["type"] == "m.room_key":
                    self._keep(event, payload)
        return payloads

    def read(self, event: Json) -> Json:
        """The plaintext of a room event; sender, session, device and room must belong together."""
        content = event["content"]
        key = self.room_keys.get((event["room_id"], content["session_id"]))
        if key is None or content["algorithm"] != MEGOLM:
            raise Unreadable("no key")
        assert (key.sender, key.sender_key) == (event["sender"], content["sender_key"])
        message = MegolmMessage.from_base64(content["ciphertext"])
        if message.message_index() < key.session.first_known_index:
            raise Unreadable("no key for this index")
        plaintext: Json = json.loads(key.session.decrypt(message).plaintext)
        assert plaintext["room_id"] == event["room_id"]
        return plaintext

    def reads(self, event: Json) -> bool:
        try:
            self.read(event)
        except Unreadable:
            return False
        return True

    def _open(self, event: Json) -> Json:
        """Every check that the spec asks for, and that the sending device is cross-signed."""
        content = event["content"]
        assert content["algorithm"] == OLM
        part = content["ciphertext"][self.identity_key]
        message = AnyOlmMessage.from_parts(part["type"], decode_base64(part["body"]))
        payload: Json = json.loads(self._decrypt(content["sender_key"], message))
        assert payload["sender"] == event["sender"]
        assert payload["recipient"] == self.user
        assert payload["recipient_keys"] == {"ed25519": self.signing_key}
        theirs, sender = payload["sender_device_keys"], payload["sender"]
        device = theirs["device_id"]
        assert theirs["keys"][f"curve25519:{device}"] == content["sender_key"]
        assert theirs["keys"][f"ed25519:{device}"] == payload["keys"]["ed25519"]
        assert is_signed(theirs, sender, f"ed25519:{device}", payload["keys"]["ed25519"])
        assert (theirs, sender) == (self.homeserver.users[sender].devices[device].keys, theirs["user_id"])
        self_signing = self.homeserver.users[sender].self_signing
        assert self_signing is not None
        [(key_id, public_key)] = self_signing["keys"].items()
        assert is_signed(theirs, sender, key_id, public_key)
        return payload

    def _decrypt(self, sender_key: str, message: AnyOlmMessage) -> bytes:
        known = self.sessions.setdefault(sender_key, [])
        pre_key = message.to_pre_key()
        for session in known:
            if pre_key is not None and not session.session_matches(pre_key):
                continue
            try:
                return bytes(session.decrypt(message))
            except ValueError:
                assert pre_key is None, "a message came twice"
        assert pre_key is not None, "no session opens the message"
        session, plaintext = self.account.create_inbound_session(
            Curve25519PublicKey.from_base64(sender_key), pre_key
        )
        known.append(session)
        return bytes(plaintext)

    def _keep(self, event: Json, payload: Json) -> None:
        content = payload["content"]
        assert content["algorithm"] == MEGOLM
        session = InboundGroupSession(SessionKey(content["session_key"]))
        assert session.session_id == content["session_id"]
        place = (content["room_id"], session.session_id)
        known = self.room_keys.get(place)
        if known is None or session.first_known_index < known.session.first_known_index:
            self.room_keys[place] = RoomKey(session, event["sender"], event["content"]["sender_key"])

    # Sending

    def encrypt(self, room_id: str, text: str, *, inside: Mapping[str, Any] | None = None) -> Json:
        """The content of an `m.room.encrypted` event; `inside` overrides parts of the plaintext."""
        session = self.outbound.setdefault(room_id, GroupSession())
        plaintext = {"room_id": room_id, "type": "m.room.message", "content": text_message(text)}
        message = session.encrypt(json.dumps(plaintext | dict(inside or {})).encode())
        return {
            "algorithm": MEGOLM,
            "sender_key": self.identity_key,
            "device_id": self.device,
            "session_id": session.session_id,
            "ciphertext": message.to_base64(),
        }

    def room_key(self, room_id: str) -> Json:
        """The content of an `m.room_key` at the next message's index."""
        session = self.outbound.setdefault(room_id, GroupSession())
        return {
            "algorithm": MEGOLM,
            "room_id": room_id,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
        }

    async def session_with(self, user: str, *, fresh: bool = False) -> Session:
        """An Olm session with the user's only device, begun with a claimed key if there is none (or `fresh`)."""
        [(device, keys)] = self._devices_of(user).items()
        identity_key = keys["keys"][f"curve25519:{device}"]
        known = self.sessions.setdefault(identity_key, [])
        if fresh or not known:
            claimed = await self.homeserver.claim_keys(self.user, self.device, {user: {device: OTK}})
            [(_, key)] = claimed["one_time_keys"][user][device].items()
            assert is_signed(key, user, f"ed25519:{device}", keys["keys"][f"ed25519:{device}"])
            known.insert(
                0,
                self.account.create_outbound_session(
                    Curve25519PublicKey.from_base64(identity_key), Curve25519PublicKey.from_base64(key["key"])
                ),
            )
        return known[0]

    def seal(
        self, session: Session, user: str, event_type: str, content: Json, /, **changed: Any
    ) -> tuple[str, Json]:
        """(device, to-device content) for the user's only device; `changed` replaces parts of the payload."""
        [(device, keys)] = self._devices_of(user).items()
        identity_key = keys["keys"][f"curve25519:{device}"]
        payload = {
            "type": event_type,
            "content": content,
            "sender": self.user,
            "recipient": user,
            "recipient_keys": {"ed25519": keys["keys"][f"ed25519:{device}"]},
            "keys": {"ed25519": self.signing_key},
        }
        kind, body = session.encrypt(json.dumps(payload | changed).encode()).to_parts()
        return device, {
            "algorithm": OLM,
            "sender_key": self.identity_key,
            "ciphertext": {identity_key: {"type": kind, "body": encode_base64(body)}},
        }

    async def send_olm(
        self, user: str, event_type: str, content: Json, /, *, fresh: bool = False, **changed: Any
    ) -> Json:
        """Send an Olm message to the user's only device; return the to-device content."""
        session = await self.session_with(user, fresh=fresh)
        device, sealed = self.seal(session, user, event_type, content, **changed)
        self.homeserver.put_to_device(self.user, user, device, "m.room.encrypted", sealed)
        return sealed

    async def send_room_key(self, user: str, room_id: str, content: Json | None = None) -> Json:
        return await self.send_olm(user, "m.room_key", content or self.room_key(room_id))

    def export_at(self, room_id: str, index: int) -> ExportedSessionKey:
        """For a forwarded key: the key without its owner's signature."""
        exported = InboundGroupSession(self.outbound[room_id].session_key).export_at(index)
        assert exported is not None
        return exported

    def event(self, room_id: str, event_id: str, content: Json, *, sender: str | None = None) -> Json:
        return {
            "type": "m.room.encrypted",
            "room_id": room_id,
            "event_id": event_id,
            "sender": sender or self.user,
            "origin_server_ts": 0,
            "content": content,
        }

    def _signed(self, bare: Json) -> Json:
        signature = self.account.sign(canonical(bare)).to_base64()
        return {**bare, "signatures": {self.user: {f"ed25519:{self.device}": signature}}}

    def _devices_of(self, user: str) -> dict[str, Json]:
        devices = self.homeserver.users[user].devices
        return {name: device.keys for name, device in devices.items() if device.keys is not None}


def text_message(text: str) -> Json:
    return {"msgtype": "m.text", "body": text}


def _public(key: Ed25519PrivateKey) -> str:
    return str(encode_base64(key.public_key().public_bytes_raw()))
