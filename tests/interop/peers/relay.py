"""A bad network between a stranger and us: a UDP relay that loses, doubles, delays and reorders as its seed says."""

import asyncio
from random import Random
from types import TracebackType
from typing import Self


class Relay(asyncio.DatagramProtocol):
    """Stands for ``target`` before one client, and for the client before it.

    Args:
        target: Where the client's packets go; may be set later.
        seed: Decides every chance.
        loss, duplicate, reorder: Share of packets that are lost, come twice, or come late, each way.
        late_s: How late those come.
    """

    def __init__(
        self,
        target: tuple[str, int] = ("", 0),
        *,
        seed: int = 1,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        late_s: float = 0.05,
    ) -> None:
        self.target = target
        self.client: tuple[str, int] = ("", 0)
        self.lost = 0
        self._chance = Random(seed)
        self._loss, self._duplicate, self._reorder, self._late = loss, duplicate, reorder, late_s
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._transport is not None
        self._transport.close()

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None, "it was not started"
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        to = self.target
        if addr == self.target:
            to = self.client
        else:
            self.client = addr
        if not to[1]:
            return
        if self._chance.random() < self._loss:
            self.lost += 1
            return
        for _ in range(2 if self._chance.random() < self._duplicate else 1):
            late = self._late * self._chance.random() if self._chance.random() < self._reorder else 0.0
            asyncio.get_running_loop().call_later(late, self._send, data, to)

    def _send(self, data: bytes, to: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)

    def error_received(self, exc: Exception) -> None:
        """A far end that is gone; what is sent to it is lost, as on any network."""
