"""HTTP requests to addresses that applications named: looked up once, checked, and sent to what was checked.

To read this module is an eighth of what a server's start would take: ``http_client`` does it when there is a request.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ringback.webhooks.ports import Posted

LARGEST_ANSWER = 64 * 1024
MOST_ADDRESSES = 8
CONNECTIONS = 100
KEPT_SECONDS = 30.0
"""How long a connection is kept for the next request."""


def trusted() -> ssl.SSLContext:
    """Whom we believe over TLS. Reading the authorities takes a while: call it on a thread."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Requests:
    """``webhooks.ports.Poster`` over HTTP/1.1. No redirect is followed, no proxy used, no answer or cookie kept.

    Made on a running loop; connections are kept and used again.

    Args:
        allows: Whether requests may go to this IP address and port.
        seconds: For a whole request.
        context: Whom to believe over TLS.
    """

    def __init__(self, allows: Callable[[str, int], bool], seconds: float, context: ssl.SSLContext) -> None:
        self._seconds = seconds
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            keepalive_timeout=KEPT_SECONDS,
            use_dns_cache=False,
            resolver=_Resolver(),
            socket_factory=_checked(allows),
            ssl=context,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            trust_env=False,
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        try:
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response:
                size = 0
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    if size > LARGEST_ANSWER:
                        response.close()
                        break
                return Posted(response.status)
        except TimeoutError:
            return Posted(0, f"no answer within {self._seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Posted(0, _because(error))

    async def fetch(self, url: str, largest: int) -> bytes:
        """The body of a 200 to GET.

        Raises:
            OSError: One sentence: it could not be had, in time, or is larger than ``largest`` octets.
        """
        found = bytearray()
        try:
            async with self._session.get(
                URL(url, encoded=True), headers={"User-Agent": "Ringback/1"}, allow_redirects=False
            ) as response:
                status = response.status
                async for chunk in response.content.iter_any():
                    found += chunk
                    if status != 200 or len(found) > largest:
                        response.close()
                        break
        except TimeoutError:
            raise OSError(f"not within {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OSError(_because(error)) from None
        if status != 200:
            raise OSError(f"answered {status}")
        if len(found) > largest:
            raise OSError(f"larger than {largest} octets")
        return bytes(found)

    async def close(self) -> None:
        await self._session.close()


class CannotSend(OSError):
    """There is no address for a name, or this one may not be sent to."""


def _checked(allows: Callable[[str, int], bool]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Makes the socket for every connection, to an address as such or to one that was looked up, or refuses to."""

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = address
        if not allows(str(host), int(port)):
            raise CannotSend("the address is private or reserved; RINGBACK_WEBHOOKS__ALLOW_PRIVATE allows it")
        return socket.socket(family, kind, protocol)

    return make


class _Resolver(AbstractResolver):
    """Looks names up, and lets nobody make us try addresses without end."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        except OSError:
            raise CannotSend("no address for the host") from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found[:MOST_ADDRESSES]
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def _because(error: BaseException) -> str:
    """A short sentence; a certificate's fault in the library's own words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) and not isinstance(cause, aiohttp.ClientError):
            return f"the certificate does not verify: {cause.verify_message}"
        if isinstance(cause, CannotSend):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientOSError) or (
        isinstance(error, OSError) and not isinstance(error, aiohttp.ClientError)
    ):
        return "the connection failed"
    return "the answer is not HTTP"
