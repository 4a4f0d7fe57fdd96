"""SIP messages as values: a start line, ordered headers, a body (RFC 3261 §7)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from ringback.sip.errors import SipParseError
from ringback.sip.grammar import split_commas
from ringback.sip.headers import Address, CSeq, Via, parse_address, parse_addresses, parse_cseq, parse_via
from ringback.sip.uri import OtherUri, SipUri, Uri, parse_uri

COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""One-letter names (§7.3.3 and the extensions' registrations)."""

Row = tuple[str, str]
"""A header line: name as it is written, value with folds undone."""


def header_key(name: str) -> str:
    """The one spelling a header is found by."""
    key = name.lower()
    return COMPACT.get(key, key)


class Headers:
    """Header lines in the order they came, and an index to find them by name."""

    __slots__ = ("index", "rows")

    index: dict[str, list[str]]
    """Values by key (lower case, long form), built when first asked for: most messages we send never need it."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: list[Row] = list(rows)

    @classmethod
    def read(cls, rows: list[Row], index: dict[str, list[str]]) -> "Headers":
        """Rows whose index is there already; both are kept, not copied."""
        headers = cls(())
        headers.rows, headers.index = rows, index
        return headers

    def __getattr__(self, name: str) -> dict[str, list[str]]:
        """Python asks this only while there is no index: a property would cost each look into it a call."""
        if name != "index":
            raise AttributeError(name)
        index: dict[str, list[str]] = {}
        for key, value in self.rows:
            index.setdefault(header_key(key), []).append(value)
        self.index = index
        return index

    def get(self, key: str) -> str | None:
        """Value of the first line of that name (lower case, long form)."""
        values = self.index.get(key)
        return values[0] if values else None

    def replace_first(self, key: str, value: str) -> None:
        """Give the first line of that name another value."""
        for position, (name, _) in enumerate(self.rows):
            if header_key(name) == key:
                self.rows[position] = (name, value)
                self.index[key][0] = value
                return

    def all(self, key: str) -> list[str]:
        return self.index.get(key, [])

    def __contains__(self, key: str) -> bool:
        return key in self.index


Value = TypeVar("Value")


class lazy(Generic[Value]):
    """A property computed once: ``functools.cached_property`` without the lock, which costs more than most values."""

    def __init__(self, compute: Callable[..., Value]) -> None:
        self._compute = compute
        self._name = compute.__name__

    def __get__(self, message: "Message", owner: type | None = None) -> Value:
        value = self._compute(message)
        message.__dict__[self._name] = value
        return value


class Message:
    """What requests and responses share. Typed values are read once, when first asked for.

    The typed properties raise ``SipParseError``; ``parser.parse`` has already read those every message must have.
    """

    headers: Headers
    body: bytes

    @lazy
    def top_via(self) -> Via:
        values = self.headers.all("via")
        if not values:
            raise SipParseError("no Via")
        return parse_via(split_commas(values[0])[0])

    @lazy
    def from_(self) -> Address:
        return parse_address(self._needed("from"))

    @lazy
    def to(self) -> Address:
        return parse_address(self._needed("to"))

    @lazy
    def cseq(self) -> CSeq:
        return parse_cseq(self._needed("cseq"))

    @lazy
    def call_id(self) -> str:
        return self._needed("call-id")

    @lazy
    def contacts(self) -> list[Address]:
        """Contacts; empty for none and for ``*``."""
        values = self.headers.all("contact")
        return [] if values == ["*"] else parse_addresses(values)

    def _needed(self, key: str) -> str:
        value = self.headers.get(key)
        if not value:
            raise SipParseError(f"no {key}")
        return value

    def start_line(self) -> str:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """The message as it goes out; Content-Length is written here and nowhere else.

        Raises ``ValueError`` if any value holds CR or LF: the last of several checks against header injection.
        """
        lines = [self.start_line()]
        lines += [f"{name}: {value}" for name, value in self.headers.rows if not _is_length(name)]
        lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError("a line end inside a SIP header")
        return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


def _is_length(name: str) -> bool:
    """Whether a header is Content-Length, told for most by how long its name is."""
    return len(name) in (1, 14) and header_key(name) == "content-length"


class Request(Message):
    """A request. ``rows`` hold every header but Content-Length.

    Attributes:
        target: Request-URI as written.
    """

    def __init__(self, method: str, target: str, rows: Iterable[Row], body: bytes = b"") -> None:
        self.method = method
        self.target = target
        self.headers = Headers(rows)
        self.body = body

    @lazy
    def uri(self) -> Uri:
        return parse_uri(self.target)

    @property
    def sip_uri(self) -> SipUri:
        """The Request-URI where it is known to be a SIP one, or a telephone's own (``is_for_telephone``)."""
        uri = self.uri
        if isinstance(uri, OtherUri) and self.is_for_telephone:
            # RFC 3261 §19.1.6: a tel URI becomes the user part.
            user = uri.rest if uri.scheme == "tel" else str(uri)
            return SipUri("sip", user, None, "tel.invalid", None, (("user", "phone"),))
        if not isinstance(uri, SipUri):
            raise SipParseError("not a sip URI", 416)
        return uri

    @property
    def is_for_telephone(self) -> bool:
        """Whether it is an INVITE to a ``tel:`` URI (RFC 3966) or a service (``urn:service:sos``, RFC 5031)."""
        uri = self.uri
        return (
            self.method == "INVITE"
            and isinstance(uri, OtherUri)
            and (uri.scheme == "tel" or str(uri).lower().startswith("urn:service:"))
        )

    def stamp(self, host: str, port: int) -> None:
        """Write into the top Via where the request really came from (§18.2.1, RFC 3581 §4)."""
        via = self.top_via
        asked = "rport" in via.parameters
        if not asked and via.host.lower() == host.lower():
            return
        parameters = {**via.parameters, "received": host}
        if asked:
            parameters["rport"] = str(port)
        stamped = Via(via.transport, via.host, via.port, parameters)
        others = split_commas(self.headers.all("via")[0])[1:]
        self.headers.replace_first("via", ", ".join([str(stamped), *others]))
        self.__dict__["top_via"] = stamped

    def start_line(self) -> str:
        return f"{self.method} {self.target} SIP/2.0"

    def __repr__(self) -> str:
        return f"<{self.method} {self.target}>"


class Response(Message):
    """A response. ``rows`` hold every header but Content-Length."""

    def __init__(self, status: int, reason: str, rows: Iterable[Row], body: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = Headers(rows)
        self.body = body

    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}>"


REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}


def reply(
    request: Request,
    status: int,
    reason: str = "",
    *,
    to_tag: str = "",
    rows: Sequence[Row] = (),
    body: bytes = b"",
) -> Response:
    """A response with the headers §8.2.6.2 demands, copied as they came.

    Args:
        to_tag: Added to To when it has none; never to a 100.
        rows: Further headers.
    """
    copied: list[Row] = [("Via", value) for value in request.headers.all("via")]
    to = request.headers.get("to") or ""
    if to_tag and status > 100 and not request.to.tag:
        to = f"{to};tag={to_tag}"
    copied += [
        ("From", request.headers.get("from") or ""),
        ("To", to),
        ("Call-ID", request.call_id),
        ("CSeq", request.headers.get("cseq") or ""),
    ]
    return Response(status, reason or REASONS.get(status, "Unknown"), [*copied, *rows], body)
