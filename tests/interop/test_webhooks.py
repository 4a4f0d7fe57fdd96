"""Webhooks as an application gets them: the guide's receiver, our server as a process, a phone that calls."""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interop.peers.phone import Phone
from interop.peers.process import Process
from interop.peers.server import ROOT, Server, listens
from interop.peers.waiting import free_port, until
from interop.test_guides import check_shape, run, steps

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="


class Receiver(Process):
    """``examples/webhook_receiver.py``."""

    def __init__(self, folder: Path, port: int) -> None:
        command = [sys.executable, ROOT / "examples" / "webhook_receiver.py", str(port)]
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(command, folder / "told.txt", env={"WEBHOOK_SECRET": SECRET, "PATH": os.environ["PATH"]})
        self.url = f"http://127.0.0.1:{port}/"

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]

    async def types(self, *wanted: str) -> list[dict[str, Any]]:
        """Wait until so many events have come; they are of these types, in this order."""
        await until(lambda: len(self.told()) >= len(wanted), f"webhooks tell {wanted}", 30)
        assert [each["type"] for each in self.told()] == list(wanted)
        return self.told()


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "dev", command=("dev",)) as running:
        yield running


async def test_the_webhook_guide_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    port = free_port()
    # Its call to itself would be told of, too.
    await until(lambda: "sound both ways" in dev.log(), "the server has called itself", 60)
    await until(lambda: _is_quiet(dev), "that call is over")
    async with Receiver(tmp_path / "app", port) as receiver:
        await until(lambda: listens(port), "the receiver listens")
        for command, printed in steps("webhooks"):
            asked = command.replace("127.0.0.1:8090", f"127.0.0.1:{port}")
            shape = json.loads(json.dumps(printed).replace("127.0.0.1:8090", f"127.0.0.1:{port}"))
            check_shape(run(asked, dev, 0), shape)
        address = (await dev.rest("GET", "/rooms/hello")).body["config"]["sip_uri"]["endpoint"]
        async with Phone(tmp_path / "phone", "dial", address, "--for", "2") as phone:
            await phone.event("answered")
            await phone.wait()
        # The greeter keeps the meeting of `hello` open; it began before the webhook was made.
        connected, stopped = await receiver.types("dialin.connected", "dialin.stopped")
    assert connected["room"] == stopped["room"] == "hello"
    assert connected["session_id"] == stopped["session_id"]
    assert stopped["reason"] == "hangup-remote"


async def test_a_killed_server_delivers_what_it_owes_when_it_is_back(tmp_path: Path) -> None:
    """The application's server is down while a call comes in and ours is killed; later both are back."""
    port = free_port()
    properties = {"sip": {"sip_mode": "dial-in", "display_name": "Caller", "dialin_config": {"allow_room_start": True}}}
    settings = {"WEBHOOKS__ALLOW_PRIVATE": "true"}
    async with Server(tmp_path / "server", settings) as server:
        async with Receiver(tmp_path / "first", port) as receiver:
            await until(lambda: listens(port), "the receiver listens")
            body = {"url": receiver.url, "hmac": SECRET, "retryType": "exponential"}
            webhook = (await server.rest("POST", "/webhooks", body)).body["uuid"]
        room = await server.room("desk", **properties)
        async with Phone(tmp_path / "phone", "dial", room["config"]["sip_uri"]["endpoint"], "--for", "60") as phone:
            await phone.event("answered")
            await until(lambda: _failed(server, webhook), "a delivery fails")
            await server.kill()
            async with Receiver(tmp_path / "second", port) as receiver:
                await until(lambda: listens(port), "the receiver listens")
                await server.restart()
                await phone.event("ended")
                told = await receiver.types(
                    "meeting.started",
                    "dialin.ready",
                    "participant.joined",
                    "dialin.connected",
                    "participant.left",
                    "dialin.stopped",
                    "meeting.ended",
                )
    assert told[5]["reason"] == "server-restart"
    assert {each["room"] for each in told} == {"desk"}


async def _is_quiet(server: Server) -> bool:
    return not (await server.rest("GET", "/ringback/calls?ongoing=true")).body["data"]


async def _failed(server: Server, webhook: str) -> bool:
    rows = (await server.rest("GET", f"/ringback/webhooks/{webhook}/deliveries")).body["data"]
    return any(attempt["error"] for row in rows for attempt in row["attempts"])
