"""A telephone network without sockets: SIP stacks wired together on a clock that jumps, with loss, delay and disorder.

```python
network = Network(clock, seed=7, loss=0.2)
ann, bob = Station(network, "10.0.0.1"), Station(network, "10.0.0.2")
call = ann.dial("sip:123@10.0.0.2")
await clock.run_for(1.0)
bob.telephony.answer(bob.last("incoming").call, SDP)
```

Everything is decided by the seed, so a call that fails once fails every time.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ringback.calls.ports.carrier import OutgoingInvite
from ringback.calls.ports.clock import Clock
from ringback.model.ids import CallId, DomainId
from ringback.sip.flow import Flow
from ringback.telephony.receiver import Receiver
from ringback.telephony.service import Telephony, TelephonySettings
from ringback.telephony.streams import Connection


@dataclass(frozen=True, slots=True)
class Packet:
    """What was put on the network.

    Attributes:
        at: Seconds on the clock.
        source, target: Addresses.
        data: Its octets.
        fate: ``sent``, ``lost``, ``nobody`` (no station there).
    """

    at: float
    source: str
    target: str
    data: bytes
    fate: str

    @property
    def summary(self) -> str:
        """Method, or status code; for a trace."""
        first = self.data.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        return first.split(" ")[1] if first.startswith("SIP/") else first.split(" ")[0]


class Network:
    """Carries packets between the stations attached to it.

    Args:
        clock: A ``VirtualClock``, or a real one.
        seed: Decides every chance.
        delay: Seconds a packet takes.
        loss, duplicate, reorder: Share of UDP packets that are lost, come twice, or come late (up to 4 delays).
        remembers: Whether ``packets`` keeps what was sent; not for thousands of calls.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 1,
        delay: float = 0.01,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        remembers: bool = True,
    ) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.delay = delay
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.packets: list[Packet] = []
        self.remembers = remembers
        self.drop: Callable[[Packet], bool] | None = None
        self._receivers: dict[tuple[str, int], Receiver] = {}

    def attach(self, host: str, port: int = 5060) -> "LinkWire":
        """A wire for a stack at that address."""
        return LinkWire(self, host, port)

    def listen(self, host: str, port: int, receiver: Receiver | None) -> None:
        """Give an address an owner, or take it away with ``None``."""
        if receiver is None:
            self._receivers.pop((host, port), None)
        else:
            self._receivers[host, port] = receiver

    def carry(self, source: tuple[str, int], flow: Flow, data: bytes) -> None:
        """Take a packet, and let chance decide when and whether it arrives."""
        receiver = self._receivers.get((flow.host, flow.port))
        reliable = flow.transport == "tcp"
        lost = not reliable and self.random.random() < self.loss
        packet = Packet(self.clock.monotonic(), _shown(source), _shown((flow.host, flow.port)), data, "sent")
        if self.drop is not None and self.drop(packet):
            lost = True
        fate = "nobody" if receiver is None else "lost" if lost else "sent"
        if self.remembers:
            self.packets.append(Packet(packet.at, packet.source, packet.target, data, fate))
        if receiver is None:
            sender = self._receivers.get(source)
            if sender is not None:
                self._later(self.delay, lambda: sender.on_unreachable(flow))
            return
        if lost:
            return
        back = Flow(flow.transport, *source)
        copies = 2 if not reliable and self.random.random() < self.duplicate else 1
        for _ in range(copies):
            late = not reliable and self.random.random() < self.reorder
            wait = self.delay * (1 + 3 * self.random.random()) if late else self.delay
            self._later(wait, lambda: receiver.on_datagram(data, back))

    def ladder(self) -> list[str]:
        """What was sent, one line each: ``10.0.0.1 → 10.0.0.2 INVITE``."""
        return [
            f"{p.source.split(':')[0]} → {p.target.split(':')[0]} {p.summary}{'' if p.fate == 'sent' else ' ' + p.fate}"
            for p in self.packets
        ]

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self.clock.call_at(self.clock.monotonic() + seconds, what)


class LinkWire:
    """``telephony.wire.Wire`` on a ``Network``."""

    def __init__(self, network: Network, host: str, port: int) -> None:
        self.network = network
        self.host = host
        self.port = port

    @property
    def families(self) -> frozenset[int]:
        return frozenset({6}) if ":" in self.host else frozenset({4})

    async def start(self, receiver: Receiver) -> None:
        self.network.listen(self.host, self.port, receiver)

    async def stop(self) -> None:
        self.network.listen(self.host, self.port, None)

    def send(self, flow: Flow, data: bytes) -> None:
        self.network.carry((self.host, self.port), flow, data)

    def local(self, flow: Flow) -> tuple[str, int]:
        return self.host, self.port

    def is_behind(self) -> bool:
        return False

    def is_open(self, flow: Flow) -> bool:
        return True

    def attach(self, connection: Connection) -> bool:
        return False

    def detach(self, connection: Connection) -> None:
        """Nothing was attached."""


class SeededChance:
    """``sip.agent.Chance`` that always rolls the same."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def token(self) -> str:
        return f"{self._random.getrandbits(96):024x}"

    def fraction(self) -> float:
        return self._random.random()

    def call(self) -> CallId:
        return CallId(f"call-{self._random.getrandbits(48):012x}")


class Station:
    """One stack on the network, and everything it was told.

    Args:
        host: Its IP address.
        settings: Overrides; per-source limits are off unless given.

    Attributes:
        told: Events in order, as (name, arguments).
        on: What to do at an event, by name, beside noting it.
    """

    def __init__(self, network: Network, host: str, settings: TelephonySettings | None = None, **more: Any) -> None:
        self.network = network
        self.host = host
        self.told: list[tuple[str, tuple[Any, ...]]] = []
        self.on: dict[str, Callable[..., None]] = {}
        self.telephony = Telephony(
            settings or TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None),
            network.clock,
            _Recorder(self),
            wire=network.attach(host),
            chance=SeededChance(host),
            **more,
        )
        self._dialled = 0

    async def start(self) -> "Station":
        await self.telephony.start()
        return self

    def dial(
        self,
        target: str,
        offer: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        ring_timeout: float = 60.0,
        domain: str = "",
    ) -> CallId:
        """Call somebody, as ``calls`` would."""
        self._dialled += 1
        call = CallId(f"{self.host}-{self._dialled}")
        dialog = self.telephony.prepare(target, call, "room")
        invite = OutgoingInvite(call, dialog, offer, "Room", headers, ring_timeout, domain=DomainId(domain))
        self.telephony.invite(invite)
        return call

    def names(self) -> list[str]:
        """Names of what it was told, ``dialog_changed`` left out."""
        return [name for name, _ in self.told if name != "dialog_changed"]

    def all(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of every event of one name."""
        return [arguments for told, arguments in self.told if told == name]

    def last(self, name: str) -> Any:
        """The last event of one name: its only argument, or all of them."""
        arguments = self.all(name)[-1]
        return arguments[0] if len(arguments) == 1 else arguments


class _Recorder:
    """Implements ``calls.ports.carrier.CarrierEvents`` by noting everything."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def __getattr__(self, name: str) -> Callable[..., None]:
        station = self._station

        def note(*arguments: Any) -> None:
            station.told.append((name, arguments))
            if name in station.on:
                station.on[name](*arguments)

        return note


def _shown(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
