"""HTTP requests to addresses that applications named: looked up once, checked, and sent to what was checked."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping

import httpcore
import httpx

from ringback.webhooks.ports import Posted

SECONDS = 8.0
LARGEST_ANSWER = 64 * 1024
MOST_ADDRESSES = 8
CONNECTIONS = 100


class CheckedClient:
    """``webhooks.ports.Poster`` over HTTP/1.1. No redirect is followed, no proxy used, no answer kept.

    Args:
        allows: Whether requests may go to this IP address and port.
        seconds: For a whole request.
    """

    def __init__(self, allows: Callable[[str, int], bool], seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=CONNECTIONS,
            keepalive_expiry=30.0,
            network_backend=_CheckedNetwork(allows),
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        address = httpx.URL(url)
        rows = [
            (b"Host", address.netloc),
            (b"Content-Length", str(len(body)).encode()),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ]
        try:
            async with asyncio.timeout(self._seconds):
                async with self._pool.stream("POST", str(address), headers=rows, content=body) as response:
                    size = 0
                    async for chunk in response.aiter_stream():
                        size += len(chunk)
                        if size > LARGEST_ANSWER:
                            break
                    return Posted(response.status)
        except TimeoutError:
            return Posted(0, f"no answer within {self._seconds:g} s")
        except CannotSend as error:
            return Posted(0, str(error))
        except (httpcore.ConnectError, httpcore.NetworkError) as error:
            return Posted(0, _because(error, "the connection failed"))
        except (httpcore.ProtocolError, httpcore.PoolTimeout, OSError, ValueError) as error:
            return Posted(0, _because(error, "the answer is not HTTP"))

    async def fetch(self, url: str, largest: int) -> bytes:
        """The body of a 200 to GET.

        Raises:
            OSError: One sentence: it could not be had, in time, or is larger than ``largest`` octets.
        """
        try:
            address = httpx.URL(url)
            rows = [(b"Host", address.netloc), (b"User-Agent", b"Ringback/1")]
            async with (
                asyncio.timeout(self._seconds),
                self._pool.stream("GET", str(address), headers=rows) as response,
            ):
                if response.status != 200:
                    raise OSError(f"answered {response.status}")
                found = bytearray()
                async for chunk in response.aiter_stream():
                    found += chunk
                    if len(found) > largest:
                        raise OSError(f"larger than {largest} octets")
                return bytes(found)
        except TimeoutError:
            raise OSError(f"not within {self._seconds:g} s") from None
        except CannotSend as error:
            raise OSError(str(error)) from None
        except (httpcore.ConnectError, httpcore.NetworkError) as error:
            raise OSError(_because(error, "the connection failed")) from None
        except (httpcore.ProtocolError, httpcore.PoolTimeout, httpx.InvalidURL, ValueError) as error:
            raise OSError(_because(error, "the answer is not HTTP")) from None

    async def close(self) -> None:
        await self._pool.aclose()


class CannotSend(Exception):
    """There is no address for a name, or none that may be sent to."""


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to an address that was checked, whatever the name means a moment later."""

    def __init__(self, allows: Callable[[str, int], bool]) -> None:
        self._allows = allows
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except OSError:
            raise CannotSend("no address for the host") from None
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))[:MOST_ADDRESSES]
        allowed = [address for address in addresses if self._allows(address, port)]
        if not allowed:
            raise CannotSend("the address is private or reserved; RINGBACK_WEBHOOKS__ALLOW_PRIVATE allows it")
        for address in allowed[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(allowed[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise CannotSend("a socket file is no place for a webhook")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _because(error: BaseException, otherwise: str) -> str:
    """A short sentence; a certificate's fault in the library's own words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate does not verify: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return otherwise
