"""CPU time of one whole SIP call whose four events are told to a webhook, and what becomes of a burst.

The same dial-ins as in ``server_calls``, with and without a webhook in turn, in one server. The receiver is a process
of its own: it checks each signature and answers 200. Afterwards each call that the server's own rows say was answered
must have been told of with all four events, none twice under another id, those of a meeting in order. In the burst a
call may be refused (503 while the loop is late, or a busy address): that is an answer, and no loss.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop
from server_calls import call, cpu_us, rooms_held_open, say

from interop.peers.process import Process
from interop.peers.server import KEY, Server, listens
from interop.peers.waiting import free_port, until

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
TYPES = ("participant.joined", "dialin.connected", "participant.left", "dialin.stopped")
RATE, COUNT, ROUNDS = 100, 500, 3
TARGET_US = 2500
BURST_RATE, BURST_COUNT = 1000, 2000
ROOMS, ENDPOINTS = 200, 10
"""In the burst each address is called once."""

DELIVERED_WITHIN = 180.0
POSTS = 2000
"""For the floor."""


@dataclass(frozen=True, slots=True)
class Told:
    """One POST that the receiver took."""

    id: str
    type: str
    room: str
    session: str
    at: float
    signed: bool


class Receiver(asyncio.Protocol):
    """Reads requests, checks each signature, answers 200; on GET, gives what it has heard since the last one."""

    heard: list[tuple[object, ...]] = []  # noqa: RUF012 (of all connections)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport, self._unread = transport, b""

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            lines = self._unread[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", "0"))
            if len(self._unread) < end + 4 + length:
                return
            body, self._unread = self._unread[end + 4 : end + 4 + length], self._unread[end + 4 + length :]
            self._answer(lines[0], headers, body)

    def _answer(self, line: str, headers: dict[str, str], body: bytes) -> None:
        answer = b"ok"
        if line.startswith("GET"):
            answer = json.dumps(self.heard).encode()
            self.heard.clear()
        elif "type" in (told := json.loads(body)):
            payload = told["payload"]
            signed = base64.b64encode(
                hmac.digest(
                    base64.b64decode(SECRET), headers["x-webhook-timestamp"].encode() + b"." + body, hashlib.sha256
                )
            )
            good = signed.decode() == headers["x-webhook-signature"]
            self.heard.append((told["id"], told["type"], payload["room"], payload["session_id"], time.time(), good))
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


async def receive(port: int) -> None:
    """What the receiver's process does."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


