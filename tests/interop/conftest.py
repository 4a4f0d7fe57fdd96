"""A server and a browser for every test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interop.peers.browser import Chromium
from interop.peers.server import Server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "server") as running:
        yield running


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    async with Chromium() as browser:
        yield browser
