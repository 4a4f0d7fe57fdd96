"""SIP over secure WebSocket, as a library that others wrote for web pages speaks it."""

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import cannot_run
from integration.certificates import Authority
from integration.media_phone import RtpPhone
from integration.ugly_carrier import UglyCarrier, sdp
from interop.peers.process import Process
from interop.peers.server import ROOT, Server
from interop.peers.tones import level_db
from interop.peers.waiting import until

ANN_HZ, PAGE_HZ = 880, 440
SCRIPT = Path(__file__).parent / "peers" / "jssip.mjs"
MODULES = ROOT / "web" / "package.json"
SIP = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": 2, "dialin_config": {"allow_room_start": True}}

pytestmark = pytest.mark.needs("node")


@pytest.fixture(autouse=True)
def jssip() -> None:
    if not (ROOT / "web/node_modules/jssip").exists():
        cannot_run("JsSIP is not installed; make build does that")


class Page:
    """What a page would see of JsSIP."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._process = Process(["node", SCRIPT, MODULES, json.dumps(settings)], folder / "page.txt")

    async def __aenter__(self) -> "Page":
        await self._process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._process.stop()

    async def do(self, command: str) -> None:
        await self._process.type(command)

    async def sees(self, event: str) -> dict[str, Any]:
        """Wait for an event."""

        def found() -> dict[str, Any] | None:
            lines = [line for line in self._process.output().splitlines() if line.startswith("{")]
            return next((one for one in map(json.loads, lines) if one["event"] == event), None)

        return await until(found, f"JsSIP says {event}: {self._process.output()[-1500:]}", 20)


def secure(folder: Path, authority: Authority) -> Server:
    certificate, key = authority.issue("localhost")
    return Server(folder / "server", {"HTTP__CERTIFICATE": str(certificate), "HTTP__KEY": str(key)})


async def test_jssip_registers_calls_a_room_is_heard_and_hangs_up_over_wss(tmp_path: Path) -> None:
    """RFC 7118. The certificate is believed by its authority; signalling has no connection but that one."""
    authority, sound = Authority(tmp_path), RtpPhone(hz=PAGE_HZ)
    async with secure(tmp_path, authority) as server:
        await server.room("desk", sip=SIP)
        config = (await server.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
        ours, free = (
            str(uri).removeprefix("sip:").partition("@")[0] for uri in (config["endpoint"], *config["extra_endpoints"])
        )
        made = await server.rest("POST", "/sip-clients", {"username": "page"})
        where = await sound.open()
        home = f"127.0.0.1:{server.ports.sip}"
        settings = {
            "url": f"wss://localhost:{server.ports.http}/sip",
            "ca": str(authority.file),
            "username": "page",
            "password": str(made.body["password"]),
            "host": home,
            "target": f"sip:{free}@{home}",
            "sdp": sdp(*where).decode(),
        }
        async with (
            UglyCarrier(("127.0.0.1", server.ports.sip), media="127.0.0.2", hz=ANN_HZ) as ann,
            Page(tmp_path, **settings) as page,
        ):
            ann.talk(await ann.call(ours, ann.description()))
            await ann.ack()
            await page.sees("registered")
            await page.do("call")
            remote = await page.sees("remote")
            await page.sees("confirmed")
            sound.talk(ann.address_of(str(remote["sdp"]).encode()))
            await ann.hears(PAGE_HZ)
            await until(lambda: level_db(sound.sound()[-4000:], 8000, ANN_HZ) > 30 or None, "the page hears Ann", 15)

            await page.do("hangup")
            assert (await page.sees("ended"))["originator"] == "local"
            await ann.request("BYE")
            await page.do("quit")
        sound.close()


async def test_jssip_does_not_come_in_where_nobody_vouches_for_the_server(tmp_path: Path) -> None:
    """F1: another authority's word is no word."""
    authority = Authority(tmp_path)
    async with secure(tmp_path, authority) as server:
        settings = {
            "url": f"wss://localhost:{server.ports.http}/sip",
            "ca": str(Authority(tmp_path, "another").file),
            "username": "page",
            "password": "x",
            "host": f"127.0.0.1:{server.ports.sip}",
            "target": "",
            "sdp": "",
        }
        async with Page(tmp_path, **settings) as page:
            assert "certificate" in (await page.sees("socket-error"))["words"]
