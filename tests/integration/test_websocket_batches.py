"""Many texts in one message of the application are as many frames for the client."""

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ringback.websocket_protocol import BatchingProtocol

TEXTS = ["one", "zwö", "", "x" * 100_000, "last"]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Says all texts when it is spoken to, again and again."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "texts": TEXTS})
        await send({"type": "websocket.send", "text": "alone"})


async def test_each_text_is_a_frame_in_order_and_a_client_may_go_in_between():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, ws=BatchingProtocol, lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        async with connect(url) as client:
            await client.send("speak")
            assert [await client.recv() for _ in range(6)] == [*TEXTS, "alone"]
        async with connect(url) as gone:
            await gone.send("speak")
            gone.transport.abort()
        with pytest.raises(ConnectionClosed):
            await gone.recv()
        async with connect(url) as client:
            await client.send("speak")
            assert await client.recv() == "one"
        server.should_exit = True
        await serving
