"""An independent encrypted Matrix client for demo and tests: it meets the bridge only on the homeserver.

Built on matrix-nio, which nothing else in the bridge imports; it comes with the extra `demo`.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self, cast
from urllib.parse import urlencode

import aiohttp

from appservice.embedded.cross_signing import Identity
from appservice.embedded.session import Session
from appservice.embedded.timeline import Entry, Timelines

POLL_LIMIT = 30.0  # seconds one /sync may wait at the server
RETRY_AFTER = 0.2  # seconds between tries while the server is away
LONGEST_PAUSE = 1  # second between nio's own tries
TIMELINE_LIMIT = 100
_SYNC_FILTER = json.dumps({"room": {"timeline": {"limit": TIMELINE_LIMIT}}})


class ClientError(RuntimeError):
    """The homeserver refused, or the client cannot do what it was asked."""


class ServerInTrouble(ClientError):
    """The homeserver answered 5xx, as when its database is gone: later it may do what it was asked."""


class Client:
    """One device of one user. `async with await Client.login(...) as client:` keeps it in sync meanwhile."""

    def __init__(self, client: Any) -> None:
        """Not for callers: use `login`."""
        self._nio = _nio()
        self._client = client
        self._timelines = Timelines(self._nio, client)
        self._spaces: set[str] = set()
        self._synced = asyncio.Condition()
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        # nio forgets a key share that a sync interrupts: what changes its state goes one by one.
        self._state = asyncio.Lock()

    @classmethod
    async def login(
        cls,
        url: str,
        user_id: str,
        password: str,
        store_folder: Path,
        display_name: str | None = None,
        *,
        cross_sign: bool = True,
    ) -> Self:
        """Sign in on a new device, or go on with the one in `store_folder`; publish its keys and sign them.

        `display_name` names the device. With `cross_sign=False` it stays unsigned, as nio leaves it.
        """
        nio = _nio()
        client = nio.AsyncClient(
            url,
            user_id,
            store_path=str(store_folder),
            config=nio.AsyncClientConfig(
                max_timeouts=8, max_timeout_retry_wait_time=LONGEST_PAUSE, request_timeout=POLL_LIMIT
            ),
        )
        made = cls(client)
        try:
            await made._sign_in(store_folder, password, display_name)
            if client.should_upload_keys:
                made._accepted(await client.keys_upload())
            if cross_sign:
                await made._cross_sign(Identity(made.user_id, password))
        except BaseException:
            await client.close()
            raise
        return made

    async def __aenter__(self) -> Self:
        try:
            await self._sync(0)
        except BaseException:
            await self._client.close()
            raise
        self._task = asyncio.create_task(self._sync_forever(), name=f"sync of {self.user_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the sync and the connection; the device stays signed in."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._client.close()

    @property
    def user_id(self) -> str:
        return str(self._client.user_id)

    @property
    def device_id(self) -> str:
        return str(self._client.device_id)

    @property
    def access_token(self) -> str:
        return str(self._client.access_token)

    def invites(self) -> list[str]:
        """Rooms this user is invited to and has not answered."""
        return [room_id for room_id in self._client.invited_rooms if room_id not in self._spaces]

    def space_invites(self) -> list[str]:
        """Spaces, likewise."""
        return [room_id for room_id in self._client.invited_rooms if room_id in self._spaces]

    def rooms(self) -> list[str]:
        """Rooms this user has joined."""
        return list(self._client.rooms)

    def room_name(self, room_id: str) -> str:
        return str(self._room(room_id).display_name)

    def powers(self, room_id: str) -> dict[str, int]:
        """The power levels of those who have one of their own."""
        return dict(self._room(room_id).power_levels.users)

    def is_encrypted(self, room_id: str) -> bool:
        return bool(self._room(room_id).encrypted)

    def members(self, room_id: str) -> list[str]:
        """Joined and invited members."""
        return list(self._room(room_id).users)

    def display_name(self, room_id: str, user_id: str) -> str | None:
        """How a member of the room is called there."""
        member = self._room(room_id).users.get(user_id)
        return None if member is None else cast(str | None, member.display_name)

    def timeline(self, room_id: str, *, since: int = 0) -> list[Entry]:
        """Messages, reactions and the like, in the order the server gave them, without the first `since`; no state."""
        return self._timelines.entries(room_id, since=since)

    async def sync_until(self, predicate: Callable[[], bool], timeout: float = 20.0) -> None:  # noqa: ASYNC109
        """Return once `predicate` holds, looking again after each sync. Raises TimeoutError."""
        async with asyncio.timeout(timeout), self._synced:
            await self._synced.wait_for(lambda: self._failure is not None or predicate())
        if self._failure is not None:
            raise ClientError(f"the sync of {self.user_id} has ended") from self._failure

    async def wait_for_text(self, room_id: str, body: str, timeout: float = 20.0) -> Entry:  # noqa: ASYNC109
        """The first entry of the room with this body, once it is there."""

        def found() -> Entry | None:
            return next((entry for entry in self.timeline(room_id) if entry.body == body), None)

        try:
            await self.sync_until(lambda: found() is not None, timeout)
        except TimeoutError:
            seen = self.timeline(room_id)
            raise TimeoutError(
                f"{self.user_id} did not see {body!r} within {timeout:g} s, but {seen}"
            ) from None
        return cast(Entry, found())

    async def create_room(self, *, invite: list[str], name: str | None = None, encrypted: bool = True) -> str:
        """Make a room and invite people to it. Returns its id once this client knows the room."""
        state = [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        response = await self._client.room_create(
            name=name, invite=invite, initial_state=state if encrypted else []
        )
        room_id = str(self._accepted(response).room_id)
        await self.sync_until(
            lambda: room_id in self._client.rooms and set(invite) <= set(self.members(room_id))
        )  # nio shares its keys with the members it knows of
        return room_id

    async def join(self, room_id: str) -> None:
        """Join, and return once the room's state is here."""
        self._accepted(await self._client.join(room_id))
        await self.sync_until(lambda: room_id in self._client.rooms)

    async def leave(self, room_id: str) -> None:
        """Leave, and return once the sync has said so."""
        self._accepted(await self._client.room_leave(room_id))
        await self.sync_until(
            lambda: room_id not in self._client.rooms and room_id not in self._client.invited_rooms
        )

    async def send_text(self, room_id: str, text: str, *, txn_id: str | None = None) -> str:
        """Send a plain text message, encrypted if the room is. Returns the event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text}, txn_id=txn_id)

    async def send(
        self, room_id: str, kind: str, content: Mapping[str, Any], *, txn_id: str | None = None
    ) -> str:
        """Send any message-like event; verified or not, every device of the members gets the key.

        With the same `txn_id` it may be sent again after a lost answer: the homeserver keeps the first.
        """
        self._room(room_id)
        async with self._state:
            await self._exchange_keys()
            try:
                with _claims_answered_with_an_error(), self._signed_in():
                    response = await self._client.room_send(
                        room_id, kind, dict(content), tx_id=txn_id, ignore_unverified_devices=True
                    )
            finally:  # nio would wait for ever for a share that a lost connection has ended
                self._client.sharing_session.pop(room_id, None)
        return str(self._accepted(response).event_id)

    def encrypted(self, room_id: str, text: str) -> dict[str, Any]:
        """The content of an `m.room.encrypted` that says so, not sent; with the room's session, once that is shared."""
        _, content = self._client.encrypt(room_id, "m.room.message", {"msgtype": "m.text", "body": text})
        return dict(content)

    def forget_session(self, room_id: str) -> None:
        """Have the next message begin a new Megolm session."""
        self._client.invalidate_outbound_session(room_id)

    async def redact(self, room_id: str, event_id: str) -> str:
        """Take an event's content away for everybody. Returns the redaction's event id."""
        return str(self._accepted(await self._client.room_redact(room_id, event_id)).event_id)

    async def log_out(self) -> None:
        """Stop, and delete the device on the server."""
        if self._task is not None:
            self._task.cancel()
        self._accepted(await self._client.logout())
        await self.close()

    async def _sign_in(self, folder: Path, password: str, display_name: str | None) -> None:
        if session := Session.load(folder):
            self._client.restore_login(session.user_id, session.device_id, session.access_token)
            return
        response = self._accepted(await self._client.login(password, device_name=display_name or ""))
        Session(response.user_id, response.device_id, response.access_token).save(folder)

    async def _cross_sign(self, identity: Identity) -> None:
        """Publish the identity, sign the device. Synapse asks no password for a first or unchanged one."""
        await self._post("keys/device_signing/upload", identity.public_keys())
        known = await self._post("keys/query", {"device_keys": {self.user_id: [self.device_id]}})
        device_keys = known["device_keys"][self.user_id][self.device_id]
        own_key = self._client.olm.account.identity_keys["ed25519"]
        if device_keys["keys"][f"ed25519:{self.device_id}"] != own_key:
            raise ClientError(f"the server has other keys for {self.device_id} than its store")
        refused = (await self._post("keys/signatures/upload", identity.sign_device(device_keys)))["failures"]
        if refused:
            raise ClientError(f"the server refused the signature of {self.device_id}: {refused}")

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request nio has no method for."""
        headers = {"Authorization": f"Bearer {self.access_token}", "Content-Type": "application/json"}
        url = f"/_matrix/client/v3/{path}"
        async with await self._client.send("POST", url, json.dumps(body), headers) as response:
            answer: dict[str, Any] = await response.json()
            if response.status != 200:
                raise ClientError(
                    f"POST {url}: {response.status} {answer.get('errcode')} {answer.get('error')}"
                )
        return answer

    async def _sync_forever(self) -> None:
        try:
            while True:
                try:
                    await self._sync(POLL_LIMIT)
                except (aiohttp.ClientError, TimeoutError, ServerInTrouble):  # tests have it die
                    await asyncio.sleep(RETRY_AFTER)
        except Exception as error:  # shown to whoever waits
            await self._tell_waiting(error)

    async def _sync(self, wait: float) -> None:
        """One /sync: fetched, then applied under the lock. nio's own would change its state in mid-send."""
        query = {"timeout": str(int(wait * 1000)), "filter": _SYNC_FILTER}
        if since := self._client.next_batch:
            query["since"] = since
        headers = {"Authorization": f"Bearer {self.access_token}"}
        answer = await self._client.send(
            "GET", f"/_matrix/client/v3/sync?{urlencode(query)}", headers=headers, timeout=wait + 15
        )
        response = await self._client.create_matrix_response(self._nio.SyncResponse, answer)
        if answer.status >= 500:
            raise aiohttp.ClientPayloadError(f"/sync answered {answer.status}")
        self._accepted(response)
        self._spaces |= _spaces_in(await answer.json())
        async with self._state:
            await self._client.receive_response(response)
            self._receive(response.rooms)
            await self._exchange_keys()
            self._timelines.decrypt_waiting()
        await self._tell_waiting(None)

    async def _tell_waiting(self, failure: BaseException | None) -> None:
        async with self._synced:
            self._failure = failure
            self._synced.notify_all()

    async def _exchange_keys(self) -> None:
        """What nio's own loop does between syncs: publish one-time keys, learn devices, mend Olm sessions."""
        client = self._client
        if client.should_upload_keys:
            self._accepted(await client.keys_upload())
        if client.should_query_keys:
            self._accepted(await client.keys_query())
        if client.should_claim_keys:
            with _claims_answered_with_an_error():
                self._accepted(await client.keys_claim(client.get_users_for_key_claiming()))
        await client.send_to_device_messages()

    @contextmanager
    def _signed_in(self) -> Iterator[None]:
        """nio takes any error that answers a share of room keys for a soft logout, and forgets its access token."""
        token = self._client.access_token
        try:
            yield
        finally:
            self._client.access_token = token

    def _receive(self, rooms: Any) -> None:
        for room_id, room in rooms.join.items():
            self._timelines.receive(room_id, room.timeline.events)
        for room_id in rooms.leave:  # nio keeps left rooms as if joined
            self._client.rooms.pop(room_id, None)
            self._client.invited_rooms.pop(room_id, None)

    def _room(self, room_id: str) -> Any:
        try:
            return self._client.rooms[room_id]
        except KeyError:
            raise ClientError(f"{self.user_id} is not in {room_id}") from None

    def _accepted(self, response: Any) -> Any:
        if isinstance(response, self._nio.ErrorResponse):
            http = response.transport_response
            kind = ServerInTrouble if http is not None and http.status >= 500 else ClientError
            raise kind(f"{self._client.user}: {response}")
        return response


def _spaces_in(answer: Mapping[str, Any]) -> set[str]:
    """Among the invites of a /sync. nio does not tell them from rooms."""
    invites = answer.get("rooms", {}).get("invite", {})
    return {
        room_id
        for room_id, room in invites.items()
        for event in room.get("invite_state", {}).get("events", [])
        if event["type"] == "m.room.create" and event["content"].get("type") == "m.space"
    }


@contextmanager
def _claims_answered_with_an_error() -> Iterator[None]:
    """nio fails itself where the homeserver answers a claim of one-time keys with an error."""
    try:
        yield
    except TypeError as error:
        if "from_dict" not in str(error):
            raise
        raise ServerInTrouble("the homeserver gave no one-time keys") from error


def _nio() -> ModuleType:
    try:
        import nio
    except ImportError as error:
        raise ClientError(
            "The encrypted client needs matrix-nio: pip install 'festimo-bridge[demo]'"
        ) from error
    return cast(ModuleType, nio)
