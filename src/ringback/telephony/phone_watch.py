"""Whether registered phones still answer OPTIONS; who falls silent is not rung until it is back.

A phone whose battery is empty stays registered for an hour. Only who has answered OPTIONS before is believed to be gone
when it does not: some phones never answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.sip.agent import Agent
from ringback.sip.asking import Asking
from ringback.sip.message import Response, Row
from ringback.sip.registrar import Place
from ringback.sip.uri import parse_sip_uri

log = structlog.get_logger(__name__)

MISSED = 2
"""Questions in a row without an answer after which a phone is not rung any more."""

Key = tuple[str, str]
"""A client's id, and which of its places."""


class Phones(Protocol):
    """``telephony.registrar.Registry``, as far as it is needed here."""

    def everyone(self) -> Sequence[tuple[Key, Place]]: ...
    def silence(self, key: Key, silent: bool) -> None: ...


@dataclass(slots=True)
class _Watched:
    place: Place
    due: float
    answered: bool = False
    missed: int = 0
    asking: Asking | None = field(default=None, repr=False)


class PhoneWatch:
    """Asks every phone once in ``interval`` seconds, each at a time of its own.

    Args:
        local_uri: Who asks.
        flush: Sends what the stack wants sent.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        phones: Phones,
        interval: float,
        local_uri: Callable[[], str],
        flush: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._phones = phones
        self._interval = interval
        self._local_uri = local_uri
        self._flush = flush
        self._watched: dict[Key, _Watched] = {}
        self._timer: Timer | None = None

    def start(self) -> None:
        if self._interval > 0:
            self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in self._watched.values():
            if one.asking is not None:
                one.asking.give_up()
        self._watched.clear()

    def _arm(self) -> None:
        # A tenth of the interval is fine enough, and cheap however many phones there are.
        self._timer = self._clock.call_at(self._clock.monotonic() + self._interval / 10, self._look)

    def _look(self) -> None:
        now = self._clock.monotonic()
        there = dict(self._phones.everyone())
        for key in [key for key in self._watched if key not in there]:
            self._forget(key)
        for key, place in there.items():
            one = self._watched.get(key)
            if one is None or one.place.flow != place.flow:
                # Somewhere new: it has just been heard.
                self._forget(key)
                wait = self._interval * (0.5 + 0.5 * self._agent.chance.fraction())
                one = self._watched[key] = _Watched(place, now + wait)
            one.place = place
            if one.asking is None and one.due <= now:
                one.due = now + self._interval
                self._ask(key, one, now)
        self._flush()
        self._arm()

    def _ask(self, key: Key, one: _Watched, now: float) -> None:
        routes: list[Row] = [("Route", hop) for hop in one.place.binding.path]

        def done(response: Response | None, why: str) -> None:
            one.asking = None
            self._heard(key, one, response is not None)

        one.asking = Asking(self._agent, done)
        uri = parse_sip_uri(one.place.binding.contact)
        one.asking.ask("OPTIONS", uri, self._local_uri(), one.place.flow, now, routes)

    def _heard(self, key: Key, one: _Watched, answered: bool) -> None:
        if self._watched.get(key) is not one:
            return
        was_silent = one.missed >= MISSED
        one.missed = 0 if answered else one.missed + one.answered
        one.answered = one.answered or answered
        if (one.missed >= MISSED) != was_silent:
            log.info("sip.client-back" if answered else "sip.client-silent", client=key[0], contact=one.place.flow.host)
            self._phones.silence(key, not answered)

    def _forget(self, key: Key) -> None:
        one = self._watched.pop(key, None)
        if one is not None and one.asking is not None:
            one.asking.give_up()
        self._phones.silence(key, False)
