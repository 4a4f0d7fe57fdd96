"""Asking a STUN server how the world sees us: the binding request and its answer (RFC 8489), and a client for it."""

import asyncio
import ipaddress
import secrets
import struct

MAGIC = 0x2112A442
BINDING, SUCCESS = 0x0001, 0x0101
XOR_MAPPED, MAPPED = 0x0020, 0x0001
DEFAULT_PORT = 3478
RETRIES = (0.2, 0.4, 0.8, 1.6)
"""Seconds to wait for an answer before asking again (§6.2.1, shortened: whoever starts a server is waiting)."""


class NoAnswer(Exception):
    """Nobody said how we are seen. The text is one line for the operator."""


def binding_request(transaction: bytes) -> bytes:
    """``transaction``: 12 random octets."""
    return struct.pack(">HHI", BINDING, 0, MAGIC) + transaction


def mapped_address(data: bytes, transaction: bytes) -> str | None:
    """The IP address that a binding success tells; ``None`` for what is no answer to this request."""
    if len(data) < 20 or data[8:20] != transaction:
        return None
    kind, length, magic = struct.unpack(">HHI", data[:8])
    if kind != SUCCESS or magic != MAGIC or length != len(data) - 20:
        return None
    plain: str | None = None
    at = 20
    while at + 4 <= len(data):
        name, size = struct.unpack(">HH", data[at : at + 4])
        value = data[at + 4 : at + 4 + size]
        if len(value) != size:
            return None
        if name == XOR_MAPPED:
            return _address(value, struct.pack(">I", MAGIC) + transaction)
        if name == MAPPED:
            plain = _address(value, bytes(16))
        at += 4 + size + (-size % 4)
    return plain


def _address(value: bytes, mask: bytes) -> str | None:
    """§14.1, §14.2: a zero, the family, the port, the address."""
    sizes = {1: 4, 2: 16}
    if len(value) < 4 or sizes.get(value[1]) != len(value) - 4:
        return None
    return str(ipaddress.ip_address(bytes(one ^ other for one, other in zip(value[4:], mask, strict=False))))


class _Client(asyncio.DatagramProtocol):
    def __init__(self, transaction: bytes) -> None:
        self._transaction = transaction
        self.found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        address = mapped_address(data, self._transaction)
        if address is not None and not self.found.done():
            self.found.set_result(address)

    def error_received(self, error: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(NoAnswer(f"nobody listens there ({error})"))


async def public_address(host: str, port: int, local: str = "") -> str:
    """How a STUN server sees this machine.

    Args:
        local: Address to ask from, where the machine has several; empty for whichever leads there.

    Raises:
        NoAnswer: Within 3 s.
    """
    loop = asyncio.get_running_loop()
    transaction = secrets.token_bytes(12)
    try:
        async with asyncio.timeout(sum(RETRIES)):
            transport, client = await loop.create_datagram_endpoint(
                lambda: _Client(transaction), (local, 0) if local else None, remote_addr=(host, port)
            )
    except TimeoutError:
        raise NoAnswer(f"{host} has no address that can be found") from None
    except OSError as error:
        raise NoAnswer(str(error.strerror or error)) from None
    try:
        for seconds in RETRIES:
            transport.sendto(binding_request(transaction))
            await asyncio.wait([client.found], timeout=seconds)
            if client.found.done():
                return client.found.result()
    finally:
        transport.close()
    raise NoAnswer("no answer")
