"""Looks at a call that goes on: its counters, twice, how it stands, and who else is there; then says what is wrong."""

import asyncio
from collections.abc import Iterator, Mapping

from ringback.calls.call import Call
from ringback.calls.diagnosis import diagnose
from ringback.calls.looks import Counted, Ended, Kind, Looking, Other, Situation, Stats
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.media import MediaLegs
from ringback.calls.verdict import Verdict
from ringback.meetings.actor import Actor
from ringback.meetings.meeting import Member
from ringback.meetings.permissions import may_receive, may_send
from ringback.meetings.service import Meetings
from ringback.model.ids import CallId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import Participant, Track
from ringback.model.records import CallRecord
from ringback.model.values import dataclass
from ringback.sdp.video import CODECS

LOOK_SECONDS = 1.5
"""Between the two looks: enough packets to tell losing some from losing most."""

MOST_OTHERS = 50
"""People in the room that are looked at."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, worst first.

    Attributes:
        seconds: Between the two looks; 0 for a call that is over.
        counters: Of the call at the second look.
        others: Counters of those who are in its room, by participant.
    """

    verdicts: tuple[Verdict, ...]
    seconds: float
    counters: Stats
    others: Mapping[str, Stats]


class CallOver(Exception):
    """The call ended while it was looked at."""


class Observer:
    """Looks at the calls of this process."""

    def __init__(self, meetings: Meetings, media: MediaLegs, clock: Clock) -> None:
        self._meetings = meetings
        self._media = media
        self._clock = clock

    async def diagnose(self, record: CallRecord) -> Diagnosis:
        """Why nothing is heard in a call, or it is heard badly; of one that is over, by what its row has kept.

        A call that goes on is looked at twice, ``LOOK_SECONDS`` apart. Raises ``CallOver`` when it ends meanwhile: its
        row says the rest.
        """
        call = record.id
        before = self._looks(call)
        if before is None:
            return _afterwards(record)
        began, engine = self._clock.monotonic(), dict(self._media.engine_stats())
        await self._pause(LOOK_SECONDS)
        actor, machine = self._call(call)
        if actor is None or machine is None:
            raise CallOver
        seconds = self._clock.monotonic() - began
        stats = {leg: self._stats(actor, leg) for leg in _legs(actor)}
        own = ParticipantId(call)
        situation = self._situation(actor, machine, before, stats, seconds)
        counted = Counted(before.get(own, {}), stats.get(own, {}))
        found = diagnose(counted, Counted(engine, self._media.engine_stats()), situation)
        others = {str(leg): look for leg, look in stats.items() if leg != own and look}
        return Diagnosis(tuple(found), seconds, counted.now, others)

    def others(self, call: CallId) -> Mapping[str, Stats]:
        """Counters of those who are in a call's room with it, by participant; empty when the call is over."""
        actor, _ = self._call(call)
        if actor is None:
            return {}
        own = ParticipantId(call)
        return {str(leg): stats for leg in _legs(actor) if leg != own and (stats := self._stats(actor, leg))}

    def _looks(self, call: CallId) -> dict[ParticipantId, Stats] | None:
        actor, machine = self._call(call)
        return None if actor is None or machine is None else {leg: self._stats(actor, leg) for leg in _legs(actor)}

    def _stats(self, actor: Actor, leg: ParticipantId) -> Stats:
        """Our counters of a leg, and what its client counts itself."""
        member = actor.meeting.members.get(leg)
        return {**self._media.stats(leg), **(member.told if member is not None else {})}

    def _call(self, call: CallId) -> tuple[Actor | None, Call | None]:
        actor = self._meetings.by_call.get(call)
        machine = actor.calls.get(call) if actor is not None else None
        return (actor, machine) if isinstance(machine, Call) else (None, None)

    async def _pause(self, seconds: float) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.monotonic() + seconds, lambda: _end(over))
        try:
            await over
        finally:
            timer.cancel()

    def _situation(
        self,
        actor: Actor,
        machine: Call,
        before: Mapping[ParticipantId, Stats],
        stats: Mapping[ParticipantId, Stats],
        seconds: float,
    ) -> Situation:
        record, members = machine.record, actor.meeting.members
        member = members.get(machine.leg)
        who = member.participant if member is not None else machine.participant(self._now())
        others = []
        for leg in _legs(actor):
            if leg == machine.leg:
                continue
            other = members.get(leg)
            counted = Counted(before.get(leg, {}), stats.get(leg, {}))
            others.append(_in_bridge(actor, leg, counted) if other is None else _other(other, counted, who))
        talked = 0.0 if record.answered_at is None else self._clock.wall() - record.answered_at
        return Situation(
            state=record.state,
            seconds=seconds,
            talked=max(0.0, talked),
            has_port=machine.address is not None,
            media=machine.media,
            sdp=machine.sdp_address,
            unacknowledged=machine.unacknowledged,
            told=machine.address[0] if machine.address is not None else "",
            held_by=who.held_by,
            muted=member.muted if member is not None else False,
            may_send=may_send(who.permissions, "audio"),
            others=tuple(others),
            pictures=_pictures(machine, who, [member for leg, member in members.items() if leg != machine.leg]),
        )

    def _now(self) -> Instant:
        return Instant.of(self._clock)


