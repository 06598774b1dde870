"""What all calls of the homeserver stand on: what it knows, and the plans of tests for what happens around a call."""

import asyncio
import copy
import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from appservice.homeserver import Homeserver
from tests.fakes.homeserver.model import Device, Json, Room, User, refused

Moment = Literal["before", "after"]
"""Of a call: before it has any effect, or after its effect and before its answer."""
Action = Callable[[], Awaitable[None]]
G = TypeVar("G", bound="Ground")
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Plan:
    call: str
    moment: Moment
    action: Action


def call(
    method: Callable[Concatenate[G, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[G, P], Coroutine[Any, Any, T]]:
    """One request: arguments and answers are copies, and the plans made for it are carried out."""

    @functools.wraps(method)
    async def asked(self: G, /, *args: P.args, **kwargs: P.kwargs) -> T:
        await self.pass_moment(method.__name__, "before")
        given: Any = (copy.deepcopy(args), copy.deepcopy(kwargs))
        answer = copy.deepcopy(await method(self, *given[0], **given[1]))
        await self.pass_moment(method.__name__, "after")
        return answer

    return asked


class Ground(Homeserver):
    def __init__(self) -> None:
        self.users: dict[str, User] = defaultdict(User)
        self.rooms: dict[str, Room] = {}
        self.aliases: dict[str, str] = {}
        self.media: dict[str, bytes] = {}
        self.down: set[str] = set()
        self.claims_in_vain = 0
        """How many of the next claims get nothing, as one of two at once does on PostgreSQL."""
        """Servers that do not answer: their users' keys can be neither asked for nor claimed."""
        self.nobody: set[str] = set()
        """Users that there are not."""
        self.slow: set[str] = set()
        """Servers that answer never, while our homeserver waits for them."""
        self.query_answer: Json | None = None
        """What `/keys/query` says instead of the truth."""
        self.takes_at: int | None = None
        """What its clock says when it takes what is sent."""
        self.log: list[tuple[str, str, Any]] = []
        """(call, user, what it was about) of every call that had an effect, in order."""
        self.claimed: list[tuple[str, str, str]] = []
        """(user, device, key id) of every one-time key given out."""
        self.on_moment: Callable[[str, Moment], None] = lambda call, moment: None
        """Called around every call; what it raises the caller gets."""
        self._plans: list[_Plan] = []
        self._stream = 1
        self._changes: list[tuple[int, str, set[str]]] = []
        self._answered: dict[tuple[str, ...], str] = {}
        self._sent_as: dict[str, tuple[str, str, str]] = {}

    # For tests: what happens around calls

    async def pass_moment(self, call: str, moment: Moment) -> None:
        self.on_moment(call, moment)
        for plan in [plan for plan in self._plans if (plan.call, plan.moment) == (call, moment)]:
            self._plans.remove(plan)
            await plan.action()

    def meanwhile(self, call: str, action: Action, *, moment: Moment = "after") -> None:
        """Have `action` run during the next such call."""
        self._plans.append(_Plan(call, moment, action))

    def fail(self, call: str, error: Exception, *, moment: Moment = "before") -> None:
        """Have the next such call raise, before or after it took effect."""

        async def raise_it() -> None:
            raise error

        self.meanwhile(call, raise_it, moment=moment)

    def lose_nothing(self) -> None:
        """From now on nothing is planned to happen."""
        self._plans.clear()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What is planned happens to others, later."""
        plans, self._plans = self._plans, []
        try:
            yield
        finally:
            self._plans = plans

    def forget_transactions(self) -> None:
        """As Synapse does after a day: the same transaction id is a new request."""
        self._answered = {("forgotten", *request): answer for request, answer in self._answered.items()}

    def calls(self, name: str) -> list[tuple[str, Any]]:
        return [(user, about) for call, user, about in self.log if call == name]

    # For tests: what other people and servers do

    def add_room(self, room_id: str, members: Mapping[str, str]) -> None:
        self.rooms[room_id] = Room(members=dict(members))

    def set_membership(self, room_id: str, user: str, membership: str) -> None:
        self.rooms[room_id].members[user] = membership

    def set_pinned(self, room_id: str, event_ids: Sequence[str]) -> None:
        content = {"pinned": list(event_ids)}
        event = {"type": "m.room.pinned_events", "state_key": "", "content": content}
        self.rooms[room_id].state.append(event)

    def delete_device(self, user: str, device: str) -> None:
        del self.users[user].devices[device]
        self._changed(user)

    def forget_identity(self, user: str) -> None:
        account = self.users[user]
        account.master = account.self_signing = account.user_signing = None
        self._changed(user)

    def sign_device(self, user: str, device: str, key_id: str, signature: str) -> None:
        """Another device of the user uploads a cross-signature (`/keys/signatures/upload`)."""
        keys = self.users[user].devices[device].keys
        assert keys is not None
        keys["signatures"][user][key_id] = signature
        self._changed(user)

    def put_to_device(self, sender: str, user: str, device: str, event_type: str, content: Json) -> None:
        """A to-device message with any sender, as only a homeserver can make it."""
        self._stream += 1
        event = {"sender": sender, "type": event_type, "content": copy.deepcopy(content)}
        self.users[user].devices[device].inbox.append((self._stream, event))

    def inbox(self, user: str, device: str) -> list[Json]:
        return [event for _, event in self.users[user].devices[device].inbox]

    def timeline(self, room_id: str) -> list[Json]:
        return copy.deepcopy(self.rooms[room_id].timeline)

    # For calls

    async def _wait_for(self, users: Iterable[str]) -> None:
        if not self.slow.isdisjoint(user.partition(":")[2] for user in users):
            await asyncio.Event().wait()

    def _device(self, user: str, device: str) -> Device:
        if device not in self.users[user].devices:
            raise refused(400, "M_UNKNOWN_DEVICE", "no such device")
        return self.users[user].devices[device]

    def _published(self, user: str, device: str) -> None:
        if self._device(user, device).keys is None:
            raise refused(400, "M_UNKNOWN", "nobody can know the keys of this device")

    def _page(self, room_id: str, before: str | None, after: str | None = None) -> Json:
        timeline = self._room(room_id).timeline
        end = len(timeline) if before is None else int(before)
        first = int(after or 0)
        start = max(first, end - 100)
        page: Json = {"chunk": copy.deepcopy(timeline[start:end][::-1])}
        return page | ({"end": str(start)} if start > first else {})

    def _room(self, room_id: str) -> Room:
        if room_id not in self.rooms:
            raise refused(404, "M_NOT_FOUND", "no such room")
        return self.rooms[room_id]

    def _changed(self, user: str) -> None:
        """Told to those who share a room with the user at this moment, both joined; as Synapse 1.163 does it towards
        a /sync without rooms: a change before a join is not told by the join."""
        self._stream += 1
        told = {
            other
            for room in self.rooms.values()
            if room.members.get(user) == "join"
            for other, membership in room.members.items()
            if membership == "join"
        }
        self._changes.append((self._stream, user, told))
