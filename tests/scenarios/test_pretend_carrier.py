"""The pretend carrier in virtual time: its people on the telephone with each other, and nothing left to chance."""

import pytest

from ringback.testing.carrier import Air, Impairment, PretendCall, PretendCarrier, sound
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network

HERE, THERE = "10.0.0.8", "10.0.0.9"


class Two:
    """Two carriers on a network in memory: ``here`` calls, ``there`` is called."""

    def __init__(self, seed: int = 1, profile: str = "", reliable: bool = False, **impairment: float) -> None:
        self.clock = VirtualClock()
        self.air = Air(self.clock)
        network, bad = Network(self.clock), Impairment(**impairment)
        where = {"clock": self.clock, "network": network, "air": self.air, "media": bad, "signalling": bad}
        self.there = PretendCarrier(seed=seed, host=THERE, **where)
        habits = {"profile": profile, "reliable": reliable}
        self.here = PretendCarrier(seed=seed + 1000, host=HERE, server=f"{THERE}:5060", **habits, **where)

    async def __aenter__(self) -> "Two":
        await self.there.__aenter__()
        await self.here.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for call in (*self.here.calls, *self.there.calls):
            call.hang_up()
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


def said(carrier: PretendCarrier) -> list[str]:
    """What its people said, by name."""
    return [str(event.about.get("what")) for event in carrier.events if event.kind == "said"]


async def listens(call: PretendCall) -> None:
    await call.answer()
    await call.over()


@pytest.mark.parametrize(
    ("ending", "status", "q850"), [("03", 486, 17), ("04", 603, 21), ("05", 503, 27), ("06", 404, 1), ("07", 500, 41)]
)
async def test_who_refuses_says_why(ending: str, status: int, q850: int) -> None:
    async with Two() as two:
        call = two.here.call(f"+121255501{ending}", listens)

        await two.clock.run_for(5)

        assert (call.state, call.status, call.q850, call.ended_by) == ("over", status, q850, "them")


async def test_a_menu_is_answered_by_keys_and_an_extension_by_its_digits() -> None:
    async def chooses(call: PretendCall, keys: str) -> None:
        await call.answer()
        await call.speech()
        await call.pause()
        await call.press(keys)
        await call.over()

    async with Two() as two:
        for keys in ("2", "4321", "9"):
            two.here.call("+12125550110", lambda call, keys=keys: chooses(call, keys))

        await two.clock.run_for(20)

        chosen = {event.about["keys"]: event.about["option"] for event in two.there.events if event.kind == "chosen"}
        assert chosen == {"2": "support", "4321": "ann", "9": ""}
        assert {"support", "ann", "not-valid"} <= set(said(two.there))


async def test_voicemail_records_what_is_said_after_the_beep() -> None:
    async def leaves_a_message(call: PretendCall) -> None:
        await call.answer()
        await call.wait(6.0)
        await call.say(sound.tone(500, 3.0))
        await call.over()

    async with Two() as two:
        call = two.here.call("+12125550108", leaves_a_message)

        await two.clock.run_for(60)

        recorded = next(event for event in two.there.events if event.kind == "recorded")
        assert 7 < float(str(recorded.about["seconds"])) < 14
        assert max(shares(call.heard, 1000)) > 0.95, "the beep"
        assert max(shares(two.there.calls[0].heard, 500)) > 0.95, "the message"
        assert call.ended_by == "them"


async def test_who_screens_calls_lets_through_who_presses_one() -> None:
    async def says_who(call: PretendCall) -> None:
        await call.answer()
        await call.wait(4.0)
        await call.press("1")
        await call.wait(8.0)

    async with Two() as two:
        two.here.call("+12125550109", says_who)
        await two.clock.run_for(20)

        assert said(two.there) == ["say-your-name", "connecting", "hello"]


async def test_who_holds_is_silent_meanwhile_and_comes_back() -> None:
    async with Two() as two:
        call = two.here.call("+12125550115", listens)

        await two.clock.run_for(6.0)
        assert call.on_hold
        await two.clock.run_for(6.0)

        assert not call.on_hold
        assert [kind for kind in two.here.events.kinds() if "held" in kind] == ["held", "unheld"]
        assert [kind for kind in two.there.events.kinds() if kind in ("holding", "resuming")] == ["holding", "resuming"]


@pytest.mark.parametrize(("ending", "keys", "method"), [("12", "1234#", "telephone-event"), ("13", "567", "sip-info")])
async def test_keys_are_heard_once_each_however_they_are_sent(ending: str, keys: str, method: str) -> None:
    async with Two(loss=0.02, duplicate=0.2, reorder=0.1) as two:
        call = two.here.call(f"+121255501{ending}", listens)

        await two.clock.run_for(10)

        assert call.keys == keys
        assert {event.about["method"] for event in two.here.events if event.kind == "digit"} == {method}


async def test_keys_in_the_sound_are_the_two_tones_of_each() -> None:
    async with Two() as two:
        call = two.here.call("+12125550114", listens)

        await two.clock.run_for(10)

        for key in "890":
            low, high = sound.KEYS[key]
            step = 2 * sound.RATE // 20
            pieces = [call.heard[at : at + step] for at in range(0, len(call.heard), step)]
            both = max(min(sound.share(piece, low), sound.share(piece, high)) for piece in pieces)
            assert both > 0.35, key


