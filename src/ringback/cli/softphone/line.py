"""A softphone on the network: SIP and RTP sockets of its own, opened and closed together."""

import asyncio
import contextlib
import secrets
import socket
import uuid
from collections.abc import AsyncIterator

from ringback.calls.ports.clock import Clock
from ringback.cli.softphone.phone import Line, Softphone, Tell
from ringback.media.opening import open_telephone
from ringback.sip.flow import TlsPolicy
from ringback.telephony.service import Telephony, TelephonySettings


def address_towards(host: str) -> str:
    """Our address on the way to a host; loopback when there is no way. Nothing is sent."""
    with contextlib.suppress(OSError):
        family, _, _, _, where = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    return "127.0.0.1"


@contextlib.asynccontextmanager
async def open_softphone(
    line: Line, clock: Clock, tell: Tell, host: str = "127.0.0.1", port: int = 0, tls: TlsPolicy | None = None
) -> AsyncIterator[Softphone]:
    """A telephone that can dial and be dialled while the block lasts.

    Args:
        host, port: Where it listens for SIP, UDP and TCP; port 0 takes any free one. RTP is on the same address.
        tls: How those prove themselves who are called by TLS.

    Raises:
        OSError: A port cannot be bound; the text names it.
    """
    shown = address_towards("192.0.2.1") if host in ("0.0.0.0", "::") else host
    settings = TelephonySettings(
        host=host,
        port=port,
        tls=tls or TlsPolicy(),
        advertised_host=shown,
        rate_limits=None,
        allow_private=True,
        lag_limit=None,
    )
    phone = Softphone(line, clock, tell, lambda: str(uuid.uuid4()))
    async with contextlib.AsyncExitStack() as stack:
        phone.media = media = open_telephone(phone, host, shown)
        stack.callback(media.close)
        phone.carrier = telephony = Telephony(settings, clock, phone)
        await telephony.start()
        stack.push_async_callback(telephony.stop)
        phone.address = f"sip:{line.name}@{telephony.local_addresses[0]}"
        phone.open(secrets.randbelow(2**31))
        yield phone
        await _until_said(telephony)


async def _until_said(telephony: Telephony) -> None:
    """Give a BYE or CANCEL on its way the moment it takes to be answered, so that the far end is not left ringing."""
    for _ in range(50):
        if not telephony.calls:
            return
        await asyncio.sleep(0.02)
