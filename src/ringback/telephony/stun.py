"""Asking a STUN server how the world sees us: the binding request and its answer (RFC 8489), and a client for it."""

import asyncio
import ipaddress
import secrets
import struct

MAGIC = 0x2112A442
BINDING, SUCCESS = 0x0001, 0x0101
XOR_MAPPED, MAPPED = 0x0020, 0x0001
DEFAULT_PORT = 3478
_MAGIC, _REQUEST = MAGIC.to_bytes(4, "big"), BINDING.to_bytes(2, "big")
Mapped = tuple[str, int]
"""An IP address and a port."""

RETRIES = (0.2, 0.4, 0.8, 1.6)
"""Seconds to wait for an answer before asking again (§6.2.1, shortened: whoever starts a server is waiting)."""


class NoAnswer(Exception):
    """Nobody said how we are seen. The text is one line for the operator."""


def binding_request(transaction: bytes) -> bytes:
    """``transaction``: 12 random octets."""
    return struct.pack(">HHI", BINDING, 0, MAGIC) + transaction


def transaction_of(data: bytes) -> bytes | None:
    """The 12 octets that tell one question from another; ``None`` for what is no STUN."""
    if len(data) < 20 or data[0] >> 6 or data[4:8] != _MAGIC:
        return None
    return data[8:20] if int.from_bytes(data[2:4], "big") == len(data) - 20 else None


def answer_to(data: bytes, host: str, port: int) -> bytes | None:
    """What somebody at an address is told who asks how it is seen (§6.3.1); ``None`` for what is no such question."""
    transaction = transaction_of(data)
    if transaction is None or data[:2] != _REQUEST:
        return None
    address = ipaddress.ip_address(host)
    mask = _MAGIC + transaction
    seen = bytes(one ^ other for one, other in zip(address.packed, mask, strict=False))
    value = struct.pack(">xBH", 1 if address.version == 4 else 2, port ^ MAGIC >> 16) + seen
    attribute = struct.pack(">HH", XOR_MAPPED, len(value)) + value
    return struct.pack(">HHI", SUCCESS, len(attribute), MAGIC) + transaction + attribute


def mapped_address(data: bytes, transaction: bytes) -> str | None:
    """The IP address that a binding success tells; ``None`` for what is no answer to this request."""
    found = mapped(data, transaction)
    return found[0] if found is not None else None


def mapped(data: bytes, transaction: bytes) -> Mapped | None:
    """The IP address and port that a binding success tells; ``None`` for what is no answer to this request."""
    if len(data) < 20 or data[8:20] != transaction:
        return None
    kind, length, magic = struct.unpack(">HHI", data[:8])
    if kind != SUCCESS or magic != MAGIC or length != len(data) - 20:
        return None
    plain: Mapped | None = None
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


def _address(value: bytes, mask: bytes) -> Mapped | None:
    """§14.1, §14.2: a zero, the family, the port, the address."""
    sizes = {1: 4, 2: 16}
    if len(value) < 4 or sizes.get(value[1]) != len(value) - 4:
        return None
    address = ipaddress.ip_address(bytes(one ^ other for one, other in zip(value[4:], mask, strict=False)))
    return str(address), int.from_bytes(value[2:4], "big") ^ int.from_bytes(mask[:2], "big")


class _Client(asyncio.DatagramProtocol):
    def __init__(self, transaction: bytes) -> None:
        self._transaction = transaction
        self.found: asyncio.Future[Mapped] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        found = mapped(data, self._transaction)
        if found is not None and not self.found.done():
            self.found.set_result(found)

    def error_received(self, error: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(NoAnswer(f"nobody listens there ({error})"))


async def public_address(host: str, port: int, local: str = "") -> str:
    """As ``seen``, without the ports."""
    return (await seen(host, port, local))[1][0]


async def seen(host: str, port: int, local: str = "") -> tuple[int, Mapped]:
    """How a STUN server sees this machine: a port of ours, and the address and port that the server saw of it.

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
                return int(transport.get_extra_info("sockname")[1]), client.found.result()
    finally:
        transport.close()
    raise NoAnswer("no answer")
