"""CPU time of one whole SIP call in a running server: INVITE, answer, a leg in a meeting, BYE, rows and events.

SIPp (its built-in caller) dials an address of a room that a bot's connection holds open, call after call; the server is
a process of its own, whose CPU time is read from the system before and after. Beside it the floor: the same calls
answered by SIPp itself.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

from websockets.asyncio.client import connect

from interop.peers.process import Process
from interop.peers.server import Server
from interop.peers.waiting import free_port, until

PACES = ((25, 500), (250, 3000))
"""Calls per second and how many: a quiet server wakes up for each message, a busy one does several at a time."""

WARM_UP = 500
TARGET_US = 2500
ROOMS, ENDPOINTS = 50, 5
"""An address takes one call at a time: with these many, each has a second between two calls at the faster pace."""

# SIPp's built-in caller, but for the user part, which comes from a list.
SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
INVITE sip:[field0]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag[call_number]
To: <sip:[field0]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag[call_number]
To: <sip:[field0]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag[call_number]
To: <sip:[field0]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" crlf="true"/>
</scenario>
"""


def cpu_us(pid: int) -> float:
    """CPU time of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def say(name: str, us: float, **more: float) -> None:
    print(json.dumps({"name": name, "us": round(us, 1), "unit": "CPU us per call", **more}), flush=True)


async def call(folder: Path, target: str, users: list[str], count: int, rate: int) -> None:
    """Make ``count`` calls, ``rate`` a second, to the users in turn; all of them must succeed."""
    scenario, names = folder / "caller.xml", folder / "users.csv"
    # SIPp takes the dialled address from the answer's Contact for what follows.
    scenario.write_text(SCENARIO.replace('<recv response="200"/>', '<recv response="200" rrs="true"/>'))
    names.write_text("SEQUENTIAL\n" + "".join(f"{user};\n" for user in users))
    command = ["sipp", "-sf", str(scenario), "-inf", str(names), target, "-i", "127.0.0.1", "-p", str(free_port())]
    command += ["-r", str(rate), "-m", str(count), "-nostdin", "-recv_timeout", "8000", "-trace_err"]
    async with Process(command, folder / "sipp.txt", cwd=folder) as sipp:
        code = await sipp.wait(count / rate * 4 + 60)
    assert code == 0, f"not all of {count} calls succeeded:\n{sipp.output()[-3000:]}"


async def floor(folder: Path) -> None:
    """The other half of SIPp answering: signalling alone, in C++, with nothing behind it."""
    port = free_port()
    command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
    async with Process(command, folder / "uas.txt", cwd=folder) as uas:
        await until(lambda: _taken(port), "SIPp is there")
        await call(folder, f"127.0.0.1:{port}", ["service"], WARM_UP, 250)
        for rate, count in PACES:
            before = cpu_us(uas.pid)
            await call(folder, f"127.0.0.1:{port}", ["service"], count, rate)
            per_call = (cpu_us(uas.pid) - before) / count
            say(f"server/floor: the same calls answered by SIPp, {rate} a second", per_call)


def _taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


async def whole_calls(folder: Path) -> None:
    """Calls into rooms, through everything."""
    async with Server(folder / "server") as server, contextlib.AsyncExitStack() as stack:
        users = []
        for number in range(ROOMS):
            sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": ENDPOINTS}
            room = await server.room(f"bench-{number}", sip=sip)
            uris = room["config"]["sip_uri"]
            users += [uri[4:].partition("@")[0] for uri in (uris["endpoint"], *uris["extra_endpoints"])]
            bot = await stack.enter_async_context(connect(f"ws://127.0.0.1:{server.ports.http}/rtc"))
            await bot.send(json.dumps({"id": 1, "type": "join", "room": f"bench-{number}", "userName": "bot"}))
            assert json.loads(await bot.recv())["ok"], "the bot that holds the room open is in"
        target = f"127.0.0.1:{server.ports.sip}"
        await call(folder, target, users, WARM_UP, 250)
        for rate, count in PACES:
            before = cpu_us(server.process.pid)
            await call(folder, target, users, count, rate)
            per_call = (cpu_us(server.process.pid) - before) / count
            say(f"server/one dial-in, INVITE to BYE, {rate} a second", per_call, target=TARGET_US)


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        await floor(Path(name))
        await whole_calls(Path(name))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
