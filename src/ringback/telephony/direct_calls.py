"""Calls to an address without a trunk's attempts: to a client of ours, to an IP address, or to a name."""

import asyncio
from collections.abc import Callable, Sequence

from ringback.calls.ports.carrier import OutgoingInvite
from ringback.calls.ports.clock import Clock
from ringback.model.ids import CallId
from ringback.model.values import replace
from ringback.sip.agent import Agent
from ringback.sip.flow import Flow
from ringback.sip.grammar import TOKEN, clean
from ringback.sip.message import Row
from ringback.sip.outbound import OutboundCall
from ringback.sip.uri import SipUri, dialled_user, parse_sip_uri
from ringback.telephony.client_calls import ClientCalls
from ringback.telephony.lookups import Lookups
from ringback.telephony.policy import looks_like_number
from ringback.telephony.resolve import NotAllowed, Unresolvable
from ringback.telephony.tasks import Tasks
from ringback.telephony.transfers import transfer_rows


class DirectCalls:
    """Sends their INVITEs, as soon as it is known where to.

    Args:
        is_trunk: Whether an IP address is a trunk's.
        flush: Sends what the stack wants sent.
        fail: Tells the user above that a call came to nothing: call, cause, reason, status.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        lookups: Lookups,
        clients: ClientCalls,
        tasks: Tasks,
        *,
        is_trunk: Callable[[str], bool],
        flush: Callable[[], None],
        fail: Callable[[CallId, str, str, int], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._lookups = lookups
        self._clients = clients
        self._tasks = tasks
        self._is_trunk = is_trunk
        self._flush = flush
        self._fail = fail
        self._resolving: dict[CallId, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Calls that the stack does not know yet."""
        return len(self._resolving)

    def invite(self, invite: OutgoingInvite) -> None:
        uri = parse_sip_uri(invite.dialog.invite_uri)
        if self._clients.at(uri) is not None:
            self._clients.invite(replace(invite, headers=extra_rows(invite.headers)), uri)
            self._flush()
            return
        try:
            targets = self._lookups.literal(uri, invite.dialog.transport)
        except NotAllowed:
            self._fail(invite.call, "policy", "the address is not allowed", 0)
            return
        if targets is not None:
            self._send(invite, targets)
        else:
            self._resolving[invite.call] = self._tasks.run(self._resolve_and_send(invite, uri))

    def cancel(self, call: CallId) -> bool:
        """Give up a call that is not sent yet; whether there was one."""
        task = self._resolving.pop(call, None)
        if task is None:
            return False
        task.cancel()
        self._fail(call, "answer", "Request Terminated", 487)
        return True

    async def _resolve_and_send(self, invite: OutgoingInvite, uri: SipUri) -> None:
        try:
            targets = await self._lookups.find(uri, invite.dialog.transport)
        except Unresolvable:
            self._resolving.pop(invite.call, None)
            self._fail(invite.call, "resolve", f"no address for {clean(uri.host)}", 0)
        except NotAllowed:
            self._resolving.pop(invite.call, None)
            self._fail(invite.call, "policy", "the address is not allowed", 0)
        else:
            if self._resolving.pop(invite.call, None) is None:
                return
            if looks_like_number(dialled_user(uri)) and any(self._is_trunk(flow.host) for flow in targets):
                # A carrier that knows us by our address would carry it past every rule, whatever name led there.
                reason = "a trunk's address: its numbers are called over the trunk"
                self._fail(invite.call, "policy", reason, 0)
                return
            self._send(invite, targets)

    def _send(self, invite: OutgoingInvite, targets: list[Flow]) -> None:
        call = OutboundCall(
            self._agent,
            invite.call,
            invite.dialog,
            targets,
            name=invite.display_name,
            rows=[*extra_rows(invite.headers), *transfer_rows(invite)],
            body=invite.offer or b"",
            ring_timeout=invite.ring_timeout,
        )
        self._agent.invite(call, self._clock.monotonic())
        self._flush()


def extra_rows(headers: Sequence[tuple[str, str]]) -> list[Row]:
    """Only X- headers, and no control character, whatever was checked before."""
    return [(name, clean(value)) for name, value in headers if TOKEN.fullmatch(name) and name.lower().startswith("x-")]
