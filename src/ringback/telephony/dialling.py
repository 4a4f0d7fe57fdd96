"""Calls that may go several ways: one attempt after the other, at each trunk's pace, until one is answered.

The next attempt is made when nothing came (not even 100 within the attempt's patience), when the network failed, or
when 503 was answered, and never once a phone has rung. A trunk may also be left by a 3xx, as its settings say.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import structlog

from ringback.calls.ports.carrier import OutgoingInvite
from ringback.calls.ports.clock import Clock, Timer
from ringback.calls.ports.routes import Attempt
from ringback.model.errors import RingbackError
from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.model.values import replace
from ringback.numbers.identity import host_of
from ringback.numbers.plan import guarded
from ringback.numbers.trunk import Redirects, Trunk
from ringback.sip.digest import Credential
from ringback.sip.errors import SipParseError
from ringback.sip.events import DialogChanged, Failed, Progress, Routed
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean
from ringback.sip.message import Row
from ringback.sip.uri import SipUri, dialled_user, format_host_port, parse_sip_uri
from ringback.telephony.resolve import NotAllowed, Unresolvable
from ringback.telephony.trunks import TrunkDesk

log = structlog.get_logger(__name__)

MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Ready:
    """One attempt, ready to be sent.

    Attributes:
        record: Its dialog; a new branch and CSeq for every attempt after the first.
        targets: Where to, best first.
        rows: Route and identity headers.
    """

    record: DialogRecord
    targets: list[Flow]
    rows: list[Row]
    body: bytes
    credentials: list[Credential]
    patience: float | None
    ring_timeout: float
    trunk: str = ""


class Sender(Protocol):
    """Telephony, as attempts see it."""

    def new_branch(self) -> str: ...
    async def find(self, uri: SipUri, transport: str, trunk: Trunk | None) -> list[Flow]:
        """Raises ``Unresolvable``, ``NotAllowed``."""

    def send(self, invite: OutgoingInvite, ready: Ready) -> None: ...
    def tell(self, event: Failed | Routed) -> None: ...
    def dialable(self, target: str) -> SipUri:
        """Raises ``RingbackError`` for an address that policy refuses."""


@dataclass(slots=True)
class _Way:
    """A call on its way."""

    invite: OutgoingInvite
    left: deque[tuple[int, Attempt]]
    record: DialogRecord
    began: float
    attempt: Attempt
    number: int = 0
    made: bool = False
    rung: bool = False
    redirects: int = 0
    given_up: bool = False
    timer: Timer | None = None
    task: asyncio.Task[None] | None = None
    last: Failed | None = None


class Dialling:
    """All calls that still have a way to try.

    Args:
        clock: For pace, and for how long a phone may ring in all.
        desk: The trunks.
        sender: Resolves and sends.
    """

    def __init__(self, clock: Clock, desk: TrunkDesk, sender: Sender) -> None:
        self._clock = clock
        self._desk = desk
        self._sender = sender
        self._ways: dict[CallId, _Way] = {}

    def __len__(self) -> int:
        return len(self._ways)

    def waits(self, call: CallId) -> bool:
        """Whether a call is between two attempts, or before its first."""
        way = self._ways.get(call)
        return way is not None and (way.timer is not None or way.task is not None)

    def begin(self, invite: OutgoingInvite) -> None:
        """Make the first attempt. Exactly one of an answer and ``Failed`` follows."""
        left = deque(enumerate(invite.attempts))
        way = _Way(invite, left, invite.dialog, self._clock.monotonic(), invite.attempts[0])
        self._ways[invite.call] = way
        self._next(way)

    def cancel(self, call: CallId) -> bool:
        """Give up a call; whether that is all, because it has no INVITE out now."""
        way = self._ways.get(call)
        if way is None:
            return False
        way.given_up = True
        way.left.clear()
        if not (way.timer or way.task):
            return False
        del self._ways[call]
        if way.timer is not None:
            way.timer.cancel()
        if way.task is not None:
            way.task.cancel()
        self._sender.tell(Failed(call, 487, "Request Terminated", "answer"))
        return True

    def stop(self) -> None:
        """Forget everything; nothing is told."""
        for way in self._ways.values():
            if way.timer is not None:
                way.timer.cancel()
            if way.task is not None:
                way.task.cancel()
        self._ways.clear()

    # ── what the stack tells ──

    def noticed(self, event: object) -> bool:
        """Look at what the stack tells of a call; whether it is kept from the user because another way is tried."""
        call = getattr(event, "call", None)
        way = self._ways.get(call) if call is not None else None
        if way is None:
            return False
        match event:
            case DialogChanged(_, dialog):
                way.record = dialog
            case Progress():
                way.rung = True
                self._host_answers(way, event.status, event.reason)
            case Failed():
                return self._failed(way, event)
            case _:
                self._host_answers(way, 200, "OK")
                del self._ways[way.invite.call]
        return False

    def _failed(self, way: _Way, failure: Failed) -> bool:
        way.last = failure
        if failure.status and failure.cause == "answer":
            self._host_answers(way, failure.status, failure.reason)
        elif not failure.status:
            self._desk.note_failure(way.attempt.trunk, _host_key(way.attempt), failure.reason)
        if not way.rung and self._has_another(way, failure):
            log.warning(
                "trunk.failover",
                call=way.invite.call,
                trunk=way.attempt.trunk,
                because=failure.reason,
                status=failure.status,
                next=way.left[0][1].trunk,
            )
            self._next(way)
            return True
        del self._ways[way.invite.call]
        return False

    def _has_another(self, way: _Way, failure: Failed) -> bool:
        if 300 <= failure.status < 400:
            return self._redirect(way, failure)
        never_came = failure.status == 0 and failure.cause != "policy"
        return bool(way.left) and (never_came or failure.status == 503)

    def _redirect(self, way: _Way, failure: Failed) -> bool:
        trunk = self._desk.named(way.attempt.trunk)
        if trunk is None or way.given_up or trunk.redirects is Redirects.OFF or way.redirects >= MOST_REDIRECTS:
            return False
        way.redirects += 1
        found = [new for text in failure.contacts if (new := self._redirected(trunk, way.attempt, text)) is not None]
        way.left.extendleft((way.number, attempt) for attempt in reversed(found))
        return bool(found)

    def _redirected(self, trunk: Trunk, attempt: Attempt, contact: str) -> Attempt | None:
        """An attempt at a 3xx's Contact, if the trunk may send us there (security-cases D8)."""
        try:
            uri = parse_sip_uri(contact)
            guarded(dialled_user(uri).partition(";")[0], trunk.country)
            if any(uri.host.lower() == host.host for host in trunk.hosts):
                return replace(attempt, uri=str(uri.bare()))
            if trunk.redirects is not Redirects.POLICY:
                return None
            target = self._sender.dialable(contact)
            own = next((each for each in self._desk.trunks if self._is_at(each, target.host)), None)
            return replace(attempt, uri=str(target), trunk=own.name if own else "", proxy="", transport="", headers=())
        except (SipParseError, RingbackError):
            return None

    def _is_at(self, trunk: Trunk, host: str) -> bool:
        return trunk.enabled and any(host.lower() == each.host for each in trunk.hosts)

    # ── attempts ──

    def _next(self, way: _Way) -> None:
        """Book a turn with the next trunk that has room."""
        way.timer = way.task = None
        while way.left:
            way.number, way.attempt = way.left.popleft()
            trunk = self._desk.named(way.attempt.trunk)
            at, why = self._turn(way.attempt, trunk)
            if at is None:
                way.last = Failed(way.invite.call, 0, why, "transport")
                log.warning("trunk.passed-over", call=way.invite.call, trunk=way.attempt.trunk, because=why)
            elif at > self._clock.monotonic():
                log.info("trunk.queued", call=way.invite.call, trunk=way.attempt.trunk, until=at)
                way.timer = self._clock.call_at(at, lambda: self._start(way))
                return
            else:
                self._start(way)
                return
        del self._ways[way.invite.call]
        self._sender.tell(way.last or Failed(way.invite.call, 0, "no trunk is left", "transport"))

    def _turn(self, attempt: Attempt, trunk: Trunk | None) -> tuple[float | None, str]:
        now = self._clock.monotonic()
        if not attempt.trunk:
            return now, ""
        if trunk is None or not trunk.enabled:
            return None, f"trunk {attempt.trunk} is gone"
        if self._desk.is_full(trunk):
            return None, f"trunk {trunk.name} carries max_calls ({trunk.max_calls}) already"
        return self._desk.load(trunk.name).book(trunk, now), f"trunk {trunk.name} has too long a queue"

    def _start(self, way: _Way) -> None:
        way.timer = None
        way.task = asyncio.get_running_loop().create_task(self._send(way))

    async def _send(self, way: _Way) -> None:
        call, attempt = way.invite.call, way.attempt
        try:
            trunk = self._desk.named(attempt.trunk)
            uri = parse_sip_uri(attempt.uri)
            hop = parse_sip_uri(attempt.proxy) if attempt.proxy else uri
            transport = attempt.transport or (uri.parameter("transport") or "udp").lower()
            targets = await self._sender.find(hop, transport, trunk)
        except SipParseError as error:
            self._lost(way, f"the address is unreadable: {error.reason}", "resolve")
        except Unresolvable:
            self._lost(way, f"no address for {clean(hop.host)}", "resolve")
        except NotAllowed:
            self._lost(way, "the address is not allowed", "policy")
        else:
            way.task = None
            if call not in self._ways:
                return
            way.record = self._record(way, uri, targets[0].transport)
            way.made = True
            if attempt.trunk:
                self._desk.carries(attempt.trunk, call)
            self._sender.tell(Routed(call, way.number, attempt.trunk))
            self._sender.send(way.invite, self._ready(way, trunk, targets))

    def _lost(self, way: _Way, reason: str, cause: str) -> None:
        way.task = None
        if way.invite.call in self._ways:
            failure = Failed(way.invite.call, 0, reason, cause)
            if not self._failed(way, failure):
                self._sender.tell(failure)

    def _record(self, way: _Way, uri: SipUri, transport: str) -> DialogRecord:
        attempt, before = way.attempt, way.record
        again = way.made
        return replace(
            before,
            remote_tag="",
            local_uri=attempt.from_uri or way.invite.dialog.local_uri,
            remote_uri=str(SipUri(uri.scheme, uri.user, None, uri.host, uri.port)),
            remote_target=attempt.uri,
            route_set=(),
            invite_uri=attempt.uri,
            transport=transport,
            peer="",
            branch=self._sender.new_branch() if again else before.branch,
            local_cseq=before.local_cseq + 1 if again else before.local_cseq,
        )

    def _ready(self, way: _Way, trunk: Trunk | None, targets: list[Flow]) -> Ready:
        attempt = way.attempt
        rows: list[Row] = []
        if attempt.proxy:
            proxy = attempt.proxy if ";lr" in attempt.proxy else f"{attempt.proxy};lr"
            rows.append(("Route", f"<{proxy}>"))
        rows += [(name, clean(value)) for name, value in attempt.headers]
        waited = self._clock.monotonic() - way.began
        return Ready(
            record=way.record,
            targets=targets,
            rows=rows,
            body=attempt.offer or way.invite.offer or b"",
            credentials=[] if trunk is None else self._desk.credentials(trunk, targets),
            patience=attempt.patience,
            ring_timeout=max(1.0, way.invite.ring_timeout - waited),
            trunk=attempt.trunk,
        )

    def _host_answers(self, way: _Way, status: int, reason: str) -> None:
        self._desk.note_answer(way.attempt.trunk, _host_key(way.attempt), status, reason)


def _host_key(attempt: Attempt) -> str:
    """The host of an attempt as its trunk's health knows it."""
    try:
        uri = parse_sip_uri(attempt.uri)
    except SipParseError:
        return host_of(attempt.uri)
    return format_host_port(uri.host.lower(), uri.port)
