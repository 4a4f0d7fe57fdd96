"""Our own server as a process of its own, on free ports and in its own folder, spoken with only from outside."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

import migrated
from interop.peers.process import OurCommand, Process
from interop.peers.waiting import free_port, until

ROOT = Path(__file__).resolve().parents[3]
RINGBACK = ROOT / ".venv" / "bin" / "ringback"
KEY = "a-key-only-our-own-tests-know-0123456789"


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the REST API."""

    status: int
    body: Any


@dataclass(slots=True)
class Ports:
    """What the server listens on."""

    http: int = field(default_factory=free_port)
    sip: int = field(default_factory=free_port)
    media: int = field(default_factory=lambda: free_port(socket.SOCK_DGRAM))


class Server:
    """``ringback serve`` (or another command of ours).

    Args:
        folder: For its data and its log.
        settings: More ``RINGBACK_…``, without that prefix.
        command: What to run instead of ``serve``.
        env: More of the environment.
        inside: A command that runs it: its own words come first.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        command: tuple[str, ...] = ("serve",),
        env: Mapping[str, str] | None = None,
        inside: tuple[str, ...] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ports = Ports()
        secure = "HTTP__CERTIFICATE" in (settings or {})
        self.url = f"{'https' if secure else 'http'}://127.0.0.1:{self.ports.http}"
        wanted = {
            "API_KEY": KEY,
            "SECRET": "sealed-with-this-in-tests-only-0123456789",
            "DATA_DIR": str(folder / "data"),
            "HTTP__PORT": str(self.ports.http),
            "HTTP__RATE_LIMITS": "off",
            "SIP__PORT": str(self.ports.sip),
            "SIP__RATE_LIMITS": "off",
            "MEDIA__UDP_PORT": str(self.ports.media),
            "DIALOUT__ALLOW_PRIVATE": "true",
            **(settings or {}),
        }
        own = {f"RINGBACK_{name}": value for name, value in wanted.items()}
        log = folder / "server.txt"
        # What more is in the environment may be for its very start, which a fork does not have.
        if env or inside:
            self.process = Process([*inside, RINGBACK, *command], log, env={**own, **(env or {})}, cwd=folder)
        else:
            self.process = OurCommand(command, log, env=own, cwd=folder)
            if not {"DATA_DIR", "DATABASE_URL"} & set(settings or {}):
                migrated.put(folder / "data" / "ringback.db")
        # Its certificate, where it has one, was made by nobody: whether it is right is what tests of TLS look at.
        self._client = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=15, verify=False
        )

    async def __aenter__(self) -> Self:
        await self.process.start()
        try:
            await self.ready()
        except BaseException:
            await self.process.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        # The test is over: who is still in a meeting is not waited for.
        await self.process.stop_at_once()

    async def ready(self) -> None:
        """Wait until ``/readyz`` says so."""

        async def answers() -> bool:
            assert self.process.running, f"the server ended: {self.log()[-4000:]}"
            with contextlib.suppress(httpx.TransportError):
                return (await self._client.get("/readyz")).status_code == 200
            return False

        await until(answers, "the server is ready", 60)

    async def kill(self) -> None:
        """SIGKILL."""
        await self.process.kill()

    async def restart(self) -> None:
        """Start it again in the same folder and on the same ports."""
        await self.process.start()
        await self.ready()

    async def rest(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request below ``/v1``."""
        answer = await self._client.request(method, f"/v1{path}", json=body, headers=headers)
        return Answer(answer.status_code, answer.json())

    async def room(self, name: str, **properties: Any) -> Mapping[str, Any]:
        """Create a room with a SIP address and return it."""
        wanted = {"sip": {"sip_mode": "dial-in", "display_name": "Caller"}, "enable_dialout": True, **properties}
        answer = await self.rest("POST", "/rooms", {"name": name, "properties": wanted})
        assert answer.status == 200, answer
        return dict(answer.body)

    async def token(self, room: str, **properties: Any) -> str:
        """A meeting token."""
        answer = await self.rest("POST", "/meeting-tokens", {"properties": {"room_name": room, **properties}})
        assert answer.status == 200, answer
        return str(answer.body["token"])

    async def present(self, room: str) -> list[Mapping[str, Any]]:
        """Who is in a room."""
        answer = await self.rest("GET", f"/rooms/{room}/presence")
        assert answer.status == 200, answer
        return list(answer.body["data"])

    async def dial_out(self, room: str, uri: str, **more: Any) -> str:
        """Make a room ring an address; returns the session id."""
        answer = await self.rest("POST", f"/rooms/{room}/dialOut/start", {"sipUri": uri, **more})
        assert answer.status == 200, answer
        return str(answer.body["sessionId"])

    async def hang_up_all(self, room: str) -> None:
        """End every call of a room and wait until their rows say so."""

        async def none_left() -> bool:
            calls = (await self.rest("GET", f"/ringback/calls?room={room}&ongoing=true")).body["data"]
            for call in calls:
                await self.rest("POST", f"/rooms/{room}/dialOut/stop", {"sessionId": call["id"]})
            return not calls

        await until(none_left, f"no call is left in {room}")

    def log(self) -> str:
        """What it has logged."""
        return self.process.output()

    def cpu_seconds(self) -> float:
        """CPU time it has used so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


async def wait_present(server: Server, room: str, count: int, timeout_s: float = 30.0) -> list[Mapping[str, Any]]:
    """Wait until exactly so many are in a room."""
    last: list[Mapping[str, Any]] = []

    async def there() -> bool:
        nonlocal last
        last = await server.present(room)
        return len(last) == count

    await until(there, f"{count} are in {room}", timeout_s)
    return last


async def listens(port: int) -> bool:
    """Whether somebody takes connections on a TCP port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def closed(port: int) -> None:
    """Wait until nothing listens on a TCP port of 127.0.0.1."""

    async def nothing() -> bool:
        return not await listens(port)

    await until(nothing, f"port {port} is closed")
