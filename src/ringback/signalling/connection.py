"""One socket's life: a join first, then requests and replies, with the client's events in between.

Replies and events leave through one writer, so a client that reads slowly slows only itself. A socket that breaks
leaves its client's seat waiting; leaving, being removed and talking nonsense end it for good.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

import structlog

from ringback.access.errors import TokenRefused
from ringback.calls.ports.clock import Clock, Timer
from ringback.calls.ports.paid import Asker
from ringback.calls.transfer_request import WARM_FIELDS
from ringback.meetings.admission import Joiner, JoinRefused
from ringback.meetings.meeting import GRACE
from ringback.meetings.permissions import may_administer
from ringback.meetings.seat import Seat, Welcome
from ringback.model.errors import InvalidRequest, NotFound, RateLimited, RingbackError
from ringback.model.ids import DomainId, ParticipantId, RoomName
from ringback.model.participant import Participant
from ringback.signalling import requests, wire
from ringback.signalling.clients import Client, Clients
from ringback.signalling.mailbox import Overrun
from ringback.signalling.ports import DialOuts, DomainOf, Doors, Tokens
from ringback.signalling.requests import Frame

log = structlog.get_logger()

JOIN_WITHIN = 10.0
"""Seconds a socket may be open without having joined."""

MAX_BAD_FRAMES = 10
RATE, BURST = 50.0, 200.0
"""Requests per second of one client, and how many at once."""

NORMAL, POLICY, TRY_LATER = 1000, 1008, 1013
"""WebSocket close codes (RFC 6455 §7.4.1)."""

BLOCKED = ("byDeviceMissing", "byDeviceInUse", "byPermissions")
"""Why a track can be blocked."""

Fields = dict[str, object]


class Wire(Protocol):
    """A WebSocket as the framework gives it."""

    async def receive(self) -> str | None:
        """The next text frame; ``""`` for anything that is not text; ``None`` once it is closed."""

    async def send(self, texts: Sequence[str]) -> None:
        """A text frame for each."""

    async def close(self, code: int, reason: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What every connection shares."""

    doors: Doors
    tokens: Tokens
    calls: DialOuts
    clients: Clients
    clock: Clock
    domain_of: DomainOf
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Knocked:
    """At which door this connection waits, or was let in, and as whom."""

    domain: DomainId
    room: RoomName
    joiner: Joiner


