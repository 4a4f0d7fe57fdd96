"""Telephones by the hundred in a running server: what it takes of the whole process, and what they hear of each other.

The rig's telephones (``crates/ringback-rig``) dial addresses of rooms of three by SIP, speak, listen and hang up; the
server is a process of its own, all of whose threads count. ``--legs``, ``--seconds``, and ``--loss``, ``--burst``,
``--jitter-ms``, ``--seed`` for a bad network in between, which is the same one for the same seed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from websockets.asyncio.client import connect

from interop.peers.server import ROOT, Server

MEMBERS = 3
"""Telephones of a room."""

RIG = ["cargo", "run", "--locked", "--quiet", "--release", "-p", "ringback-rig", "--example", "load_calls", "--"]
NETWORK = ("loss", "burst", "jitter-ms", "seed")


async def rooms(server: Server, stack: contextlib.AsyncExitStack, legs: int) -> list[str]:
    """Rooms that a bot's connection holds open; a line for each address: its user part and its room's number."""
    lines = []
    for number in range(-(-legs // MEMBERS)):
        sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": MEMBERS}
        room = await server.room(f"bench-{number}", sip=sip)
        uris = room["config"]["sip_uri"]
        users = [uri[4:].partition("@")[0] for uri in (uris["endpoint"], *uris["extra_endpoints"])]
        lines += [f"{user} {number}" for user in users]
        bot = await stack.enter_async_context(connect(f"ws://127.0.0.1:{server.ports.http}/rtc"))
        await bot.send(json.dumps({"id": 1, "type": "join", "room": f"bench-{number}", "userName": "bot"}))
        assert json.loads(await bot.recv())["ok"], "the bot that holds the room open is in"
    return lines[:legs]


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Server(folder / "server") as server, contextlib.AsyncExitStack() as stack:
            users = folder / "users.txt"
            users.write_text("\n".join(await rooms(server, stack, arguments.legs)) + "\n")
            words = ["--server", f"127.0.0.1:{server.ports.sip}", "--users", str(users)]
            words += ["--pid", str(server.process.pid), "--seconds", str(arguments.seconds)]
            for option in NETWORK:
                value = getattr(arguments, option.replace("-", "_"))
                words += [] if value is None else [f"--{option}", str(value)]
            rig = await asyncio.create_subprocess_exec(
                *RIG, *words, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE
            )
            said, _ = await rig.communicate()
            print(said.decode(), end="", flush=True)
            assert rig.returncode == 0, "the telephones were heard"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", type=int, default=90)
    parser.add_argument("--seconds", type=float, default=5)
    for option in NETWORK:
        parser.add_argument(f"--{option}", type=float)
    sys.exit(asyncio.run(main(parser.parse_args())))
