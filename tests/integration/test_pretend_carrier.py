"""The pretend carrier on real sockets."""

from ringback.testing.carrier import PretendCarrier, sound


async def test_it_echoes_is_busy_and_hears_keys() -> None:
    async with PretendCarrier() as there, PretendCarrier(server=there.address) as here:
        echo, busy, keys = (here.call(f"+121255501{who}") for who in ("01", "03", "11"))

        await echo.answer(within=5)
        await echo.say(sound.tone(440, 2.0))
        await busy.over(within=5)
        await keys.answer(within=5)
        await keys.press("42#")
        await there.calls[-1].until(lambda: "42#" in there.calls[-1].keys or None, within=5)

        assert sound.share(echo.heard[8000:24000], 440) > 0.9
        assert (busy.status, busy.q850) == (486, 17)
