"""Takes calls over customers' trunks: each has a room made for it, and is answered once the customer's server says so.

``trunk_call`` decides; this is the shell around it. The caller hears ringing meanwhile, and may give up at any moment.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

import structlog

from ringback.calls.admit import BROKEN, DRAINING, STORE_FAILED, Refusal
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.ports.clock import Clock
from ringback.dialin.sip_trunks import SipTrunks
from ringback.dialin.trunk_call import PAUSE, TrunkCall
from ringback.meetings.actor import Actor
from ringback.meetings.service import Meetings
from ringback.model.errors import NotFound, NotStored
from ringback.model.ids import CallId, DomainId, EndpointUser
from ringback.model.room import Room
from ringback.model.sip_trunk import SipTrunk

log = structlog.get_logger()

NOTIFICATION_FAILED = Refusal("notification-failed", 480, "Notification Failed")
STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 60}
"""How long a caller waits alone in its room, where the template does not say: the 2xx was a promise to join."""


class RoomMaker(Protocol):
    """Makes rooms (``rooms.service.Rooms``)."""

    async def create(self, domain: DomainId, body: Mapping[str, object]) -> Room: ...
    async def describe(self, room: Room) -> dict[str, object]: ...
    async def delete(self, domain: DomainId, name: str) -> None: ...


class Switchboard(Protocol):
    """What this needs of ``calls.service.Calls``."""

    def expect(self, call: CallId) -> bool: ...
    def waits(self, call: CallId) -> bool:
        """Whether its caller still waits to be taken."""

    def is_expected(self, call: CallId) -> bool: ...
    def refuse(self, invite: IncomingInvite, refusal: Refusal) -> None: ...
    def hand_over(self, actor: Actor, invite: IncomingInvite, user: EndpointUser | None) -> None: ...
    def run(self, task: Coroutine[Any, Any, None]) -> object: ...


class TrunkCalls:
    """Calls over customers' trunks that are not answered yet."""

    def __init__(self, calls: Switchboard, meetings: Meetings, trunks: SipTrunks, rooms: RoomMaker) -> None:
        self._calls = calls
        self._meetings = meetings
        self._trunks = trunks
        self._rooms = rooms

    def take(self, invite: IncomingInvite) -> None:
        """A call that its trunk admits."""
        trunk = self._trunks.by_id(invite.sip_trunk)
        if trunk is None or not self._calls.expect(invite.call):
            self._calls.refuse(invite, DRAINING)
            return
        self._calls.run(self._serve(invite, trunk))

    async def _serve(self, invite: IncomingInvite, trunk: SipTrunk) -> None:
        room: Room | None = None
        try:
            self._meetings.office.world.carrier.ring(invite.call)
            began = self._clock.monotonic()
            room = await self._rooms.create(trunk.domain, {"properties": self._properties(trunk)})
            if await self._is_taken(TrunkCall(began), invite, trunk, room):
                settings = await self._meetings.rooms.settings(room)
                log.info("dialin.trunk-call", call=invite.call, trunk=trunk.label, room=room.name)
                self._calls.hand_over(self._meetings.actor(settings), invite, None)
                return
            refusal = NOTIFICATION_FAILED
        except NotStored as error:
            log.error("store.failed", call=invite.call, error=error.info)
            refusal = STORE_FAILED
        except Exception:
            log.exception("dialin.failed", call=invite.call)
            refusal = BROKEN
        if self._calls.is_expected(invite.call):
            self._calls.refuse(invite, refusal)
        if room is not None:
            with suppress(NotFound):
                await self._rooms.delete(room.domain, room.name)

    async def _is_taken(self, call: TrunkCall, invite: IncomingInvite, trunk: SipTrunk, room: Room) -> bool:
        """Ask the customer's server until it says yes, or the time is over, or the caller gave up."""
        shown = await self._rooms.describe(room)
        caller = "anonymous" if invite.withheld else invite.from_uri
        about = {
            "room": {"id": room.id, "name": room.name, "url": shown["url"], "exp": room.properties["exp"]},
            "call": {"id": invite.call, "from": caller, "to": invite.user, "sip_headers": dict(invite.headers)},
        }
        id = self._meetings.new_id()
        while self._calls.waits(invite.call):
            asking = self._trunks.ask(trunk, "sip_trunk.incoming", about, id)
            status = await self._within(asking, call.left(self._clock.monotonic()))
            again = call.again(status, self._clock.monotonic())
            if again is None:
                return self._calls.waits(invite.call)
            log.warning("dialin.trunk-not-taken", call=invite.call, trunk=trunk.label, status=status)
            if not again:
                return False
            await self._pause(PAUSE)
        return False

    def _properties(self, trunk: SipTrunk) -> dict[str, object]:
        sip = trunk.template.get("sip")
        given: Mapping[str, object] = sip if isinstance(sip, Mapping) else {}
        idle = given.get("dialin_config")
        starts = {**STARTS, **(idle if isinstance(idle, Mapping) else {})}
        exp = int(self._clock.wall()) + trunk.exp_offset
        ready = {"sip_mode": "dial-in", "display_name": "Caller", **given, "dialin_config": starts}
        return {**trunk.template, "exp": exp, "sip": ready}

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _clock(self) -> Clock:
        return self._meetings.office.clock

    async def _within(self, asking: Coroutine[Any, Any, int], seconds: float) -> int:
        """A server's status; 0 when it takes longer than ``seconds``."""
        answer = asyncio.ensure_future(asking)
        late = self._after(seconds)
        answer.add_done_callback(lambda _: _settle(late))
        await late
        if answer.done():
            return answer.result()
        answer.cancel()
        return 0

    async def _pause(self, seconds: float) -> None:
        await self._after(seconds)

    def _after(self, seconds: float) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.monotonic() + seconds, lambda: _settle(future))
        future.add_done_callback(lambda _: timer.cancel())
        return future


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
