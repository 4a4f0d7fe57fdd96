"""Calls to SIP clients: every telephone of an account is called over the flow it registered by."""

from collections.abc import Callable

from ringback.calls.ports.carrier import OutgoingInvite
from ringback.calls.ports.clock import Clock
from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.model.sip_client import SipClient
from ringback.model.values import replace
from ringback.sip.agent import Agent
from ringback.sip.flow import DEFAULT_PORTS, Flow
from ringback.sip.outbound import OutboundCall
from ringback.sip.registrar import Place
from ringback.sip.uri import SipUri, parse_sip_uri, unescape
from ringback.telephony.forking import Forks
from ringback.telephony.policy import parse_ip
from ringback.telephony.registrar import Registry
from ringback.telephony.transfers import transfer_rows


class ClientCalls:
    """Finds accounts by address, and calls them.

    Args:
        clock, agent, registry: Of the stack.
        here: Host and port that we are called by.
        reachable: Whether policy lets us send to an address that a phone named.
        fail: Tells the user above that a call came to nothing: call, cause, reason, status.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        registry: Registry,
        *,
        here: Callable[[], tuple[str, int]],
        reachable: Callable[[str, int], bool],
        fail: Callable[[CallId, str, str, int], None],
    ) -> None:
        self.forks = Forks(agent)
        self._clock = clock
        self._agent = agent
        self._registry = registry
        self._here = here
        self._reachable = reachable
        self._fail = fail

    def at(self, uri: SipUri) -> SipClient | None:
        """The account that an address names, if it is one of ours."""
        return self._registry.client_at(unescape(uri.user or ""), uri.host, uri.port, self._here())

    def invite(self, invite: OutgoingInvite, uri: SipUri) -> None:
        """Call every telephone of the account at ``uri``; its domain's rooms may, and nobody else."""
        client = self.at(uri)
        places = self._registry.places(client) if client is not None and invite.domain == client.domain else []
        if not places:
            who = client.username if client is not None else "nobody"
            self._fail(invite.call, "unregistered", f"{who} is not registered", 480)
            return
        several, now = len(places) > 1, self._clock.monotonic()
        calls = [
            self._leg(invite, place, self.forks.leg(invite.call, number) if several else invite.call, not number)
            for number, place in enumerate(places)
        ]
        if several:
            self.forks.start(invite.call, calls, now)
        else:
            self._agent.invite(calls[0], now)

    def _leg(self, invite: OutgoingInvite, place: Place, id: CallId, first: bool) -> OutboundCall:
        return OutboundCall(
            self._agent,
            id,
            self._record_for(invite, place, first),
            self._ways_to(place),
            name=invite.display_name,
            rows=[*invite.headers, *transfer_rows(invite)],
            body=invite.offer or b"",
            ring_timeout=invite.ring_timeout,
            routes=place.binding.path,
            pinned=not place.binding.path,
        )

    def _record_for(self, invite: OutgoingInvite, place: Place, first: bool) -> DialogRecord:
        """The dialog with one telephone; To stays the account's address."""
        contact, dialog = parse_sip_uri(place.binding.contact), invite.dialog
        chosen = self._agent.prepare(contact, dialog.local_uri)
        if first:
            chosen = replace(chosen, call_id=dialog.call_id, local_tag=dialog.local_tag, branch=dialog.branch)
        return replace(chosen, remote_uri=dialog.remote_uri, transport=place.binding.transport)

    def _ways_to(self, place: Place) -> list[Flow]:
        """The flow a phone registered by; where that connection is gone, perhaps its Contact takes a new one."""
        contact = parse_sip_uri(place.binding.contact)
        port = contact.port or DEFAULT_PORTS["tcp"]
        gone = place.binding.transport == "tcp" and not self._agent.is_there(place.flow)
        if gone and parse_ip(contact.host) is not None and self._reachable(contact.host, port):
            return [Flow("tcp", contact.host, port)]
        return [place.flow]
