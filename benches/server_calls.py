"""CPU time of one whole SIP call in a running server: INVITE, answer, a leg in a meeting, BYE, rows and events.

SIPp (its built-in caller) dials an address of a room that a bot's connection holds open, call after call; the server is
a process of its own, whose CPU time is read from the system before and after. Beside it the floor: the same calls
answered by SIPp itself.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
import tempfile
from pathlib import Path

from websockets.asyncio.client import connect

from interop.peers.process import Process
from interop.peers.server import Server
from interop.peers.waiting import free_port, until

PACES = ((25, 500), (100, 2000), (250, 3000))
"""Calls per second and how many: a quiet server wakes up for each message, a busy one does several at a time."""

MOST = (300, 3000)
"""A pace at which no call may fail."""

WARM_UP = 500
FAILED = re.compile(r"Failed call\s+\|\s+\d+\s+\|\s+(\d+)")
"""In SIPp's last screen."""

TARGET_US = 2000
WAIT_RATE, WAIT_TARGET_US = 100, 20_000
"""Pace at which the time from INVITE to 200 is looked at, and what 95 of 100 calls may wait."""

ROOMS, ENDPOINTS = 200, 5
"""An address takes one call at a time: with these many, each has three seconds between two at the fastest pace."""

# SIPp's built-in caller with an INVITE of the size that carriers send; whom it dials comes from a list. With ``rrs`` it
# takes the address for what follows from the answer's Contact.
SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
  <send retrans="500" start_rtd="1"><![CDATA[
INVITE sip:[field0]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: "+15551234567" <sip:+15551234567@[local_ip]:[local_port];user=phone>;tag=[pid]SIPpTag[call_number]
To: <sip:[field0]@[remote_ip]:[remote_port];user=phone>
Call-ID: [call_id]
CSeq: 1 INVITE
Max-Forwards: 67
Contact: <sip:+15551234567@[local_ip]:[local_port];transport=udp>
Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS, NOTIFY
Supported: timer, 100rel, replaces
Session-Expires: 1800;refresher=uac
Min-SE: 90
P-Asserted-Identity: "+15551234567" <sip:+15551234567@[local_ip]:[local_port]>
User-Agent: Border controller 9.2
X-Account: 12345
X-Trace: abcdef0123456789
Content-Type: application/sdp
Content-Length: [len]

v=0
o=Border 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=SIP Media Capabilities
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 8 9 107 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:9 G722/8000
a=rtpmap:107 opus/48000/2
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
a=maxptime:20
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200" rtd="1" rrs="true"/>
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


def say_wait(name: str, waits: list[float]) -> None:
    """How long 95 of 100 wait; time on the clock, not of the processor."""
    us = waits[len(waits) * 95 // 100] * 1000
    row = {"name": name, "us": us, "unit": "us on the clock", "target": WAIT_TARGET_US}
    print(json.dumps(row), flush=True)


async def call(
    folder: Path,
    target: str,
    users: list[str],
    count: int,
    rate: int,
    *,
    all_of_them: bool = True,
    patience_s: float = 8.0,
) -> tuple[int, list[float]]:
    """Make ``count`` calls, ``rate`` a second, to the users in turn; ``all_of_them`` must succeed.

    ``patience_s`` is how long a caller waits for each answer.

    Returns:
        How many failed, and the milliseconds from INVITE to 200 of the others in order of size.
    """
    scenario, names = folder / "caller.xml", folder / "users.csv"
    scenario.write_text(SCENARIO)
    names.write_text("SEQUENTIAL\n" + "".join(f"{user};\n" for user in users))
    command = ["sipp", "-sf", str(scenario), "-inf", str(names), target, "-i", "127.0.0.1", "-p", str(free_port())]
    command += [
        "-r",
        str(rate),
        "-m",
        str(count),
        "-nostdin",
        "-recv_timeout",
        f"{patience_s * 1000:.0f}",
        "-trace_err",
    ]
    # Its own small buffer would lose answers of ours.
    command += ["-trace_rtt", "-rtt_freq", "1", "-buff_size", str(4 * 1024 * 1024)]
    async with Process(command, folder / "sipp.txt", cwd=folder) as sipp:
        code = await sipp.wait(count / rate * 4 + 60)
        waits = folder / f"caller_{sipp.pid}_rtt.csv"
    assert code == 0 or not all_of_them, f"not all of {count} calls succeeded:\n{sipp.output()[-3000:]}"
    failed = int(FAILED.findall(sipp.output())[-1])
    return failed, sorted(float(line.split(";")[1]) for line in waits.read_text().splitlines()[1:])


async def floor(folder: Path) -> None:
    """The other half of SIPp answering: signalling alone, in C++, with nothing behind it."""
    port = free_port()
    command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
    async with Process(command, folder / "uas.txt", cwd=folder) as uas:
        await until(lambda: _taken(port), "SIPp is there")
        await call(folder, f"127.0.0.1:{port}", ["service"], WARM_UP, 250, all_of_them=False)
        for rate, count in PACES:
            before = cpu_us(uas.pid)
            await call(folder, f"127.0.0.1:{port}", ["service"], count, rate, all_of_them=False)
            per_call = (cpu_us(uas.pid) - before) / count
            say(f"server/floor: the same calls answered by SIPp, {rate} a second", per_call)


def _taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


async def rooms_held_open(
    server: Server, stack: contextlib.AsyncExitStack, rooms: int, endpoints: int = ENDPOINTS
) -> list[str]:
    """Rooms with a bot in each, and the user parts of their addresses."""
    users = []
    for number in range(rooms):
        sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": endpoints}
        room = await server.room(f"bench-{number}", sip=sip)
        uris = room["config"]["sip_uri"]
        users += [uri[4:].partition("@")[0] for uri in (uris["endpoint"], *uris["extra_endpoints"])]
        # Nobody reads what they are told: a queue with an end would stop the answers to pings, and empty the rooms.
        rtc = connect(f"ws://127.0.0.1:{server.ports.http}/rtc", max_queue=None)
        bot = await stack.enter_async_context(rtc)
        await bot.send(json.dumps({"id": 1, "type": "join", "room": f"bench-{number}", "userName": "bot"}))
        assert json.loads(await bot.recv())["ok"], "the bot that holds the room open is in"
    return users


async def whole_calls(folder: Path) -> None:
    """Calls into rooms, through everything."""
    async with Server(folder / "server") as server, contextlib.AsyncExitStack() as stack:
        users = await rooms_held_open(server, stack, ROOMS)
        target = f"127.0.0.1:{server.ports.sip}"
        await call(folder, target, users, WARM_UP, 100)
        for rate, count in (*PACES, MOST):
            before = cpu_us(server.process.pid)
            failed, waits = await call(folder, target, users, count, rate, all_of_them=(rate, count) != MOST)
            per_call = (cpu_us(server.process.pid) - before) / count
            say(f"server/one dial-in, INVITE to BYE, {rate} a second", per_call, target=TARGET_US)
            if rate == WAIT_RATE:
                say_wait(f"server/INVITE to 200, 95 of 100, {rate} a second", waits)
        row = {"name": f"server/failed of {MOST[1]} dial-ins, {MOST[0]} a second", "us": failed, "unit": "calls"}
        print(json.dumps({**row, "target": 0}), flush=True)


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        await floor(Path(name))
        await whole_calls(Path(name))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
