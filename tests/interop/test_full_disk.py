"""A server whose disk is full: calls that are up go on, new ones are told to try elsewhere, and the operator why."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from interop.peers.phone import Phone
from interop.peers.server import KEY, Server
from interop.peers.small_disk import full, small_disk

pytestmark = pytest.mark.needs("unshare", "mount")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    folder = tmp_path / "server"
    async with Server(folder, {"LOG_FORMAT": "text"}, inside=small_disk(folder)) as running:
        yield running


async def addresses(server: Server, room: str) -> list[str]:
    """Two of a room that its telephones may open."""
    starts = {"allow_room_start": True, "max_idle_timeout_sec": 300}
    sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": 2, "dialin_config": starts}
    made = await server.room(room, sip=sip, dialout_config={"allow_room_start": True})
    uris = made["config"]["sip_uri"]
    return [uris["endpoint"], *uris["extra_endpoints"]]


async def invited(server: Server, uri: str) -> str:
    """The final answer to an INVITE, as it was on the wire."""
    loop, answers = asyncio.get_running_loop(), asyncio.Queue[str]()

    class Far(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            answers.put_nowait(data.decode())

    transport, _ = await loop.create_datagram_endpoint(
        Far, ("127.0.0.1", 0), remote_addr=("127.0.0.1", server.ports.sip)
    )
    port = transport.get_extra_info("sockname")[1]
    sdp = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port + 1} RTP/AVP 0\r\n"

    def request(method: str, to: str, body: str = "") -> bytes:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKfull;rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: {to}\r\nCall-ID: full-{port}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:{port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    try:
        transport.sendto(request("INVITE", f"<{uri}>", sdp))
        while (answer := await asyncio.wait_for(answers.get(), 30)).startswith("SIP/2.0 1"):
            pass
        to = re.search(r"^To: (.*?)\r?$", answer, re.MULTILINE | re.IGNORECASE)
        assert to is not None, answer
        transport.sendto(request("ACK", to[1]))
        return answer
    finally:
        transport.close()


async def refuses(server: Server, method: str, path: str, body: object = None) -> None:
    """What has to be stored is answered 503, in the words of the API, and when to come again."""
    async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as client:
        answer = await client.request(method, f"/v1{path}", json=body)
    assert (answer.status_code, answer.json()["error"]) == (503, "server-error"), (path, answer.text)
    assert answer.headers["Retry-After"] == "5"


async def test_who_calls_while_nothing_can_be_written_is_sent_elsewhere_and_calls_that_are_up_go_on(
    tmp_path: Path, server: Server
) -> None:
    first, second = await addresses(server, "hello")
    _, fresh = await addresses(server, "other")
    async with Phone(tmp_path / "up", "dial", first) as up:
        await up.event("answered")
        with full(server):
            # Into a meeting that goes on, and into one that would begin.
            for uri in (second, fresh):
                answer = await invited(server, uri)
                assert answer.startswith("SIP/2.0 503 "), answer
                assert re.search(r"^Retry-After: \d+\r?$", answer, re.MULTILINE), answer
            await refuses(server, "POST", "/rooms", {"name": "another"})
            await refuses(server, "POST", "/rooms/hello/dialOut/start", {"sipUri": "sip:bob@127.0.0.1:9"})
            log = server.log()
            assert "store.failed" in log and "disk is full" in log, log[-3000:]
            assert re.search(r"call\.refused.*rule=store-failed.*status=503", log), log[-3000:]
            assert "Traceback" not in log, log[-6000:]
            assert up.running, up.output()
        # Nothing was restarted.
        for uri in (second, fresh):
            answer = await invited(server, uri)
            assert answer.startswith("SIP/2.0 200 "), answer
        assert up.running, up.output()