class Connection:
    """Serves one socket until it closes.

    Args:
        host: ``Host`` of the HTTP request, for rooms named without a URL.
        source: Address of the peer, for logs.
    """

    def __init__(self, socket: Wire, desk: Desk, host: str, source: str) -> None:
        self._wire = socket
        self._desk = desk
        self._host = host
        self._source = source
        self._client: Client | None = None
        self._replies: list[str] = []
        self._news = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._answering = False
        self._bad = 0
        self._waits: _Knocked | None = None
        self._admitted: _Knocked | None = None
        self._timer: Timer | None = None
        self._tokens = BURST
        self._refilled = desk.clock.monotonic()

    def wake(self) -> None:
        """The client's mailbox has something new, or it has been removed."""
        self._news.set()

    async def serve(self) -> None:
        """Run until the socket is closed, by either side."""
        self._expect_join()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                await self._write()
                reader.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._dropped()

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            closing = self._closing
            if frames := self._outgoing():
                await self._wire.send(frames)
            if self._news.is_set():
                continue
            if closing is not None:
                await self._wire.close(*closing)
                return

    def _outgoing(self) -> list[str]:
        frames, self._replies = self._replies, []
        client = self._client
        if client is None or client.socket is not self:
            return frames
        try:
            frames += client.mailbox.take()
        except Overrun:
            self._close(TRY_LATER, "too slow")
        if client.over and not self._answering:
            self._close(NORMAL, "left")
        return frames

    def _reply(self, id: int | None, fields: Mapping[str, object]) -> None:
        self._replies.append(
            json.dumps({"type": "reply", "id": id, "ok": True, **fields}, separators=(",", ":"), default=str)
        )
        self._news.set()

    def _refuse(self, id: int | None, kind: str, msg: str, *, may_knock: bool = False) -> None:
        error: Fields = {"type": kind, "msg": msg, **({"mayKnock": True} if may_knock else {})}
        self._replies.append(json.dumps({"type": "reply", "id": id, "ok": False, "error": error}))
        self._news.set()

    def _close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._closing = (code, reason)
            self._news.set()

    def _expect_join(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._desk.clock.call_at(self._desk.clock.monotonic() + JOIN_WITHIN, self._join_timeout)

    def _join_timeout(self) -> None:
        if self._client is None and self._waits is None:
            self._close(POLICY, "join first")

    def _dropped(self) -> None:
        if (knocked := self._waits) is not None:
            self._waits = None
            self._desk.doors.knocking.give_up(knocked.domain, knocked.room, knocked.joiner.id)
        client = self._client
        if client is None or client.socket is not self:
            return
        client.socket = None
        if client.over:
            self._desk.clients.forget(client)
        elif client.seat is not None:
            client.seat.lost()

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _read(self) -> None:
        while self._closing is None:
            text = await self._wire.receive()
            if text is None:
                self._close(NORMAL, "")
                return
            try:
                frame = requests.read_frame(text)
            except InvalidRequest as error:
                self._bad_frame(error)
                continue
            if not self._admit():
                self._refuse(frame.id, RateLimited.code, "too many requests, slow down")
                self._bad_frame(None)
                continue
            self._answering = True
            await self._answer(frame)
            self._answering = False
            self._news.set()

    def _bad_frame(self, error: InvalidRequest | None) -> None:
        self._bad += 1
        if error is not None:
            self._refuse(None, error.code, error.info)
        if self._bad >= MAX_BAD_FRAMES:
            log.info("signalling.nonsense", source=self._source)
            self._close(POLICY, "too many bad frames")

    def _admit(self) -> bool:
        now = self._desk.clock.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * RATE)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def _answer(self, frame: Frame) -> None:
        try:
            if frame.type == "join":
                self._reply(frame.id, await self._join(frame.fields))
                return
            if frame.type == "knock":
                self._reply(frame.id, await self._knock(frame.fields))
                return
            if self._client is None or self._client.seat is None:
                raise InvalidRequest("join first")
            verb = VERBS.get(frame.type)
            if verb is None:
                raise InvalidRequest(f'unknown request type "{requests.clean(frame.type)[:64]}"')
            self._reply(frame.id, await verb(self, self._client.seat, frame.fields))
        except TokenRefused as refusal:
            kind = "not-allowed" if refusal.kind == "invalid-token" else refusal.kind
            self._refuse(frame.id, kind, refusal.msg)
        except JoinRefused as refusal:
            self._refuse(frame.id, refusal.kind, refusal.msg, may_knock=refusal.may_knock)
        except RingbackError as error:
            self._refuse(frame.id, error.code, error.info)
        except Exception:
            log.exception("signalling.request-broken", type=frame.type, source=self._source)
            self._refuse(frame.id, "server-error", "the server met an internal error")

    # ── join ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _join(self, fields: Mapping[str, object]) -> Fields:
        if self._client is not None:
            raise InvalidRequest("this connection has joined already")
        asked = requests.read_join(fields, self._host)
        if isinstance(asked, requests.Resume):
            return await self._resume(asked)
        domain, joiner = await self._joiner(asked)
        if (knocked := self._admitted) is not None and (knocked.domain, knocked.room) == (domain, asked.room):
            # Whoever opened has seen this name, under this id.
            joiner = replace(joiner, id=knocked.joiner.id, user_name=knocked.joiner.user_name, admitted=True)
            self._admitted = None
        grants = joiner.grants
        client = Client(joiner.id, grants=grants, token=_digest(asked.token))
        self._desk.clients.expect(client)
        try:
            client.seat, welcome = await self._desk.doors.join(domain, asked.room, joiner)
        except BaseException:
            self._desk.clients.forget(client)
            raise
        log.info("client.joined", room=welcome.settings.room.name, meeting=welcome.meeting, participant=client.id)
        self._attach(client)
        return self._welcome(client, welcome) | {"seq": 0}

    async def _joiner(self, asked: requests.Join) -> tuple[DomainId, Joiner]:
        """Who is at the door, and of which domain. Raises ``TokenRefused``."""
        domain = await self._desk.domain_of(asked.host)
        grants = None
        if asked.token:
            grants = await self._desk.tokens.check_token(asked.token, now=self._desk.clock.wall())
        return domain, Joiner(ParticipantId(self._desk.new_id()), grants, asked.user_name, asked.user_data)

    async def _knock(self, fields: Mapping[str, object]) -> Fields:
        """Ask to be let in. ``access-state-updated`` tells what came of it; then this connection may join."""
        if self._client is not None or self._waits is not None:
            raise InvalidRequest("this connection has joined already, or waits")
        asked = requests.read_join(fields, self._host)
        if isinstance(asked, requests.Resume):
            raise InvalidRequest('"resume" is a field of join')
        domain, joiner = await self._joiner(asked)
        await self._desk.doors.knocking.knock(domain, asked.room, joiner, self._decided)
        self._waits = _Knocked(domain, asked.room, joiner)
        return {"session_id": joiner.id}

    def _decided(self, granted: bool) -> None:
        """Somebody opened the door, or will not."""
        knocked, self._waits = self._waits, None
        self._admitted = knocked if granted else None
        payload = {"access": {"level": "full" if granted else "lobby"}, "granted": granted}
        event = {"type": "event", "seq": 0, "event": "access-state-updated", "payload": payload}
        self._replies.append(json.dumps(event, separators=(",", ":")))
        self._news.set()
        self._expect_join()

    async def _resume(self, asked: requests.Resume) -> Fields:
        client = self._desk.clients.find(asked.session_id, asked.secret)
        if client is None or client.seat is None:
            raise JoinRefused("connection-error", "The connection was away for too long; join again.")
        try:
            welcome = await client.seat.back()
        except NotFound:
            raise JoinRefused("connection-error", "The connection was away for too long; join again.") from None
        old, replayed = client.socket, client.mailbox.rewind(asked.seq)
        self._attach(client)
        if isinstance(old, Connection):
            old._close(NORMAL, "resumed elsewhere")
        answer = self._welcome(client, welcome)
        if replayed:
            return answer | {"seq": asked.seq}
        limits = [{"track": track, "layers": layers} for track, layers in client.limits.items()]
        return answer | {"seq": client.mailbox.seq, "resync": True, "send_layers": limits}

    def _attach(self, client: Client) -> None:
        self._client = client
        client.socket = self
        self._news.set()

    def _welcome(self, client: Client, welcome: Welcome) -> Fields:
        return {
            "session_id": client.id,
            "resume_secret": client.secret,
            "meeting_id": welcome.meeting,
            "grace_s": GRACE,
            "room": wire.room(welcome.settings, client.grants),
            "local": wire.participant(welcome.local),
            "participants": [wire.participant(other) for other in welcome.others],
            "waiting": [wire.waiting(who) for who in self._waiting(client, welcome)],
        }

    def _waiting(self, client: Client, welcome: Welcome) -> Sequence[Participant]:
        """Who waits at the door, for those who may open it."""
        if client.seat is None or not may_administer(welcome.local):
            return ()
        return self._desk.doors.knocking.waiting(client.seat.domain, client.seat.room)

    # ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def leave(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        await seat.leave()
        self._close(NORMAL, "left")
        return {}

    async def offer(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        offer = requests.read_offer(fields)
        sdp, refused = await seat.offer(offer.sdp, offer.send, offer.receive)
        return {"sdp": sdp, "refused": [{"mid": mid, "reason": why} for mid, why in refused.items()]}

    async def receive_layers(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.set_layers(requests.read_layers(fields))
        return {}

    async def track(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        said = requests.mapping(fields, "blocked")
        why = {key: True for key in BLOCKED if said.get(key) is True}
        await seat.set_track(requests.text(fields, "track", 64), requests.text(fields, "state", 16), why)
        return {}

    async def app_message(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        data = fields.get("data")
        most = seat.settings.max_app_message_size
        if requests.json_length(data) > most:
            raise InvalidRequest(f"Message data too large. Max size is {most}")
        await seat.app_message(data, requests.read_recipients(fields))
        return {}

    async def set_user_name(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        name = requests.clean(requests.text(fields, "userName", requests.MAX_NAME))
        await seat.set_user_name(name)
        return {"userName": name}

    async def set_user_data(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        data = fields.get("userData")
        requests.check_user_data(data)
        await seat.set_user_data(data)
        return {"userData": data}

    async def update_participants(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        updates: dict[str, Mapping[str, object]] = {}
        for who, update in requests.mapping(fields, "participants").items():
            if not isinstance(update, dict):
                raise InvalidRequest('each of "participants" must be an object')
            updates[who] = update
        await seat.update_participants(updates)
        return {}

    async def update_waiting(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        decisions: dict[str, bool] = {}
        for who, update in requests.mapping(fields, "participants").items():
            granted = update.get("grantRequestedAccess") if isinstance(update, dict) else None
            if not isinstance(granted, bool):
                raise InvalidRequest('each of "participants" must be {"grantRequestedAccess": true or false}')
            decisions[who] = granted
        knocking, ids = self._desk.doors.knocking, list[str]()
        for who, granted in decisions.items():
            ids += knocking.decide(seat.domain, seat.room, who, granted)
        return {"ids": ids}

    async def dialout_start(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        key = _key(fields)
        options = requests.mapping(fields, "options")
        call = await self._desk.calls.start_dial_out(
            seat.domain, seat.room, options, idempotency_key=key, asker=self._asker(seat)
        )
        return {"session": {"sessionId": call}, "sessionId": call}

    async def dialout_stop(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        await self._desk.calls.stop_dial_out(seat.domain, seat.room, requests.text(fields, "sessionId", 64))
        return {}

    async def hold(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        on = fields.get("hold", True)
        if not isinstance(on, bool):
            raise InvalidRequest('"hold" must be a boolean')
        await self._desk.calls.hold(seat.domain, seat.room, requests.text(fields, "sessionId", 64), on)
        return {}

    async def send_dtmf(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        names = ("sessionId", "tones", "method", "digitDurationMs")
        body = {name: fields[name] for name in names if name in fields}
        await self._desk.calls.send_dtmf(seat.domain, seat.room, body, idempotency_key=_key(fields))
        return {}

    async def sip_call_transfer(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        by_refer = fields.get("useSipRefer", False)
        if not isinstance(by_refer, bool):
            raise InvalidRequest('"useSipRefer" must be a boolean')
        names = ("sessionId", "toEndPoint", "callerId", "extension", "waitBeforeExtensionDialSec", "ringback")
        body = {name: fields[name] for name in names if name in fields}
        if by_refer:
            await self._desk.calls.refer(seat.domain, seat.room, body, idempotency_key=_key(fields))
        else:
            await self._desk.calls.transfer(
                seat.domain, seat.room, body, idempotency_key=_key(fields), asker=self._asker(seat)
            )
        return {}

    async def warm_transfer(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.require_admin()
        calls, call = self._desk.calls, requests.text(fields, "sessionId", 64)
        action = fields.get("action", "start")
        if action == "start":
            body = {name: fields[name] for name in WARM_FIELDS if name in fields}
            key, asker = _key(fields), self._asker(seat)
            answer = await calls.warm_transfer(
                seat.domain, call, body, idempotency_key=key, asker=asker, room=seat.room
            )
            return {"sessionId": answer["sessionId"]}
        decide = {"accept": calls.warm.accept, "merge": calls.warm.merge, "return": calls.warm.give_back}
        if not isinstance(action, str) or action not in decide:
            raise InvalidRequest('"action" must be one of start, accept, merge, return')
        await decide[action](seat.domain, call, seat.room)
        return {}

    def _asker(self, seat: Seat) -> Asker:
        """On whose word this connection's calls are made: its token's, however many connections show it."""
        token = self._client.token if self._client is not None else ""
        return Asker(seat.domain, "token", token or seat.id)

    async def counters(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        seat.count(requests.read_counters(fields))
        return {}

    async def ping(self, seat: Seat, fields: Mapping[str, object]) -> Fields:
        return {}


def _key(fields: Mapping[str, object]) -> str | None:
    return requests.text(fields, "idempotencyKey", 255, optional=True) or None


def _digest(token: str | None) -> str:
    return sha256(token.encode()).hexdigest()[:16] if token else ""


Verb = Callable[[Connection, Seat, Mapping[str, object]], Awaitable[Fields]]

VERBS: dict[str, Verb] = {
    "leave": Connection.leave,
    "offer": Connection.offer,
    "receive-layers": Connection.receive_layers,
    "track": Connection.track,
    "app-message": Connection.app_message,
    "set-user-name": Connection.set_user_name,
    "set-user-data": Connection.set_user_data,
    "update-participants": Connection.update_participants,
    "update-waiting-participants": Connection.update_waiting,
    "dialout-start": Connection.dialout_start,
    "dialout-stop": Connection.dialout_stop,
    "hold": Connection.hold,
    "send-dtmf": Connection.send_dtmf,
    "sip-call-transfer": Connection.sip_call_transfer,
    "warm-transfer": Connection.warm_transfer,
    "counters": Connection.counters,
    "ping": Connection.ping,
}
