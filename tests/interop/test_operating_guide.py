"""The guides for operators and for who moves over: a copy made as printed is a database, and what is idle is listed."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

from interop.peers.server import KEY, ROOT, Server

COMMAND = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(guide: str) -> list[str]:
    return COMMAND.findall((ROOT / "docs" / "guides" / f"{guide}.md").read_text())


async def shell(command: str, folder: Path) -> str:
    wanted = ["sh", "-eu", "-c", command.replace(".venv/bin", str(ROOT / ".venv" / "bin"))]
    env = {"PATH": "/usr/bin:/bin", "RINGBACK_API_KEY": KEY}
    done = await asyncio.to_thread(
        subprocess.run, wanted, capture_output=True, text=True, cwd=folder, env=env, timeout=60, check=True
    )
    return str(done.stdout)


async def test_a_copy_made_while_the_server_runs_has_what_it_was_told(tmp_path: Path) -> None:
    (backup,) = commands("operating")
    async with Server(tmp_path / "one") as server:
        await server.rest("POST", "/rooms", {"name": "kept"})
        await shell(backup.replace("ringback-data", "data"), tmp_path / "one")
        # What it does not yet have does not come with it.
        await server.rest("POST", "/rooms", {"name": "later"})

    again = tmp_path / "two"
    (again / "data").mkdir(parents=True)
    (tmp_path / "one" / "backup.db").rename(again / "data" / "ringback.db")
    async with Server(again) as server:
        assert (await server.rest("GET", "/rooms/kept")).status == 200
        assert (await server.rest("GET", "/rooms/later")).status == 404


async def test_who_moves_over_can_list_what_nothing_acts_on(tmp_path: Path) -> None:
    (command,) = commands("moving-from-daily")
    async with Server(tmp_path) as server:
        told = json.loads(await shell(command.replace("http://127.0.0.1:7880", server.url), tmp_path))

    assert told.keys() == {"version", "node", "not_acted_on"}
    assert "enable_recording" in told["not_acted_on"]["room_properties"]
