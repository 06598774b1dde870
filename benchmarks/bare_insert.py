"""The least that an endpoint can do which acknowledges what is on disk: one INSERT per request, then 200.

`python -m benchmarks.bare_insert DATABASE_URL PORT`: the same aiohttp and the same Database as the bridge.
"""

import asyncio
import sys

from aiohttp import web

from bridge.core.ids import new_id
from bridge.storage.database import open_database
from bridge.web.server import serve

CREATE = "CREATE TABLE IF NOT EXISTS bare_inserts (id TEXT PRIMARY KEY, body BYTEA NOT NULL)"
INSERT = "INSERT INTO bare_inserts (id, body) VALUES ($1, $2)"


async def main(url: str, port: int) -> None:
    database = await open_database(url)
    async with database.transaction() as tx:
        await tx.execute(CREATE)

    async def keep(request: web.Request) -> web.Response:
        body = await request.read()
        async with database.transaction() as tx:
            await tx.execute(INSERT, new_id(), body)
        return web.json_response({})

    app = web.Application()
    app.router.add_put("/{any:.*}", keep)
    await serve(app, host="127.0.0.1", port=port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
