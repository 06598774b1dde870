"""What a proxy can do to a request, or to its answer."""

import asyncio
from collections.abc import Callable

from tests.faults.suite.proxy import Act, Answer, Exchange

JSON = {"Content-Type": "application/json"}


def late(seconds: float) -> Act:
    """Pass it on after a while."""

    async def act(exchange: Exchange) -> Answer:
        await asyncio.sleep(seconds)
        return await exchange.forward()

    return act


def answered(
    status: int, body: bytes = b'{"errcode": "M_UNKNOWN", "error": "not now"}', **headers: str
) -> Act:
    """Answer in the server's place. `headers`: with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(_: Exchange) -> Answer:
        return Answer(status, body, JSON | named)

    return act


async def reset(_: Exchange) -> None:
    """The server never sees it."""


async def answer_lost(exchange: Exchange) -> None:
    """The server has done it; nobody hears so."""
    await exchange.forward()


async def twice(exchange: Exchange) -> Answer:
    """The server gets it twice; the second answer counts."""
    await exchange.forward()
    return await exchange.forward()


async def truncated(exchange: Exchange) -> Answer:
    """Half of the answer, as if that were all."""
    answer = await exchange.forward()
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


async def half_closed(exchange: Exchange) -> None:
    """Half of the answer, then FIN."""
    answer = await exchange.forward()
    transport = exchange.request.transport
    if isinstance(transport, asyncio.Transport):
        head = [f"HTTP/1.1 {answer.status} half", "Content-Type: application/json"]
        head += [f"Content-Length: {len(answer.body)}", "", ""]
        transport.write("\r\n".join(head).encode() + answer.body[: len(answer.body) // 2])
        transport.write_eof()
        await asyncio.sleep(0.2)


def altered(change: Callable[[bytes], bytes]) -> Act:
    """The server gets another body."""

    async def act(exchange: Exchange) -> Answer:
        exchange.body = change(exchange.body)
        return await exchange.forward()

    return act
