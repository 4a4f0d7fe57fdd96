"""The call that a server makes to itself: phone → room → greeter → phone, over real SIP and RTP on this machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ringback.calls.ports.clock import Clock
from ringback.cli.softphone import tone
from ringback.cli.softphone.line import open_softphone
from ringback.cli.softphone.phone import Line, Softphone

RATE = 16000
STEP_S = 0.02
ANSWER_WITHIN_S = 10.0
SETTLE_S = 0.6
"""The first packets of a call pay for starting it; what is measured comes after them."""

LISTEN_S = 4.0
BURST_S = 0.3


@dataclass(frozen=True, slots=True)
class SelfCall:
    """What was found.

    Attributes:
        codec: Codec on the phone's side; empty when it was not answered.
        delay_s: From our mouth through the room to the greeter, and back to our ear; ``None`` when nothing came back.
        problem: What went wrong, in words.
    """

    codec: str = ""
    delay_s: float | None = None
    problem: str = ""

    @property
    def well(self) -> bool:
        return self.delay_s is not None

    def lines(self) -> list[str]:
        """For people."""
        if not self.codec:
            return [f"Self-test: the call to ourselves was not answered: {self.problem}"]
        if self.delay_s is None:
            return [f"Self-test: answered in {self.codec}, but no sound came back: {self.problem}"]
        milliseconds = round(self.delay_s * 1000)
        return [f"Self-test: answered, sound both ways, {milliseconds} ms there and back, codec {self.codec}"]


async def call_ourselves(uri: str, clock: Clock) -> SelfCall:
    """Dial a room in which the greeter sits, and listen for our own test tone to come back."""
    problems: list[str] = []

    def tell(event: str, fields: Mapping[str, object]) -> None:
        if event in ("ended", "problem"):
            problems.append(str(fields.get("reason", "")))

    try:
        async with open_softphone(Line(name="self-test", rate=RATE), clock, tell) as phone:
            phone.dial(uri, display_name="Self-test")
            try:
                codec = await asyncio.wait_for(asyncio.shield(phone.talking), ANSWER_WITHIN_S)
            except (TimeoutError, asyncio.CancelledError):
                phone.hang_up()
                return SelfCall(problem=problems[-1] if problems else "nothing answered")
            delay = await _there_and_back(phone, clock)
            heard = phone.stats().get("packets_received", 0)
            phone.hang_up()
            problem = f"{heard} packets were heard" if delay is None else ""
            return SelfCall(codec, delay, problem)
    except OSError as error:
        return SelfCall(problem=str(error))


async def _there_and_back(phone: Softphone, clock: Clock) -> float | None:
    await asyncio.sleep(SETTLE_S)
    phone.hear()
    begun = clock.monotonic()
    phone.play(tone.make(BURST_S, RATE))
    while (now := clock.monotonic()) < begun + LISTEN_S:
        # Whole tenths of the burst: the first that is the tone ends a tenth after the tone began.
        heard = phone.hear()
        if tone.is_tone(heard, RATE):
            return now - begun - min(len(heard) / 2 / RATE, now - begun)
        await asyncio.sleep(STEP_S)
    return None
