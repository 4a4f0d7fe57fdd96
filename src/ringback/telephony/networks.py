"""What we are called by, by whom: the public address for the world, our own for peers on networks of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.stun import DEFAULT_PORT, Mapped, NoAnswer, public_address

log = structlog.get_logger(__name__)

AGAIN = 300.0
"""Seconds between questions to a STUN server; an address that changes is known within that time."""

AGAIN_AFTER_FAILURE = 15.0


def stun_server(value: str) -> tuple[str, int] | None:
    """``stun:host:port`` or ``stun:host`` as host and port; ``None`` for another value. Raises ``ValueError``."""
    if not value.lower().startswith("stun:"):
        return None
    host, colon, port = value[5:].rpartition(":")
    if not colon or value.endswith("]"):
        host, port = value[5:], str(DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("write it as stun:host:port")
    return host.strip("[]"), int(port)


class Advertised:
    """The address a peer is told, in Via, Contact and SDP alike.

    Args:
        public: For everybody outside ``local_networks``; empty for the address that leads to the peer.
        local_networks: CIDR; peers there are told the address that leads to them.
    """

    def __init__(self, public: str = "", local_networks: Sequence[str] = ()) -> None:
        self.public = public
        self._local = NetworkPolicy(allow=local_networks) if local_networks else None

    def host_for(self, peer: str, local: str) -> str:
        """What to call ourselves towards ``peer`` (an IP address; empty when unknown).

        Args:
            local: Our address on the way there.
        """
        if not self.public or (peer and self._local is not None and self._local.lists(peer)):
            return local
        return self.public if not peer or (":" in peer) == (":" in self.public) else local


async def keep_public_address(
    advertised: Advertised,
    server: tuple[str, int],
    *,
    ask: Callable[[str, int], Awaitable[str]] = public_address,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    once: bool = False,
    ask_by_port: Callable[[str, int], Awaitable[Mapped]] | None = None,
    port: int = 0,
) -> None:
    """Ask a STUN server for the public address, now and then again for ever; one log line for each change and failure.

    Args:
        once: Return after the first answer, or failure.
        ask_by_port: Asks from the SIP port itself, to find out whether a router shows the world another.
        port: What the world is told that port is.
    """
    failed, outside = False, port
    while True:
        try:
            found = await ask(*server)
        except NoAnswer as error:
            if not failed:
                log.error(
                    "sip.public-address-unknown",
                    server=f"{server[0]}:{server[1]}",
                    reason=str(error),
                    told=advertised.public or "the address of this machine",
                )
            failed = True
        else:
            if found != advertised.public or failed:
                log.info("sip.public-address", address=found, before=advertised.public or None)
            advertised.public, failed = found, False
            if ask_by_port is not None:
                outside = await _look_at_port(ask_by_port, server, port, outside)
        if once:
            return
        await sleep(AGAIN_AFTER_FAILURE if failed else AGAIN)


async def _look_at_port(
    ask: Callable[[str, int], Awaitable[Mapped]], server: tuple[str, int], port: int, before: int
) -> int:
    """The SIP port as the world sees it; one line in the log when it is another than we tell, and than it was."""
    try:
        _, outside = await ask(*server)
    except NoAnswer:
        return before
    if outside not in (before, port):
        log.error(
            "sip.port-remapped",
            told=port,
            seen=outside,
            fix=f"forward UDP {port} to this machine, or set RINGBACK_SIP__PUBLIC_PORT to the port that is forwarded",
        )
    return outside
