"""What a call wants of the SIP side: each effect is one verb of ``Carrier``, said after the row is stored."""

from collections.abc import Callable

from ringback.calls.outcome import Q850
from ringback.calls.paid import Meter
from ringback.calls.ports.carrier import OutgoingInvite
from ringback.meetings.effects import Outside
from ringback.meetings.ports import World
from ringback.model.end_reason import EndReason
from ringback.model.ids import CallId
from ringback.model.instant import Instant
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Ring(Outside):
    call: CallId

    def apply(self, world: World) -> None:
        world.carrier.ring(self.call)


@dataclass(frozen=True, slots=True)
class Answer(Outside):
    """200; ``row`` is the call whose row has to be stored before, when it took another's place."""

    call: CallId
    sdp: bytes
    row: CallId | None = None

    @property
    def needs_row(self) -> CallId | None:
        return self.row or self.call

    def apply(self, world: World) -> None:
        world.carrier.answer(self.call, self.sdp)


@dataclass(frozen=True, slots=True)
class Confirm(Outside):
    """ACK an answer: only now is the far end told that it arrived."""

    call: CallId

    @property
    def needs_row(self) -> CallId | None:
        return self.call

    def apply(self, world: World) -> None:
        world.carrier.confirm(self.call)


@dataclass(frozen=True, slots=True)
class Reject(Outside):
    call: CallId
    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def apply(self, world: World) -> None:
        world.carrier.reject(self.call, self.status, self.reason, self.headers)


@dataclass(frozen=True, slots=True)
class Invite(Outside):
    invite: OutgoingInvite

    @property
    def needs_row(self) -> CallId | None:
        return self.invite.call

    def apply(self, world: World) -> None:
        world.carrier.invite(self.invite)


@dataclass(frozen=True, slots=True)
class Cancel(Outside):
    call: CallId
    reason: str = ""

    def apply(self, world: World) -> None:
        world.carrier.cancel(self.call, self.reason, Q850.get(self.reason))


@dataclass(frozen=True, slots=True)
class Bye(Outside):
    call: CallId
    reason: str = ""

    def apply(self, world: World) -> None:
        world.carrier.bye(self.call, self.reason, Q850.get(self.reason))


@dataclass(frozen=True, slots=True)
class Offer(Outside):
    call: CallId
    sdp: bytes

    def apply(self, world: World) -> None:
        world.carrier.offer(self.call, self.sdp)


@dataclass(frozen=True, slots=True)
class Refer(Outside):
    """Ask the far end to call somebody else itself."""

    call: CallId
    target: str
    referred_by: str
    replaces: CallId | None = None

    def apply(self, world: World) -> None:
        world.carrier.refer(self.call, self.target, referred_by=self.referred_by, replaces=self.replaces)


@dataclass(frozen=True, slots=True)
class AcceptRefer(Outside):
    call: CallId
    refer: str

    def apply(self, world: World) -> None:
        world.carrier.accept_refer(self.call, self.refer)


@dataclass(frozen=True, slots=True)
class NotifyRefer(Outside):
    call: CallId
    refer: str
    status: int
    reason: str = ""

    def apply(self, world: World) -> None:
        world.carrier.notify_refer(self.call, self.refer, self.status, self.reason)


@dataclass(frozen=True, slots=True)
class News:
    """What became of a call, for whoever started it on somebody's behalf.

    Attributes:
        what: ``rings``, ``answered``, ``pressed``, ``ended``.
        status, reason: Of the SIP answer that said so; of ``pressed``, ``reason`` is the key.
        end: How it ended.
        answered: Whether it had been answered before.
    """

    call: CallId
    what: str
    status: int = 0
    reason: str = ""
    end: EndReason | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TellListener(Outside):
    listener: Callable[[News], None]
    news: News

    def apply(self, world: World) -> None:
        self.listener(self.news)


@dataclass(frozen=True, slots=True, eq=False)
class Metered(Outside):
    """A call that costs was answered, or (``over``) is over."""

    meter: Meter
    now: Instant
    over: bool = False

    def apply(self, world: World) -> None:
        if self.over:
            self.meter.ended(self.now)
        else:
            self.meter.answered(self.now)


@dataclass(frozen=True, slots=True)
class PressByInfo(Outside):
    call: CallId
    digit: str
    duration_ms: int

    def apply(self, world: World) -> None:
        world.carrier.send_info_digit(self.call, self.digit, self.duration_ms)


@dataclass(frozen=True, slots=True)
class AskPicture(Outside):
    """The far end is to send a whole picture."""

    call: CallId

    def apply(self, world: World) -> None:
        world.carrier.ask_picture(self.call)


@dataclass(frozen=True, slots=True)
class AnswerOffer(Outside):
    call: CallId
    sdp: bytes | None
    status: int = 200

    def apply(self, world: World) -> None:
        world.carrier.answer_offer(self.call, self.sdp, self.status)
