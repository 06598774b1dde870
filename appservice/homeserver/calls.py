"""The client-server calls we make to the homeserver, as the bot or a ghost, with device and transaction id."""

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from mautrix.api import Method, Path

from appservice.homeserver.transport import Api, HomeserverRefused, as_json, shaped


class Homeserver:
    """Typed calls. `as_user` is the full MXID to act as; `device` its device, where the call depends on one."""

    def __init__(self, url: str, as_token: str, *, session: aiohttp.ClientSession) -> None:
        self._api = Api(url, as_token, session=session)

    async def request(
        self,
        method: Method,
        path: Any,
        content: Mapping[str, Any] | bytes | None = None,
        *,
        as_user: str | None = None,
        device: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        params = dict(query or {})
        if as_user is not None:
            params["user_id"] = as_user
        if device is not None:
            params["device_id"] = device
        body = content if content is None or isinstance(content, bytes) else as_json(content)
        return await self._api.request(method, path, body, query=params, headers=headers)

    # The bridge itself

    async def date(self) -> str | None:
        """The homeserver's idea of now (an HTTP date), if it tells."""
        await self.request(Method.GET, Path.versions)
        return self._api.date

    @shaped
    async def whoami(self) -> str:
        """The MXID to which our `as_token` belongs: the registration's `sender_localpart`."""
        return str((await self.request(Method.GET, Path.v3.account.whoami))["user_id"])

    async def ping(self, appservice_id: str, transaction_id: str) -> None:
        """Have the homeserver reach us and deliver what it holds back. Spec: application service API, ping."""
        await self.request(
            Method.POST, Path.v1.appservice[appservice_id].ping, {"transaction_id": transaction_id}
        )

    @shaped
    async def sync(
        self,
        user: str,
        device: str | None,
        *,
        since: str | None,
        filter_: Mapping[str, Any],
        wait: int = 0,
    ) -> dict[str, Any]:
        query = {"timeout": str(wait), "filter": as_json(filter_).decode(), "set_presence": "offline"}
        if since is not None:
            query["since"] = since
        answer: dict[str, Any] = await self.request(
            Method.GET, Path.v3.sync, as_user=user, device=device, query=query
        )
        return answer | {"next_batch": str(answer["next_batch"])}

    async def ask_for_alias(self, alias: str) -> None:
        """Look an alias up as anybody may, without our token; for what the homeserver does on the way."""
        anybody = Api(self._api.url, None, session=self._api.session)
        await anybody.request(Method.GET, Path.v3.directory.room[alias])

    # Users, profiles, media

    async def register(self, localpart: str) -> None:
        """Make the user; one that exists already is fine."""
        try:
            await self.request(
                Method.POST,
                Path.v3.register,
                {"type": "m.login.application_service", "username": localpart, "inhibit_login": True},
            )
        except HomeserverRefused as refusal:
            if refusal.errcode != "M_USER_IN_USE":
                raise

    async def exists(self, user: str) -> bool:
        """Whether the user exists, as far as the homeserver (theirs, if it is another) tells."""
        try:
            await self.request(Method.GET, Path.v3.profile[user])
        except HomeserverRefused as refusal:
            if refusal.status == 404:
                return False
            if refusal.status != 403:  # some servers tell profiles to nobody
                raise
        return True

    async def set_display_name(self, user: str, name: str) -> None:
        await self.request(Method.PUT, Path.v3.profile[user].displayname, {"displayname": name}, as_user=user)

    async def set_avatar(self, user: str, mxc: str) -> None:
        await self.request(Method.PUT, Path.v3.profile[user].avatar_url, {"avatar_url": mxc}, as_user=user)

    @shaped
    async def upload(self, user: str, data: bytes, content_type: str) -> str:
        """Put `data` into the media repository; return its mxc URI."""
        answer = await self.request(
            Method.POST,
            "_matrix/media/v3/upload",
            data,
            as_user=user,
            headers={"Content-Type": content_type},
        )
        return str(answer["content_uri"])

    # Rooms

    @shaped
    async def create_room(self, user: str, body: Mapping[str, Any]) -> str:
        return str((await self.request(Method.POST, Path.v3.createRoom, body, as_user=user))["room_id"])

    @shaped
    async def resolve_alias(self, user: str, alias: str) -> str | None:
        try:
            answer = await self.request(Method.GET, Path.v3.directory.room[alias], as_user=user)
        except HomeserverRefused as refusal:
            if refusal.errcode == "M_NOT_FOUND":
                return None
            raise
        return str(answer["room_id"])

    async def delete_alias(self, user: str, alias: str) -> None:
        try:
            await self.request(Method.DELETE, Path.v3.directory.room[alias], as_user=user)
        except HomeserverRefused as refusal:
            if refusal.errcode != "M_NOT_FOUND":
                raise

    @shaped
    async def state(self, user: str, room_id: str) -> list[dict[str, Any]]:
        """The room's whole current state."""
        events = await self.request(Method.GET, Path.v3.rooms[room_id].state, as_user=user)
        return [dict(event) for event in events]

    async def pinned(self, user: str, room_id: str) -> list[str]:
        """The ids of the room's pinned events, as it shows them."""
        path = Path.v3.rooms[room_id].state["m.room.pinned_events"]
        try:
            content = await self.request(Method.GET, path, as_user=user)
        except HomeserverRefused as refusal:
            if refusal.errcode == "M_NOT_FOUND":
                return []
            raise
        return pinned_ids(content)

    async def pin(self, user: str, room_id: str, event_ids: Sequence[str]) -> None:
        path = Path.v3.rooms[room_id].state["m.room.pinned_events"]
        await self.request(Method.PUT, path, {"pinned": list(event_ids)}, as_user=user)

    async def set_state(
        self, user: str, room_id: str, event_type: str, content: Mapping[str, Any], *, state_key: str = ""
    ) -> None:
        """Nothing that must stay between the members: servers can read it. The same again changes nothing."""
        path = Path.v3.rooms[room_id].state[event_type]
        await self.request(Method.PUT, path[state_key] if state_key else path, content, as_user=user)

    @shaped
    async def members(self, user: str, room_id: str) -> dict[str, str]:
        """Who is joined, invited, ...: MXID -> membership, those who left excluded."""
        answer = await self.request(
            Method.GET, Path.v3.rooms[room_id].members, as_user=user, query={"not_membership": "leave"}
        )
        return {event["state_key"]: event["content"]["membership"] for event in answer["chunk"]}

    async def invite(self, user: str, room_id: str, invitee: str) -> None:
        await self.request(Method.POST, Path.v3.rooms[room_id].invite, {"user_id": invitee}, as_user=user)

    async def join(self, user: str, room_id: str) -> None:
        await self.request(Method.POST, Path.v3.join[room_id], {}, as_user=user)

    async def leave(self, user: str, room_id: str) -> None:
        await self.request(Method.POST, Path.v3.rooms[room_id].leave, {}, as_user=user)

    async def kick(self, user: str, room_id: str, other: str) -> None:
        await self.request(Method.POST, Path.v3.rooms[room_id].kick, {"user_id": other}, as_user=user)

    @shaped
    async def send_encrypted(
        self, user: str, device: str, room_id: str, txn_id: str, content: Mapping[str, Any]
    ) -> str:
        """Send an `m.room.encrypted` event: besides reactions and redactions the only one there is a call for."""
        answer = await self.request(
            Method.PUT,
            Path.v3.rooms[room_id].send["m.room.encrypted"][txn_id],
            content,
            as_user=user,
            device=device,
        )
        return str(answer["event_id"])

    @shaped
    async def react(self, user: str, device: str, room_id: str, event_id: str, key: str, txn_id: str) -> str:
        """React to an event. Spec: client-server API, "Event annotations and reactions": they are not encrypted."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        answer = await self.request(
            Method.PUT,
            Path.v3.rooms[room_id].send["m.reaction"][txn_id],
            {"m.relates_to": relation},
            as_user=user,
            device=device,
        )
        return str(answer["event_id"])

    @shaped
    async def reactions(
        self, user: str, room_id: str, event_id: str, *, after: str | None = None
    ) -> dict[str, Any]:
        """A page of the reactions to an event: {"chunk": [event], "next_batch": token or absent}."""
        query = {"limit": "100"} | ({"from": after} if after else {})
        page: dict[str, Any] = await self.request(
            Method.GET,
            Path.v1.rooms[room_id].relations[event_id]["m.annotation"]["m.reaction"],
            as_user=user,
            query=query,
        )
        return page | {"chunk": list(page["chunk"])}

    async def redact(self, user: str, device: str, room_id: str, event_id: str, txn_id: str) -> None:
        """Take an event's content from everybody. A reason would not be encrypted: there is none."""
        await self.request(
            Method.PUT,
            Path.v3.rooms[room_id].redact[event_id][txn_id],
            {},
            as_user=user,
            device=device,
        )

    @shaped
    async def messages(
        self, user: str, room_id: str, *, before: str | None, after: str | None = None
    ) -> dict[str, Any]:
        """A page of the timeline between two tokens, newest first: {"chunk": [event], "end": token or absent}."""
        query = {"dir": "b", "limit": "100"} | ({"from": before} if before else {})
        query |= {"to": after} if after else {}
        page: dict[str, Any] = await self.request(
            Method.GET, Path.v3.rooms[room_id].messages, as_user=user, query=query
        )
        return page | {"chunk": list(page["chunk"])}

    @shaped
    async def said_before(self, user: str, room_id: str, event_id: str, *, limit: int) -> list[str]:
        """The ids of the events before this one, the last of them first."""
        answer = await self.request(
            Method.GET,
            Path.v3.rooms[room_id].context[event_id],
            as_user=user,
            query={
                "limit": str(2 * limit),
                "filter": '{"lazy_load_members":true}',
            },  # half of it is what came after
        )
        return [str(event["event_id"]) for event in answer["events_before"]]

    @shaped
    async def said_at(self, user: str, room_id: str, event_id: str) -> int:
        """When the homeserver of who sent it took this event, in epoch ms."""
        event = await self.request(Method.GET, Path.v3.rooms[room_id].event[event_id], as_user=user)
        return int(event["origin_server_ts"])

    # Signals

    async def set_typing(self, user: str, room_id: str, *, milliseconds: int) -> None:
        """For so long, or until it is said again; 0: no more."""
        body = {"typing": True, "timeout": milliseconds} if milliseconds else {"typing": False}
        await self.request(Method.PUT, Path.v3.rooms[room_id].typing[user], body, as_user=user)

    async def send_receipt(self, user: str, room_id: str, event_id: str) -> None:
        """Show everybody that the user has read up to this event. An older one than before changes nothing."""
        await self.request(Method.POST, Path.v3.rooms[room_id].receipt["m.read"][event_id], {}, as_user=user)

    # Devices and keys

    async def create_device(self, user: str, device: str, name: str) -> None:
        """Make or rename a device without a login (MSC4190)."""
        await self.request(Method.PUT, Path.v3.devices[device], {"display_name": name}, as_user=user)

    async def upload_cross_signing(self, user: str, device: str, keys: Mapping[str, Any]) -> None:
        await self.request(Method.POST, Path.v3.keys.device_signing.upload, keys, as_user=user, device=device)

    @shaped
    async def upload_keys(self, user: str, device: str, body: Mapping[str, Any]) -> dict[str, int]:
        """Upload device, one-time or fallback keys; return the one-time key counts by algorithm."""
        answer = await self.request(Method.POST, Path.v3.keys.upload, body, as_user=user, device=device)
        counts: dict[str, int] = answer["one_time_key_counts"]
        return counts

    @shaped
    async def query_keys(self, user: str, device: str | None, users: list[str]) -> dict[str, Any]:
        body = {"device_keys": {other: [] for other in users}, "timeout": 10_000}
        answer: dict[str, Any] = await self.request(
            Method.POST, Path.v3.keys.query, body, as_user=user, device=device
        )
        return dict(answer)

    @shaped
    async def claim_keys(self, user: str, device: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        """`claims`: MXID -> device id -> algorithm. Return "one_time_keys", of the same shape, and "failures": the
        servers that did not answer, each with something about it."""
        body = {"one_time_keys": claims, "timeout": 10_000}
        answer: dict[str, Any] = await self.request(
            Method.POST, Path.v3.keys.claim, body, as_user=user, device=device
        )
        return answer | {"one_time_keys": dict(answer["one_time_keys"])}

    async def send_to_device(
        self, user: str, device: str, event_type: str, txn_id: str, messages: Mapping[str, Any]
    ) -> None:
        """`messages`: MXID -> device id -> content."""
        await self.request(
            Method.PUT,
            Path.v3.sendToDevice[event_type][txn_id],
            {"messages": messages},
            as_user=user,
            device=device,
        )


def pinned_ids(content: Any) -> list[str]:
    """Of the content of an `m.room.pinned_events`, whoever wrote it."""
    ids = content.get("pinned") if isinstance(content, dict) else None
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []
