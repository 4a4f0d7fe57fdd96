"""STUN on the SIP port: keep-alives of phones are answered (RFC 5626 §3.5.2), and servers asked how it is seen."""

import asyncio
import secrets
import socket
from collections.abc import Callable

from ringback.sip.flow import Flow
from ringback.telephony.stun import RETRIES, Mapped, NoAnswer, answer_to, binding_request, mapped, transaction_of

FIRST_OCTETS = 4
"""STUN begins with two zero bits and a type below 1024; no SIP message begins with such an octet."""


class StunPort:
    """Feed it what begins like STUN.

    Args:
        send: Sends a datagram from the SIP port.
    """

    def __init__(self, send: Callable[[Flow, bytes], None]) -> None:
        self._send = send
        self._asked: dict[bytes, asyncio.Future[Mapped]] = {}

    def take(self, data: bytes, flow: Flow) -> bool:
        """Whether it was STUN. A request is answered, an answer to ``ask`` is taken, all else is dropped."""
        transaction = transaction_of(data)
        if transaction is None:
            return False
        answer = answer_to(data, flow.host, flow.port)
        if answer is not None:
            self._send(flow, answer)
        waiting = self._asked.get(transaction)
        found = mapped(data, transaction) if waiting is not None else None
        if waiting is not None and found is not None and not waiting.done():
            waiting.set_result(found)
        return True

    async def ask(self, host: str, port: int) -> Mapped:
        """How a STUN server sees the SIP port. Raises ``NoAnswer`` within 3 s."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(sum(RETRIES)):
                found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError):
            raise NoAnswer(f"{host} has no address that can be found") from None
        flow = Flow("udp", str(found[0][4][0]), port)
        transaction = secrets.token_bytes(12)
        answer: asyncio.Future[Mapped] = loop.create_future()
        self._asked[transaction] = answer
        try:
            for seconds in RETRIES:
                self._send(flow, binding_request(transaction))
                await asyncio.wait([answer], timeout=seconds)
                if answer.done():
                    return answer.result()
        finally:
            del self._asked[transaction]
        raise NoAnswer("no answer")