def _pictures(machine: Call, who: Participant, others: list[Member]) -> Looking | None:
    pictures = machine.pictures
    if pictures.settings is None:
        return None

    def shown(source: Participant) -> Iterator[str]:
        return (name for name in ("video", "screenVideo") if source.tracks.get(name, Track()).state == "playable")

    cameras = [other.participant for other in others if any(shown(other.participant))][:MOST_OTHERS]
    seen = [one for one in cameras if any(may_receive(who.permissions, one, name) for name in shown(one))]
    return Looking(
        media=pictures.media,
        has_port=pictures.port is not None,
        codecs=pictures.settings.codecs or CODECS,
        may_send=may_send(who.permissions, "video"),
        cameras=tuple(one.user_name or one.id for one in cameras),
        seen=tuple(one.user_name or one.id for one in seen),
    )


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _legs(actor: Actor) -> tuple[ParticipantId, ...]:
    """Everybody whose sound there may be: participants, and the calls of a bridge, which has none."""
    both = dict.fromkeys([*actor.meeting.members, *(ParticipantId(call) for call in actor.calls)])
    return tuple(both)[:MOST_OTHERS]


def _other(member: Member, counted: Counted, listener: Participant) -> Other:
    participant = member.participant
    microphone = participant.tracks.get("audio", Track())
    return Other(
        name=participant.user_name or participant.id,
        kind=_kind(member, counted),
        counted=counted,
        here=member.connected,
        sends=participant.type is not None or "audio" in member.published.values(),
        microphone=microphone.state,
        muted=member.muted,
        may_send=may_send(participant.permissions, "audio"),
        held=participant.on_hold,
        heard=may_receive(listener.permissions, participant, "audio"),
        hears=_takes(member, counted, listener),
        may_hear=may_receive(participant.permissions, listener, "audio"),
    )


def _in_bridge(actor: Actor, leg: ParticipantId, counted: Counted) -> Other:
    machine = actor.calls.get(CallId(leg))
    held = bool(machine.held_by) if isinstance(machine, Call) else False
    return Other(name=leg, kind=Kind.PHONE, counted=counted, held=held)


def _kind(member: Member, counted: Counted) -> Kind:
    if member.participant.type is not None:
        return Kind.PHONE
    # Somebody in this process has a leg that is not negotiated.
    return Kind.INSIDE if counted.now and not counted.text("webrtc") else Kind.WEBRTC


def _takes(member: Member, counted: Counted, speaker: Participant) -> bool:
    if _kind(member, counted) is not Kind.WEBRTC:
        return True
    return (speaker.id, "audio") in member.wanted.values()


def _afterwards(record: CallRecord) -> Diagnosis:
    known: Stats = {name: value for name, value in record.sound.items() if isinstance(value, (int, float, str))}
    situation = Situation(
        state=record.state,
        seconds=0.0,
        talked=record.talked_ms / 1000,
        has_port=bool(record.media),
        sdp=str(known.get("sdp_address", "")),
        end=record.end,
        seen=_seen(record, known),
    )
    found = diagnose(Counted({}, known), Counted(), situation)
    return Diagnosis(tuple(found), 0.0, known, {})


def _seen(record: CallRecord, known: Stats) -> Ended | None:
    """What a row says of pictures; ``None``: none were wanted, or it was written by a server that kept nothing."""
    if not (agreed := str(known.get("video_agreed", ""))):
        return None
    widest, last, fps = known.get("video_direction"), known.get("video_last_received_at"), known.get("video_fps")
    listens = known.get("video_at_the_end") in ("sendrecv", "recvonly")
    stopped = record.ended_at - last if listens and record.ended_at and isinstance(last, (int, float)) else None
    return Ended(
        agreed,
        sent=widest in ("sendrecv", "sendonly"),
        listened=widest in ("sendrecv", "recvonly"),
        fps=int(fps) if isinstance(fps, (int, float)) else 0,
        stopped=stopped,
    )
