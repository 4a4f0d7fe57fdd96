"""Where a pretend carrier's sound goes: UDP sockets on loopback, or a network in memory on any clock."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from ringback.calls.ports.clock import Clock

Address = tuple[str, int]
Hear = Callable[[bytes, Address], None]
LARGEST = 2048
AT_ONCE = 64
"""Packets read in one go, so that one call's sound does not keep the others waiting."""


class MediaPort(Protocol):
    """One address for RTP. RTCP goes to the port above it, where nobody listens."""

    @property
    def address(self) -> Address: ...
    def send(self, data: bytes, to: Address) -> None: ...
    def close(self) -> None:
        """Idempotent."""


class MediaNetwork(Protocol):
    """Hands out addresses.

    Attributes:
        carries: Whether anything that is sent may arrive.
    """

    @property
    def carries(self) -> bool: ...
    def open(self, host: str, hear: Hear) -> MediaPort: ...


class UdpMedia:
    """Sockets on any free port."""

    carries = True

    def open(self, host: str, hear: Hear) -> MediaPort:
        """Raises ``OSError`` when there is none."""
        return _Socket(host, hear)


class _Socket:
    def __init__(self, host: str, hear: Hear) -> None:
        self._loop = asyncio.get_running_loop()
        self._hear = hear
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind((host, 0))
        except OSError:
            self._socket.close()
            raise
        self.address: Address = self._socket.getsockname()[:2]
        self._loop.add_reader(self._socket.fileno(), self._read)

    def send(self, data: bytes, to: Address) -> None:
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._socket.sendto(data, to)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            if self._socket.fileno() < 0:
                return
            try:
                data, source = self._socket.recvfrom(LARGEST)
            except OSError:
                return
            self._hear(data, source[:2])


class Air:
    """A network for sound in memory.

    Args:
        clock: A ``VirtualClock``, or a real one.
        delay: Seconds a packet takes.
    """

    carries = True

    def __init__(self, clock: Clock, delay: float = 0.01) -> None:
        self._clock = clock
        self._delay = delay
        self._ears: dict[Address, Hear] = {}
        self._next_port = 10_000

    @property
    def open_ports(self) -> int:
        return len(self._ears)

    def open(self, host: str, hear: Hear) -> MediaPort:
        while (address := (host, self._next_port)) in self._ears:
            self._step()
        self._step()
        self._ears[address] = hear
        return _AirPort(self, address)

    def carry(self, data: bytes, source: Address, to: Address) -> None:
        """Take a packet; it arrives a moment later if anybody is there then."""

        def arrive() -> None:
            if hear := self._ears.get(to):
                hear(data, source)

        self._clock.call_at(self._clock.monotonic() + self._delay, arrive)

    def close(self, address: Address) -> None:
        self._ears.pop(address, None)

    def _step(self) -> None:
        self._next_port = 10_000 + (self._next_port - 10_000 + 2) % 50_000


class _AirPort:
    def __init__(self, air: Air, address: Address) -> None:
        self._air = air
        self.address = address

    def send(self, data: bytes, to: Address) -> None:
        self._air.carry(data, self.address, to)

    def close(self) -> None:
        self._air.close(self.address)


class Deaf:
    """No sound at all: addresses to put into descriptions, for thousands of calls that are only signalled."""

    carries = False

    def open(self, host: str, hear: Hear) -> MediaPort:
        return _Nothing(host)


class _Nothing:
    def __init__(self, host: str) -> None:
        self.address: Address = (host, 14_000)

    def send(self, data: bytes, to: Address) -> None:
        """Nobody is there."""

    def close(self) -> None:
        """Nothing was opened."""
