"""A whole server for a test, on ports of its own, with the pretend carrier as its telephone network.

```python
async with LocalServer(tmp_path) as server:
    me = await server.join("hello")
    call = await server.dial("hello", "+12125550110")
```
"""

import asyncio
import contextlib
import random
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ringback.app import Application
from ringback.config import Settings, load_settings
from ringback.meetings.admission import Joiner
from ringback.meetings.seat import Seat
from ringback.model.ids import ParticipantId, RoomName
from ringback.testing.carrier import PretendCarrier, sound
from ringback.testing.carrier.desk import CarrierDesk
from ringback.testing.carrier.trunk import fill_stock, trunk_of

KEY = "a-key-for-tests-only-0123456789"
STEP_S = 0.02
PROPERTIES = {
    "sip": {"sip_mode": "dial-in", "display_name": "Phone", "num_endpoints": 2},
    "enable_dialout": True,
}


class Somebody:
    """A participant of this process: what a bot is in a room. Sound is int16 mono PCM, 8 kHz.

    Attributes:
        heard: All it has heard.
    """

    def __init__(self, app: Application, seat: Seat) -> None:
        self._app, self._seat = app, seat
        self.heard = bytearray()
        self._more = asyncio.Event()
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    def say(self, data: bytes) -> None:
        self._app.media.push_pcm(self._seat.id, data)

    async def speech(self, within: float = 10.0) -> None:
        """Wait until somebody speaks. Raises ``TimeoutError``."""
        async with asyncio.timeout(within):
            while not self._loud(0.2):
                await self._more.wait()
                self._more.clear()

    async def pause(self, seconds: float = 0.7, within: float = 30.0) -> None:
        """Wait until nobody has spoken for so long. Raises ``TimeoutError``."""
        async with asyncio.timeout(within):
            while self._loud(seconds):
                await self._more.wait()
                self._more.clear()

    async def leave(self) -> None:
        self._listening.cancel()
        self._app.media.close_leg(self._seat.id)
        with contextlib.suppress(Exception):
            await self._seat.leave()

    def _loud(self, seconds: float) -> bool:
        """Whether any tenth of a second of the last ones was speech."""
        last, tenth = bytes(self.heard[-2 * round(seconds * sound.RATE) :]), 2 * sound.RATE // 10
        return any(sound.loudness(last[at : at + tenth]) > sound.SPEECH for at in range(0, len(last), tenth))

    async def _listen(self) -> None:
        while True:
            self.heard += self._app.media.read_pcm(self._seat.id)
            self._more.set()
            await asyncio.sleep(STEP_S)


class LocalServer:
    """Use as an asynchronous context manager.

    Args:
        folder: For its data.
        carrier: Its telephone network; one of its own when left out.
        settings: Over those it makes, as ``load_settings`` takes them.

    Attributes:
        url: Of its HTTP, without ``/v1``.
        api: A client of its REST API: paths begin behind ``/v1``.
        sip: ``host:port`` of its SIP.
        app: The server itself.
    """

    app: Application
    api: httpx.AsyncClient
    url: str
    sip: str

    def __init__(self, folder: Path, carrier: PretendCarrier | None = None, **settings: Any) -> None:
        self.folder = folder
        self.carrier = carrier or PretendCarrier()
        self._more = settings
        self._stack = contextlib.AsyncExitStack()
        self._somebody: list[Somebody] = []

    async def __aenter__(self) -> Self:
        try:
            await self._stack.enter_async_context(self.carrier)
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        self.app = Application(self._settings(), CarrierDesk(self.carrier))
        self._stack.push_async_callback(self.app.stop)
        await self.app.start()
        await fill_stock(self.app.numbers, self.app.purchases)
        self.url = self.app.addresses.public_url
        self.sip = self.app.addresses.sip_domain
        self.carrier.server = self.sip
        headers = {"Authorization": f"Bearer {KEY}"}
        self.api = await self._stack.enter_async_context(
            httpx.AsyncClient(base_url=f"{self.url}/v1", headers=headers, trust_env=False)
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._somebody:
            await one.leave()
        await self._stack.__aexit__(kind, error, trace)

    async def room(self, name: str, **properties: Any) -> dict[str, Any]:
        """Make a room that may be dialled and may dial; as REST shows it."""
        body = {"name": name, "properties": {**PROPERTIES, **properties}}
        room: dict[str, Any] = _checked(await self.api.post("/rooms", json=body))
        return room

    async def join(self, room: str, name: str = "Bot") -> Somebody:
        """Somebody comes into a room, which is made if there is none."""
        if await self.app.rooms.find(self.app.domain.id, RoomName(room)) is None:
            await self.room(room)
        who = ParticipantId(self.app.meetings.new_id())
        seat, _ = await self.app.meetings.join(self.app.domain.id, RoomName(room), Joiner(who, user_name=name))
        self.app.media.open_pcm(seat.meeting, who, sound.RATE)
        await seat.set_track("audio", "playable", {})
        self._somebody.append(Somebody(self.app, seat))
        return self._somebody[-1]

    async def dial(self, room: str, number: str, **fields: Any) -> str:
        """``dialOut/start``; the session's id."""
        body = {"phoneNumber": number, **fields}
        return str(_checked(await self.api.post(f"/rooms/{room}/dialOut/start", json=body))["sessionId"])

    async def press(self, room: str, call: str, keys: str) -> None:
        """``dialOut/sendDTMF``."""
        body = {"sessionId": call, "tones": keys, "digitDurationMs": 200}
        _checked(await self.api.post(f"/rooms/{room}/dialOut/sendDTMF", json=body))

    async def becomes(self, call: str, state: str, within: float = 20.0) -> dict[str, Any]:
        """Wait until a call is ``ringing``, ``answered`` or ``ended``; its row. Raises ``TimeoutError``."""
        order = ("queued", "ringing", "answered", "ended")
        async with asyncio.timeout(within):
            while True:
                row: dict[str, Any] = _checked(await self.api.get(f"/ringback/calls/{call}"))
                if order.index(row["state"]) >= order.index(state):
                    return row
                await asyncio.sleep(0.05)

    def _settings(self) -> Settings:
        first = 30_000 + 200 * random.SystemRandom().randrange(150)
        flags: dict[str, Any] = {
            "api_key": KEY,
            "data_dir": self.folder,
            "log_level": "warning",
            "http": {"host": "127.0.0.1", "port": 0, "rate_limits": False},
            "sip": {"host": "127.0.0.1", "port": 0, "rate_limits": False},
            "media": {"udp_port": 0, "rtp_ports": f"{first}-{first + 199}"},
            "dialout": {"allow_private": True},
            "webhooks": {"allow_private": True},
            "trunks": [trunk_of(self.carrier)],
        }
        for name, value in self._more.items():
            flags[name] = {**flags[name], **value} if isinstance(value, dict) and name in flags else value
        return load_settings(flags)


def _checked(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json()
