"""What commands that run for a while need: the fast loop, and settings; light, because all of them wait for it."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from ringback.cli.fail import fail

if TYPE_CHECKING:
    from ringback.config import Settings

T = TypeVar("T")


def read_settings(flags: Mapping[str, Any]) -> "Settings":
    """Settings with ``flags`` on top. Ends the command when one is wrong."""
    from ringback.config import ConfigError, load_settings

    try:
        return load_settings(flags)
    except ConfigError as error:
        fail(str(error))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on the fast loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
