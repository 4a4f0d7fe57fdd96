"""A server and a browser for every test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interop import namespace
from interop.peers.browser import Chromium
from interop.peers.server import Server


def pytest_configure(config: pytest.Config) -> None:
    """Test processes that run beside each other do so in networks of their own."""
    if hasattr(config, "workerinput"):
        namespace.enter()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "server") as running:
        yield running


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    async with Chromium() as browser:
        yield browser
