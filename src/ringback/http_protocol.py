"""uvicorn's HTTP protocol with limits on what a stranger may hold open or make us keep.

A request's head must be whole within ``HEAD_WITHIN`` seconds and ``HEAD_MOST`` octets, and one address may hold
``MOST_PER_SOURCE`` connections that have not asked for anything proper yet. One that has asked is kept for ``KEPT_FOR``
seconds: longer than clients and proxies keep theirs, since a request that meets our closing fails. Where an address has
``MOST_KEPT`` of them, the next ones are kept for ``KEPT_BRIEFLY``.
"""

import asyncio
from collections import Counter
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ringback.logs import OncePerMinute

log = structlog.get_logger()

HEAD_WITHIN = 10.0
HEAD_MOST = 64 * 1024
MOST_PER_SOURCE = 64
KEPT_FOR, KEPT_BRIEFLY = 75, 5.0
MOST_KEPT = 256


class Impatience:
    """What the connections of one server share.

    Args:
        loop: Its clock says when a source may be logged again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waiting: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.may_log = OncePerMinute(loop.time)

    def refuse(self, source: str, why: str) -> None:
        """One line per source and minute."""
        if (swallowed := self.may_log(source)) is not None:
            log.warning("http.refused", source=source, why=why, swallowed=swallowed)


def impatient(shared: Impatience) -> type[asyncio.Protocol]:
    """The protocol class for one server (uvicorn wants a class)."""

    class ImpatientProtocol(HttpToolsProtocol):
        """One connection."""

        _source = ""
        _deadline: asyncio.TimerHandle | None = None
        _head = 0
        _is_kept = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._source = self.client[0] if self.client else "unknown"
            if shared.waiting[self._source] >= MOST_PER_SOURCE:
                shared.refuse(self._source, "too many idle connections")
                transport.close()
                return
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_came()
            self._unset_keepalive_if_required()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            self._head += len(data)
            super().data_received(data)
            if self._deadline is not None and self._head > HEAD_MOST:
                shared.refuse(self._source, "the head of the request is too long")
                self.transport.close()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._deadline is None:
                self._head = 0
                self._await_head()

        def on_headers_complete(self) -> None:
            self._head_came()
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.timeout_keep_alive_task is None:
                return
            shared.kept[self._source] += 1
            self._is_kept = True
            if shared.kept[self._source] > MOST_KEPT:
                self.timeout_keep_alive_task.cancel()
                self.timeout_keep_alive_task = self.loop.call_later(KEPT_BRIEFLY, self.timeout_keep_alive_handler)

        def _unset_keepalive_if_required(self) -> None:
            super()._unset_keepalive_if_required()
            if self._is_kept:
                self._is_kept = False
                _less(shared.kept, self._source)

        def send_400_response(self, msg: str) -> None:
            shared.refuse(self._source, "not HTTP")
            super().send_400_response(msg)

        def _await_head(self) -> None:
            shared.waiting[self._source] += 1
            self._deadline = self.loop.call_later(HEAD_WITHIN, self._give_up)

        def _head_came(self) -> None:
            if self._deadline is None:
                return
            self._deadline.cancel()
            self._deadline = None
            _less(shared.waiting, self._source)

        def _give_up(self) -> None:
            shared.refuse(self._source, "no request came")
            self._head_came()
            self.transport.close()

    protocol: Any = ImpatientProtocol
    return protocol  # type: ignore[no-any-return]


def _less(counter: Counter[str], source: str) -> None:
    """One fewer; nothing is remembered of who has none."""
    counter[source] -= 1
    if counter[source] <= 0:
        del counter[source]
