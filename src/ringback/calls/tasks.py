"""What calls do beside the queues of their meetings: look-ups, transfers, callers who are asked something."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Tasks:
    """Tasks that end with their service: leaving it waits for them."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        await self._group.__aexit__(None, None, None)
        self._group = None

    @property
    def open(self) -> bool:
        """Whether the service runs."""
        return self._group is not None

    def run(self, task: Coroutine[Any, Any, None]) -> object:
        assert self._group is not None, "calls are reported while their service runs"
        return self._group.create_task(task)
