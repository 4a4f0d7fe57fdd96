"""The pretend carrier in virtual time: its people on the telephone with each other, and nothing left to chance."""

from ringback.testing.carrier import Air, Impairment, PretendCall, PretendCarrier, sound
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network

HERE, THERE = "10.0.0.8", "10.0.0.9"


class Two:
    """Two carriers on a network in memory: ``here`` calls, ``there`` is called."""

    def __init__(self, seed: int = 1, **impairment: float) -> None:
        self.clock = VirtualClock()
        self.air = Air(self.clock)
        network, bad = Network(self.clock), Impairment(**impairment)
        where = {"clock": self.clock, "network": network, "air": self.air, "media": bad, "signalling": bad}
        self.there = PretendCarrier(seed=seed, host=THERE, **where)
        self.here = PretendCarrier(seed=seed + 1000, host=HERE, server=f"{THERE}:5060", **where)

    async def __aenter__(self) -> "Two":
        await self.there.__aenter__()
        await self.here.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.clock.run_for(64)
        for carrier in (self.here, self.there):
            await carrier.__aexit__(None, None, None)
        await self.clock.run_for(64)
        assert self.here.idle
        assert self.there.idle
        assert not self.air.open_ports
        assert self.clock.next_timer() is None


async def presses(call: PretendCall) -> None:
    await call.answer()
    await call.say("hello")
    await call.press("14#")
    await call.wait(5)


async def happened(seed: int) -> tuple[str, bytes]:
    """Events and all sound of four calls on a bad line."""
    async with Two(seed, loss=0.05, jitter_ms=40, reorder=0.02, duplicate=0.02) as two:
        calls = [two.here.call(f"+121255501{who:02}", presses) for who in (1, 11, 12, 15)]
        await two.clock.run_for(20)
        heard = b"".join(call.heard for call in (*calls, *two.there.calls))
        return two.here.events.text() + two.there.events.text(), heard


async def test_the_same_seed_gives_the_same_events_and_sound_to_the_byte_and_another_does_not() -> None:
    events, heard = await happened(1)

    assert (events, heard) == await happened(1)
    assert len(heard) > 500_000
    others = await happened(2)
    assert events != others[0]
    assert heard != others[1]


async def test_what_is_said_comes_back_from_who_echoes() -> None:
    async with Two() as two:
        call = two.here.call("+12125550101", lambda call: _says(call, sound.tone(440, 2.0)))

        await two.clock.run_for(6)

        assert sound.share(call.heard[-16000:-8000], 440) > 0.95


async def _says(call: PretendCall, what: bytes) -> None:
    await call.answer()
    await call.say(what)
    await call.wait(0.5)
