"""Many things that mostly wait, under way at once; each test asks for one of them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

import pytest


class Together:
    """Runs by name.

    Args:
        start: Makes the run of a name.
        names: What to begin with; others begin when they are asked for.
    """

    def __init__(self, start: Callable[[str], Coroutine[Any, Any, None]], names: Iterable[str]) -> None:
        self._start = start
        self._tasks = {name: asyncio.create_task(start(name)) for name in names}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def __call__(self, name: str) -> None:
        """Wait for one, and raise what it raises."""
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._start(name))
        await self._tasks[name]


def asked_for(request: pytest.FixtureRequest) -> set[str]:
    """Names that this process will ask for; none where it shares the tests with others and cannot know."""
    if hasattr(request.config, "workerinput"):
        return set()
    return {item.callspec.params["name"] for item in request.session.items if item.path == request.path}
