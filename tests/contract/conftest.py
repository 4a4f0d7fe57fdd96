"""What the contract tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.house import House, a_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as built:
        yield built
