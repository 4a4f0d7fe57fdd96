"""Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §3.5.1), with limits on size and on patience."""

from ringback.sip.errors import SipParseError
from ringback.sip.limits import LIMITS, Limits
from ringback.sip.message import Message
from ringback.sip.parser import content_length, parse_head

PONG = b"\r\n"
PING = b"\r\n\r\n"


class Framer:
    """Cuts one connection's octets into messages.

    Args:
        now: Seconds on any monotonic clock.
        patience: Seconds a peer has for its first message, and for each message from its first octet on.
        idle: Seconds after which a quiet connection is closed.

    Attributes:
        pings: Keep-alives received since the count was last set to 0; each wants a ``PONG``.
        pongs: Answers to ours, likewise.
    """

    def __init__(self, now: float, patience: float = 10.0, idle: float = 600.0, limits: Limits = LIMITS) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._message: Message | None = None
        self._length = 0
        self._patience = patience
        self._idle = idle
        self._limits = limits
        self._heard = now
        self._began: float | None = now
        self._line_ends = 0
        self._expected = False
        self.pings = 0
        self.pongs = 0

    def feed(self, data: bytes, now: float) -> list[Message]:
        """Messages that are complete now.

        Raises:
            SipParseError: The stream makes no sense any more and has to be closed.
        """
        self._heard = now
        self._buffer += data
        messages = []
        while (message := self._next(now)) is not None:
            messages.append(message)
        return messages

    @property
    def head(self) -> bytes:
        """What is waiting, for an answer to a message that could not be read."""
        return bytes(self._buffer[: self._limits.head])

    def expect_pong(self) -> None:
        """A ``PING`` goes out: the next lone line end answers it."""
        self._expected = True

    @property
    def is_idle(self) -> bool:
        """Nothing of a message is here, and there was one before."""
        return self._began is None

    def closes_at(self) -> float:
        """When to close the connection if nothing more comes."""
        return self._began + self._patience if self._began is not None else self._heard + self._idle

    def _next(self, now: float) -> Message | None:
        if self._message is None and not self._read_head(now):
            return None
        message = self._message
        assert message is not None, "a head was read"
        if len(self._buffer) < self._length:
            return None
        message.body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._message = None
        self._began = now if self._buffer else None
        return message

    def _read_head(self, now: float) -> bool:
        self._skip_line_ends()
        if not self._buffer or self._buffer == b"\r":
            return False
        if self._began is None:
            self._began = now
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > self._limits.head:
                raise SipParseError("headers too long", 513)
            return False
        self._searched = 0
        message = parse_head(bytes(self._buffer[:end]), self._limits)
        length = content_length(message.headers, self._limits)
        if length is None:
            raise SipParseError("no Content-Length on a stream")
        del self._buffer[: end + 4]
        self._message, self._length = message, length
        return True

    def _skip_line_ends(self) -> None:
        """§7.5: CRLF before a message is nothing; two in a row are a ping."""
        while self._buffer.startswith(PONG):
            del self._buffer[:2]
            if self._expected:
                self._expected = False
                self.pongs += 1
                continue
            self._line_ends += 1
            if self._line_ends % 2 == 0:
                self.pings += 1
        if self._buffer and self._buffer != b"\r":
            self._line_ends = 0
