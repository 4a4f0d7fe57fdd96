"""The door to HTTP requests: what makes them is loaded when there is one, so that a server starts without."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ringback.webhooks.ports import Posted

if TYPE_CHECKING:
    from ringback.http_requests import Requests

SECONDS = 8.0


class CheckedClient:
    """``webhooks.ports.Poster`` over HTTP/1.1, to addresses that are allowed. See ``http_requests.Requests``.

    Args:
        allows: Whether requests may go to this IP address and port.
        seconds: For a whole request.
    """

    def __init__(self, allows: Callable[[str, int], bool], seconds: float = SECONDS) -> None:
        self._allows = allows
        self._seconds = seconds
        self._made: Requests | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        return await (await self._requests()).post(url, body, headers)

    async def fetch(self, url: str, largest: int) -> bytes:
        """The body of a 200 to GET.

        Raises:
            OSError: One sentence: it could not be had, in time, or is larger than ``largest`` octets.
        """
        return await (await self._requests()).fetch(url, largest)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()

    async def _requests(self) -> "Requests":
        if self._made is None:
            # On a thread: calls are not to wait for it.
            kind, context = await asyncio.to_thread(_load)
            # Another request may have been quicker.
            self._made = self._made or kind(self._allows, self._seconds, context)
        return self._made


def _load() -> tuple[type["Requests"], ssl.SSLContext]:
    from ringback.http_requests import Requests, trusted

    return Requests, trusted()
