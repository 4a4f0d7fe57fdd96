"""A server between pretend carriers of every profile: each with its own way to write numbers and callers."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from ringback.numbers.profiles import PROFILES
from ringback.testing.carrier import PretendCarrier
from ringback.testing.carrier.trunk import trunk_of
from ringback.testing.server import LocalServer

AREAS = dict(zip(PROFILES, ("201", "203", "205", "206", "207", "208", "209", "210", "213", "214"), strict=True))


async def test_calls_go_out_and_come_in_over_carriers_of_every_profile(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        carriers = {
            name: await stack.enter_async_context(PretendCarrier(host=f"127.0.1.{at}", profile=name))
            for at, name in enumerate(PROFILES, start=10)
        }
        server = await stack.enter_async_context(LocalServer(tmp_path))
        for name, carrier in carriers.items():
            carrier.server = server.sip
            rules = [{"match": f"+1{AREAS[name]}*"}, {"match": "*", "deny": True}]
            body = {**trunk_of(carrier), "name": name, "priority": 0, "outbound_rules": rules, "options_interval": 0}
            added = await server.api.post("/ringback/trunks", json=body)
            assert added.is_success, (name, added.text)
            await server.join(f"room-{name}")
            number = {"number": f"+1{AREAS[name]}5550150", "room": f"room-{name}"}
            assert (await server.api.post("/ringback/numbers", json=number)).is_success

        await asyncio.gather(*(_both_ways(server, name, carrier) for name, carrier in carriers.items()))


async def _both_ways(server: LocalServer, name: str, carrier: PretendCarrier) -> None:
    area = AREAS[name]
    out = await server.dial(f"room-{name}", f"+1{area}5550101", callerId=f"+1{area}5550150")
    answered = await server.becomes(out, "answered")
    assert (answered["state"], answered["trunk"]) == ("answered", name), answered
    (there,) = carrier.calls
    assert there.number == f"+1{area}5550101", "however it was written"
    assert there.codec == carrier.codecs[0] == answered["codec"]
    await there.until(lambda: there.packets[1] > 10 or None, within=10)

    call = carrier.call(f"+1{area}5550150", from_="+442079460007")
    await call.answer(within=15)
    rows = (await server.api.get("/ringback/calls", params={"room": f"room-{name}"})).json()["data"]
    come = next(row for row in rows if row["direction"] == "dial-in")
    assert (come["remote"], come["trunk"]) == ("+442079460007", name), come
    await call.until(lambda: call.packets[1] > 10 or None, within=10)
    call.hang_up()
    await server.becomes(come["id"], "ended")
