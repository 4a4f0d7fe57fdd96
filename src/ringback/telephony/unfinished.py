"""Calls that an earlier process left behind: their far ends are told that they are over."""

from collections.abc import Callable

from ringback.calls.ports.clock import Clock
from ringback.model.records import CallRecord, CallState, DialogRecord, Direction
from ringback.sip.agent import Agent
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.outbound import OutboundCall
from ringback.sip.uri import parse_sip_uri
from ringback.telephony.lookups import Lookups
from ringback.telephony.resolve import NotAllowed, Unresolvable
from ringback.telephony.tasks import Tasks


class Unfinished:
    """Ends them by what their records say.

    Args:
        tls_for: How a host has to prove itself by TLS towards a flow.
        flush: Sends what the stack wants sent.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        lookups: Lookups,
        tasks: Tasks,
        *,
        tls_for: Callable[[str, Flow], TlsPolicy],
        flush: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._lookups = lookups
        self._tasks = tasks
        self._tls_for = tls_for
        self._flush = flush

    def finish(self, record: CallRecord) -> None:
        dialog = record.dialog
        if dialog is None or record.state is CallState.ENDED:
            return
        if record.state is not CallState.ANSWERED and record.direction is Direction.DIAL_IN:
            # An INVITE nobody answered yet ends by itself: its transaction died with the process.
            return
        flow = _peer(dialog)
        if flow is not None and flow.transport == "tls":
            # By the name it was called by, or where it said it is reached.
            uri = parse_sip_uri(dialog.invite_uri or dialog.remote_target)
            flow = flow._replace(tls=self._tls_for(uri.host, flow))
        if flow is not None:
            self._finish_at(record, dialog, flow)
        elif dialog.invite_uri:
            self._tasks.run(self._resolve_and_finish(record, dialog))

    async def _resolve_and_finish(self, record: CallRecord, dialog: DialogRecord) -> None:
        try:
            uri = parse_sip_uri(dialog.invite_uri)
            targets = await self._lookups.find(uri, dialog.transport)
        except (SipParseError, Unresolvable, NotAllowed):
            return
        self._finish_at(record, dialog, targets[0])

    def _finish_at(self, record: CallRecord, dialog: DialogRecord, flow: Flow) -> None:
        now = self._clock.monotonic()
        if record.state is CallState.ANSWERED and dialog.remote_tag:
            self._agent.finish_up(record.id, dialog, flow, now)
        elif dialog.branch:
            self._agent.finish_early(OutboundCall(self._agent, record.id, dialog, [flow]), now)
        self._flush()


def _peer(dialog: DialogRecord) -> Flow | None:
    host, colon, port = dialog.peer.rpartition(":")
    if not colon or not port.isdigit():
        return None
    return Flow(dialog.transport, host.strip("[]"), int(port))
