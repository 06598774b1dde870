"""Conversations as they are after real use, made directly in the database. Their rooms are on no homeserver."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from vodozemac import Account, GroupSession, InboundGroupSession

from appservice.encryption.inbound_sessions import PUT as PUT_INBOUND
from appservice.encryption.key_sharing import PUT_SHARE
from appservice.encryption.olm import PUT_SESSION
from appservice.encryption.outbound_sessions import PUT as PUT_OUTBOUND
from appservice.ghosts import PUT as PUT_GHOST
from appservice.members import PUT_MEMBER
from appservice.room_map import INSERT as INSERT_ROOM
from benchmarks.ground import TEXT, Ground
from bridge.conversations.member_store import INSERT_MEMBER
from bridge.conversations.party_lists import ADD_PARTY
from bridge.conversations.party_lists import LINK as LINK_PARTY
from bridge.conversations.store import INSERT as INSERT_CONVERSATION
from bridge.core.clock import SystemClock
from bridge.core.ids import ConversationId, TenantId, new_id
from bridge.demo.stand import TENANT
from bridge.messages.events import MessagePosted
from bridge.messages.store import INSERT as INSERT_MESSAGE
from bridge.messages.store import content_place
from bridge.participants.store import PUT as PUT_PARTICIPANT
from bridge.storage.database import Transaction, Value
from bridge.storage.sealing import Sealer

IN_ONE_COMMIT = 250
MESSAGES = 10
"""Of each conversation, in turns of ours and of a client."""
ITEMS = 1_000
"""Of a backlog, in one commit."""

INSERT_USER = "INSERT INTO tracked_users (user_id, stale) VALUES ($1, 0)"
INSERT_DEVICE = """
INSERT INTO devices (user_id, device_id, identity_key, signing_key, olm, signed) VALUES ($1, $2, $3, $4, 1, 1)
"""
INSERT_OWN_DEVICE = """
INSERT INTO own_devices (user_id, device_id, account, identity_key, created_at, published, doubt)
VALUES ($1, $2, $3, $4, $5, 1, 0)
"""
INSERT_INDEX = "INSERT INTO message_indexes (session_id, message_index, event_id) VALUES ($1, $2, $3)"
INSERT_RECAP = """
INSERT INTO recaps (recap_id, tenant_id, conversation_id, participant_id, address, state, asked_at)
VALUES ($1, $2, $3, $4, $5, 'present', $6)
"""
INSERT_DONE_OUT = """
INSERT INTO outbox (id, tenant_id, lane, topic, prepared, prepared_at, state, created_at, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, 'done', $6, $6)
"""
INSERT_DONE_IN = """
INSERT INTO inbox (id, tenant_id, lane, topic, body_hash, state, created_at, finished_at)
VALUES ($1, $2, $3, 'matrix.event', $4, 'done', $5, $5)
"""
INSERT_OUT = """
INSERT INTO outbox (id, tenant_id, lane, topic, body, created_at)
VALUES ($1, $2, $3, 'matrix.MessagePosted', $4, $5)
"""
DELETE_OUT = "DELETE FROM outbox WHERE id LIKE 'backlog-%'"


def room_id_of(conversation_id: str) -> str:
    return f"!{conversation_id}:rows.localhost"


class Rows:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._clock = SystemClock()
        config = ground.stand.config
        self._sealer = Sealer(config.storage.master_key.get_secret_value(), self._clock)
        self._pickle_key = config.encryption.pickle_key.get_secret_value()
        account = Account()  # one for all ghosts: nobody speaks there
        self._account = account.pickle(self._pickle_key)
        self._rows: defaultdict[str, list[Sequence[Value]]] = defaultdict(list)

    async def conversations(self, count: int) -> list[ConversationId]:
        """Make so many."""
        made: list[ConversationId] = []
        for start in range(0, count, IN_ONE_COMMIT):
            async with self._ground.database.transaction() as tx:
                some = range(min(IN_ONE_COMMIT, count - start))
                made += [await self._conversation(tx) for _ in some]
                for sql, rows in self._rows.items():
                    await tx.execute_many(sql, rows)
            self._rows.clear()
        return made

    async def backlog(self, conversation_ids: Sequence[ConversationId], count: int) -> None:
        """Messages that wait in the outbox, so many in all, in the lanes of these conversations."""
        for start in range(0, count, ITEMS):
            async with self._ground.database.transaction() as tx:
                messages, items = [], []
                for number in range(start, min(start + ITEMS, count)):
                    conversation_id = conversation_ids[number % len(conversation_ids)]
                    row, message_id = await self._message(
                        tx, conversation_id, status="pending", origin_id=None
                    )
                    messages.append(row)
                    items.append(await self._waiting(tx, conversation_id, message_id))
                await tx.execute_many(INSERT_MESSAGE, messages)
                await tx.execute_many(INSERT_OUT, items)

    async def forget_backlog(self) -> None:
        async with self._ground.database.transaction() as tx:
            await tx.execute(DELETE_OUT)

    async def _waiting(
        self, tx: Transaction, conversation_id: ConversationId, message_id: str
    ) -> Sequence[Value]:
        item_id = f"backlog-{new_id()}"
        event = MessagePosted(
            tenant_id=TenantId(TENANT),
            conversation_id=conversation_id,
            message_id=message_id,  # type: ignore[arg-type]
        )
        body = await self._sealer.seal(
            tx,
            TenantId(TENANT),
            f"conversation:{conversation_id}",
            json.dumps(asdict(event)).encode(),
            place=f"outbox.body:{item_id}",
        )
        return item_id, TENANT, f"matrix:{conversation_id}", body, self._clock.now()

    async def _conversation(self, tx: Transaction) -> ConversationId:
        conversation_id, now = ConversationId(new_id()), self._clock.now()
        add = partial(_add, self._rows)
        host, vendor = f"host-{conversation_id}", f"vendor-{conversation_id}"
        party, room_id = f"party-{conversation_id}", room_id_of(conversation_id)
        user = f"@{host}:rows.localhost"
        ghost = self._ground.names.ghost(TenantId(TENANT), vendor)  # type: ignore[arg-type]
        add(PUT_PARTICIPANT, TENANT, host, "Host", user, None, None, now)
        add(PUT_PARTICIPANT, TENANT, vendor, "Vendor", None, None, "catering", now)
        pair = (party, vendor)
        add(
            INSERT_CONVERSATION,
            *(TENANT, conversation_id, *pair, "Party x Vendor", "active", now, "direct", None, *pair),
        )
        add(LINK_PARTY, TENANT, conversation_id, party)
        add(ADD_PARTY, conversation_id, party)
        add(INSERT_MEMBER, TENANT, conversation_id, host, "host", "owner", now)
        add(INSERT_MEMBER, TENANT, conversation_id, vendor, "vendor", "member", now)
        add(INSERT_ROOM, room_id, TENANT, conversation_id, 0, now)
        for member in (self._ground.names.bot, ghost, user):
            add(PUT_MEMBER, room_id, member, "join")
        add(PUT_GHOST, ghost, TENANT, vendor, "named", now)
        add(INSERT_OWN_DEVICE, ghost, new_id()[:10].upper(), self._account, new_id(), now)
        identity_key = new_id()
        add(INSERT_USER, user)
        add(INSERT_DEVICE, user, "PHONE", identity_key, new_id())
        add(INSERT_RECAP, new_id(), TENANT, conversation_id, host, user, now)
        for sender in (self._ground.names.bot, ghost):
            session = GroupSession()
            add(PUT_OUTBOUND, room_id, sender, session.session_id, session.pickle(self._pickle_key), now)
            add(PUT_SHARE, session.session_id, user, "PHONE", identity_key, 0, "shared")
            add(PUT_SESSION, sender, identity_key, new_id(), self._account, now)
            self._inbound(room_id, sender, session, now)
        theirs = GroupSession()
        self._inbound(room_id, user, theirs, now)
        await self._said(tx, conversation_id, room_id, user, theirs.session_id)
        return conversation_id

    def _inbound(self, room_id: str, sender: str, session: GroupSession, now: int) -> None:
        pickle = InboundGroupSession(session.session_key).pickle(self._pickle_key)
        row = (room_id, session.session_id, new_id(), sender, new_id(), pickle, 0, now, 0)
        _add(self._rows, PUT_INBOUND, *row)

    async def _said(
        self, tx: Transaction, conversation_id: ConversationId, room_id: str, user: str, session_id: str
    ) -> None:
        now = self._clock.now()
        for number in range(MESSAGES):
            event_id = f"${new_id()}"
            row, _ = await self._message(
                tx, conversation_id, status="sent", origin_id=event_id, said_by=user if number % 2 else None
            )
            _add(self._rows, INSERT_MESSAGE, *row)
            if number % 2:
                _add(self._rows, INSERT_INDEX, f"{session_id} {user}", number, event_id)
                done = (f"matrix:{event_id}", TENANT, f"room:{room_id}", b"x" * 32, now)
                _add(self._rows, INSERT_DONE_IN, *done)
                _add(self._rows, INSERT_DONE_OUT, *_done("festimo", "MessageReceived", conversation_id, now))
            else:
                _add(self._rows, INSERT_DONE_OUT, *_done("matrix", "MessagePosted", conversation_id, now))

    async def _message(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        *,
        status: str,
        origin_id: str | None,
        said_by: str | None = None,
    ) -> tuple[Sequence[Value], str]:
        """The row, and the message's id."""
        message_id = new_id()
        content = await self._sealer.seal(
            tx,
            TenantId(TENANT),
            f"conversation:{conversation_id}",
            json.dumps({"text": TEXT}).encode(),
            place=content_place(message_id),  # type: ignore[arg-type]
        )
        sender = f"host-{conversation_id}"
        who: tuple[Value, ...] = (sender, "user", "text")
        when = self._clock.now()
        row = (TENANT, message_id, conversation_id, *who, content, status, origin_id, when, said_by)
        return (*row, int(said_by is not None)), message_id


def _add(rows: dict[str, list[Sequence[Value]]], sql: str, *row: Value) -> None:
    rows[sql].append(row)


def _done(consumer: str, event: str, conversation_id: str, now: int) -> Sequence[Value]:
    """A row of the outbox that was dealt with; what went to a room was encrypted."""
    prepared = b"x" * 700 if consumer == "matrix" else None
    return new_id(), TENANT, f"{consumer}:{conversation_id}", f"{consumer}.{event}", prepared, now
