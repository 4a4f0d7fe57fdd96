"""Takes calls that are for no room yet, keeps them in lobbies, and brings them into rooms.

The guides (``code_entry``, ``holding``) decide; this is the shell around them: it plays, looks up, tells customers'
servers, and moves a call with its dialog and its sound from its lobby into a meeting.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

import structlog

from ringback.calls.admit import BROKEN, DRAINING, NO_PORT, NOBODY_JOINED, Refusal, because
from ringback.calls.call import Call
from ringback.calls.display_name import PARAMETER, clean
from ringback.calls.moving import Moving
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.transfers import Transfers
from ringback.dialin import signing, steps
from ringback.dialin.caller import LedCall
from ringback.dialin.code_entry import CODE_DIGITS, CodeEntry
from ringback.dialin.configs import DialinConfigs
from ringback.dialin.entrance import Entrance
from ringback.dialin.guess_guard import GuessGuard
from ringback.dialin.holding import Holding
from ringback.dialin.pinless_update import FAILED, read_update
from ringback.dialin.ports import CodedRooms, NumberOwners, Poster, Sounds
from ringback.dialin.steps import Guide, Step, Why
from ringback.meetings.actor import Actor
from ringback.meetings.admission import JoinRefused, check_room_times
from ringback.meetings.effects import Effect, Outside, Play, StopPlaying
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.ports import World
from ringback.meetings.service import Meetings
from ringback.model.dialin import DialinConfig, DialinType
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.errors import NotFound, Unavailable
from ringback.model.events import CallFacts
from ringback.model.ids import CallId, DomainId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.records import CallRecord, Direction
from ringback.model.room import DialinSettings, IdleTimeouts, Room
from ringback.model.sound import Sound

log = structlog.get_logger()

MOST_HELD = 1000
"""Callers in lobbies at once; more are refused."""

GUESSED_TOO_OFTEN = Refusal("too-many-wrong-codes", 480)
LOBBY_FULL = Refusal("too-many-waiting-callers", 480)

ENDINGS = {
    Why.WRONG_CODE: EndReason(Ending.WRONG_CODE, Fault.CALLER),
    Why.NO_CODE: EndReason(Ending.WRONG_CODE, Fault.CALLER),
    Why.NOBODY_CAME: EndReason(Ending.NOBODY_CAME),
    Why.NOT_LET_IN: EndReason(Ending.NOT_LET_IN),
    Why.NOT_TAKEN: EndReason(Ending.NOT_TAKEN),
}


class Exchange(Protocol):
    """What the desk needs of ``calls.service.Calls``."""

    transfers: Transfers
    moving: Moving

    def expect(self, call: CallId) -> bool:
        """A call is about to be taken; false when too many are."""

    def is_expected(self, call: CallId) -> bool:
        """Whether its caller still waits; it is expected no longer."""

    def refuse(self, invite: IncomingInvite, refusal: Refusal) -> None: ...
    def register(self, actor: Actor, call: Call, trunk_srtp: str = "", trunk_keys: str = "") -> None: ...
    def record(self, actor: Actor, call: CallId, direction: Direction, now: Instant, **columns: Any) -> CallRecord: ...
    def run(self, task: Coroutine[Any, Any, None]) -> object: ...
    def post(self, call: CallId, act: Callable[[Actor, Call, Instant], list[Effect]]) -> None: ...


class _Caller:
    """What the desk keeps of one caller."""

    def __init__(self, config: DialinConfig | None, domain: DomainId, number: str, guide: Guide) -> None:
        self.config = config
        self.domain = domain
        self.number = number
        self.guide = guide
        self.prompts: dict[str, Sound] = {}
        self.music: Sound | None = None
        self.lobby: Actor | None = None
        self.room: Room | None = None
        self.known_as = ""
        self.unwatch: Callable[[], None] = lambda: None


class DialinDesk:
    """All callers that are in no room yet.

    Args:
        calls: Where calls come from.
        meetings: Where they go.
        configs: Whose numbers and static addresses are whose.
        rooms: Rooms by code.
        owners: Whose the other numbers are.
        sounds: What callers hear.
        poster: Tells customers' servers.
    """

    def __init__(
        self,
        calls: Exchange,
        meetings: Meetings,
        configs: DialinConfigs,
        rooms: CodedRooms,
        owners: NumberOwners,
        sounds: Sounds,
        poster: Poster,
    ) -> None:
        self._calls = calls
        self._meetings = meetings
        self._configs = configs
        self._rooms = rooms
        self._owners = owners
        self._sounds = sounds
        self._poster = poster
        self._callers: dict[CallId, _Caller] = {}
        self._guard = GuessGuard()
        self._entrance = Entrance(meetings, calls.moving, self._forget)

    @property
    def waiting(self) -> int:
        """Callers in lobbies now."""
        return len(self._callers)

    # ── taking calls ─────────────────────────────────────────────────────────────────────────────────────────────────

    def config_of(self, invite: IncomingInvite) -> DialinConfig | None:
        """Whose static address was dialled; a number is looked up by ``take_number``."""
        return self._configs.by_user(invite.user) if not invite.called_number else None

    def take(self, invite: IncomingInvite, config: DialinConfig) -> None:
        """A call to a static address."""
        if not self._calls.expect(invite.call):
            self._calls.refuse(invite, DRAINING)
            return
        self._calls.run(self._guarded(invite, lambda: self._answer(invite, config, config.domain)))

    async def take_number(self, invite: IncomingInvite) -> bool:
        """A call to a telephone number, which is expected already; false: it is not for us."""
        owner = await self._owners.owner_of(invite.called_number, invite.trunk)
        config = self._configs.by_number(invite.called_number)
        if owner is None or (config is not None and config.domain != owner[0]):
            return False
        if config is None and owner[1]:
            return False  # it rings a room
        await self._guarded(invite, lambda: self._answer(invite, config, owner[0]))
        return True

    async def _guarded(self, invite: IncomingInvite, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            if not isinstance(error, Unavailable):
                log.exception("dialin.failed", call=invite.call)
            if self._calls.is_expected(invite.call):
                self._calls.refuse(invite, because(error, NO_PORT if isinstance(error, Unavailable) else BROKEN))

    async def _answer(self, invite: IncomingInvite, config: DialinConfig | None, domain: DomainId) -> None:
        """Have everything ready that the caller is to hear, then answer it in a lobby of its own."""
        # All calls of a carrier come from one address: without its word it is the number it shows that counts.
        known_as = invite.caller or (invite.from_uri if invite.trunk else invite.source.rpartition(":")[0])
        refusal = LOBBY_FULL if len(self._callers) >= MOST_HELD else None
        guide: Guide
        if config is not None and config.type is DialinType.PINLESS:
            guide = Holding(music=self._sounds.ready(config.text("hold_music_url")) is not None)
        else:
            tries = self._guard.tries(known_as, invite.called_number, self._now().mono)
            refusal = GUESSED_TOO_OFTEN if tries == 0 else refusal
            guide = CodeEntry(max(1, tries))
        if refusal is not None:
            if self._calls.is_expected(invite.call):
                self._calls.refuse(invite, refusal)
            return
        caller = _Caller(config, domain, invite.called_number, guide)
        caller.known_as = known_as
        await self._prepare(caller)
        caller.lobby = lobby = self._meetings.lobby(domain)
        await lobby.ask(lambda now: (self._begin(caller, lobby, invite, now), None))

    async def _prepare(self, caller: _Caller) -> None:
        config = caller.config
        if config is None:
            return
        texts = {"greeting": config.message("ivr_greeting"), "timeout": config.message("timeout_config")}
        for name, text in texts.items():
            spoken = await self._sounds.spoken(text) if text else None
            if spoken is not None:
                caller.prompts[name] = spoken
        caller.music = self._sounds.ready(config.text("hold_music_url"))

    def _begin(self, caller: _Caller, lobby: Actor, invite: IncomingInvite, now: Instant) -> list[Effect]:
        peer = invite.dialog.peer.rpartition(":")[0].strip("[]") if invite.dialog is not None else ""
        address = self._meetings.office.world.media.open_phone(lobby.meeting.id, ParticipantId(invite.call), peer)
        if not self._calls.is_expected(invite.call):
            return []  # the caller gave up meanwhile
        remote = "anonymous" if invite.withheld else invite.caller or invite.from_uri
        headers = {clean(key): clean(value) for key, value in invite.headers if key.lower() != PARAMETER}
        common: dict[str, Any] = {"sip_call_id": invite.sip_call_id, "remote": remote, "trunk": invite.trunk}
        record = self._calls.record(
            lobby,
            invite.call,
            Direction.DIAL_IN,
            now,
            dialog=invite.dialog,
            request=headers,
            called=invite.called_number,
            caller="" if invite.withheld else invite.caller,
            **common,
        )
        facts = CallFacts(
            call=invite.call, direction=Direction.DIAL_IN, provider="daily", sip_headers=headers, **common
        )
        call = LedCall(invite, record, facts, caller.guide, partial(self._carry_out, caller), self._forgetting)
        self._callers[call.id] = caller
        begun = lobby.meeting.call_begins(call.id, IdleTimeouts(), now)
        self._calls.register(lobby, call, invite.srtp, invite.srtp_keys)
        call.media_networks = invite.media_networks
        log.info("dialin.taken", call=call.id, kind=type(caller.guide).__name__)
        return begun + call.begin(address, now)

    def _forgetting(self, call: LedCall) -> Effect:
        return Later(lambda: self._forget(call.id))

    def _forget(self, call: CallId) -> None:
        caller = self._callers.pop(call, None)
        if caller is not None:
            caller.unwatch()

    # ── what guides want ─────────────────────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, caller: _Caller, call: LedCall, step: Step, now: Instant) -> list[Effect]:
        match step:
            case steps.Say(prompts):
                return self._play(call, self._said(caller, prompts), 1)
            case steps.Music(times):
                return self._play(call, caller.music or self._sounds.prompt("music"), times)
            case steps.Hush():
                call.playing = ""
                return [StopPlaying(call.leg)]
            case steps.LookUp(code):
                return [self._begin_task(call, self._look_up(caller, call, code))]
            case steps.Enter() if caller.room is not None:
                room = caller.room
                return [self._begin_task(call, self._enter_by_code(caller, call, room))]
            case steps.Notify(attempt):
                first = [self._begin_task(call, self._fetch_music(caller, call))] if attempt == 1 else []
                return [*first, self._begin_task(call, self._notify(caller, call, attempt))]
            case steps.HangUp(why):
                log.info("dialin.given-up", call=call.id, why=why.value)
                return call.hang_up(ENDINGS[why], now)
        return []

    def _begin_task(self, call: LedCall, work: Coroutine[Any, Any, None]) -> Effect:
        """Something that takes a while. Where it breaks, it is this call that ends."""

        async def guarded() -> None:
            try:
                await work
            except Exception:
                log.exception("dialin.failed", call=call.id)
                broken = EndReason(Ending.INTERNAL_ERROR, Fault.OURS)
                self._calls.post(call.id, lambda actor, it, now: it.hang_up(broken, now))

        return Later(lambda: self._calls.run(guarded()))

    def _play(self, call: LedCall, sound: Sound, times: int) -> list[Effect]:
        call.playing = sound.id
        return [Play(call.leg, sound, times)]

    def _said(self, caller: _Caller, prompts: tuple[str, ...]) -> Sound:
        packaged = {"timeout": "no-answer"}
        return self._sounds.joined(
            [
                caller.prompts.get(name) or self._sounds.prompt(packaged.get(name, name))
                for name in prompts
                if name != "greeting" or name in caller.prompts
            ]
        )

    def _lead(self, call: CallId, act: Callable[[Guide, float], list[Step]]) -> None:
        self._calls.post(call, lambda actor, it, now: it.lead(act, now) if isinstance(it, LedCall) else [])

    # ── by code ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look_up(self, caller: _Caller, call: LedCall, code: str) -> None:
        room, waits = None, False
        if len(code) == CODE_DIGITS:
            room = await self._rooms.by_code(code)
        dialin = await self._dialin_of(room, caller) if room is not None else None
        if room is None or dialin is None:
            self._guard.wrong(caller.known_as, caller.number, self._now().mono)
            log.info("dialin.wrong-code", call=call.id)
            self._lead(call.id, lambda guide, at: guide.unknown(at) if isinstance(guide, CodeEntry) else [])
            return
        caller.room, waits = room, dialin.waits
        if waits:
            caller.unwatch = self._meetings.watch(room.domain, room.name, lambda: self._began(call.id))
        self._lead(call.id, lambda guide, at: guide.found(waits, at) if isinstance(guide, CodeEntry) else [])

    async def _dialin_of(self, room: Room, caller: _Caller) -> DialinSettings | None:
        """How the caller may come into this room; ``None``: not at this number, or not now."""
        if room.domain != caller.domain:
            return None
        settings = await self._meetings.rooms.settings(room)
        dialin = settings.dialin
        if dialin is None or (dialin.numbers and caller.number not in dialin.numbers):
            return None
        try:
            check_room_times(settings, self._now())
        except JoinRefused:
            return None
        return dialin

    def _began(self, call: CallId) -> None:
        self._lead(call, lambda guide, at: guide.meeting_began(at) if isinstance(guide, CodeEntry) else [])

    async def _enter_by_code(self, caller: _Caller, call: LedCall, room: Room) -> None:
        assert caller.lobby is not None, "a call that is led is in a lobby"
        refusal = await self._entrance.enter(caller.lobby, call, room, None)
        if refusal is not None:
            log.info("dialin.turned-away", call=call.id, rule=refusal.rule)
            empty = refusal is NOBODY_JOINED
            self._lead(call.id, lambda guide, at: guide.turned_away(empty, at))

    # ── pinless ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _notify(self, caller: _Caller, call: LedCall, attempt: int) -> None:
        config = caller.config
        assert config is not None, "who is held is held for somebody"
        invite = call.invite
        news: dict[str, object] = {
            "To": invite.called_number or invite.user,
            "From": call.facts.remote,
            "callId": call.id,
            "callDomain": config.domain,
        }
        if call.facts.sip_headers:
            news["sipHeaders"] = dict(call.facts.sip_headers)
        body = json.dumps(news).encode()
        signed = signing.headers(signing.PINLESS, config.secret, body, self._now().wall)
        posted = await self._poster.post(config.text("room_creation_api"), body, signed)
        ok = 200 <= posted.status < 300
        if not ok:
            log.warning("dialin.not-told", call=call.id, status=posted.status, error=posted.error, attempt=attempt)
        self._lead(call.id, lambda guide, at: guide.notified(ok, attempt, at) if isinstance(guide, Holding) else [])

    async def _fetch_music(self, caller: _Caller, call: LedCall) -> None:
        url = caller.config.text("hold_music_url") if caller.config is not None else ""
        if not url or caller.music is not None:
            return
        caller.music = await self._sounds.music(url)
        if caller.music is not None:
            self._lead(call.id, lambda guide, at: guide.music_came(at) if isinstance(guide, Holding) else [])

    async def connect(self, domain: DomainId, body: Mapping[str, object]) -> None:
        """``pinlessCallUpdate``: bring a held call into the room of an endpoint.

        Raises:
            InvalidRequest: A field is missing, unknown, or no string.
            NotFound: The caller is gone or was connected before, or the endpoint takes nobody; the text says which.
        """
        call, uri = read_update(body, domain)
        caller = self._callers.get(call)
        if caller is None or caller.domain != domain or caller.lobby is None or not isinstance(caller.guide, Holding):
            raise NotFound(f"{FAILED}no call {clean(call)[:64]} is held")
        target = await self._calls.transfers.own_room(uri)
        if target is None or target[0].domain != domain:
            raise NotFound(f"{FAILED}sipUri is not an endpoint of a room of this domain")
        lobby, guide = caller.lobby, caller.guide

        def take(now: Instant) -> tuple[list[Effect], LedCall]:
            machine = lobby.calls.get(call)
            if not isinstance(machine, LedCall) or machine.ended or not guide.connect(now.mono):
                raise NotFound(f"{FAILED}no call {clean(call)[:64]} is held")
            return [], machine

        try:
            machine = await lobby.ask(take)
        except MeetingOver:
            raise NotFound(f"{FAILED}the caller has hung up") from None
        refusal = await self._entrance.enter(lobby, machine, *target)
        if refusal is not None:
            self._lead(call, lambda guide, at: guide.turned_away(refusal is NOBODY_JOINED, at))
            raise NotFound(f"{FAILED}{refusal.rule.replace('-', ' ')}")

    def _now(self) -> Instant:
        clock = self._meetings.office.clock
        return Instant.of(clock)


class Later(Outside):
    """Something to begin once what was decided is stored."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def apply(self, world: World) -> None:
        self.work()
