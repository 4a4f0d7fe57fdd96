"""Who answers at a pretend carrier: each persona is a short script of a call, the same in real and in virtual time."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ringback.testing.carrier import sound
from ringback.testing.carrier.call import PretendCall

Script = Callable[[PretendCall], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody at the other end.

    Attributes:
        name: One word or several with hyphens.
        about: What they do, for a table.
        script: What they do. When it returns, they hang up.
        follows: Whether they do as a REFER asks.
    """

    name: str
    about: str
    script: Script
    follows: bool = True


RINGS_S = 1.0
TALKS_FOR_S = 300.0
MENU = {"1": "sales", "2": "support", "0": "operator"}
EXTENSIONS = {"4321": "ann", "1234": "bob"}


async def talks(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    await call.answer()
    await call.say("hello")
    while call.seconds < TALKS_FOR_S:
        if await call.speech(within=5.0):
            await call.pause(within=20.0)
            await call.say("i-see")
        else:
            await call.say("still-here")
    await call.say("goodbye")


async def echoes(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    await call.answer()
    call.echo()
    await call.over()


async def stays(call: PretendCall) -> None:
    """In the call, for as long as it lasts."""
    await call.answer()
    call.echo()
    await call.over()


async def transfers_you(call: PretendCall) -> None:
    """Wants you to talk with somebody else: asks your side to call them (REFER)."""
    await call.ring(RINGS_S)
    await call.answer()
    await call.say("connecting")
    await call.refer(f"sip:+12125550101@{call.carrier.address}")
    await call.over()


async def rings_for_ever(call: PretendCall) -> None:
    await call.ring()
    await call.over()


async def busy(call: PretendCall) -> None:
    call.refuse(486, "Busy Here", q850=17)


async def declines(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    call.refuse(603, "Decline", q850=21)


def refuses(status: int, reason: str, q850: int | None = None) -> Script:
    """A script that turns calls away."""

    async def script(call: PretendCall) -> None:
        call.refuse(status, reason, q850=q850)

    return script


def hangs_up_after(seconds: float, q850: int | None = 16) -> Script:
    """A script that answers, and goes after so long."""

    async def script(call: PretendCall) -> None:
        await call.ring(RINGS_S)
        await call.answer()
        await call.wait(seconds)
        call.hang_up(q850=q850)

    return script


async def answers_at_once(call: PretendCall) -> None:
    await call.answer()
    await call.say("hello")
    await call.over()


async def answers_slowly(call: PretendCall) -> None:
    await call.ring(20.0)
    await call.answer()
    await call.say("hello")
    await call.over()


async def voicemail(call: PretendCall) -> None:
    await call.ring(4.0)
    await call.answer()
    await call.say("voicemail")
    await call.say("beep")
    began = len(call.heard)
    await call.pause(seconds=5.0, within=60.0)
    call.note("recorded", seconds=round((len(call.heard) - began) / 2 / sound.RATE, 1))
    await call.say("goodbye")


async def screens(call: PretendCall) -> None:
    """Asks who calls before it lets anybody through."""
    await call.ring(RINGS_S)
    await call.answer()
    for _ in range(3):
        await call.say("say-your-name")
        if await call.key(within=15.0) == "1":
            await call.say("connecting")
            await call.wait(2.0)
            await call.say("hello")
            call.echo()
            await call.over()
    await call.say("goodbye")


async def menu(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    await call.answer()
    for _ in range(3):
        await call.say("menu")
        pressed = await call.digits(4, within=8.0, between=2.0)
        chosen = MENU.get(pressed) or EXTENSIONS.get(pressed)
        if chosen is not None:
            call.note("chosen", option=chosen, keys=pressed)
            await call.say(chosen)
            call.echo()
            await call.over()
        call.note("chosen", option="", keys=pressed)
        await call.say("not-valid")
    await call.say("goodbye")


async def repeats_keys(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    await call.answer()
    await call.say("press-keys")
    while pressed := await call.digits(20, within=30.0, between=3.0):
        await call.say("you-pressed")
        for key in pressed:
            await call.say({"*": "star", "#": "pound"}.get(key, f"digit-{key.lower()}"))


def presses(keys: str, method: str = "auto") -> Script:
    """A script that answers and presses keys."""

    async def script(call: PretendCall) -> None:
        await call.ring(RINGS_S)
        await call.answer()
        await call.wait(1.0)
        await call.press(keys, method)
        await call.over()

    return script


async def holds(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    await call.answer()
    await call.say("one-moment")
    while True:
        await call.wait(2.0)
        await call.hold()
        await call.wait(4.0)
        await call.resume()
        await call.say("back-again")
        call.echo()
        await call.wait(10.0)


async def reinvites(call: PretendCall) -> None:
    await call.ring(RINGS_S)
    await call.answer()
    call.echo()
    while True:
        await call.wait(2.0)
        await call.reinvite()


async def announces(call: PretendCall) -> None:
    """Says why in early media, and then refuses: it is never answered."""
    await call.early("unobtainable")
    await call.say("not-in-service")
    call.refuse(404, "Not Found", q850=1)


async def dumb(call: PretendCall) -> None:
    """Hears everything and sends nothing."""
    await call.ring(RINGS_S)
    await call.answer()
    call.mute()
    await call.over()


async def deaf(call: PretendCall) -> None:
    """Talks, and hears nothing."""
    await call.ring(RINGS_S)
    await call.answer()
    call.block_ears()
    while True:
        await call.say("can-you-hear-me")
        await call.wait(2.0)


async def talks_over(call: PretendCall) -> None:
    """Never stops talking, whoever else speaks."""
    await call.ring(RINGS_S)
    await call.answer()
    while call.seconds < TALKS_FOR_S:
        await call.say("chatter")


async def tests_tone(call: PretendCall) -> None:
    """What telephone companies measure lines with."""
    await call.answer()
    while call.seconds < TALKS_FOR_S:
        await call.say("milliwatt")


PERSONAS: Mapping[str, Persona] = {
    persona.name: persona
    for persona in (
        Persona("talks", "answers, says hello, and replies when spoken to", talks),
        Persona("echoes", "answers and says back all it hears", echoes),
        Persona("rings-for-ever", "rings and never answers", rings_for_ever),
        Persona("busy", "486 Busy Here, Q.850 17", busy),
        Persona("declines", "rings, then 603 Decline, Q.850 21", declines),
        Persona("out-of-order", "503 Service Unavailable, Q.850 27", refuses(503, "Service Unavailable", 27)),
        Persona("no-such-number", "404 Not Found, Q.850 1", refuses(404, "Not Found", 1)),
        Persona("broken", "500 Server Internal Error, Q.850 41", refuses(500, "Server Internal Error", 41)),
        Persona("voicemail", "greets after 4 s, beeps and records until 5 s of silence", voicemail),
        Persona("screens-calls", '"say your name, then press 1": lets through who does', screens),
        Persona("menu", "a keypad menu: 1 sales, 2 support, 0 operator, extensions 4321 and 1234", menu),
        Persona("repeats-keys", "says which keys were pressed", repeats_keys),
        Persona("presses", "answers and presses 1 2 3 4 #", presses("1234#")),
        Persona("presses-by-info", "answers and presses 5 6 7 by SIP INFO", presses("567", "sip-info")),
        Persona("presses-in-band", "answers and presses 8 9 0 as tones in the sound", presses("890", "in-band")),
        Persona("holds", "answers, holds for 4 s after 2 s, and comes back; again and again", holds),
        Persona("re-invites", "answers, and offers the same again every 2 s", reinvites),
        Persona("hangs-up", "answers and hangs up after 5 s", hangs_up_after(5.0)),
        Persona("hangs-up-at-once", "answers and hangs up in the same moment", hangs_up_after(0.0)),
        Persona("announces", "an announcement before the answer, then 404", announces),
        Persona("answers-slowly", "rings for 20 s", answers_slowly),
        Persona("answers-at-once", "answers without ringing", answers_at_once),
        Persona("sends-nothing", "answers and sends no sound: one-way audio", dumb),
        Persona("hears-nothing", "answers, talks and hears nothing", deaf),
        Persona("talks-over", "answers and never stops talking", talks_over),
        Persona("test-tone", "answers at once with a tone of 1004 Hz", tests_tone),
        Persona("transfers-you", "answers, and asks you by REFER to call +12125550101 instead", transfers_you),
        Persona("refuses-transfer", "echoes, and declines a REFER, which the others follow", echoes, False),
    )
}
"""By name, in the order of their numbers."""
