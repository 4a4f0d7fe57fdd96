"""One call of a softphone from its first sound to its end: what is played, pressed, recorded, and for how long."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringback.cli.softphone.outcome import Outcome
from ringback.cli.softphone.phone import Softphone
from ringback.cli.softphone.sound import Recorder

STEP_S = 0.1
AHEAD_S = 1.0
"""Sound queued ahead of what is spoken: enough to ride out a busy machine, little enough to stop soon."""

DIGITS_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class Script:
    """What is to happen in a call.

    Attributes:
        sound: PCM to play once, at the line's rate.
        record: File for what is heard.
        digits: Keys to press after the answer.
        seconds: Hang up so long after the answer; ``None``: when the far end does.
    """

    sound: bytes = b""
    record: Path | None = None
    digits: str = ""
    seconds: float | None = None


async def talk(phone: Softphone, script: Script, stop: asyncio.Event) -> Outcome:
    """Go through a call that was dialled or is awaited; ``stop`` hangs up."""
    with contextlib.ExitStack() as files:
        recorder = files.enter_context(Recorder(script.record, phone.line.rate)) if script.record else None
        stopping = asyncio.create_task(stop.wait())
        try:
            if await _first(phone.talking, phone.over, stopping) is phone.talking:
                await _in_call(phone, script, recorder, stopping)
            phone.hang_up()
            if phone.idle:
                return phone.gave_up()
            return await phone.over
        finally:
            stopping.cancel()


async def _in_call(phone: Softphone, script: Script, recorder: Recorder | None, stopping: "asyncio.Task[bool]") -> None:
    async with asyncio.TaskGroup() as group:
        ways = [
            group.create_task(_play(phone, script.sound)),
            group.create_task(_listen(phone, recorder)),
            group.create_task(_press(phone, script.digits)),
        ]
        await _first(phone.over, stopping, within=script.seconds)
        for way in ways:
            way.cancel()
    if recorder is not None:
        recorder.write(phone.hear())


async def _first(*futures: asyncio.Future[Any], within: float | None = None) -> asyncio.Future[Any] | None:
    done, _ = await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    return next((future for future in futures if future in done), None)


async def _play(phone: Softphone, sound: bytes) -> None:
    chunk = int(AHEAD_S * phone.line.rate) * 2
    for at in range(0, len(sound), chunk):
        queued_s = phone.play(sound[at : at + chunk]) / phone.line.rate
        await asyncio.sleep(max(0.0, queued_s - AHEAD_S))


async def _listen(phone: Softphone, recorder: Recorder | None) -> None:
    while True:
        heard = phone.hear()
        if recorder is not None:
            recorder.write(heard)
        await asyncio.sleep(STEP_S)


async def _press(phone: Softphone, digits: str) -> None:
    if digits:
        await asyncio.sleep(DIGITS_AFTER_S)
        phone.press(digits)
