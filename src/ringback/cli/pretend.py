"""The pretend carrier beside a server on the same machine: where it listens, and the trunk that leads to it."""

import contextlib
from collections.abc import AsyncIterator

from ringback.testing.carrier import PretendCarrier
from ringback.testing.carrier.directory import PATTERNS

TRUNK = "pretend"
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


def trunk_of(carrier: PretendCarrier) -> dict[str, object]:
    """The trunk to it, as in ``[[trunks]]``: for numbers of fiction and no others, before any other trunk."""
    host, _, port = carrier.address.rpartition(":")
    return {
        "name": TRUNK,
        "hosts": [{"host": host, "port": int(port)}],
        "priority": 1,
        "trusted": True,
        "codecs": list(carrier.codecs),
        "outbound_rules": [*({"match": pattern} for pattern in PATTERNS), {"match": "*", "deny": True}],
    }
