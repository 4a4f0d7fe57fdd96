"""Two telephones connected with each other outside any meeting: nobody else is there, and it ends with either of them.

A transferred caller and whom it was transferred to are in one; so is a caller whose far end was asked to take it over,
until that is known to have worked. It is a meeting without participants: nothing is stored of it but its calls, which
stay calls of their room and count there.
"""

from collections.abc import Callable

from ringback.meetings.effects import CloseLeg, CloseMeeting, Effect, HangUp, MeetingEnds, MovePhone
from ringback.meetings.meeting import Held, Life, Meeting
from ringback.model.end_reason import Ending, EndReason
from ringback.model.ids import CallId, MeetingId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import Holder, Participant, PhoneState
from ringback.model.room import IdleTimeouts

PEER_ENDED = EndReason(Ending.PEER_ENDED)


class Bridge(Meeting):
    """A connection of two calls of one room.

    Args:
        id: Its own, for its sound.
        home: The meeting its calls came from.

    Attributes:
        guest: A telephone of the home meeting that listens in; its sound goes back there when the bridge ends.
        farewell: What is to be done besides when one of them ends.
    """

    def __init__(self, id: MeetingId, home: Meeting, node: str, epoch: int) -> None:
        super().__init__(id, home.settings, node, epoch)
        self.told_as = home.told_as
        self.guest: ParticipantId | None = None
        self.farewell: Callable[[Instant], list[Effect]] = lambda now: []

    def call_begins(self, call: CallId, idle: IdleTimeouts, now: Instant) -> list[Effect]:
        """A call is in it from now on; nobody is asked, for its room was."""
        self.life = Life.OPEN
        self.calls[call] = Held(idle)
        return []

    def is_full(self) -> bool:
        """``max_participants`` is of those in the room."""
        return False

    def phone_joins(self, participant: Participant, now: Instant) -> list[Effect]:
        return []

    def phone_changes(
        self,
        call: CallId,
        state: PhoneState | None,
        held_by: frozenset[Holder] | None,
        now: Instant,
        video: bool | None = None,
    ) -> list[Effect]:
        return []

    def call_ends(self, call: CallId, now: Instant) -> list[Effect]:
        """The other one is hung up, too. Where two others stay, one of them took its place: they talk on."""
        if self.calls.pop(call, None) is None:
            return []
        if len(self.calls) > 1:
            return [CloseLeg(ParticipantId(call))]
        others: list[Effect] = [HangUp(other, PEER_ENDED) for other in self.calls]
        return [CloseLeg(ParticipantId(call)), *self.farewell(now), *others, *self._end_if_empty()]

    def phone_leaves(self, call: CallId, now: Instant) -> list[Effect]:
        """A call goes elsewhere, back to its room."""
        self.calls.pop(call, None)
        return self._end_if_empty()

    def close(self, reason: EndReason, now: Instant, error: tuple[str, str]) -> list[Effect]:
        return [HangUp(call, reason) for call in self.calls]

    def abandon(self, now: Instant) -> list[Effect]:
        self.life = Life.ENDED
        return []

    def _end_if_empty(self) -> list[Effect]:
        if self.calls or self.life is Life.ENDED:
            return []
        self.life = Life.ENDED
        home: list[Effect] = [MovePhone(self.guest, self.told_as)] if self.guest else []
        return [*home, CloseMeeting(self.id), MeetingEnds()]