async def test_an_announcement_is_heard_before_the_refusal_and_never_answered() -> None:
    async with Two() as two:
        call = two.here.call("+12125550119", listens)

        await two.clock.run_for(10)

        assert (call.status, call.answered_at) == (404, None)
        assert sound.loudness(call.heard) > sound.SPEECH


async def test_one_way_audio_is_one_way() -> None:
    async with Two() as two:
        mute = two.here.call("+12125550122", lambda call: _says(call, sound.tone(440, 2.0)))
        deaf = two.here.call("+12125550123", lambda call: _says(call, sound.tone(440, 2.0)))

        await two.clock.run_for(8)

        assert mute.packets[1] == 0 and mute.packets[0] > 50
        assert two.there.calls[0].packets[1] > 50
        assert deaf.packets[1] > 50 and two.there.calls[1].packets[1] == 0


async def test_a_transfer_is_followed_and_each_step_of_it_told() -> None:
    async def transfers(call: PretendCall) -> None:
        await call.answer()
        await call.refer(f"sip:+12125550100@{THERE}")

    async with Two() as two:
        call = two.here.call("+12125550101", transfers)

        await two.clock.run_for(10)

        assert [event.about["status"] for event in two.here.events if event.kind == "transferred"] == [
            202,
            100,
            180,
            200,
        ]
        assert call.ended_by == "us"
        assert [one.state for one in two.there.calls][1:] == ["up", "up"], "both ends of the new call"


async def test_who_refuses_transfers_stays_in_the_call() -> None:
    async def transfers(call: PretendCall) -> None:
        await call.answer()
        assert await call.refer(f"sip:+12125550100@{THERE}") == 603
        await call.over()

    async with Two() as two:
        call = two.here.call("+12125550127", transfers)
        await two.clock.run_for(10)
        assert call.state == "up"


async def test_a_profile_writes_numbers_and_callers_as_that_carrier_does() -> None:
    async with Two(profile="bandwidth") as two:
        two.here.call("+12125550101", listens, from_="+442079460001")
        await two.clock.run_for(2)
        assert two.there.calls[0].headers["p-asserted-identity"] == f"<sip:+442079460001@{HERE}:5060>"

    async with Two(profile="vonage") as two:
        two.here.call("+12125550101", listens, from_="+442079460001")
        two.here.call("+12125550101", listens, from_="")
        await two.clock.run_for(2)
        assert [call.number for call in two.there.calls] == ["+12125550101"] * 2
        assert two.there.calls[0].other == "442079460001"
        assert two.there.calls[1].headers["privacy"] == "id"


async def test_a_profile_orders_codecs_and_takes_no_more_calls_than_it_says() -> None:
    clock = VirtualClock()
    network = Network(clock)
    there = PretendCarrier(seed=1, host=THERE, clock=clock, network=network, profile="plivo")
    here = PretendCarrier(seed=2, host=HERE, clock=clock, network=network, server=f"{THERE}:5060", profile="exotel")
    async with there, here:
        assert here.codecs == ("PCMA", "PCMU")
        calls = [here.call("+12125550101", listens) for _ in range(4)]
        await clock.run_for(5)
        assert [call.status for call in calls] == [0, 0, 503, 503]


async def test_calls_that_require_reliable_ringing_get_it() -> None:
    async with Two(reliable=True) as two:
        call = two.here.call("+12125550119", listens)
        await two.clock.run_for(2)
        assert call.state == "ringing"
        assert "100rel" in two.there.calls[0].headers["require"]
        assert sound.loudness(call.heard) > sound.SPEECH


async def test_numbers_of_fiction_have_somebody_and_others_nobody() -> None:
    carrier = PretendCarrier()

    answering = {number: carrier.persona_of(number) for number in ("+19075550101", "+15551234503", "+15551234567")}

    assert [who.name for who in answering.values() if who] == ["echoes", "busy", "talks"]
    assert carrier.persona_of("+12125551212") is None
    assert carrier.persona_of("+4930123456") is None


async def test_a_script_that_fails_is_told_and_raised_at_the_end() -> None:
    async def fails(call: PretendCall) -> None:
        raise RuntimeError("on purpose")

    two = Two()
    await two.__aenter__()
    two.here.call("+12125550101", fails)
    await two.clock.run_for(64)

    assert "script-failed" in two.here.events.kinds()
    with pytest.raises(RuntimeError, match="on purpose"):
        await two.here.__aexit__(None, None, None)
    await two.there.__aexit__(None, None, None)


def shares(data: bytes, hz: float) -> list[float]:
    """How pure a tone is in each fifth of a second."""
    step = 2 * sound.RATE // 5
    return [sound.share(data[at : at + step], hz) for at in range(0, len(data) - step + 1, step)] or [0.0]


async def test_a_pause_ends_though_the_clock_cannot_move_by_what_is_left_of_it() -> None:
    """At 4095.499603804394 s, five seconds later were 4.5e-13 s too few: a wait of that length is none."""
    async with Two() as two:
        await two.clock.run_for(4095.499603804394 - two.clock.monotonic() - 1.0)
        paused: list[bool] = []

        async def pauses(call: PretendCall) -> None:
            await call.answer()
            await call.wait(4095.499603804394 - two.clock.monotonic())
            paused.append(await call.pause(seconds=5.0, within=60.0))

        two.here.call("+12125550122", pauses)
        await two.clock.run_for(10)

        assert paused == [True]
