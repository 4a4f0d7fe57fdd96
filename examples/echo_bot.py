"""An echo bot: whoever calls the room hears itself. Pressing * makes it stop at once.

.venv/bin/python examples/echo_bot.py http://127.0.0.1:7880/hello
"""

import asyncio
import sys

import ringback
from ringback.client.events import DialIn, DigitPressed


async def main(url: str, token: str | None = None) -> None:
    async with ringback.join(url, token, name="Echo") as call, asyncio.TaskGroup() as tasks:
        tasks.create_task(echo(call))
        async for event in call.events():
            match event:
                case DialIn("connected", caller):
                    print("a phone called:", caller, flush=True)
                case DigitPressed(_, "*"):
                    print(call.flush(), flush=True)


async def echo(call: ringback.client.Call) -> None:
    async for sound in call.audio():
        call.play(sound)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
