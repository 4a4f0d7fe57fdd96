"""Warm transfers: the caller waits with music while somebody in the room tells whom it goes to about it.

```
initiated ─18x─▶ ringing ─200─▶ briefing ─accept─▶ answered: both alone in a bridge, until one hangs up (completed)
                                   └ merge ─▶ merged: all in the room ─accept─▶ answered
                                                 └ return, or whom it goes to hangs up: the caller stays (completed)
no answer, a refusal, no acceptance in time, return: the caller is back in the room (completed, with how it went)
```
Whom it goes to accepts with a key, others by a command. The caller's call is asked nothing: it hears music and is
not heard, whatever its far end supports. Only where a command wants that, its far end is asked to call whom it goes to
itself, in the place of our call (REFER with Replaces, RFC 5589 §7); what it cannot do, the bridge does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringback.calls.call import TRANSFERRED, Call
from ringback.calls.dialling import DIAL_OUT_OFF, Dialling
from ringback.calls.dialout import DialOut
from ringback.calls.display_name import clean
from ringback.calls.effects import News, Refer
from ringback.calls.limits import check_call_limit, check_people_limit
from ringback.calls.moving import Moving
from ringback.calls.outcome import transfer_status
from ringback.calls.ports.clock import Timer
from ringback.calls.ports.paid import Asker
from ringback.calls.ports.routes import OutgoingRoute
from ringback.calls.repeats import Remember
from ringback.calls.transfer import WARM, Transfer, forget, warning
from ringback.calls.transfer_request import WarmRequest, validate_warm
from ringback.calls.transfers import GIVEN_UP, Transfers
from ringback.meetings.actor import Actor
from ringback.meetings.bridge import Bridge
from ringback.meetings.effects import Effect, Play, StopPlaying
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.events import TransferStep
from ringback.model.ids import CallId, DomainId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import TransferState
from ringback.model.room import IdleTimeouts, Room
from ringback.model.sound import Sound
from ringback.model.values import replace

MUSIC_TIMES = 1000
"""How often the music is played at most: for longer than anybody waits."""

CALLER_GONE = EndReason(Ending.PEER_ENDED)
RETURNED = EndReason(Ending.HANGUP_LOCAL)
NOT_ACCEPTED = EndReason(Ending.IDLE_TIMEOUT)

BY_HAND = (Ending.HANGUP_LOCAL, Ending.CANCELLED_LOCAL)

STATUS = {Ending.HANGUP_LOCAL: "canceled", Ending.IDLE_TIMEOUT: "no-answer"}
"""What a transfer comes to that ends for a reason of ours once somebody had answered."""


@dataclass(slots=True, eq=False)
class Warm:
    """A warm transfer on its way.

    Attributes:
        leg: Whom it goes to.
        timer: Ends a brief that leads nowhere.
        referring: Whether the caller's far end was asked to call it itself.
        replaced: Whether it hung up on our call meanwhile, as it does once the far end's stands.
    """

    transfer: Transfer
    request: WarmRequest
    leg: DialOut
    timer: Timer | None = None
    referring: bool = False
    replaced: bool = False

    @property
    def state(self) -> TransferState:
        return self.transfer.record.state


class WarmTransfers:
    """Warm transfers of this process.

    Args:
        meetings, moving, dialling: See ``Transfers``.
        transfers: Which addresses are rooms.
        music: What a caller hears that waits; ``None``: silence.
    """

    def __init__(
        self,
        meetings: Meetings,
        moving: Moving,
        dialling: Dialling,
        transfers: Transfers,
        music: Callable[[], Sound | None],
    ) -> None:
        self._meetings = meetings
        self._dialling = dialling
        self._moving = moving
        self._transfers = transfers
        self._music = music
        self._under_way: dict[CallId, Warm] = {}

    def leftovers(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(
        self,
        domain: DomainId,
        call_id: str,
        body: Mapping[str, object],
        asker: Asker | None = None,
        room: RoomName | None = None,
        remember: Remember = forget,
    ) -> Mapping[str, object]:
        """Let a caller wait, and call whom it is to go to into the room.

        Args:
            room: Only a call of this room; ``None``: of any room of the domain.

        Returns:
            ``sessionId``: the call that is made.

        Raises:
            InvalidRequest: The body, the room or the call's state forbids it.
            NotFound: The domain has no such call now.
            Forbidden: The destination is not allowed.
        """
        request = validate_warm(call_id, body)
        home, call = self._standing(domain, call_id, room)
        settings = home.meeting.settings
        if not settings.enable_dialout:
            raise InvalidRequest(DIAL_OUT_OFF)
        if await self._transfers.own_room(request.dial.target) is not None:
            raise InvalidRequest("toEndPoint is a room: sipCallTransfer moves a call there")
        self._check(home, call)
        asker = asker or Asker(domain)
        async with self._dialling.place_paid_leg(asker, settings.room.name, request.dial, "transfer") as route:
            answer: Mapping[str, object] = await self._moving.ask(
                home, lambda now: self._begin(home, call, request, route, remember, now)
            )
        return answer

    async def accept(
        self, domain: DomainId, call_id: str, room: RoomName | None = None, *, by_refer: bool = False
    ) -> None:
        """Connect both with each other.

        Args:
            by_refer: Ask the caller's far end first to call the other one itself, in the place of our call.

        Raises:
            InvalidRequest: Nobody has answered.
            NotFound: No warm transfer of that call is under way.
        """
        await self._command(domain, call_id, room, self._refer if by_refer else self._hand_over)

    async def merge(self, domain: DomainId, call_id: str, room: RoomName | None = None) -> None:
        """Take the caller back into the room, where all talk with each other. Raises as ``accept``."""
        await self._command(domain, call_id, room, self._merge)

    async def give_back(self, domain: DomainId, call_id: str, room: RoomName | None = None) -> None:
        """Hang up on whom it was to go to: the caller is in the room as before. Raises ``NotFound``."""
        await self._command(domain, call_id, room, lambda warm, now: warm.leg.hang_up(RETURNED, now))

    async def _command(
        self,
        domain: DomainId,
        call_id: str,
        room: RoomName | None,
        act: Callable[[Warm, Instant], list[Effect]],
    ) -> None:
        warm = self._under_way.get(CallId(call_id))
        if warm is None or not _is_of(warm.transfer.home.meeting.settings.room, domain, room):
            raise NotFound(f"no warm transfer of call {clean(call_id)[:64]} is under way")
        await self._moving.ask(warm.transfer.home, lambda now: (act(warm, now), None))

    # ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _standing(self, domain: DomainId, call_id: str, room: RoomName | None) -> tuple[Actor, Call]:
        home = self._meetings.by_call.get(CallId(call_id))
        call = home.calls.get(CallId(call_id)) if home is not None else None
        if home is None or not _is_of(home.meeting.settings.room, domain, room) or not isinstance(call, Call):
            raise NotFound(f"call {clean(call_id)[:64]} not found, or over")
        if isinstance(home.meeting, Bridge):
            raise InvalidRequest("the call is connected with another outside its room: it has been transferred")
        return home, call

    def _check(self, home: Actor, call: Call) -> None:
        meeting = home.meeting
        self._moving.still(home, call)
        if not any(who.id != call.leg for who in meeting.participants()):
            raise InvalidRequest("nobody else is in the room who could tell of the caller: use sipCallTransfer")
        check_call_limit(meeting)
        check_people_limit(meeting)

    def _begin(
        self, home: Actor, call: Call, request: WarmRequest, route: OutgoingRoute, remember: Remember, now: Instant
    ) -> tuple[list[Effect], Mapping[str, object]]:
        self._check(home, call)
        leg = self._dialling.dial(home, request.dial, route, now)
        transfer = self._moving.begin(call, home, request.to, WARM, now, leg)
        warm = self._under_way[call.id] = Warm(transfer, request, leg)
        call.listener = lambda news: self._caller_news(warm, news)
        leg.listener = lambda news: self._leg_news(warm, news)
        leg.moving = True
        # Somebody is in; a room of telephones alone may do this, too.
        idle = replace(home.meeting.settings.dialout, allow_room_start=True)
        begun = home.meeting.call_begins(leg.id, idle, now)
        assert leg.address is not None, "a call that is dialled has a port"
        answer = {"ok": True, "sessionId": leg.id}
        told = [*transfer.step(TransferStep.TRIGGERED), *transfer.step(TransferStep.INITIATED)]
        return [*remember(answer, now), *told, *self._apart(warm, now), *begun, *leg.begin(leg.address, now)], answer

    def _apart(self, warm: Warm, now: Instant) -> list[Effect]:
        call = warm.transfer.call
        music = self._music() if warm.request.music else None
        plays: list[Effect] = [Play(call.leg, music, MUSIC_TIMES)] if music is not None else []
        return [*call.keep_apart(True, now), *plays]

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _leg_news(self, warm: Warm, news: News) -> None:
        """What becomes of whom it goes to."""
        home = warm.transfer.home
        if news.what == "rings":
            home.post(lambda now: self._rings(warm))
        elif news.what == "answered":
            home.post(lambda now: self._brief(warm))
        elif news.what == "pressed" and news.reason == warm.request.accept_key:
            home.post(lambda now: self._hand_over(warm, now) if self._is_briefed(warm) else [])
        elif news.what == "ended" and warm.referring and not self._is_over(warm):
            warm.replaced = True  # by the far end's call, or not: that is told within 32 s
        elif news.what == "ended":
            self._forget(warm)
            self._moving.speak(warm.transfer, lambda now: self._came_to_nothing(warm, news, now))

    def _caller_news(self, warm: Warm, news: News) -> None:
        """A caller that hangs up, or is removed: there is nobody left to be told of."""
        if news.what == "ended":
            self._forget(warm)
            self._moving.speak(warm.transfer, lambda now: self._caller_ended(warm, now))

    def _rings(self, warm: Warm) -> list[Effect]:
        if self._is_over(warm) or warm.state is not TransferState.INITIATED:
            return []
        return [warm.transfer.note(state=TransferState.RINGING)]

    def _brief(self, warm: Warm) -> list[Effect]:
        """Whom it goes to is in the room, and hears of the caller what the others tell."""
        if self._is_over(warm):
            return []
        clock = self._meetings.office.clock
        warm.timer = clock.call_at(clock.monotonic() + warm.request.brief_timeout, lambda: self._times_out(warm))
        return warm.transfer.step(TransferStep.BRIEFING)

    def _times_out(self, warm: Warm) -> None:
        warm.transfer.home.post(lambda now: warm.leg.hang_up(NOT_ACCEPTED, now) if self._is_briefed(warm) else [])

    def _came_to_nothing(self, warm: Warm, news: News, now: Instant) -> list[Effect]:
        """Whom it goes to is gone: the caller is in the room as before."""
        transfer, call, home = warm.transfer, warm.transfer.call, warm.transfer.home
        if transfer.over:
            return []
        if warm.state is TransferState.MERGED:
            return transfer.complete("completed", now)
        if home.calls.get(call.id) is not call:
            return transfer.complete("canceled", now)
        ending = news.end.ending if news.end is not None else None
        status = STATUS.get(ending, "") if news.answered and ending is not None else ""
        status = status or transfer_status(news.end)
        words = news.end.sentence() if news.end is not None else status
        told = [] if ending in BY_HAND else [warning(call, f"transfer to {transfer.to} failed: {words}")]
        return [*self._back(warm, now), *told, *transfer.complete(status, now)]

    def _caller_ended(self, warm: Warm, now: Instant) -> list[Effect]:
        transfer, leg = warm.transfer, warm.leg
        if transfer.over:
            return []
        leg.listener, leg.moving = None, False
        if warm.state is TransferState.MERGED:
            return transfer.complete("completed", now)
        if warm.referring and _hung_up(transfer.call):
            return [*transfer.complete("completed", now), *leg.hang_up(CALLER_GONE, now)]
        gone = leg.hang_up(CALLER_GONE if leg.answered else GIVEN_UP, now)
        return [*gone, *transfer.complete("canceled", now)]

    # ── how it goes on ───────────────────────────────────────────────────────────────────────────────────────────────

    def _hand_over(self, warm: Warm, now: Instant) -> list[Effect]:
        """Both leave the room and are connected with each other."""
        self._require(warm, TransferState.BRIEFING, TransferState.MERGED)
        transfer, call, leg = warm.transfer, warm.transfer.call, warm.leg
        self._forget(warm)
        self._moving.connects(transfer)
        leg.listener, leg.moving = None, False
        there = self._moving.speaks_home(transfer, self._meetings.bridge(transfer.home))
        bridge = there.meeting
        assert isinstance(bridge, Bridge)

        def arrive(who: Call) -> Callable[[Instant], list[Effect]]:
            def step(now: Instant) -> list[Effect]:
                bridge.call_begins(who.id, IdleTimeouts(), now)
                there.calls[who.id] = who
                bridge.farewell = lambda now: transfer.complete("completed", now)
                quiet = self._back(warm, now) if who is call else []
                return [*quiet, *who.hold(False, now)]

            return step

        return [
            *self._moving.leave(transfer, call, there, arrive(call), now),
            *self._moving.leave(transfer, leg, there, arrive(leg), now),
            *transfer.step(TransferStep.ANSWERED),
        ]

    def _refer(self, warm: Warm, now: Instant) -> list[Effect]:
        """The caller's far end is asked to call whom it goes to itself."""
        self._require(warm, TransferState.BRIEFING, TransferState.MERGED)
        call, leg = warm.transfer.call, warm.leg
        dialog, own = leg.record.dialog, call.record.dialog
        assert dialog is not None and own is not None, "calls that stand have dialogs"
        warm.referring = True
        return [Refer(call.line, dialog.remote_target or dialog.remote_uri, own.local_uri, leg.line)]

    def progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool) -> bool:
        """How a REFER goes that was sent for a warm transfer; false when it was sent for none."""
        warm = self._under_way.get(call)
        if warm is None or not warm.referring:
            return False
        self._moving.speak(warm.transfer, lambda now: self._referred(warm, status, reason, final, notified, now))
        return True

    def _referred(
        self, warm: Warm, status: int, reason: str, final: bool, notified: bool, now: Instant
    ) -> list[Effect]:
        transfer, call, leg = warm.transfer, warm.transfer.call, warm.leg
        if self._is_over(warm):
            return []
        said = [transfer.note(notify_status=status) if notified else transfer.note(refer_status=status)]
        if not final:
            return said
        warm.referring = False
        if notified and 200 <= status < 300:
            self._forget(warm)
            leg.listener, leg.moving = None, False
            over = transfer.complete("completed", now)
            return [*said, *over, *call.hang_up(TRANSFERRED, now), *leg.hang_up(TRANSFERRED, now)]
        if not warm.replaced:
            # It does not know how, or did not succeed: they are connected by us.
            return [*said, *self._hand_over(warm, now)]
        self._forget(warm)
        words = f"transfer to {transfer.to} failed: {status} {reason}".rstrip()
        return [*said, *self._back(warm, now), warning(call, words), *transfer.complete("failed", now)]

    def _merge(self, warm: Warm, now: Instant) -> list[Effect]:
        self._require(warm, TransferState.BRIEFING)
        if warm.timer is not None:
            warm.timer.cancel()
        return [*self._back(warm, now), *warm.transfer.step(TransferStep.MERGED)]

    def _back(self, warm: Warm, now: Instant) -> list[Effect]:
        """The caller hears and is heard again."""
        call = warm.transfer.call
        return [StopPlaying(call.leg), *call.keep_apart(False, now)]

    # ── where it is ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_over(self, warm: Warm) -> bool:
        return self._under_way.get(warm.transfer.call.id) is not warm

    def _is_briefed(self, warm: Warm) -> bool:
        return not self._is_over(warm) and warm.state is TransferState.BRIEFING and not warm.referring

    def _require(self, warm: Warm, *states: TransferState) -> None:
        if warm.referring:
            raise InvalidRequest("the far end has been asked to call there itself")
        if self._is_over(warm) or warm.state not in states:
            raise InvalidRequest(f"the transfer is {warm.state.value}: it must be {' or '.join(states)}")
        for one in (warm.transfer.call, warm.leg):
            if warm.transfer.home.calls.get(one.id) is not one or one.ended:
                raise InvalidRequest("call closed before command could be delivered")

    def _forget(self, warm: Warm) -> None:
        if warm.timer is not None:
            warm.timer.cancel()
        if not self._is_over(warm):
            del self._under_way[warm.transfer.call.id]


def _hung_up(call: Call) -> bool:
    end = call.record.end
    return end is not None and end.ending is Ending.HANGUP_REMOTE


def _is_of(home: Room, domain: DomainId, room: RoomName | None) -> bool:
    return home.domain == domain and room in (None, home.name)
