"""Olm: one-to-one channels between devices, over which room keys travel. Only the bot receives."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from unpaddedbase64 import decode_base64, encode_base64
from vodozemac import (
    AnyOlmMessage,
    Curve25519PublicKey,
    Ed25519PublicKey,
    PickleException,
    PreKeyMessage,
    Session,
)

from appservice.encryption.device_keys import Device
from appservice.encryption.own_device import OwnDevice
from appservice.encryption.own_devices import OLM, ONE_TIME_KEY, OwnDevices
from appservice.encryption.signing import is_signed_by
from bridge.core.clock import Clock
from bridge.storage.database import Transaction

# Locked in an order that no use changes: two who lock the same sessions would wait for each other.
SELECT_SESSIONS = """
SELECT session_id, pickle FROM (
    SELECT session_id, pickle, used_at FROM olm_sessions WHERE own_user_id = $1 AND identity_key = $2
    ORDER BY session_id FOR UPDATE) locked
ORDER BY used_at DESC LIMIT 10
"""
PUT_SESSION = """
INSERT INTO olm_sessions (own_user_id, identity_key, session_id, pickle, used_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (own_user_id, session_id) DO UPDATE SET pickle = excluded.pickle, used_at = excluded.used_at
"""
FORGET_OLDEST = """
DELETE FROM olm_sessions WHERE own_user_id = $1 AND identity_key = $2 AND session_id NOT IN (
    SELECT session_id FROM olm_sessions WHERE own_user_id = $1 AND identity_key = $2
    ORDER BY used_at DESC, session_id LIMIT 10)
"""
FORGET_SESSION = "DELETE FROM olm_sessions WHERE own_user_id = $1 AND session_id = $2"

log = structlog.get_logger(__name__)


class CannotDecrypt(Exception):
    """The message is not for us, not authentic, or its session is unknown. Nothing was changed."""


class NoSession(CannotDecrypt):
    """It was written for our device, but no session opens it: the two sides may have lost each other.

    `sender`, `sender_key`: whom it says it is from.
    """

    def __init__(self, reason: str, *, sender: str, sender_key: str) -> None:
        super().__init__(reason)
        self.sender = sender
        self.sender_key = sender_key


@dataclass(frozen=True, slots=True)
class OlmPayload:
    """A decrypted to-device message whose sender, recipient and keys are as they claim to be."""

    sender: str
    sender_key: str
    signing_key: str
    type: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An Olm session with one device, open for the length of a transaction."""

    sender: OwnDevice
    recipient: Device
    session: Session
    signed_device_keys: Mapping[str, Any]
    is_new: bool
    is_kept: bool

    def encrypt(self, event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of an `m.room.encrypted` to-device event."""
        payload = {
            "type": event_type,
            "content": content,
            "sender": self.sender.user_id,
            "recipient": self.recipient.user_id,
            "recipient_keys": {"ed25519": self.recipient.signing_key},
            "keys": {"ed25519": self.sender.signing_key},
            "sender_device_keys": self.signed_device_keys,
        }
        message_type, body = self.session.encrypt(json.dumps(payload, ensure_ascii=False).encode()).to_parts()
        return {
            "algorithm": OLM,
            "sender_key": self.sender.identity_key,
            "ciphertext": {self.recipient.identity_key: {"type": message_type, "body": encode_base64(body)}},
        }


class Olm:
    def __init__(self, own_devices: OwnDevices, clock: Clock, *, pickle_key: bytes) -> None:
        self._own_devices = own_devices
        self._clock = clock
        self._pickle_key = pickle_key

    async def decrypt(self, tx: Transaction, user_id: str, event: Mapping[str, Any]) -> OlmPayload:
        """Decrypt an `m.room.encrypted` to-device event for our device of `user_id`.

        The ratchet's step is in `tx`. A message that does not decrypt takes no step and burns no one-time key.
        """
        device = await self._own_devices.get_to_change(tx, user_id)
        sender, sender_key, message = _addressed_to(device, event)
        try:
            plaintext = await self._decrypt_with_known(tx, device, sender_key, message)
            if plaintext is None:
                plaintext = await self._decrypt_first(tx, device, sender_key, message)
        except CannotDecrypt as reason:
            raise NoSession(str(reason), sender=sender, sender_key=sender_key) from None
        return _checked(device, sender, sender_key, plaintext)

    async def encrypt(
        self,
        tx: Transaction,
        sender: OwnDevice,
        recipient: Device,
        event_type: str,
        content: Mapping[str, Any],
        *,
        one_time_key: str | None,
    ) -> dict[str, Any] | None:
        """Encrypt for one device, in a session that is kept; return the event content, or None where there is none."""
        channel = await self.channel(tx, sender, recipient, one_time_key=one_time_key, keep=True)
        if channel is None:
            return None
        encrypted = channel.encrypt(event_type, content)
        await self.keep(tx, channel)
        return encrypted

    async def channel(
        self, tx: Transaction, sender: OwnDevice, recipient: Device, *, one_time_key: str | None, keep: bool
    ) -> "Channel | None":
        """A session with the device, for one message or several; None where none can be had.

        `one_time_key` begins a new one; `keep`: it is for later messages, too. `Olm.keep` has to follow.
        """
        identity_key = Curve25519PublicKey.from_base64(recipient.identity_key)
        if one_time_key is not None:
            try:
                session = sender.account.create_outbound_session(
                    identity_key, Curve25519PublicKey.from_base64(one_time_key)
                )
            except ValueError:  # a key that gives no secret
                return None
        else:
            sessions = await self._sessions(tx, sender.user_id, recipient.identity_key)
            if not sessions:
                return None
            session = sessions[0]
        return Channel(
            sender=sender,
            recipient=recipient,
            session=session,
            signed_device_keys=self._own_devices.signed_device_keys(sender),
            is_new=one_time_key is not None,
            is_kept=keep,
        )

    async def keep(self, tx: Transaction, channel: "Channel") -> None:
        """Store how far the channel's ratchet has moved, where it is for later messages, too."""
        if not channel.is_kept:
            return
        own, other = channel.sender.user_id, channel.recipient.identity_key
        await self._put(tx, own, other, channel.session)
        if channel.is_new:
            await tx.execute(FORGET_OLDEST, own, other)

    async def has_session(self, tx: Transaction, user_id: str, identity_key: str) -> bool:
        return bool(await self._sessions(tx, user_id, identity_key))

    async def _sessions(self, tx: Transaction, user_id: str, identity_key: str) -> list[Session]:
        """The most recently used first. Spec: that one is to be preferred. Damaged ones are forgotten."""
        sessions = []
        for row in await tx.fetch(SELECT_SESSIONS, user_id, identity_key):
            try:
                sessions.append(Session.from_pickle(row["pickle"], self._pickle_key))
            except PickleException:
                log.error("olm_session_damaged", session=row["session_id"])
                await tx.execute(FORGET_SESSION, user_id, row["session_id"])
        return sessions

    async def _decrypt_with_known(
        self, tx: Transaction, device: OwnDevice, sender_key: str, message: AnyOlmMessage
    ) -> bytes | None:
        pre_key = message.to_pre_key()
        for session in await self._sessions(tx, device.user_id, sender_key):
            try:
                if pre_key is not None and not session.session_matches(pre_key):
                    continue
                plaintext: bytes = session.decrypt(message)
            except ValueError:
                if pre_key is not None:
                    raise CannotDecrypt("a repeated or damaged first message") from None
                continue
            await self._put(tx, device.user_id, sender_key, session)
            return plaintext
        return None

    async def _decrypt_first(
        self, tx: Transaction, device: OwnDevice, sender_key: str, message: AnyOlmMessage
    ) -> bytes:
        pre_key: PreKeyMessage | None = message.to_pre_key()
        if pre_key is None:
            raise CannotDecrypt("no session with this device opens the message")
        try:
            session, plaintext = device.account.create_inbound_session(
                Curve25519PublicKey.from_base64(sender_key), pre_key
            )
        except ValueError as error:
            raise CannotDecrypt(
                f"not the first message of a session with us ({type(error).__name__})"
            ) from None
        # The one-time key is used up and the session exists in one commit, or neither.
        await self._own_devices.save_account(tx, device)
        await self._put(tx, device.user_id, sender_key, session)
        await tx.execute(FORGET_OLDEST, device.user_id, sender_key)
        return bytes(plaintext)

    async def _put(self, tx: Transaction, user_id: str, identity_key: str, session: Session) -> None:
        pickle = session.pickle(self._pickle_key)
        await tx.execute(PUT_SESSION, user_id, identity_key, session.session_id, pickle, self._clock.now())


def claimed_key(device: Device, claimed: Mapping[str, Any]) -> str | None:
    """The one-time key that `/keys/claim` gave for the device, if the device really signed it."""
    try:
        keys = claimed[device.user_id][device.device_id]
        key_id, key = next(iter(keys.items()))
        if not key_id.startswith(f"{ONE_TIME_KEY}:"):
            return None
        signed = is_signed_by(key, device.user_id, device.signing_key, key_id=f"ed25519:{device.device_id}")
        if not signed:
            return None
        Curve25519PublicKey.from_base64(key["key"])
        return str(key["key"])
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError):
        return None


def _addressed_to(device: OwnDevice, event: Mapping[str, Any]) -> tuple[str, str, AnyOlmMessage]:
    try:
        content = event["content"]
        if content["algorithm"] != OLM:
            raise CannotDecrypt("an algorithm that is not Olm")
        part = content["ciphertext"][device.identity_key]
        message = AnyOlmMessage.from_parts(part["type"], decode_base64(part["body"]))
        sender_key = Curve25519PublicKey.from_base64(content["sender_key"]).to_base64()
        return str(event["sender"]), sender_key, message
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CannotDecrypt(f"not an Olm message for this device ({type(error).__name__})") from None


def _checked(device: OwnDevice, sender: str, sender_key: str, plaintext: bytes) -> OlmPayload:
    """Spec: client-server API, `m.olm.v1.curve25519-aes-sha2`: what a client must check in the payload."""
    try:
        payload = json.loads(plaintext)
        if payload["sender"] != sender:
            raise CannotDecrypt("the sender inside is not the sender outside")
        if payload["recipient"] != device.user_id:
            raise CannotDecrypt("meant for somebody else")
        if payload["recipient_keys"]["ed25519"] != device.signing_key:
            raise CannotDecrypt("meant for another device")
        content = payload["content"]
        signing_key = payload["keys"]["ed25519"]
        if not isinstance(content, dict) or not isinstance(signing_key, str):
            raise CannotDecrypt("malformed payload")
        Ed25519PublicKey.from_base64(signing_key)
        return OlmPayload(sender, sender_key, signing_key, str(payload["type"]), content)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CannotDecrypt(f"malformed payload ({type(error).__name__})") from None
