"""Who is connected, found by what their sockets are about: what happens costs as much as there are who hear of it."""

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Protocol

from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, TenantId
from bridge.feed.model import Place
from bridge.sockets.endings import Ending
from bridge.sockets.metrics import OPEN
from bridge.sockets.outgoing import Signal
from bridge.sockets.scope import Kind, Scope


class Socket(Protocol):
    """A client that is connected."""

    @property
    def caller(self) -> Caller: ...

    @property
    def scope(self) -> Scope: ...

    def wants(self, conversation_id: ConversationId) -> bool: ...

    def offer(self, place: Place, frame: str) -> None:
        """The next frame. One that is not behind those before it, the socket has already."""
        ...

    def hint(self, signal: Signal) -> None:
        """What may be lost."""
        ...

    def end(self, ending: Ending) -> None: ...


class Present:
    def __init__(self) -> None:
        self._numbers: dict[Socket, int] = {}
        self._of: defaultdict[tuple[TenantId, Scope], dict[Socket, None]] = defaultdict(dict)
        self._kinds: Counter[tuple[TenantId, Kind]] = Counter()
        self.last = 0
        """The number of who came last: a mark to ask later for those who were there now."""

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def all(self) -> list[Socket]:
        return list(self._numbers)

    def come(self, socket: Socket) -> None:
        self.last += 1
        self._numbers[socket] = self.last
        self._of[socket.caller.tenant_id, socket.scope][socket] = None
        self._kinds[socket.caller.tenant_id, socket.scope.kind] += 1
        OPEN.labels(socket.scope.kind).inc()

    def go(self, socket: Socket) -> None:
        if self._numbers.pop(socket, None) is None:
            return
        place = socket.caller.tenant_id, socket.scope
        del self._of[place][socket]
        if not self._of[place]:
            del self._of[place]
        self._kinds[socket.caller.tenant_id, socket.scope.kind] -= 1
        OPEN.labels(socket.scope.kind).dec()

    def some(self, tenant_id: TenantId, *kinds: Kind) -> bool:
        """Whether anybody of the tenant has a socket of these kinds."""
        return any(self._kinds[tenant_id, kind] for kind in kinds)

    def of_tenant(self, tenant_id: TenantId, *, up_to: int) -> list[Socket]:
        return [
            socket
            for socket, number in self._numbers.items()
            if number <= up_to and socket.caller.tenant_id == tenant_id
        ]

    def about(self, tenant_id: TenantId, scopes: Collection[Scope], *, up_to: int) -> list[Socket]:
        return [
            socket
            for scope in scopes
            for socket in self._of.get((tenant_id, scope), ())
            if self._numbers[socket] <= up_to
        ]
