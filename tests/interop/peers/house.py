"""A whole server inside the test's own process, so that a test can do from inside what no request asks for."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

import migrated
from interop.peers.server import KEY, Answer
from interop.peers.waiting import free_port, until
from ringback.app import Application
from ringback.config import Settings
from ringback.model.ids import CallId, RoomName

STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 120}


class House:
    """The server, spoken with over its real ports.

    Args:
        folder: For its data.
        settings: More of ``Settings``, by section.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        wanted: dict[str, Any] = {
            "api_key": KEY,
            "secret": "sealed-with-this-in-tests-only-0123456789",
            "data_dir": folder,
            "http": {"port": free_port(), "rate_limits": False},
            "sip": {"port": free_port(), "rate_limits": False},
            "media": {"udp_port": 0, "rtp_ports": "22000-22999"},
            "dialout": {"allow_private": True},
        }
        for section, values in settings.items():
            wanted[section] = {**wanted.get(section, {}), **values}
        migrated.put(folder / "ringback.db")
        self.app = Application(Settings(**wanted))
        self.sip = f"127.0.0.1:{wanted['sip']['port']}"
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{wanted['http']['port']}", headers={"Authorization": f"Bearer {KEY}"}
        )

    async def __aenter__(self) -> Self:
        await self.app.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        await self.app.stop()

    async def rest(self, method: str, path: str, body: Any = None) -> Answer:
        """One request below ``/v1``."""
        answer = await self._client.request(method, f"/v1{path}", json=body)
        return Answer(answer.status_code, answer.json())

    async def room(self, name: str, **properties: Any) -> str:
        """A room that the first caller, or the first call out, starts; returns the user part of its address."""
        sip = {"display_name": "Caller", "sip_mode": "dial-in", "dialin_config": STARTS}
        wanted = {"sip": sip, "enable_dialout": True, "dialout_config": STARTS, **properties}
        answer = await self.rest("POST", "/rooms", {"name": name, "properties": wanted})
        assert answer.status == 200, answer
        uri = str(answer.body["config"]["sip_uri"]["endpoint"])
        return uri.removeprefix("sip:").partition("@")[0]

    async def dial_out(self, room: str, uri: str, **more: Any) -> CallId:
        """Make a room ring an address."""
        answer = await self.rest("POST", f"/rooms/{room}/dialOut/start", {"sipUri": uri, **more})
        assert answer.status == 200, answer
        return CallId(answer.body["sessionId"])

    async def hang_up(self, room: str) -> None:
        """End every call of a room, in or out."""
        for call in await self.calls(room, "&ongoing=true"):
            if call["direction"] == "dial-in":
                await self.rest("POST", f"/rooms/{room}/eject", {"ids": [call["id"]]})
            else:
                await self.rest("POST", f"/rooms/{room}/dialOut/stop", {"sessionId": call["id"]})

    async def hold(self, room: str, call: str, on: bool) -> None:
        """Put a call on hold, or take it back."""
        await self.app.calls.hold(self.app.domain.id, RoomName(room), call, on)

    async def calls(self, room: str, more: str = "") -> list[Mapping[str, Any]]:
        """Rows of a room's calls."""
        return list((await self.rest("GET", f"/ringback/calls?room={room}{more}")).body["data"])

    async def state(self, room: str, state: str, timeout_s: float = 30.0) -> Mapping[str, Any]:
        """Wait until a room's only call is in a state (``ringing``, ``answered``, ``ended``…); its row."""

        async def there() -> Mapping[str, Any] | None:
            rows = [row for row in await self.calls(room) if row["state"] == state]
            return rows[0] if rows else None

        return await until(there, f"the call of {room} is {state}", timeout_s)

    async def acknowledged(self, call: CallId) -> None:
        """Wait until our ACK to a call's answer has gone out."""
        found = self.app.telephony._agent.calls[call]
        await until(lambda: getattr(found, "_unacknowledged", None) is None, "our ACK has gone out")

    def hurry(self, t1: float) -> None:
        """SIP's timers run this fast (T1 in seconds); sockets and everything else stay as they are."""
        agent = self.app.telephony._agent
        timing = replace(agent.settings.timing, t1=t1)
        agent.settings = replace(agent.settings, timing=timing)
        agent.transactions._timing = timing

    async def idle(self, timeout_s: float = 10.0) -> None:
        """Wait until no call is left."""
        telephony = self.app.telephony
        try:
            await until(lambda: telephony.calls == 0, "no call is left", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {telephony.leftovers()} {list(telephony._agent.calls.values())}") from None
