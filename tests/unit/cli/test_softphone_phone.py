"""One telephone: what it says, what it sends, and with which outcome each kind of call ends."""

import itertools
from collections.abc import Mapping

import pytest

from ringback.calls.ports.streams import PhoneMedia
from ringback.cli.softphone.outcome import Exit
from ringback.cli.softphone.phone import FAR, Line, Softphone
from ringback.testing.carrier import FakeCarrier
from ringback.testing.clock import VirtualClock
from ringback.testing.media import FakeMedia

URI = "sip:bob@phones.example"


class Bench:
    """A softphone between a pretend carrier and pretend media, and all it told."""

    def __init__(self, line: Line | None = None) -> None:
        self.told: list[tuple[str, Mapping[str, object]]] = []
        self.clock = VirtualClock()
        self.carrier, self.media = FakeCarrier(), FakeMedia()
        numbers = itertools.count(1)
        self.phone = Softphone(
            line or Line(),
            self.clock,
            lambda event, fields: self.told.append((event, fields)),
            lambda: f"c{next(numbers)}",
        )
        self.phone.carrier, self.phone.media = self.carrier, self.media
        self.carrier.events = self.phone
        self.phone.open(session=1)

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.told]

    def running(self) -> PhoneMedia:
        media = self.media.legs[FAR].media
        assert media is not None
        return media

    def outcome(self) -> Exit:
        return self.phone.over.result().exit


async def test_a_call_that_is_answered_and_hung_up_there_has_been_a_talk():
    bench = Bench(Line(codecs=("G722", "PCMU")))
    bench.phone.dial(URI)
    far = bench.carrier.phone_of("c1")
    far.codecs = ("PCMU",)

    far.ring()
    far.pick_up()
    far.hang_up()

    assert bench.events == ["calling", "ringing", "answered", "ended"]
    assert bench.told[2][1] == {"codec": "PCMU"}
    assert bench.running().codec.name == "PCMU"
    assert bench.outcome() is Exit.TALKED


async def test_hanging_up_says_bye():
    bench = Bench()
    bench.phone.dial(URI)
    bench.carrier.phone_of("c1").pick_up()

    bench.phone.hang_up()

    assert bench.carrier.verbs("c1") == ["invite", "bye"]
    assert bench.outcome() is Exit.TALKED


async def test_giving_up_says_cancel_and_is_our_doing():
    bench = Bench()
    bench.phone.dial(URI)
    bench.carrier.phone_of("c1").ring()

    bench.phone.hang_up()
    bench.carrier.phone_of("c1").refuse(487, "Request Terminated")

    assert bench.carrier.verbs("c1") == ["invite", "cancel"]
    assert bench.outcome() is Exit.CANCELLED


@pytest.mark.parametrize(
    ("status", "cause", "exit_status"),
    [
        (486, "answer", Exit.BUSY),
        (600, "answer", Exit.BUSY),
        (603, "answer", Exit.DECLINED),
        (480, "answer", Exit.NO_ANSWER),
        (404, "answer", Exit.REFUSED),
        (0, "timeout", Exit.NO_ANSWER),
        (0, "transport", Exit.UNREACHABLE),
        (0, "resolve", Exit.UNREACHABLE),
    ],
)
async def test_a_refusal_is_told_by_the_exit_status(status: int, cause: str, exit_status: Exit):
    bench = Bench()
    bench.phone.dial(URI)

    bench.carrier.phone_of("c1").refuse(status, "No", cause)

    assert bench.outcome() is exit_status
    assert bench.told[-1][1]["exit"] == int(exit_status)
    assert bench.told[-1][1].get("by") == ("them" if status else None), "who never answered has ended nothing"


async def test_an_answer_without_a_codec_of_ours_is_hung_up():
    bench = Bench(Line(codecs=("OPUS",)))
    bench.phone.dial(URI)

    bench.phone.answered(bench.phone._call, None)  # type: ignore[arg-type]

    assert bench.carrier.verbs("c1") == ["invite", "bye"]
    assert bench.outcome() is Exit.REFUSED


async def test_a_caller_is_rung_and_then_answered():
    bench = Bench(Line(ring=2.0))
    far = bench.carrier.call_in("phone", codecs=("PCMA",), headers=[("X-Case", "17")])
    assert far.state == "ringing"

    await bench.clock.run_for(2.0)

    assert far.state == "answered"
    assert far.agreed is not None and far.agreed.codec.name == "PCMA"
    assert bench.events == ["incoming", "answered"]
    assert bench.told[0][1]["headers"] == {"X-Case": "17"}


async def test_a_caller_who_gives_up_is_not_answered_later():
    bench = Bench(Line(ring=2.0))
    far = bench.carrier.call_in("phone")

    far.give_up()
    await bench.clock.run_for(2.0)

    assert bench.carrier.verbs(far.call) == ["ring"]
    assert bench.outcome() is Exit.CANCELLED


async def test_a_second_caller_hears_busy():
    bench = Bench()
    bench.carrier.call_in("phone")

    second = bench.carrier.call_in("phone")

    assert (second.state, second.status) == ("refused", 486)


async def test_a_phone_that_is_to_refuse_refuses_everybody():
    bench = Bench(Line(refuse=603))

    callers = [bench.carrier.call_in("phone") for _ in range(2)]

    assert [caller.status for caller in callers] == [603, 603]
    assert bench.events == ["refused", "refused"]


async def test_a_caller_without_a_codec_of_ours_is_refused():
    bench = Bench(Line(codecs=("OPUS",)))

    far = bench.carrier.call_in("phone", codecs=("PCMU",))

    assert far.status == 488


async def test_hold_and_resume_by_the_far_end_are_told_and_stop_our_sound():
    bench = Bench()
    far = bench.carrier.call_in("phone")
    await bench.clock.run_for(0.0)

    far.hold()
    assert not bench.running().send

    far.hold(False)
    assert bench.running().send
    assert bench.events == ["incoming", "answered", "held", "resumed"]


async def test_after_a_reset_the_line_takes_the_next_caller():
    bench = Bench()
    bench.carrier.call_in("phone").hang_up()

    bench.phone.reset()
    second = bench.carrier.call_in("phone")
    await bench.clock.run_for(0.0)

    assert second.state == "answered"


async def test_a_minute_without_packets_ends_the_call_as_lost():
    bench = Bench()
    far = bench.carrier.call_in("phone")
    await bench.clock.run_for(0.0)

    bench.phone.leg_silent(FAR)

    assert bench.carrier.verbs(far.call)[-1] == "bye"
    assert bench.outcome() is Exit.LOST


async def test_digits_both_ways():
    bench = Bench()
    bench.carrier.call_in("phone")
    await bench.clock.run_for(0.0)

    bench.phone.press("12#")
    bench.phone.digit(FAR, "5", 120, 10)

    assert [digits for digits, _, _ in bench.media.legs[FAR].digits] == ["12#"]
    assert bench.told[-1] == ("digit", {"digit": "5", "duration_ms": 120, "method": "telephone-event"})
