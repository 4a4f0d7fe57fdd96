"""Fixtures for pytest, with pytest-asyncio: ``pytest_plugins = ["ringback.testing.plugin"]`` in a conftest or a test.

``ringback_server`` is a whole server on ports of its own, ``pretend_carrier`` the telephone network it is connected to.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from ringback.testing.carrier import PretendCarrier
from ringback.testing.server import LocalServer


@pytest_asyncio.fixture
async def ringback_server(tmp_path: Path) -> AsyncIterator[LocalServer]:
    """A server, and a pretend carrier with trunk and numbers."""
    async with LocalServer(tmp_path / "ringback") as server:
        yield server


@pytest_asyncio.fixture
async def pretend_carrier(ringback_server: LocalServer) -> PretendCarrier:
    """That server's telephone network: who answers, who calls, what happened."""
    return ringback_server.carrier
