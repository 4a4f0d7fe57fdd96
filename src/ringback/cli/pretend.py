"""The pretend carrier beside a server on the same machine, and where it listens."""

import contextlib
from collections.abc import AsyncIterator

from ringback.testing.carrier import PretendCarrier

SAMPLE_NUMBER = "+12125550150"
HOST = "127.0.0.55"
"""An address of its own, so that its calls are known as its, and a telephone's on this machine are not."""


@contextlib.asynccontextmanager
async def pretend_carrier(host: str = HOST, port: int = 0, seed: int | None = None) -> AsyncIterator[PretendCarrier]:
    """Runs while the block lasts. Where loopback has one address only (macOS), it shares that one."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            carrier = await stack.enter_async_context(PretendCarrier(host=host, port=port, seed=seed))
        except OSError:
            if host != HOST:
                raise
            carrier = await stack.enter_async_context(PretendCarrier(port=port, seed=seed))
        yield carrier
