"""The stack's core: requests find their call, calls find their far end (RFC 3261 §8, §12.2.2).

Sans-I/O: feed it messages and the time, then take what it wants sent and told. Time is seconds on one monotonic clock.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Protocol

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.model.values import dataclass
from ringback.sip.abilities import ABILITIES, ALLOW, accepts_sdp, unknown_extensions
from ringback.sip.bodies import SDP, UnsupportedBody, description
from ringback.sip.call import Call
from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.dialog import Dialog, DialogId
from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.errors import SipParseError
from ringback.sip.events import Event, Incoming, Lookup, Refused, Registering
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.headers import BRANCH_COOKIE, parse_vias
from ringback.sip.hops import is_address, is_hidden, named_hop, transport_of, uri_transport
from ringback.sip.inbound import SOON, InboundCall
from ringback.sip.life import Phase
from ringback.sip.message import Message, Request, Response, Row, reply
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import top_via
from ringback.sip.registrar import Answer, Caller
from ringback.sip.replaces import Replaces, parse_replaces
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.session_timer import LEAST, PROPOSED, is_too_short
from ringback.sip.timers import Timing, Wheel
from ringback.sip.transactions import Transactions
from ringback.sip.uri import SipUri, format_host_port, parse_sip_uri


class Chance(Protocol):
    """Where the stack's randomness comes from, so that a failing call replays exactly."""

    def token(self) -> str:
        """At least 64 random bits, as characters fit for a tag, a branch or a Call-ID."""

    def fraction(self) -> float:
        """0 ≤ x < 1."""

    def call(self) -> CallId: ...


