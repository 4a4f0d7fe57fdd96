"""``ringback dev``: its call to itself, its greeter, and its face to the local network."""

import re
import ssl
from pathlib import Path

import httpx

from interop.peers import tones
from interop.peers.phone import Phone
from interop.peers.process import Process
from interop.peers.server import RINGBACK, Server
from interop.peers.waiting import free_port, until


async def ready(dev: Process) -> str:
    """What it says until it is ready."""

    def said() -> str | None:
        assert dev.running, dev.output()
        return dev.output() if "Ctrl-C ends it" in dev.output() else None

    return await until(said, "ringback dev is ready", 60)


async def test_it_calls_itself_and_says_what_came_of_it(tmp_path: Path) -> None:
    async with Server(tmp_path, command=("dev",)) as server:
        said = await ready(server.process)

        assert re.search(r"Self-test: answered, sound both ways, \d+ ms there and back, codec PCMU", said), said
        assert f"{server.url}/hello" in said
        page = await server.rest("GET", "/rooms/hello")
        assert page.body["config"]["sip_uri"]["endpoint"] in said
        assert [one["userName"] for one in await server.present("hello")] == ["Greeter"]
        assert re.search(r"Pretend numbers\s+\+12125550101 echoes", said), said


async def test_the_greeter_greets_and_says_back_what_it_hears(tmp_path: Path) -> None:
    async with Server(tmp_path / "dev", command=("dev",)) as server:
        said = await ready(server.process)
        uri = re.search(r"^Dial\s+(\S+)", said, re.MULTILINE)
        assert uri is not None

        async with Phone(tmp_path / "phone", "dial", uri[1], hz=440) as phone:
            await phone.event("answered")

            def loud() -> bool:
                sound, rate = tones.read_wav(phone.recording)
                return bool((abs(sound) > 0.05).sum() > rate)

            await until(loud, "a greeting is heard")
            await until(lambda: phone.hears(440) or None, "our own tone comes back", 60)


async def test_it_ends_soon_though_its_greeter_sits_in_a_room(tmp_path: Path) -> None:
    async with Server(tmp_path, command=("dev", "--no-self-test")) as server:
        await ready(server.process)

        await server.process.stop(timeout_s=10)

        assert not server.process.running
        assert "meeting.ended" in server.log()


async def test_on_the_local_network_it_speaks_https_with_its_own_certificate(tmp_path: Path) -> None:
    http, sip, media = free_port(), free_port(), free_port()
    env = {
        "RINGBACK_DATA_DIR": str(tmp_path / "data"),
        "RINGBACK_HTTP__PORT": str(http),
        "RINGBACK_SIP__PORT": str(sip),
        "RINGBACK_MEDIA__UDP_PORT": str(media),
    }
    async with Process([RINGBACK, "dev", "--lan"], tmp_path / "dev.txt", env=env, cwd=tmp_path) as dev:
        said = await ready(dev)

        assert "sound both ways" in said
        assert "█" in said
        trust = ssl.create_default_context(cafile=str(tmp_path / "data" / "lan-certificate.pem"))
        async with httpx.AsyncClient(verify=trust) as client:
            assert (await client.get(f"https://127.0.0.1:{http}/readyz")).status_code == 200
            page = re.search(r"^Open\s+(https://\S+)", said, re.MULTILINE)
            assert page is not None
            assert (await client.get(page[1])).status_code == 200
