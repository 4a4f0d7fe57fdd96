"""The stack's core: requests find their call, calls find their far end (RFC 3261 §8, §12.2.2).

Sans-I/O: feed it messages and the time, then take what it wants sent and told. Time is seconds on one monotonic clock.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.sip.abilities import ABILITIES, ALLOW
from ringback.sip.agent_settings import AgentSettings, Chance, Registrations, Transmit
from ringback.sip.call import Call
from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.dialog import Dialog, DialogId
from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.errors import SipParseError
from ringback.sip.events import Event, Lookup, Refused, Registering
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.headers import BRANCH_COOKIE
from ringback.sip.hops import is_address, is_hidden, named_hop, transport_of, uri_transport
from ringback.sip.inbound import InboundCall
from ringback.sip.life import Phase
from ringback.sip.message import Message, Request, Response, Row, reply
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import top_via
from ringback.sip.replaces import Replaces
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.serving import Serving
from ringback.sip.timers import Wheel
from ringback.sip.transactions import Transactions
from ringback.sip.uri import SipUri, format_host_port, parse_sip_uri


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
        self._registrar = registrar
        self._connected = connected
        self._vouched = vouched
        self.siblings = siblings
        self._trusted = trusted
        self.described = described
        self.transactions.siblings = siblings
        self._listed = listed
        self._serving = Serving(self, advertised, media_flows, registrar, trusted, listed)
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
        self.add(call)
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

    def in_dialog(self, request: Request) -> Call | None:
        """The call in whose dialog a request is."""
        return self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))

    def was_invited(self, merge_key: tuple[str, str, int]) -> bool:
        """Whether the same INVITE has come by another path (§8.2.2.2)."""
        return merge_key in self._invited

    def chose(self, call_id: str) -> bool:
        """Whether a ``Call-ID`` is of a call that we make."""
        return call_id in self._own_call_ids

    def registered(self, told: Registering, stored: bool, now: float) -> None:
        """The end of ``Registering``."""
        self._serving.registered(told, stored, now)

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
            self._serving.serve(transaction, now)
        except SipParseError:
            # A part read late is broken; unanswered, the transaction would stay for ever.
            self._serving.give_back(transaction, 400, now)
            raise
        except Exception:
            self._serving.give_back(transaction, 500, now)
            raise

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
        call = self.in_dialog(request)
        return call is not None and call.is_from_here(flow)

    def on_overflow(self, request: Request, flow: Flow) -> None:
        """503 that leaves nothing behind (§8.2.7)."""
        self.emit(Refused("more requests at once than can be kept", flow))
        self._overflow_tag = self._overflow_tag or self.chance.token()
        self.transmit(flow, reply(request, 503, to_tag=self._overflow_tag).to_bytes())

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        call = self.in_dialog(request)
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

    def _is_known(self, flow: Flow) -> bool:
        """Whether the operator named it, as a trunk or in a list."""
        return self._listed(flow.host) or self._trusted(flow)

    def add(self, call: Call) -> None:
        """A call begins; an INVITE that made it is remembered by its ``merge_key``."""
        self.calls[call.id] = call
        call.counted_as = call.flow.host
        _count(self._hosts, call.counted_as, 1)
        if call.chose_call_id:
            _count(self._own_call_ids, call.record.call_id, 1)
        if isinstance(call, InboundCall):
            self._invited.add(call.merge_key)


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