async def heard(port: int) -> list[Told]:
    """What was told since the last look."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    rows = json.loads(await reader.readexactly(int(head.split()[-1])))
    writer.close()
    return [Told(*row) for row in rows]


async def floor(port: int) -> float:
    """CPU time of our side of one POST, by bare writes and reads on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"test":"' + b"x" * 450 + b'"}'
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    before = time.process_time()
    for _ in range(POSTS):
        writer.write(head + body)
        await reader.readexactly(len(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    us = (time.process_time() - before) * 1e6 / POSTS
    writer.close()
    return us


def answered_calls(server: Server, since: float) -> tuple[set[str], int]:
    """Calls that the server's rows say were answered since, and how many of all since have not ended."""
    with contextlib.closing(sqlite3.connect(f"file:{server.folder}/data/ringback.db?mode=ro", uri=True)) as rows:
        found = rows.execute("SELECT id, answered_at, ended_at FROM calls WHERE created_at >= ?", (since,)).fetchall()
    return {id for id, answered, _ in found if answered is not None}, sum(ended is None for _, _, ended in found)


def faults(answered: set[str], told: list[Told]) -> Counter[str]:
    """What is wrong with what was told."""
    wrong: Counter[str] = Counter()
    ids = Counter(one.id for one in told)
    wrong["repeated under one id"] = sum(ids.values()) - len(ids)
    of_call = Counter((one.session, one.type) for one in {one.id: one for one in told}.values())
    wrong["lost"] = sum(of_call[id, type] == 0 for id in answered for type in TYPES)
    wrong["doubled"] = sum(times > 1 for times in of_call.values())
    wrong["not signed"] = sum(not one.signed for one in told)
    last: dict[str, int] = {}
    for one in told:
        sequence = int(one.id.rpartition("-")[2])
        wrong["out of order"] += sequence < last.get(one.room, 0)
        last[one.room] = max(sequence, last.get(one.room, 0))
    return wrong


async def told_of(server: Server, port: int, since: float, within: float) -> tuple[set[str], list[Told]]:
    """Wait until all calls have ended and each answered one was told of; which, and all that was told."""
    told: list[Told] = []
    deadline = time.time() + within
    while True:
        told += await heard(port)
        answered, going = answered_calls(server, since)
        if (not going and not faults(answered, told)["lost"]) or time.time() > deadline:
            return answered, told
        await asyncio.sleep(0.2)


async def webhook(server: Server, port: int) -> str:
    body = {"url": f"http://127.0.0.1:{port}/", "hmac": SECRET, "eventTypes": list(TYPES), "retryType": "exponential"}
    answer = await server.rest("POST", "/webhooks", body)
    assert answer.status == 200, answer
    return str(answer.body["uuid"])


async def delete(server: Server, id: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:
        assert (await client.delete(f"{server.url}/v1/webhooks/{id}")).is_success, "it can be deleted"


def count(name: str, number: float, **more: float) -> None:
    print(json.dumps({"name": f"webhooks/{name}", "us": number, "unit": "calls", **more}), flush=True)


async def sustained(server: Server, folder: Path, users: list[str], receiver: Process, port: int) -> None:
    """With and without a webhook in turn, at a pace at which no call may fail."""
    target = f"127.0.0.1:{server.ports.sip}"
    spent: dict[bool, list[float]] = {False: [], True: []}
    theirs: list[float] = []
    wrong: Counter[str] = Counter()
    for turn in range(2 * ROUNDS):
        told = bool(turn % 2)
        id = await webhook(server, port) if told else ""
        since, before, receiver_before = time.time(), cpu_us(server.process.pid), cpu_us(receiver.pid)
        await call(folder, target, users, COUNT, RATE)
        if told:
            answered, all_told = await told_of(server, port, since, 30)
            assert len(answered) == COUNT, f"{len(answered)} of {COUNT} calls have a row"
            wrong += faults(answered, all_told)
            theirs.append((cpu_us(receiver.pid) - receiver_before) / COUNT)
        spent[told].append((cpu_us(server.process.pid) - before) / COUNT)
        print(f"{'with' if told else 'without'} webhooks: {spent[told][-1]:.0f} us", file=sys.stderr)
        if told:
            await delete(server, id)
    middle = {told: sorted(rounds)[ROUNDS // 2] for told, rounds in spent.items()}
    say(f"webhooks/one dial-in, no webhook, {RATE} a second", middle[False])
    say(f"webhooks/one dial-in and its four POSTs, {RATE} a second", middle[True], target=TARGET_US)
    say("webhooks/floor: the receiver's side of four POSTs", sorted(theirs)[ROUNDS // 2])
    for what in ("lost", "doubled", "out of order", "not signed"):
        count(f"{what} of {4 * COUNT * ROUNDS} events", wrong[what], target=0)


async def burst(server: Server, folder: Path, users: list[str], port: int) -> None:
    """Ten times as many for two seconds."""
    await webhook(server, port)
    since = time.time()
    target = f"127.0.0.1:{server.ports.sip}"
    # As patient as SIP is without an answer: 64*T1 (RFC 3261 §17.1.1.2).
    failed, waits = await call(folder, target, users, BURST_COUNT, BURST_RATE, all_of_them=False, patience_s=32.0)
    answered, told = await told_of(server, port, since, DELIVERED_WITHIN)
    wrong = faults(answered, told)
    count(f"burst: succeeded of {BURST_COUNT} calls, {BURST_RATE} a second", BURST_COUNT - failed)
    row = {"name": "webhooks/burst: INVITE to 200, 95 of 100", "ms": waits[len(waits) * 95 // 100]}
    print(json.dumps(row | {"unit": "ms on the clock"}), flush=True)
    count("burst: answered, by the server's rows", len(answered))
    for what in ("lost", "doubled", "out of order", "repeated under one id"):
        count(f"burst: events {what}", wrong[what], target=0)
    took = max((one.at for one in told), default=since) - since
    print(json.dumps({"name": "webhooks/burst: until the last event came", "ms": took * 1000, "unit": "ms"}))


async def main() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"WEBHOOKS__ALLOW_PRIVATE": "true", "LIMITS__MAX_SIP_PSTN_SESSIONS_PER_ROOM": str(ENDPOINTS)}
        async with (
            Process([sys.executable, __file__, str(port)], folder / "receiver.txt") as receiver,
            Server(folder / "server", settings) as server,
            contextlib.AsyncExitStack() as stack,
        ):
            await until(lambda: listens(port), "the receiver listens")
            say("webhooks/floor: four POSTs by bare writes and reads", 4 * await floor(port))
            users = await rooms_held_open(server, stack, ROOMS, ENDPOINTS)
            await call(folder, f"127.0.0.1:{server.ports.sip}", users, 300, RATE)
            await sustained(server, folder, users, receiver, port)
            await burst(server, folder, users, port)


if __name__ == "__main__":
    sys.exit(uvloop.run(receive(int(sys.argv[1])) if len(sys.argv) > 1 else main()))
