"""A caller who is answered before it is in any room: led by a guide, and a call like any other from then on."""

from collections.abc import Callable

from ringback.calls.dialin import DialIn
from ringback.calls.ports.carrier import IncomingInvite
from ringback.dialin.steps import Guide, Step
from ringback.meetings.effects import Effect, Save
from ringback.model.end_reason import EndReason
from ringback.model.events import CallFacts, CallStep
from ringback.model.instant import Instant
from ringback.model.records import CallRecord
from ringback.model.room import Permissions, SipSettings
from ringback.model.values import replace

LATE_POUND = 3.0
"""Seconds in which a ``#`` still belongs to the code before it."""

CarryOut = Callable[["LedCall", Step, Instant], list[Effect]]


class LedCall(DialIn):
    """One call in a lobby.

    Args:
        invite, record, facts: See ``DialIn``.
        guide: Who leads it.
        carry_out: Turns what the guide wants into effects.
        over: What is to be done besides when it ends.

    Attributes:
        guide: ``None`` once it is in a room.
        playing: Id of the sound it is played.
    """

    def __init__(
        self,
        invite: IncomingInvite,
        record: CallRecord,
        facts: CallFacts,
        guide: Guide,
        carry_out: CarryOut,
        over: Callable[["LedCall"], Effect],
    ) -> None:
        super().__init__(invite, record, facts, SipSettings(""), Permissions(), Effect())
        self.invite = invite
        self.guide: Guide | None = guide
        self.playing = ""
        self._carry_out = carry_out
        self._over = over
        self._led = False
        self._code_until = 0.0

    def lead(self, act: Callable[[Guide, float], list[Step]], now: Instant) -> list[Effect]:
        """Let something happen to its guide."""
        if self.guide is None or self.ended:
            return []
        steps = act(self.guide, now.mono)
        return [effect for step in steps for effect in self._carry_out(self, step, now)]

    def lets_go(self, name: str, permissions: Permissions, now: Instant) -> None:
        """Nobody leads it any longer: it goes into a room, where it is called ``name``."""
        self.guide = None
        self._code_until = now.mono + LATE_POUND
        self.permissions = permissions
        self.record = replace(self.record, display_name=name)
        self.facts = replace(self.facts, display_name=name)

    # ── what happens to the call ─────────────────────────────────────────────────────────────────────────────────────

    def acknowledged(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        """The ACK proves that somebody is there: only now is anybody told, or made to wait."""
        effects = super().acknowledged(sdp, now)
        if self._led or not self.answered:
            return effects
        self._led = True
        return effects + self.lead(lambda guide, at: guide.begin(at), now)

    def digit(self, digit: str, method: str, volume: int, now: Instant) -> list[Effect]:
        effects = super().digit(digit, method, volume, now)
        if not effects or (digit == "#" and self._ends_code(now)):
            return []
        if self.guide is None:
            return effects
        return self.lead(lambda guide, at: guide.digit(digit, at), now)

    def _ends_code(self, now: Instant) -> bool:
        """Whether the ``#`` behind a code came after the room was open already: once."""
        late, self._code_until = now.mono < self._code_until, 0.0
        return late

    def played(self, sound: str, now: Instant) -> list[Effect]:
        if self.guide is None:
            return super().played(sound, now)
        if sound != self.playing:
            return []
        self.playing = ""
        return self.lead(lambda guide, at: guide.played(at), now)

    def _come_in(self, now: Instant) -> list[Effect]:
        return [Save(self.record)] if self.guide is not None else super()._come_in(now)

    def wake(self, now: Instant) -> list[Effect]:
        return super().wake(now) + (self.lead(lambda guide, at: guide.wake(at), now) if self._led else [])

    def next_wake(self) -> float | None:
        guide = self.guide.next_wake() if self.guide is not None and self._led and not self.ended else None
        return min((at for at in (super().next_wake(), guide) if at is not None), default=None)

    def _finish(self, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        return [*super()._finish(reason, now, step), self._over(self)]
