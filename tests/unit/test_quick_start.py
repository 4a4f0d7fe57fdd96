"""What a server does not read before it answers."""

import subprocess
import sys

LATER = {"aiohttp", "alembic", "httpx", "mako", "yarl"}


def test_what_few_servers_need_is_read_by_those_that_do() -> None:
    asks = f"import sys, ringback.cli.serve; print(*sorted({LATER} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
