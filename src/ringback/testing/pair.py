"""Two SIP stacks and the link between them without an event loop: for calls of a day, and for thousands of calls.

```python
pair = Pair(seed=3, loss=0.1, settings=AgentSettings(session_interval=90))
call = pair.dial()
pair.run_for(86_400)
```

Every far end answers calls and offers at once. Everything is decided by the seed.
"""

import heapq
import random
from collections.abc import Callable

from ringback.model.ids import CallId
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Transmit
from ringback.sip.call import Call
from ringback.sip.events import (
    Answered,
    Ended,
    Event,
    Failed,
    Incoming,
    Referred,
    ReofferAnswered,
    Reoffered,
    ReofferFailed,
    Transferred,
)
from ringback.sip.flow import Flow
from ringback.sip.inbound import InboundCall
from ringback.sip.message import Message, Row
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import parse
from ringback.sip.uri import parse_sip_uri
from ringback.testing.link import SeededChance

SDP = b"v=0\r\no=- 7 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 14000 RTP/AVP 0\r\n"
HOSTS = ("10.0.0.1", "10.0.0.2")


class Side:
    """One stack.

    Attributes:
        early: Whether it rings with a description.
        ended: Why its calls ended, by cause.
        transfers: Statuses it was told of each REFER of its own; a far end follows with 180 and 200.
        offers: How many offers of the far end it was told of; ``answers`` and ``failures`` of its own.
    """

    def __init__(self, host: str, settings: AgentSettings, seed: int) -> None:
        self.host = host
        self.agent = Agent(settings, SeededChance(f"{host}-{seed}"), lambda flow: (host, 5060))
        self.early = False
        self.ended: dict[str, int] = {}
        self.transfers: dict[CallId, list[int]] = {}
        self.up: set[CallId] = set()
        self.offers = self.answers = self.failures = 0

    def hear(self, event: Event, now: float) -> None:
        """What somebody above would do."""
        agent = self.agent
        if isinstance(event, Incoming):
            call = agent.calls[event.call]
            assert isinstance(call, InboundCall), "an incoming call is one that came in"
            call.ring(SDP if self.early else None, now)
            call.answer(SDP, now)
            self.up.add(call.id)
        elif isinstance(event, Reoffered):
            self.offers += 1
            agent.calls[event.call].answer_offer(SDP, 200, now)
        elif isinstance(event, Referred):
            referrals = agent.calls[event.call].referrals
            referrals.accept(event.id, now)
            for status in (180, 200):
                referrals.notify(event.id, status, "", now)
        elif isinstance(event, Transferred):
            self.transfers.setdefault(event.call, []).append(event.status)
        elif isinstance(event, ReofferAnswered):
            self.answers += 1
        elif isinstance(event, ReofferFailed):
            self.failures += 1
        elif isinstance(event, Answered):
            self.up.add(event.call)
        elif isinstance(event, Failed | Ended):
            self.ended[event.cause] = self.ended.get(event.cause, 0) + 1
            self.up.discard(event.call)


class Pair:
    """Ann, who calls, and Bob.

    Args:
        seed: Decides every chance.
        delay: Seconds a packet takes.
        loss, duplicate, reorder: Share of packets that are lost, come twice, or come late (up to 4 delays).
        settings: How both stacks behave.
        parser: Reads what arrives.

    Attributes:
        now: Seconds since the start.
        packets: How many were put on the link, by method or status code.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        delay: float = 0.02,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        settings: AgentSettings | None = None,
        parser: Callable[[bytes], Message] = parse,
    ) -> None:
        self._parse = parser
        settings = settings or AgentSettings(unconfirmed_per_source=None)
        self.ann, self.bob = (Side(host, settings, seed) for host in HOSTS)
        self.now = 0.0
        self.packets: dict[str, int] = {}
        self._random = random.Random(seed)
        self._delay, self._loss, self._duplicate, self._reorder = delay, loss, duplicate, reorder
        self._air: list[tuple[float, int, int, bytes]] = []
        self._count = self._requests = 0

    def dial(self, *rows: Row) -> CallId:
        """Ann calls Bob, with further headers."""
        self._count += 1
        self._requests += 1
        call = CallId(f"call-{self._count}")
        agent = self.ann.agent
        record = agent.prepare(parse_sip_uri(f"sip:123@{HOSTS[1]}"), f"sip:ann@{HOSTS[0]}")
        target = Flow("udp", HOSTS[1], 5060)
        agent.invite(OutboundCall(agent, call, record, [target], rows=rows, body=SDP), self.now)
        self._flush()
        return call

    def call(self, side: Side, id: CallId) -> Call:
        """A call of one side; ``KeyError`` when it is over."""
        return side.agent.calls[id]

    def offer(self, side: Side, id: CallId) -> None:
        """re-INVITE."""
        if id in side.agent.calls:
            self._requests += 1
            side.agent.calls[id].offer(SDP, self.now)
            self._flush()

    def refer(self, side: Side, id: CallId) -> None:
        """REFER."""
        if id in side.agent.calls:
            self._requests += 1
            side.agent.calls[id].refer("sip:carol@10.0.0.3", "", None, self.now)
            self._flush()

    def hang_up(self, side: Side, id: CallId) -> None:
        if id in side.agent.calls:
            self._requests += 1
            side.agent.calls[id].bye("", self.now)
            side.up.discard(id)
            self._flush()

    def run_for(self, seconds: float) -> None:
        """Let time pass, from one thing that happens to the next."""
        until = self.now + seconds
        while (due := self._next()) is not None and due <= until:
            self.now = max(self.now, due)
            while self._air and self._air[0][0] <= self.now:
                _, _, number, data = heapq.heappop(self._air)
                side = (self.ann, self.bob)[number]
                side.agent.receive(self._parse(data), Flow("udp", HOSTS[1 - number], 5060), self.now)
            for side in (self.ann, self.bob):
                side.agent.wake(self.now)
            self._flush()
        self.now = until

    def lose_everything(self) -> None:
        """The link is cut."""
        self._loss = 1.0

    @property
    def transactions(self) -> int:
        """Transactions of both sides so far: each request a test caused is one at either; refreshes are not counted."""
        return 2 * self._requests

    @property
    def idle(self) -> bool:
        """Nothing is left at either side, and nothing on its way."""
        return self.ann.agent.idle and self.bob.agent.idle and not self._air

    def _next(self) -> float | None:
        times = [side.agent.next_wake() for side in (self.ann, self.bob)]
        known = [time for time in (*times, self._air[0][0] if self._air else None) if time is not None]
        return min(known, default=None)

    def _flush(self) -> None:
        for number, side in enumerate((self.ann, self.bob)):
            while effects := side.agent.take():
                for effect in effects:
                    if isinstance(effect, Transmit):
                        self._carry(1 - number, effect.data)
                    else:
                        side.hear(effect, self.now)

    def _carry(self, to: int, data: bytes) -> None:
        first = data[:7]
        kind = data[8:11].decode() if first == b"SIP/2.0" else data.split(b" ", 1)[0].decode()
        self.packets[kind] = self.packets.get(kind, 0) + 1
        if self._random.random() < self._loss:
            return
        for _ in range(2 if self._random.random() < self._duplicate else 1):
            late = self._random.random() < self._reorder
            self._count += 1
            at = self.now + self._delay * (1 + 3 * self._random.random() * late)
            heapq.heappush(self._air, (at, self._count, to, data))
