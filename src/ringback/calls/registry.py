"""The calls that go on: entered here when they begin, and reached through here wherever they are by then."""

from collections.abc import Callable
from typing import Any

from ringback.calls.call import Call
from ringback.calls.ports.streams import PhonePolish
from ringback.calls.protection import ProtectionRules
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect
from ringback.meetings.service import Meetings
from ringback.model.ids import CallId
from ringback.model.instant import Instant
from ringback.model.records import CallRecord, CallState, Direction


class Registry:
    """Calls of this process, each in the meeting that has it, or between two.

    Args:
        meetings: Where they are.
        reachable: Whether sound may go to an IP address and port that only a far end's SDP vouches for.
        protection: Whether the sound of calls that no trunk carries is encrypted.
    """

    def __init__(self, meetings: Meetings, reachable: Callable[[str, int], bool], protection: ProtectionRules) -> None:
        self.protection = protection
        self._meetings = meetings
        self._reachable = reachable
        self._between: dict[CallId, list[Callable[[], None]]] = {}

    # ── entering ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, actor: Actor, call: Call, trunk_srtp: str = "", trunk_keys: str = "") -> None:
        """A call begins in this meeting."""
        call.reachable = self._reachable
        call.host_towards = self._meetings.office.world.media.phone_host
        settings = actor.meeting.settings
        call.finds_keys = settings.detect_dtmf_tones
        call.polish = PhonePolish(settings.guard_phone_echo, settings.suppress_phone_noise, settings.level_phone_gain)
        dialog = call.record.dialog
        transport = dialog.transport if dialog is not None else ""
        call.protection = self.protection.of_call(transport, trunk_srtp, trunk_keys)
        actor.calls[call.id] = call
        self._meetings.by_call[call.id] = actor

    def record(self, actor: Actor, call: CallId, direction: Direction, now: Instant, **columns: Any) -> CallRecord:
        """The first row of a call that begins in this meeting."""
        room, office = actor.meeting.settings.room, self._meetings.office
        return CallRecord(
            id=call,
            domain=room.domain,
            room=room.name,
            meeting=actor.meeting.told_as,
            direction=direction,
            state=CallState.QUEUED,
            node=office.node,
            epoch=office.epoch,
            created_at=now.wall,
            **columns,
        )

    # ── reaching ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, call: CallId) -> tuple[Actor, Call] | None:
        """A call and the meeting it is in now; ``None`` where it is over, or on its way."""
        actor = self._meetings.by_call.get(call)
        machine = actor.calls.get(call) if actor is not None else None
        return (actor, machine) if actor is not None and isinstance(machine, Call) else None

    def post(self, call: CallId, act: Callable[[Actor, Call, Instant], list[Effect]]) -> None:
        """Hand something to a call, in the queue of the meeting it is in by then. One that is gone misses nothing."""
        actor = self._meetings.by_call.get(call)
        if actor is None:
            return
        known = self._meetings.lines.get(call, call)

        def step(now: Instant) -> list[Effect]:
            machine = actor.calls.get(known)
            if isinstance(machine, Call):
                return act(actor, machine, now)
            follow()
            return []

        def follow() -> None:
            """It went elsewhere meanwhile, or is about to."""
            if (waiting := self._between.get(known)) is not None:
                waiting.append(lambda: self.post(call, act))
            elif self._meetings.by_call.get(call) not in (None, actor):
                self.post(call, act)

        actor.post(step, follow)

    def on_line(self, line: CallId, kind: type, act: Callable[..., list[Effect]]) -> None:
        """Hand what happened on a call's line to the call, if it is of this kind.

        What a far end says that another has replaced is no longer this call's.
        """

        def step(actor: Actor, machine: Call, now: Instant) -> list[Effect]:
            return act(machine, now) if isinstance(machine, kind) and machine.line == line else []

        self.post(line, step)

    # ── between two meetings ─────────────────────────────────────────────────────────────────────────────────────────

    def leaves(self, call: CallId) -> None:
        """It is out of its meeting and not yet in the next; what is handed to it waits."""
        self._between[call] = []

    def moves(self, call: CallId, there: Actor) -> None:
        """It is this meeting's from now on, with every line that leads to it."""
        for known in [call, *(line for line, of in self._meetings.lines.items() if of == call)]:
            self._meetings.by_call[known] = there

    def arrives(self, call: CallId) -> None:
        """What was handed to it on the way follows it."""
        for again in self._between.pop(call, []):
            again()

    def on_the_way(self) -> int:
        """How many calls are between two meetings."""
        return len(self._between)
