"""Many things that mostly wait, under way at once; each test asks for one of them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self

import pytest

AHEAD = 3
"""Runs that begin together with the one that is asked for, where only some of all will be. More at once, and a busy
machine is so late with its answers that SIPp asks again, which its scripts do not expect."""


class Together:
    """Runs by name. A run begins when it is asked for, or some of those before it are.

    Args:
        start: Makes the run of a name.
        names: All of them, in the order in which they are asked for.
        ahead: How many of those after the one that is asked for are begun with it.
    """

    def __init__(
        self, start: Callable[[str], Coroutine[Any, Any, None]], names: Sequence[str], ahead: int = AHEAD
    ) -> None:
        self._start = start
        self._names = names
        self._ahead = ahead
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def __call__(self, name: str) -> None:
        """Wait for one, and raise what it raises."""
        at = self._names.index(name)
        for one in self._names[at : at + 1 + self._ahead]:
            if one not in self._tasks:
                self._tasks[one] = asyncio.create_task(self._start(one))
        await self._tasks[name]


def together(
    request: pytest.FixtureRequest, start: Callable[[str], Coroutine[Any, Any, None]], ahead: int = AHEAD
) -> Together:
    """Runs of all tests of this file. A process that shares them with others cannot know which it will be asked for:
    it begins a few ahead, and at worst does these for nothing."""
    names = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    return Together(start, names, ahead if hasattr(request.config, "workerinput") else len(names))
