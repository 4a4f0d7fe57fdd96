"""A server and a browser for every test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interop.peers.browser import ALL_FRAMES, FEW_FRAMES, Chromium
from interop.peers.server import Server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "server") as running:
        yield running


@pytest.fixture
async def chromium(request: pytest.FixtureRequest) -> AsyncIterator[Chromium]:
    listens = request.node.get_closest_marker("listens") is not None
    async with Chromium(FEW_FRAMES if listens else ALL_FRAMES) as browser:
        yield browser
