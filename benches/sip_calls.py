"""CPU time of a SIP call for bare signalling: INVITE, 100, 180, 200, ACK, BYE, 200, with SIPp at the other end.

Writes one JSON line per figure: ``{"name", "ms", "unit"}``. The floor is what the same seven packets cost when they
are only received and sent. Run: ``python benches/sip_calls.py [calls] [calls per second]``.
"""

import asyncio
import json
import resource
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import uvloop

from ringback import core
from ringback.calls.ports.carrier import IncomingInvite
from ringback.clock import SystemClock
from ringback.sdp.negotiation import make_answer
from ringback.sip.compiled import CompiledParser, rules
from ringback.telephony.service import Telephony, TelephonySettings

CODECS = ("OPUS", "G722", "PCMU", "PCMA")


class Answerer:
    """Rings and answers every call at once; ignores everything else it is told."""

    telephony: Telephony

    def incoming(self, invite: IncomingInvite) -> None:
        self.telephony.ring(invite.call)
        sdp, _ = make_answer(invite.offer or b"", "127.0.0.1", 20000, CODECS, session_id=1, version=1)
        self.telephony.answer(invite.call, sdp)

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: None


def cpu_ms() -> float:
    """CPU time this process has used, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


def floor_ms(rounds: int = 5000) -> float:
    """CPU time of three packets in and four out on loopback, the other end's half taken off."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        near.bind(("127.0.0.1", 0))
        far.bind(("127.0.0.1", 0))
        packet = b"x" * 600
        before = cpu_ms()
        for _ in range(rounds):
            for _ in range(7):
                near.sendto(packet, far.getsockname())
                far.recvfrom(2048)
        return (cpu_ms() - before) / rounds / 2


async def drive(port: int, calls: int, rate: int) -> int:
    """Run SIPp; how many calls failed."""
    with tempfile.TemporaryDirectory() as folder:
        statistics = Path(folder) / "stat.csv"
        process = await asyncio.create_subprocess_exec(
            *("sipp", "-sn", "uac", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-mp", "7000", "-d", "0", "-nostdin"),
            *("-r", str(rate), "-m", str(calls), "-recv_timeout", "5000", "-trace_stat", "-stf", str(statistics)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,
        )
        await asyncio.wait_for(process.wait(), 60 + calls / rate)
        lines = statistics.read_text().splitlines()
        last = dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))
        return calls - int(last["SuccessfulCall(C)"])


async def measure(calls: int, rate: int) -> tuple[float, int]:
    """CPU-ms per call, and failed calls."""
    answerer = Answerer()
    settings = TelephonySettings(port=0, rate_limits=None, allow_private=True, lag_limit=None)
    parser = CompiledParser(core.new_sip_reader(*rules()).read)
    clock = SystemClock(asyncio.get_running_loop())
    answerer.telephony = Telephony(settings, clock, answerer, parser=parser)  # type: ignore[arg-type]
    await answerer.telephony.start()
    port = int(answerer.telephony.local_addresses[0].rpartition(":")[2])
    try:
        await drive(port, 50, 50)
        before = cpu_ms()
        failed = await drive(port, calls, rate)
        return (cpu_ms() - before) / calls, failed
    finally:
        await answerer.telephony.stop()


def main() -> int:
    if shutil.which("sipp") is None:
        print("sipp is not here; `make peers`, as root, installs it", file=sys.stderr)
        return 0
    calls, rate = (int(text) for text in (*sys.argv[1:3], *("1000", "200")[len(sys.argv) - 1 :]))
    per_call, failed = uvloop.run(measure(calls, rate))
    print(
        json.dumps(
            {"name": "SIP call, bare signalling", "ms": round(per_call, 3), "unit": "CPU-ms per call", "target": 500}
        )
    )
    print(json.dumps({"name": "SIP call, floor (7 packets)", "ms": round(floor_ms(), 3), "unit": "CPU-ms per call"}))
    if failed:
        print(f"{failed} of {calls} calls failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
