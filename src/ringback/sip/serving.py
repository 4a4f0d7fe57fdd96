"""Requests of far ends: each finds its call, becomes one, or is answered at once (RFC 3261 §8.2, §12.2.2)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.sip.abilities import accepts_sdp, unknown_extensions
from ringback.sip.agent_settings import Registrations
from ringback.sip.bodies import SDP, UnsupportedBody, description
from ringback.sip.call import Call
from ringback.sip.errors import SipParseError
from ringback.sip.events import Incoming, Refused, Registering
from ringback.sip.flow import Flow
from ringback.sip.headers import parse_vias
from ringback.sip.inbound import SOON, InboundCall
from ringback.sip.life import Phase
from ringback.sip.message import Request, Row, reply
from ringback.sip.registrar import Caller
from ringback.sip.replaces import parse_replaces
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.session_timer import is_too_short
from ringback.sip.uri import SipUri

if TYPE_CHECKING:
    from ringback.sip.agent import Agent


class Serving:
    """What comes to one stack. Arguments as of ``Agent``.

    Args:
        agent: Whose calls these are.
    """

    def __init__(
        self,
        agent: "Agent",
        advertised: Callable[[Flow], tuple[str, int]],
        media_flows: Callable[[CallId], bool],
        registrar: Registrations | None,
        trusted: Callable[[Flow], bool],
        listed: Callable[[str], bool],
    ) -> None:
        self._agent = agent
        self._advertised = advertised
        self._media_flows = media_flows
        self._registrar = registrar
        self._trusted = trusted
        self._listed = listed

    def serve(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        if request.method == "CANCEL":
            self._on_cancel(transaction, now)
        elif request.to.tag:
            self._on_dialog_request(transaction, now)
        elif request.method == "INVITE":
            self._on_invite(transaction, now)
        elif request.method == "OPTIONS":
            self._respond(transaction, self._refusal(request, transaction.flow) or (200, self._agent.abilities()), now)
        elif request.method == "REGISTER":
            self._on_register(transaction, now)
        elif request.method in ("BYE", "INFO", "UPDATE", "PRACK"):
            self._respond(transaction, (481, []), now)
        elif request.method == "NOTIFY":
            # RFC 6665 §4.1.3: nobody subscribed to anything.
            event = (request.headers.get("event") or "").partition(";")[0].strip(" \t").lower()
            self._respond(transaction, (481, []) if event == "refer" else (489, [("Allow-Events", "refer")]), now)
        elif request.method == "REFER":
            self._agent.emit(Refused("REFER outside a call", transaction.flow))
            self._respond(transaction, (403, []), now)
        else:
            self._respond(transaction, (405, self._agent.allow()), now)

    def give_back(self, transaction: ServerTransaction, status: int, now: float) -> None:
        """Answer what could not be served, unless it waits for somebody above, who will."""
        if not transaction.answered and transaction.owner is None:
            self._respond(transaction, (status, []), now)

    def registered(self, told: Registering, stored: bool, now: float) -> None:
        """The end of ``Registering``."""
        answer = (told.answer.status, told.answer.rows) if stored else (503, [("Retry-After", SOON)])
        self._respond(told.transaction, answer, now)

    def _on_invite(self, transaction: ServerTransaction, now: float) -> None:
        request, flow = transaction.request, transaction.flow
        refusal = self._refusal(request, flow) or self._no_room(flow)
        merged = (request.from_.tag, request.call_id, request.cseq.number)
        if refusal is None and self._agent.was_invited(merged):
            # §8.2.2.2: the same request by another path.
            refusal = 482, []
        replaced: CallId | None = None
        if refusal is None and "replaces" in request.headers:
            found = self._find_replaced(request, flow)
            refusal = None if isinstance(found, Call) else (found, [])
            replaced = found.id if isinstance(found, Call) else None
        if refusal is not None:
            self._agent.emit(Refused(f"INVITE answered {refusal[0]}", flow))
            self._respond(transaction, refusal, now)
            return
        caller = self._caller(request, flow)
        if caller.refusal is not None:
            if caller.refusal.rule:
                self._agent.emit(Refused(caller.refusal.rule, flow))
            self._respond(transaction, (caller.refusal.status, caller.refusal.rows), now)
            return
        if request.is_for_telephone and not caller.client:
            self._agent.emit(Refused("INVITE answered 416", flow))
            self._respond(transaction, (416, []), now)
            return
        if caller.client:
            # It answered a challenge, which went to where it says that it is.
            transaction.allowance = None
        if transaction.allowance is None:
            self._agent.transactions.respond(transaction, reply(request, 100), now)
        call = InboundCall(self._agent, self._agent.chance.call(), transaction, self._agent.chance.token(), now)
        call.merge_key = merged
        self._agent.add(call)
        assert call.dialog is not None, "an inbound call has its dialog from the start"
        self._agent.keep(call, call.dialog)
        # A client that reached us by itself is reached the way it came, whatever its Contact says.
        call.pinned = bool(caller.client) and len(parse_vias(request.headers.all("via"))) == 1
        self._agent.emit(Incoming(call.id, request, flow, call.record, caller.client, caller.domain, replaced))

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
        found = self._agent.replaced(replaces)
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
            self._agent.emit(Refused(f"sips by {flow.transport}", flow))
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
            if is_too_short(request, self._agent.settings.session_least):
                return 422, [("Min-SE", str(self._agent.settings.session_least))]
        return None

    def _on_register(self, transaction: ServerTransaction, now: float) -> None:
        """§10.3. What is acknowledged has been stored before."""
        request, flow = transaction.request, transaction.flow
        refusal = self._refusal(request, flow)
        if refusal is None and self._registrar is None:
            refusal = 405, self._agent.allow()
        if refusal is not None or self._registrar is None:
            self._respond(transaction, refusal or (405, []), now)
            return
        answer = self._registrar.register(request, flow)
        if answer.rule:
            self._agent.emit(Refused(answer.rule, flow))
        if answer.change is None:
            self._respond(transaction, (answer.status, answer.rows), now)
        else:
            self._agent.emit(Registering(transaction, answer))

    def _caller(self, request: Request, flow: Flow) -> Caller:
        """Whose call it is; one of ours that comes back here has nobody to prove itself, and a trunk is no account."""
        if self._registrar is None:
            return Caller()
        caller = self._registrar.caller(request, flow, self._advertised(flow), self._listed(flow.host))
        if caller.refusal is not None and self._agent.chose(request.call_id):
            return Caller()
        return caller

    def _no_room(self, flow: Flow) -> tuple[int, list[Row]] | None:
        if len(self._agent.calls) >= self._agent.settings.calls:
            return 503, []
        limit = self._agent.settings.unconfirmed_per_source
        if limit is None or self._agent.unproved[flow.source] < limit or self._listed(flow.host):
            return None
        return 480, []

    def _on_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """§9.2. The CANCEL must come from where the INVITE came from, or from a sibling."""
        invite = self._agent.transactions.find_invite(transaction.request)
        here, there = transaction.flow.host, "" if invite is None else invite.flow.host
        if invite is None or (here != there and not self._agent.siblings(here, there)):
            self._respond(transaction, (481, []), now)
            return
        owner = invite.owner
        tag = owner.dialog.local_tag if isinstance(owner, Call) and owner.dialog is not None else ""
        self._agent.transactions.respond(transaction, reply(transaction.request, 200, to_tag=tag), now)
        if isinstance(owner, Call):
            owner.on_cancel(invite, transaction.request, now)

    def _on_dialog_request(self, transaction: ServerTransaction, now: float) -> None:
        request, flow = transaction.request, transaction.flow
        call = self._agent.in_dialog(request)
        if call is None:
            self._respond(transaction, (481, []), now)
        elif not call.is_from_here(flow) and self._media_flows(call.id):
            self._agent.emit(Refused(f"{request.method} in a dialog from elsewhere", flow))
            self._respond(transaction, (403, []), now)
        elif request.method != "BYE" and (unknown := unknown_extensions(request)):
            self._respond(transaction, (420, [("Unsupported", ", ".join(unknown))]), now)
        else:
            call.on_request(transaction, now)

    def _respond(self, transaction: ServerTransaction, answer: tuple[int, list[Row]], now: float) -> None:
        status, rows = answer
        response = reply(transaction.request, status, to_tag=self._agent.chance.token(), rows=rows)
        if transaction.allowance is not None and len(response.to_bytes()) > transaction.allowance:
            # Nobody who means it asks so briefly: what is said besides is left out.
            response = reply(transaction.request, status, to_tag=response.to.tag)
        self._agent.transactions.respond(transaction, response, now)
