"""SIGTERM to a server with a call up: nothing new comes in, and the process ends when the call has."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from interop.peers.phone import Phone
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until

STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 60}
SIP = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": 2, "dialin_config": STARTS}
LONG_S, SHORT_S = 30.0, 2.0


@pytest.fixture
async def addresses(draining: Server) -> list[str]:
    """The addresses of a room that phones may start."""
    uris = (await draining.room("night", sip=SIP))["config"]["sip_uri"]
    return [uris["endpoint"], *uris["extra_endpoints"]]


@pytest.fixture
async def draining(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server that gives its calls so many seconds to end."""
    async with Server(tmp_path / "server", {"LIMITS__DRAIN_SECONDS": str(request.param)}) as running:
        yield running


async def terminate(server: Server) -> None:
    """SIGTERM, and wait until it says that it drains."""
    server.process.send_signal(signal.SIGTERM)

    async def refuses() -> bool:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{server.url}/readyz")
        return answer.status_code == 503

    await until(refuses, "/readyz says 503")


@pytest.mark.parametrize("draining", [LONG_S], indirect=True)
async def test_a_server_told_to_end_refuses_new_calls_and_ends_with_its_last(
    tmp_path: Path, draining: Server, addresses: list[str]
) -> None:
    async with Phone(tmp_path / "first", "dial", addresses[0]) as first:
        await first.event("answered")
        await wait_present(draining, "night", 1)

        await terminate(draining)

        async with Phone(tmp_path / "second", "dial", addresses[1]) as second:
            assert await second.wait() != 0
            assert "480" in second.output()
        assert draining.process.running
        assert first.running
        await wait_present(draining, "night", 1)
        first.send_signal(signal.SIGTERM)
        assert await draining.process.wait(LONG_S / 2) == 0


@pytest.mark.parametrize("draining", [SHORT_S], indirect=True)
async def test_a_call_that_goes_on_past_the_limit_is_hung_up_and_the_server_ends(
    tmp_path: Path, draining: Server, addresses: list[str]
) -> None:
    async with Phone(tmp_path / "phone", "dial", addresses[0]) as phone:
        await phone.event("answered")
        started = asyncio.get_running_loop().time()

        await terminate(draining)

        assert await draining.process.wait() == 0
        assert asyncio.get_running_loop().time() - started >= SHORT_S
        await phone.wait()
        assert "ended" in {event["event"] for event in phone.events()}


@pytest.mark.parametrize("draining", [LONG_S], indirect=True)
async def test_who_ends_a_server_reads_what_it_waits_for_and_a_second_signal_does_not_wait(
    tmp_path: Path, draining: Server, addresses: list[str]
) -> None:
    async with Phone(tmp_path / "phone", "dial", addresses[0]) as phone:
        await phone.event("answered")
        await terminate(draining)
        await until(lambda: "Waiting until a call ends, 30 s at most" in draining.log() or None, "it says so")

        draining.process.send_signal(signal.SIGINT)

        assert await draining.process.wait(LONG_S / 2) == 0
        await phone.wait()
        assert "ended" in {event["event"] for event in phone.events()}