class Registrations(Protocol):
    """Who is registered and who calls, at the time of asking (``telephony.registrar.Registry``)."""

    def register(self, request: Request, flow: Flow, /) -> Answer: ...
    def caller(self, request: Request, flow: Flow, here: tuple[str, int], listed: bool, /) -> Caller: ...
    def is_home(self, flow: Flow, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How the stack behaves.

    Attributes:
        timing: RFC 3261's base timers.
        patience: Seconds without any answer after which the next target is tried, or the call fails. RFC 3261 would
            wait for timer B (32 s); a telephone network that is there says 100 at once.
        datagram: Most octets of a request by UDP while TCP has not been tried (§18.1.1).
        calls: Most calls at once; beyond them 503.
        unconfirmed_per_source: Most INVITEs of one address that no ACK has proved yet; ``None`` for any number.
        credentials: What challenges are answered with, and for whom.
        hold_ack: The ACK of an answered INVITE waits for ``OutboundCall.confirm``.
        session_interval: Seconds between the refreshes of a session that we propose, and the most we agree to.
        session_least: Seconds below which we take no interval (RFC 4028 §5: 90 or more).
    """

    timing: Timing = field(default_factory=Timing)
    patience: float = 4.0
    datagram: int = 1300
    calls: int = 5000
    transactions: int = 20_000
    unconfirmed_per_source: int | None = 10
    credentials: Sequence[Credential] = ()
    slot: float = 1 / 32
    hold_ack: bool = False
    session_interval: int = PROPOSED
    session_least: int = LEAST


@dataclass(frozen=True, slots=True)
class Transmit:
    """Octets for a far end."""

    flow: Flow
    data: bytes


class Agent:
    """Every call of one SIP stack.

    Args:
        settings: How it behaves.
        chance: Tags, branches, ids.
        advertised: Host and port we are reached at from a far end, for Via and Contact.
        reachable: Whether policy lets us send to an address that a stranger named (host, port).
        media_flows: Whether a call's far end is still sending media.
        registrar: Takes REGISTER, and says which of our accounts makes a call; without one there are none.
        connected: Whether a connection is still there.
        vouched: How a host has to prove itself by TLS, towards the far end of a flow.
        siblings: Whether two addresses belong to one far end, as nodes of one carrier do.
        trusted: Whether the operator knows a source: it may put a call of its own in the place of another (RFC 3891
            §3), and is where it says.
        described: Our description as a far end is to be sent it: with an address of its own IP version.
        listed: Whether an address is a peer of the operator's, whose calls need no proof by ACK.
    """

    def __init__(
        self,
        settings: AgentSettings,
        chance: Chance,
        advertised: Callable[[Flow], tuple[str, int]],
        reachable: Callable[[str, int], bool] = lambda host, port: True,
        media_flows: Callable[[CallId], bool] = lambda call: True,
        registrar: Registrations | None = None,
        connected: Callable[[Flow], bool] = lambda flow: True,
        vouched: Callable[[str, Flow], TlsPolicy] = lambda name, flow: TlsPolicy(name),
        siblings: Callable[[str, str], bool] = lambda one, other: False,
        trusted: Callable[[Flow], bool] = lambda flow: False,
        described: Callable[[Flow, bytes], bytes] = lambda flow, body: body,
        listed: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self.settings = settings
        self.chance = chance
        self.wheel: Wheel[object] = Wheel(settings.slot)
        self.transactions = Transactions(self, self.wheel, settings.timing, settings.transactions)
        self.calls: dict[CallId, Call] = {}
        self._advertised = advertised
        self._reachable = reachable
        self._media_flows = media_flows
        self._registrar = registrar
        self._connected = connected
        self._vouched = vouched
        self.siblings = siblings
        self._trusted = trusted
        self.described = described
        self.transactions.siblings = siblings
        self._listed = listed
        self.unproved: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._own_call_ids: Counter[str] = Counter()
        self._overflow_tag = ""
        self._dialogs: dict[DialogId, Call] = {}
        self._invited: set[tuple[str, str, int]] = set()
        self._effects: list[Transmit | Event] = []

    # ── in and out ──

    def receive(self, message: Message, flow: Flow, now: float, size: int = 0) -> None:
        """A message that was parsed. Raises ``SipParseError`` when a part read late turns out to be broken.

        Args:
            size: Octets of the datagram that it was; 0 for one whose sender is not doubted.
        """
        if isinstance(message, Request):
            message.stamp(flow.host, flow.port)
            self.transactions.receive_request(message, flow, now, size)
        elif isinstance(message, Response):
            self.transactions.receive_response(message, flow, now)

    def serves(self, data: bytes) -> bool:
        """Whether a datagram that is not read yet repeats an INVITE that was taken before."""
        via = top_via(data)
        return via is not None and self.transactions.serves(via)

    def wake(self, now: float) -> None:
        due = deque(self.wheel.due(now))
        try:
            while due:
                self._wake(due.popleft(), now)
        finally:
            # A bug of ours costs the one call it is in: the others are woken at the next look.
            for item in due:
                self.wheel.set(item, now)

    def _wake(self, item: object, now: float) -> None:
        if isinstance(item, Call):
            item.wake(now)
        else:
            assert isinstance(item, ClientTransaction | ServerTransaction), "a stranger on the wheel"
            self.transactions.wake(item, now)

    def next_wake(self) -> float | None:
        return self.wheel.next_wake()

    def take(self) -> list[Transmit | Event]:
        """What has to be sent and told since the last time, in order."""
        effects, self._effects = self._effects, []
        return effects

    def unreachable(self, flow: Flow, now: float, why: str = "") -> None:
        """The network refused what we sent to ``flow``; ``why`` in words, where that is known."""
        self.transactions.unreachable(flow, now, why)

    @property
    def idle(self) -> bool:
        """No call, no dialog, no transaction, nothing on the wheel."""
        return not any(self.leftovers().values())

    def leftovers(self) -> dict[str, int]:
        """How many of each thing there are."""
        return {
            "calls": len(self.calls),
            "dialogs": len(self._dialogs),
            "invites": len(self._invited),
            "transactions": len(self.transactions),
            "timers": len(self.wheel),
            "sources": len(self.unproved) + len(self._hosts) + len(self._own_call_ids),
        }

    def standing(self) -> Iterable[DialogId]:
        """The dialogs there are, early ones too."""
        return self._dialogs.keys()

    def speaks_with(self, host: str) -> bool:
        """Whether a call is up or being set up with that address."""
        return host in self._hosts

    # ── calls out ──

    def prepare(self, target: SipUri, local_uri: str) -> DialogRecord:
        """Choose Call-ID, tag, branch and CSeq of a call; nothing is sent."""
        uri = str(target.bare())
        return DialogRecord(
            call_id=self.chance.token(),
            local_tag=self.chance.token(),
            remote_tag="",
            local_uri=local_uri,
            remote_uri=str(SipUri(target.scheme, target.user, None, target.host, target.port)),
            local_cseq=1,
            remote_target=uri,
            transport=transport_of(target),
            branch=self.branch(),
            invite_uri=uri,
            secure=target.scheme == "sips",
        )

    def invite(self, call: OutboundCall, now: float) -> None:
        self._add(call)
        call.start(now)

    def finish_early(self, call: OutboundCall, now: float) -> None:
        """CANCEL an INVITE that an earlier process sent."""
        call.restore(now)

    def finish_up(self, id: CallId, record: DialogRecord, flow: Flow, now: float) -> None:
        """BYE for a call that an earlier process answered or had answered. CSeq leaves room for what was not stored."""
        call = Call(self, id, flow, record)
        call.dialog = Dialog.of_record(record)
        call.dialog.local_cseq += 10
        call.phase = Phase.UP
        self.keep(call, call.dialog)
        call.bye("", now)

    # ── for calls ──

    def emit(self, event: Event) -> None:
        self._effects.append(event)

    def transmit(self, flow: Flow, data: bytes) -> None:
        self._effects.append(Transmit(flow, data))

    def keep(self, call: Call, dialog: Dialog) -> None:
        """From now on requests in that dialog find the call."""
        self._dialogs[dialog.id] = call

    def release(self, dialog: Dialog) -> None:
        """Undo ``keep``."""
        self._dialogs.pop(dialog.id, None)

    def look_up(self, call: CallId, dialog: Dialog, flow: Flow) -> None:
        """Ask for the address of the name that a dialog's next request goes to; ``located`` brings it."""
        uri = dialog.next_hop()
        if uri is None or is_address(uri.host) or flow.transport in ("ws", "wss"):
            # A browser is reached over its WebSocket or not at all; another connection may be gone when it is needed.
            return
        if dialog.located is None or dialog.located[0] != uri:
            self.emit(Lookup(call, uri, flow.transport))

    def located(self, call: CallId, uri: SipUri, found: Sequence[Flow]) -> None:
        """What a ``Lookup`` came to: addresses that policy allows, best first."""
        known = self.calls.get(call)
        if known is None or known.dialog is None or not found:
            return
        # Where the far end was heard from is one of its addresses, and known to work.
        kept = [flow for flow in found if flow.host == known.flow.host]
        known.dialog.located = uri, known.flow if kept and not known.flow.reliable else (kept or found)[0]

    def replaced(self, replaces: Replaces) -> Call | None:
        """The call whose dialog a ``Replaces`` names (RFC 3891 §3)."""
        return self._dialogs.get((replaces.call_id, replaces.to_tag, replaces.from_tag))

    def forget(self, call: Call) -> None:
        """The user above no longer knows it."""
        if self.calls.get(call.id) is call:
            del self.calls[call.id]
            _count(self._hosts, call.counted_as, -1)
            if call.chose_call_id:
                _count(self._own_call_ids, call.record.call_id, -1)

    def moved(self, call: Call) -> None:
        """The call's far end is another one now."""
        if self.calls.get(call.id) is call:
            _count(self._hosts, call.counted_as, -1)
            call.counted_as = call.flow.host
            _count(self._hosts, call.counted_as, 1)

    def prove(self, source: str, by: int) -> None:
        """Count a call of that source (``Flow.source``) that no ACK has proved yet (1), or no longer (-1)."""
        _count(self.unproved, source, by)

    def drop(self, call: Call) -> None:
        self.forget(call)
        if call.dialog is not None:
            self.release(call.dialog)
        if isinstance(call, InboundCall):
            self._invited.discard(call.merge_key)

    def branch(self) -> str:
        return BRANCH_COOKIE + self.chance.token()

    def via(self, flow: Flow, branch: str = "") -> str:
        where = format_host_port(*self._advertised(flow))
        return f"SIP/2.0/{flow.transport.upper()} {where};branch={branch or self.branch()};rport"

    def contact(self, flow: Flow, local_uri: str) -> str:
        """Where we are reached, under the user part the call was made to or from."""
        user = _user(local_uri)
        where = format_host_port(*self._advertised(flow))
        if flow.secure and local_uri.startswith("sips:"):
            # §8.1.1.8, §12.1.1: a sips call stays one.
            return f"<sips:{user}{where}>"
        transport = "" if flow.transport == "udp" else f";transport={uri_transport(flow)}"
        return f"<sip:{user}{where}{transport}>"

    def allow(self) -> list[Row]:
        return list(ALLOW)

    def abilities(self) -> list[Row]:
        return list(ABILITIES)

    def hop(self, dialog: Dialog, flow: Flow, accepted: bool = False) -> Flow:
        """Where the next request in a dialog goes.

        Over a connection that the far end opened for the call, while it is there. Else to the address it was set up
        with, unless the route set or the Contact names another that policy allows. An address we may not send to, or
        one behind a NAT, means the address we know works: phones put useless addresses into Contact, and a stranger's
        Contact is no reason to send packets to a third party.

        Args:
            accepted: Whether the far end set the call up.
        """
        uri = dialog.next_hop()
        is_there = flow.reliable and self._connected(flow)
        if uri is None or (is_there and (accepted or uri.parameter("ob") is not None)):
            return flow
        named = named_hop(uri, flow)
        if not is_address(uri.host):
            known = dialog.located is not None and dialog.located[0] == uri
            named = dialog.located[1] if known and dialog.located is not None else None
        if named is not None and named.transport == "tls":
            # Another address of who was called has to prove the same name; who called us, the name it gave.
            named = named._replace(tls=flow.tls or self._vouched(uri.host, flow))
        if named is None or (flow.secure and not named.secure):
            # Where that is nobody knows, or what began in secret would go on in clear.
            return flow
        if named.host != flow.host and is_hidden(named.host, flow.host):
            return flow
        if named.host == flow.host:
            if flow.reliable:
                return flow if is_there else named
            return named if dialog.route_set and named.transport == "udp" else flow
        return named if self._reachable(named.host, named.port) else flow

    def is_there(self, flow: Flow) -> bool:
        """Whether something can be sent over a flow: by UDP always, else while the connection stands."""
        return not flow.reliable or self._connected(flow)

    def is_too_long(self, request: Request, flow: Flow) -> bool:
        """§18.1.1, unless the address itself asks for UDP."""
        if flow.transport != "udp" or request.sip_uri.parameter("transport") is not None:
            return False
        return len(request.to_bytes()) > self.settings.datagram

    def authorize(
        self, request: Request, response: Response, flow: Flow, credentials: Sequence[Credential] = ()
    ) -> Row | None:
        """The header that answers a challenge; ``None`` without credentials for that far end, or if tried before."""
        if response.status not in (401, 407) or {"authorization", "proxy-authorization"} & request.headers.index.keys():
            return None
        return answer_challenge(
            (*credentials, *self.settings.credentials), request, response, flow.host, self.chance.token()
        )

    # ── the transactions' user ──

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        try:
            self._serve(transaction, now)
        except SipParseError:
            # A part read late is broken; unanswered, the transaction would stay for ever.
            self._give_back(transaction, 400, now)
            raise
        except Exception:
            self._give_back(transaction, 500, now)
            raise

    def _give_back(self, transaction: ServerTransaction, status: int, now: float) -> None:
        """Answer what could not be served, unless it waits for somebody above, who will."""
        if not transaction.answered and transaction.owner is None:
            self._respond(transaction, (status, []), now)

    def _serve(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        if request.method == "CANCEL":
            self._on_cancel(transaction, now)
        elif request.to.tag:
            self._on_dialog_request(transaction, now)
        elif request.method == "INVITE":
            self._on_invite(transaction, now)
        elif request.method == "OPTIONS":
            self._respond(transaction, self._refusal(request, transaction.flow) or (200, self.abilities()), now)
        elif request.method == "REGISTER":
            self._on_register(transaction, now)
        elif request.method in ("BYE", "INFO", "UPDATE", "PRACK"):
            self._respond(transaction, (481, []), now)
        elif request.method == "NOTIFY":
            # RFC 6665 §4.1.3: nobody subscribed to anything.
            event = (request.headers.get("event") or "").partition(";")[0].strip(" \t").lower()
            self._respond(transaction, (481, []) if event == "refer" else (489, [("Allow-Events", "refer")]), now)
        elif request.method == "REFER":
            self.emit(Refused("REFER outside a call", transaction.flow))
            self._respond(transaction, (403, []), now)
        else:
            self._respond(transaction, (405, self.allow()), now)

    def is_unproved(self, flow: Flow) -> bool:
        if self.settings.unconfirmed_per_source is None or flow.reliable or self._is_known(flow):
            return False
        if self._registrar is not None and self._registrar.is_home(flow):
            return False
        return self._hosts[flow.host] <= self.unproved[flow.source]

    def is_kept(self, request: Request, flow: Flow) -> bool:
        if self._is_known(flow):
            return True
        if request.method == "CANCEL":
            return self.transactions.find_invite(request) is not None
        call = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        return call is not None and call.is_from_here(flow)

    def on_overflow(self, request: Request, flow: Flow) -> None:
        """503 that leaves nothing behind (§8.2.7)."""
        self.emit(Refused("more requests at once than can be kept", flow))
        self._overflow_tag = self._overflow_tag or self.chance.token()
        self.transmit(flow, reply(request, 503, to_tag=self._overflow_tag).to_bytes())

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        call = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        if call is not None:
            call.on_ack(request, flow, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction.owner is not None:
            transaction.owner.on_response(transaction, response, now)

    def on_stray_response(self, response: Response, flow: Flow, now: float) -> None:
        call = self._dialogs.get((response.call_id, response.from_.tag, response.to.tag))
        if call is not None and response.cseq.method == "INVITE" and 200 <= response.status < 300:
            call.offers.on_stray_2xx(response)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.owner is not None:
            transaction.owner.on_lost(transaction, "timeout", now)

    def on_unreachable(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.owner is not None:
            transaction.owner.on_lost(transaction, "transport", now)

    # ── inside ──

    def _on_invite(self, transaction: ServerTransaction, now: float) -> None:
        request, flow = transaction.request, transaction.flow
        refusal = self._refusal(request, flow) or self._no_room(flow)
        merged = (request.from_.tag, request.call_id, request.cseq.number)
        if refusal is None and merged in self._invited:
            # §8.2.2.2: the same request by another path.
            refusal = 482, []
        replaced: CallId | None = None
        if refusal is None and "replaces" in request.headers:
            found = self._find_replaced(request, flow)
            refusal = None if isinstance(found, Call) else (found, [])
            replaced = found.id if isinstance(found, Call) else None
        if refusal is not None:
            self.emit(Refused(f"INVITE answered {refusal[0]}", flow))
            self._respond(transaction, refusal, now)
            return
        caller = self._caller(request, flow)
        if caller.refusal is not None:
            if caller.refusal.rule:
                self.emit(Refused(caller.refusal.rule, flow))
            self._respond(transaction, (caller.refusal.status, caller.refusal.rows), now)
            return
        if request.is_for_telephone and not caller.client:
            self.emit(Refused("INVITE answered 416", flow))
            self._respond(transaction, (416, []), now)
            return
        if caller.client:
            # It answered a challenge, which went to where it says that it is.
            transaction.allowance = None
        if transaction.allowance is None:
            self.transactions.respond(transaction, reply(request, 100), now)
        call = InboundCall(self, self.chance.call(), transaction, self.chance.token(), now)
        call.merge_key = merged
        self._add(call)
        assert call.dialog is not None, "an inbound call has its dialog from the start"
        self.keep(call, call.dialog)
        self._invited.add(merged)
        # A client that reached us by itself is reached the way it came, whatever its Contact says.
        call.pinned = bool(caller.client) and len(parse_vias(request.headers.all("via"))) == 1
        self.emit(Incoming(call.id, request, flow, call.record, caller.client, caller.domain, replaced))

    def _find_replaced(self, request: Request, flow: Flow) -> Call | int:
        """RFC 3891 §3: the call an INVITE wants to take the place of, or the status it is refused with.

        Who guesses is told the same as who names a call of somebody else's.
        """
        values = request.headers.all("replaces")
        if len(values) != 1 or "join" in request.headers:
            return 400
        try:
            replaces = parse_replaces(values[0])
        except SipParseError as error:
            return error.status
        found = self.replaced(replaces)
        if found is None or not (self._trusted(flow) or found.is_from_here(flow)):
            return 481
        if found.phase is Phase.UP:
            return 486 if replaces.early_only else found
        # An early dialog may only be replaced by who was called in it, and that is for calls of ours.
        return found if found.phase is Phase.SETTING_UP and found.chose_call_id else 481

    def _refusal(self, request: Request, flow: Flow) -> tuple[int, list[Row]] | None:
        """Why a request outside any dialog is not looked at further, as status and headers (§8.2)."""
        headers = request.headers
        uri = request.uri
        # Whether it is one of our phones that dials a tel URI, which may, is found out later.
        if not isinstance(uri, SipUri) and not request.is_for_telephone:
            return 416, []
        if isinstance(uri, SipUri) and uri.scheme == "sips" and not flow.secure:
            # RFC 5630 §3.1: a sips address is called by TLS, whatever Via says about the way.
            self.emit(Refused(f"sips by {flow.transport}", flow))
            return 403, []
        if unknown := unknown_extensions(request):
            return 420, [("Unsupported", ", ".join(unknown))]
        if request.method == "INVITE":
            try:
                description(request)
            except UnsupportedBody:
                return 415, [("Accept", SDP), ("Accept-Encoding", "identity")]
            if "accept" in headers and not accepts_sdp(headers.all("accept")):
                return 406, []
            if is_too_short(request, self.settings.session_least):
                return 422, [("Min-SE", str(self.settings.session_least))]
        return None

    def _on_register(self, transaction: ServerTransaction, now: float) -> None:
        """§10.3. What is acknowledged has been stored before."""
        request, flow = transaction.request, transaction.flow
        refusal = self._refusal(request, flow)
        if refusal is None and self._registrar is None:
            refusal = 405, self.allow()
        if refusal is not None or self._registrar is None:
            self._respond(transaction, refusal or (405, []), now)
            return
        answer = self._registrar.register(request, flow)
        if answer.rule:
            self.emit(Refused(answer.rule, flow))
        if answer.change is None:
            self._respond(transaction, (answer.status, answer.rows), now)
        else:
            self.emit(Registering(transaction, answer))

    def registered(self, told: Registering, stored: bool, now: float) -> None:
        """The end of ``Registering``."""
        answer = (told.answer.status, told.answer.rows) if stored else (503, [("Retry-After", SOON)])
        self._respond(told.transaction, answer, now)

    def _caller(self, request: Request, flow: Flow) -> Caller:
        """Whose call it is; one of ours that comes back here has nobody to prove itself, and a trunk is no account."""
        if self._registrar is None:
            return Caller()
        caller = self._registrar.caller(request, flow, self._advertised(flow), self._listed(flow.host))
        if caller.refusal is not None and request.call_id in self._own_call_ids:
            return Caller()
        return caller

    def _is_known(self, flow: Flow) -> bool:
        """Whether the operator named it, as a trunk or in a list."""
        return self._listed(flow.host) or self._trusted(flow)

    def _no_room(self, flow: Flow) -> tuple[int, list[Row]] | None:
        if len(self.calls) >= self.settings.calls:
            return 503, []
        limit = self.settings.unconfirmed_per_source
        if limit is None or self.unproved[flow.source] < limit or self._listed(flow.host):
            return None
        return 480, []

    def _add(self, call: Call) -> None:
        self.calls[call.id] = call
        call.counted_as = call.flow.host
        _count(self._hosts, call.counted_as, 1)
        if call.chose_call_id:
            _count(self._own_call_ids, call.record.call_id, 1)

    def _on_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """§9.2. The CANCEL must come from where the INVITE came from, or from a sibling."""
        invite = self.transactions.find_invite(transaction.request)
        here, there = transaction.flow.host, "" if invite is None else invite.flow.host
        if invite is None or (here != there and not self.siblings(here, there)):
            self._respond(transaction, (481, []), now)
            return
        owner = invite.owner
        tag = owner.dialog.local_tag if isinstance(owner, Call) and owner.dialog is not None else ""
        self.transactions.respond(transaction, reply(transaction.request, 200, to_tag=tag), now)
        if isinstance(owner, Call):
            owner.on_cancel(invite, transaction.request, now)

    def _on_dialog_request(self, transaction: ServerTransaction, now: float) -> None:
        request, flow = transaction.request, transaction.flow
        call = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        if call is None:
            self._respond(transaction, (481, []), now)
        elif not call.is_from_here(flow) and self._media_flows(call.id):
            self.emit(Refused(f"{request.method} in a dialog from elsewhere", flow))
            self._respond(transaction, (403, []), now)
        elif request.method != "BYE" and (unknown := unknown_extensions(request)):
            self._respond(transaction, (420, [("Unsupported", ", ".join(unknown))]), now)
        else:
            call.on_request(transaction, now)

    def _respond(self, transaction: ServerTransaction, answer: tuple[int, list[Row]], now: float) -> None:
        status, rows = answer
        response = reply(transaction.request, status, to_tag=self.chance.token(), rows=rows)
        if transaction.allowance is not None and len(response.to_bytes()) > transaction.allowance:
            # Nobody who means it asks so briefly: what is said besides is left out.
            response = reply(transaction.request, status, to_tag=response.to.tag)
        self.transactions.respond(transaction, response, now)


def _count(counter: Counter[str], key: str, by: int) -> None:
    """Count without keeping zeros."""
    counter[key] += by
    if counter[key] <= 0:
        del counter[key]


def _user(uri: str) -> str:
    """The user part of a URI with its ``@``, escapes as they are; empty when there is none."""
    try:
        user = parse_sip_uri(uri).user
    except SipParseError:
        return ""
    return f"{user}@" if user else ""
