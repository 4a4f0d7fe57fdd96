"""A dialog: what two ends remember of each other between requests (RFC 3261 §12)."""

from dataclasses import dataclass

from ringback.model.records import DialogRecord
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.headers import Address, parse_address, parse_routes
from ringback.sip.message import Message, Request, Response, Row
from ringback.sip.uri import SipUri, parse_sip_uri

DialogId = tuple[str, str, str]
"""Call-ID, our tag, their tag."""


@dataclass(slots=True)
class Dialog:
    """One side of a dialog.

    Attributes:
        local, remote: Our and their address as in From and To, without tags.
        local_cseq: Number of our last request; ``remote_cseq`` of theirs, ``None`` before the first.
        remote_target: Their Contact: the Request-URI of what we send.
        route_set: Routes in the order we send them.
        located: What the name the next request goes to was found to mean, with that name.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local: Address
    remote: Address
    local_cseq: int
    remote_cseq: int | None
    remote_target: str
    route_set: tuple[str, ...] = ()
    located: tuple[SipUri, Flow] | None = None

    @property
    def id(self) -> DialogId:
        return self.call_id, self.local_tag, self.remote_tag

    @classmethod
    def of_server(cls, invite: Request, local_tag: str) -> "Dialog":
        """§12.1.1: the route set is Record-Route as it came. Without a Contact (RFC 2543) the target is From's URI."""
        contact = invite.contacts[0].uri if invite.contacts else invite.from_.uri
        return cls(
            call_id=invite.call_id,
            local_tag=local_tag,
            remote_tag=invite.from_.tag,
            local=_without_tag(invite.to),
            remote=_without_tag(invite.from_),
            local_cseq=0,
            remote_cseq=invite.cseq.number,
            remote_target=_bare(contact),
            route_set=_routes(invite),
        )

    @classmethod
    def of_client(cls, invite: Request, response: Response) -> "Dialog":
        """§12.1.2: the route set is Record-Route turned round."""
        contact = response.contacts[0].uri if response.contacts else invite.uri
        return cls(
            call_id=invite.call_id,
            local_tag=invite.from_.tag,
            remote_tag=response.to.tag,
            local=_without_tag(invite.from_),
            remote=_without_tag(response.to),
            local_cseq=invite.cseq.number,
            remote_cseq=None,
            remote_target=_bare(contact),
            route_set=tuple(reversed(_routes(response))),
        )

    @classmethod
    def of_record(cls, record: DialogRecord) -> "Dialog":
        return cls(
            call_id=record.call_id,
            local_tag=record.local_tag,
            remote_tag=record.remote_tag,
            local=parse_address(f"<{record.local_uri}>"),
            remote=parse_address(f"<{record.remote_uri}>"),
            local_cseq=record.local_cseq,
            remote_cseq=None,
            remote_target=record.remote_target,
            route_set=record.route_set,
        )

    def record(self, before: DialogRecord, flow: Flow) -> DialogRecord:
        """What has to be stored of it now; ``before`` keeps what belongs to the INVITE."""
        known = before.call_id == self.call_id and bool(before.local_uri and before.remote_uri)
        return DialogRecord(
            self.call_id,
            self.local_tag,
            self.remote_tag,
            before.local_uri if known else str(self.local.uri),
            before.remote_uri if known else str(self.remote.uri),
            self.local_cseq,
            self.remote_target,
            self.route_set,
            flow.transport,
            f"[{flow.host}]:{flow.port}" if ":" in flow.host else f"{flow.host}:{flow.port}",
            before.branch,
            before.invite_uri,
            before.secure,
        )

    def accepts(self, request: Request) -> bool:
        """§12.2.2: a request whose CSeq is not higher than the last is out of order. Remembers the number."""
        number = request.cseq.number
        if self.remote_cseq is not None and number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh(self, message: Message) -> bool:
        """§12.2: a Contact in a re-INVITE or its 2xx is the new remote target. Whether it changed."""
        if not message.contacts:
            return False
        target = _bare(message.contacts[0].uri)
        changed = target != self.remote_target
        self.remote_target = target
        return changed

    def request(self, method: str, via: str, rows: tuple[Row, ...] = (), body: bytes = b"") -> Request:
        """§12.2.1.1: the next request in this dialog; ``rows`` come after the routing headers."""
        self.local_cseq += 1
        return self._request(method, self.local_cseq, via, rows, body)

    def ack(self, cseq: int, via: str, body: bytes = b"", rows: tuple[Row, ...] = ()) -> Request:
        """§13.2.2.4: the ACK of a 2xx to our INVITE numbered ``cseq``."""
        return self._request("ACK", cseq, via, rows, body)

    def next_hop(self) -> SipUri | None:
        """Where the next request goes first: the top route, or the remote target; ``None`` if that is not SIP."""
        try:
            if self.route_set:
                return self._route(0)
            return parse_sip_uri(self.remote_target)
        except SipParseError:
            return None

    def hosts(self) -> set[str]:
        """Hosts the far end named as its own or as on the way: its Contact and the route set."""
        found = set()
        for text in (f"<{self.remote_target}>", *self.route_set):
            uri = parse_address(text).uri
            if isinstance(uri, SipUri):
                found.add(uri.host)
        if self.located is not None:
            found.add(self.located[1].host)
        return found

    def _request(self, method: str, cseq: int, via: str, rows: tuple[Row, ...], body: bytes) -> Request:
        target, routes = self.remote_target, self.route_set
        if routes and self._route(0).parameter("lr") is None:
            # §12.2.1.1, a strict router first: it goes into the Request-URI, the target to the end of the route.
            target, routes = str(self._route(0).bare()), (*routes[1:], f"<{self.remote_target}>")
        head: list[Row] = [
            ("Via", via),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in routes),
            ("From", f"{self.local};tag={self.local_tag}"),
            ("To", f"{self.remote};tag={self.remote_tag}" if self.remote_tag else str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        return Request(method, target, [*head, *rows], body)

    def _route(self, position: int) -> SipUri:
        uri = parse_address(self.route_set[position]).uri
        if not isinstance(uri, SipUri):
            raise SipParseError("a route is not a sip URI")
        return uri


def _bare(uri: object) -> str:
    return str(uri.bare() if isinstance(uri, SipUri) else uri)


def _without_tag(address: Address) -> Address:
    parameters = {name: value for name, value in address.parameters.items() if name != "tag"}
    return Address(address.uri, "".join(c for c in address.name if c >= " " and c != "\x7f"), parameters)


def _routes(message: Message) -> tuple[str, ...]:
    return tuple(f"<{route.uri}>" for route in parse_routes(message.headers.all("record-route")))
