"""A server that is stopped for a while, or whose wall clock jumps, while people talk: they hear each other again."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.ugly_carrier import UglyCarrier
from interop.peers.house import STARTS
from interop.peers.server import Server, wait_present

ONE_HZ, OTHER_HZ = 440, 880
SIP = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": 2, "dialin_config": STARTS}
LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


@contextlib.asynccontextmanager
async def talk(server: Server) -> AsyncIterator[tuple[UglyCarrier, UglyCarrier]]:
    """Two telephones in a room that hear each other; at the end each hangs up and nothing is left."""
    config = (await server.room("night", sip=SIP))["config"]["sip_uri"]
    users = [uri.removeprefix("sip:").partition("@")[0] for uri in (config["endpoint"], *config["extra_endpoints"])]
    at = ("127.0.0.1", server.ports.sip)
    async with (
        UglyCarrier(at, host="127.0.0.2", media="127.0.0.2", hz=ONE_HZ) as one,
        UglyCarrier(at, host="127.0.0.3", media="127.0.0.3", hz=OTHER_HZ) as other,
    ):
        for phone, user in zip((one, other), users, strict=True):
            phone.talk(await phone.call(user, phone.description()))
            await phone.ack()
        await hear_each_other(one, other)
        yield one, other
        assert (await one.request("BYE")).status == 200
        assert (await other.request("BYE")).status == 200
        await wait_present(server, "night", 0)


async def hear_each_other(one: UglyCarrier, other: UglyCarrier) -> None:
    await asyncio.gather(one.hears(OTHER_HZ), other.hears(ONE_HZ))


async def test_a_stopped_server_goes_on_with_its_calls(tmp_path: Path) -> None:
    async with Server(tmp_path / "server") as server, talk(server) as (one, other):
        for seconds in (0.3, 2.0, 10.0):
            server.process.send_signal(signal.SIGSTOP)
            try:
                # What comes meanwhile waits in its sockets, or comes again.
                refresh = asyncio.create_task(one.request("INVITE", one.description()))
                await asyncio.sleep(seconds)  # it is the stop that takes the time, not the test
            finally:
                server.process.send_signal(signal.SIGCONT)
            assert (await refresh).status == 200
            await one.ack()
            await hear_each_other(one, other)


@pytest.mark.needs("faketime")
async def test_a_wall_clock_that_jumps_an_hour_each_way_ends_no_call(tmp_path: Path) -> None:
    assert LIBRARY is not None, "faketime is here and its library is not"
    shift = tmp_path / "shift"
    shift.write_text("+0")
    env = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with Server(tmp_path / "server", env=env) as server, talk(server) as (one, other):
        for step in ("+3600", "-3600", "+0"):
            shift.write_text(step)
            assert (await one.request("INVITE", one.description())).status == 200
            await one.ack()
            await hear_each_other(one, other)
