"""Tasks that end with the SIP side."""

import asyncio
from collections.abc import Coroutine


class Tasks:
    """What runs on the loop beside the verbs; whoever stops it waits until all of it has stopped."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def stop(self) -> None:
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
