"""Work that goes on beside everything else: ended with its owner, and loud when it ends by itself."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

log = structlog.get_logger()


class Background:
    """A set of tasks. Leaving the context cancels what still runs, after giving it a moment to end by itself.

    Args:
        patience: Seconds a task gets to end by itself.
    """

    def __init__(self, patience: float = 4.0) -> None:
        self._patience = patience
        self._tasks: dict[asyncio.Task[Any], bool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task, ends in self._tasks.items():
            if not ends:
                task.cancel()
        pending = [task for task in self._tasks if not task.done()]
        if pending:
            _, late = await asyncio.wait(pending, timeout=self._patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, None], name: str, *, ends: bool = False) -> None:
        """Run ``work``. ``ends``: it was told to end by other means and is not to be cancelled at once."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = ends
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background.broken", task=task.get_name(), exc_info=error)
