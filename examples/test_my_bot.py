"""A bot is tested against a telephone menu, with no account, no network and no telephone.

.venv/bin/python -m pytest examples/test_my_bot.py
"""

from ringback.testing.carrier import PretendCall, PretendCarrier
from ringback.testing.server import LocalServer, Somebody

pytest_plugins = ["ringback.testing.plugin"]


async def bot(server: LocalServer, me: Somebody, number: str) -> str:
    """Your bot: calls a number, listens to the menu, asks for sales and waits to be put through. Returns the call."""
    call = await server.dial("hello", number)
    await server.becomes(call, "answered")
    await me.speech()
    await me.pause()
    await server.press("hello", call, "1")
    await me.speech()
    return call


async def test_it_gets_through_the_menu_to_sales(ringback_server: LocalServer, pretend_carrier: PretendCarrier) -> None:
    me = await ringback_server.join("hello")

    await bot(ringback_server, me, "+12125550110")

    [chosen] = [event for event in pretend_carrier.events if event.kind == "chosen"]
    assert chosen.about == {"option": "sales", "keys": "1"}


async def moody(call: PretendCall) -> None:
    """A callee of your own: asks, and hangs up on whoever presses anything but 7."""
    await call.ring(0.5)
    await call.answer()
    await call.say("press-keys")
    if await call.key(within=10) == "7":
        await call.say("goodbye")


async def test_it_survives_being_hung_up_on(ringback_server: LocalServer, pretend_carrier: PretendCarrier) -> None:
    pretend_carrier.personas["+12125550177"] = pretend_carrier.persona(moody)
    await ringback_server.join("hello")
    call = await ringback_server.dial("hello", "+12125550177")
    await ringback_server.becomes(call, "answered")

    await ringback_server.press("hello", call, "1")

    ended = await ringback_server.becomes(call, "ended")
    assert ended["end"]["reason"] == "hangup-remote"
