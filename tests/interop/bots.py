"""What tests of bots share: tones as PCM, and waiting for what a bot hears and is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np

from interop.peers import tones
from ringback.client import Call
from ringback.client.events import Event

RATE = 16000


def tone(hz: float, seconds: float, rate: int = RATE) -> bytes:
    """A sine at a quarter of full scale."""
    at = np.arange(int(seconds * rate)) / rate
    return bytes((8192 * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes())


def samples(pcm: bytes) -> tones.Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


async def hears(sound: AsyncGenerator[bytes, None], hz: float, rate: int = RATE, timeout_s: float = 40.0) -> None:
    """Wait for half a second of a tone."""
    heard = b""
    async with asyncio.timeout(timeout_s), aclosing(sound):
        async for piece in sound:
            heard = (heard + piece)[-rate:]
            if len(heard) == rate and tones.level_db(samples(heard), rate, hz) > 30:
                return
    raise AssertionError("the call ended")


async def listen(call: Call, seconds: float, of: str | None = None) -> bytes:
    """What a bot hears in so many seconds."""
    heard = b""
    async with asyncio.timeout(seconds + 30), aclosing(call.audio(of)) as sound:
        async for piece in sound:
            heard += piece
            if len(heard) >= seconds * call.rate * 2:
                return heard
    raise AssertionError(f"the call ended: {call.ended}")


async def event(call: Call, kind: Any, timeout_s: float = 40.0, **fields: Any) -> Any:
    """The next event of a kind whose fields are these; those before it are dropped."""
    seen: list[Event] = []
    try:
        async with asyncio.timeout(timeout_s), aclosing(call.events()) as events:
            async for one in events:
                if isinstance(one, kind) and all(getattr(one, name) == value for name, value in fields.items()):
                    return one
                seen.append(one)
    except TimeoutError:
        raise AssertionError(f"no {kind.__name__} with {fields}, but {seen}") from None
    raise AssertionError(f"the call ended: {call.ended}")


def runs(sound: tones.Samples, rate: int, step_hz: int = 100) -> list[tuple[int, float]]:
    """Tones in a recording, one after the other, to the next ``step_hz``, and how many seconds each lasts."""
    size = rate // 50
    found: list[tuple[int, float]] = []
    for at in range(0, len(sound) - size, size):
        window = sound[at : at + size]
        if float(np.abs(window).max()) < 0.03:
            continue
        hz = round(tones.loudest_hz(np.tile(window, 13), rate) / step_hz) * step_hz
        seconds = found.pop()[1] if found and found[-1][0] == hz else 0.0
        found.append((hz, seconds + 0.02))
    return [(hz, seconds) for hz, seconds in found if seconds >= 0.06]
