"""One call of a bot's: ``async with join(url, token) as call`` is in the room, speaks, hears and is told what happens.

Sound is s16le mono at the call's rate, in pieces of any length. What is said goes out at its own pace, however fast it
is brought: bursts are queued, never dropped, until ``flush``.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

from ringback.client.connection import Connection, signalling_url
from ringback.client.errors import CallError
from ringback.client.events import (
    Event,
    Interrupted,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RemoteRequest,
    Resumed,
    SpeechHeard,
    read_event,
)
from ringback.client.media import Flushed, Line, Said, open_line
from ringback.client.participants import Participant, read_participant
from ringback.client.peer import Peer, Stream

RATE = 16000
COUNT_EVERY_S = 1.0
COUNTERS = ("underruns_bot", "underruns_path", "ticks_late")
"""What only we can count: the server is told, for whoever asks it why a call sounds bad."""

MOST_EVENTS = 10_000
"""Events kept for a bot that does not read them; the oldest go."""

CODECS = {"opus": "OPUS", "g722": "G722", "pcmu": "PCMU", "pcma": "PCMA"}


def join(
    url: str,
    token: str | None = None,
    *,
    name: str = "",
    user_data: Any = None,
    rate: int = RATE,
    codec: str | None = None,
    ssl: SSLContext | None = None,
) -> "Call":
    """A room to be entered by ``async with``.

    Args:
        url: The room's, as the REST API gives it; a token may be in it (``?t=…``).
        token: A meeting token, where the room wants one.
        name: What others see.
        user_data: Any JSON value, for others to see.
        rate: Samples per second of everything said and heard: 8000, 16000, 24000 or 48000.
        codec: ``opus``, ``g722``, ``pcmu`` or ``pcma``. By default a phone in the room is spoken to in its own codec,
            which costs the server nothing, and a room without phones in Opus.
        ssl: Whose certificates to trust, instead of the system's.

    Raises:
        ValueError: The URL, the rate or the codec makes no sense.
    """
    if codec is not None and codec.lower() not in CODECS:
        raise ValueError(f"codec {codec!r} is none of {', '.join(CODECS)}")
    if rate not in (8000, 16000, 24000, 48000):
        raise ValueError(f"rate {rate} is none of 8000, 16000, 24000, 48000")
    fields = {"room": url, "token": token, "userName": name, "userData": user_data}
    asked = {key: value for key, value in fields.items() if value not in (None, "")}
    return Call(signalling_url(url), asked, rate, None if codec is None else CODECS[codec.lower()], ssl)


class Call:
    """See ``join``, which makes it.

    Attributes:
        id: Our session id.
        meeting_id: The meeting's.
        rate: Samples per second of everything said and heard.
        participants: Everybody else in the room, by session id.
        ended: Why the call is over, when it is and we did not leave.
    """

    def __init__(
        self, url: str, fields: Mapping[str, Any], rate: int, codec: str | None, ssl: SSLContext | None = None
    ) -> None:
        self.id = ""
        self.meeting_id = ""
        self.rate = rate
        self.participants: dict[str, Participant] = {}
        self.ended: CallError | None = None
        self._fields = fields
        self._codec = codec
        self._connection = Connection(url, self._told, self._network, self._end, ssl)
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._news = asyncio.Event()
        self._over = False
        self._muted = False
        self._ears: dict[int, tuple[str | None, int]] = {}
        self._line: Line
        self._peer: Peer
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Enter the room; sound passes when this returns.

        Raises:
            JoinRefused: The room does not let us in.
            Unreachable: The server, or its media port, does not answer.
        """
        reply = await self._connection.join(self._fields)
        self.id, self.meeting_id = str(reply["session_id"]), str(reply["meeting_id"])
        self.participants = _everybody(reply)
        self._line = open_line(self.rate, self._state)
        self._peer = Peer(self._line, self._connection.request, self._tuned, self._path, self._end)
        try:
            self._tune()
            await self._peer.connect()
            await self._connection.request("track", {"track": "audio", "state": "playable"})
        except BaseException:
            await self.leave()
            raise
        self._start(self._keep_counting())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Leave the room. Idempotent; what was still to be said is not."""
        self._finish()
        await self._peer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.leave()
        self._line.close()

    # ── sound ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def play(self, pcm: bytes, *, mark: str | None = None) -> None:
        """Queue speech. With a mark a ``SpeechHeard`` event follows when it has gone out, or was cut off.

        Raises:
            CallError: The call is over, we were muted, or ten minutes wait already; nothing was queued.
            ValueError: An odd number of bytes.
        """
        self._must_speak()
        done = None if mark is None else lambda said: self._tell(SpeechHeard(mark, said.heard_s, said.whole))
        if not self._line.push(pcm, done):
            raise CallError("speech-full", "ten minutes of speech wait already")

    async def say(self, pcm: bytes, *, mark: str | None = None) -> Said:
        """Queue speech and wait until it has gone out, or was cut off; early enough to bring the next piece without a
        gap. A wait that is cancelled takes nothing back: that is ``flush``."""
        self._must_speak()
        heard: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

        def done(said: Said) -> None:
            if mark is not None:
                self._tell(SpeechHeard(mark, said.heard_s, said.whole))
            if not heard.done():
                heard.set_result(said)

        if not self._line.push(pcm, done):
            raise CallError("speech-full", "ten minutes of speech wait already")
        return await heard

    def flush(self) -> Flushed:
        """Stop speaking within 20 ms (barge-in), and say how much of this talk was heard."""
        return Flushed(0.0, 0.0) if self._over else self._line.flush()

    @property
    def waiting_s(self) -> float:
        """Seconds of speech that are still to go out."""
        return 0.0 if self._over else self._line.waiting_s

    async def audio(self, of: Participant | str | None = None, *, piece_ms: int = 20) -> AsyncGenerator[bytes, None]:
        """What is heard: everybody else together, or one participant; silence included, until the call is over.

        Up to 30 s are kept for a bot that is slow to read.
        """
        who = of.id if isinstance(of, Participant) else of
        samples = self.rate * max(1, piece_ms) // 1000
        ear = self._line.new_ear()
        self._ears[ear] = (who, samples)
        self._tune()
        try:
            async with contextlib.aclosing(self._line.heard(ear, samples)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._ears.pop(ear, None)
            self._line.rest(ear)
            if not self._over:
                self._tune()

    def stats(self) -> dict[str, int]:
        """Counters, underruns and lateness by cause: see ``core.Callers.stats``."""
        return self._line.stats()

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def events(self) -> AsyncGenerator[Event, None]:
        """What happens, since we joined, each once, until the call is over: see ``client.events``. For one reader."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._over:
                return
            self._news.clear()
            await self._news.wait()

    @property
    def phones(self) -> list[Participant]:
        """The telephones in the room, those first that have been there longest."""
        return [one for one in self.participants.values() if one.is_phone]

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send_message(self, data: Any, to: str | list[str] = "*") -> None:
        """An app message: any JSON value, to everybody or to some."""
        await self._connection.request("app-message", {"data": data, "to": to}, retry=False)

    async def set_name(self, name: str) -> None:
        await self._connection.request("set-user-name", {"userName": name})

    async def set_user_data(self, data: Any) -> None:
        await self._connection.request("set-user-data", {"userData": data})

    async def dial_out(self, to: str, **options: Any) -> str:
        """Call a SIP address or an E.164 number; ``options`` are dialOut/start's (``displayName``, ``callerId``, …).

        Returns:
            The session id of the call, and of the participant that comes when it rings.
        """
        target = {"sipUri": to} if to.lower().startswith(("sip:", "sips:")) else {"phoneNumber": to}
        # Asked twice, it dials once.
        fields = {"options": {**options, **target}, "idempotencyKey": uuid.uuid4().hex}
        return str((await self._connection.request("dialout-start", fields))["sessionId"])

    async def stop_dial_out(self, session_id: str) -> None:
        await self._connection.request("dialout-stop", {"sessionId": session_id})

    async def send_digits(self, session_id: str, tones: str, **options: Any) -> None:
        """Press keys towards a telephone; ``options``: ``method``, ``digitDurationMs``."""
        fields = {"sessionId": session_id, "tones": tones, **options}
        await self._connection.request("send-dtmf", fields, retry=False)

    async def transfer(self, session_id: str, to: str, **options: Any) -> None:
        """Move a telephone to another room, address or number; ``options``: ``callerId``, ``extension``, …"""
        fields = {"sessionId": session_id, "toEndPoint": to, **options}
        await self._connection.request("sip-call-transfer", fields, retry=False)

    async def refer(self, session_id: str, to: str) -> None:
        """Ask a telephone's far end to call there itself (SIP REFER)."""
        await self.transfer(session_id, to, useSipRefer=True)

    async def hold(self, session_id: str, on: bool = True) -> None:
        await self._connection.request("hold", {"sessionId": session_id, "hold": on})

    async def eject(self, *ids: str) -> None:
        await self.update_participants({one: {"eject": True} for one in ids})

    async def mute(self, *ids: str) -> None:
        await self.update_participants({one: {"setAudio": False} for one in ids})

    async def update_participants(self, updates: Mapping[str, Mapping[str, Any]]) -> None:
        """As docs/signalling.md has ``update-participants``."""
        await self._connection.request("update-participants", {"participants": updates})

    async def unmute(self) -> None:
        """Speak again after somebody muted us."""
        await self._connection.request("track", {"track": "audio", "state": "playable"})
        self._muted = False

    # ── what we are told ─────────────────────────────────────────────────────────────────────────────────────────────

    def _told(self, name: str, payload: Mapping[str, Any]) -> None:
        if name == "error":
            error = payload.get("error") or {}
            words = error.get("msg") or payload.get("errorMsg") or "the meeting ended"
            self._end(CallError(str(error.get("type", "connection-error")), str(words)))
            return
        event = read_event(name, payload)
        match event:
            case ParticipantJoined(who) | ParticipantUpdated(who):
                if who.id == self.id:
                    return
                self.participants[who.id] = who
                self._tune()
            case ParticipantLeft(who):
                self.participants.pop(who.id, None)
                self._tune()
            case RemoteRequest(changes) if changes.get("setAudio") is False:
                self._obey_mute()
        self._tell(event)

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()

    def _obey_mute(self) -> None:
        self._muted = True
        self._line.flush()
        self._start(self._connection.request("track", {"track": "audio", "state": "off"}))

    def _network(self, news: str, reply: Mapping[str, Any]) -> None:
        if news == "interrupted":
            self._tell(Interrupted("signalling"))
            return
        if reply.get("resync"):
            self._resync(_everybody(reply))
        self._peer.look_again()
        self._tell(Resumed("signalling"))

    def _resync(self, now: dict[str, Participant]) -> None:
        """Some events are lost: make those up that follow from who is there."""
        before, self.participants = self.participants, now
        for gone in before.keys() - now.keys():
            self._tell(ParticipantLeft(before[gone]))
        for one in now.values():
            if one.id not in before:
                self._tell(ParticipantJoined(one))
            elif one != before[one.id]:
                self._tell(ParticipantUpdated(one))
        self._tune()

    def _state(self, state: str) -> None:
        self._peer.handle_state(state)

    def _path(self, news: str) -> None:
        self._tell(Interrupted("media") if news == "interrupted" else Resumed("media"))

    def _end(self, error: CallError) -> None:
        if not self._over:
            self.ended = error
            self._finish()
            self._start(self._connection.close())

    def _finish(self) -> None:
        self._over = True
        self._news.set()
        if hasattr(self, "_line"):
            self._line.close()

    def _must_speak(self) -> None:
        if self._over:
            raise CallError("connection-error", f"the call is over: {self.ended or 'we left'}")
        if self._muted:
            raise CallError("muted", "somebody muted us; `unmute` to speak again")

    # ── who is heard, and how we speak ───────────────────────────────────────────────────────────────────────────────

    def _tune(self) -> None:
        """Ask for the streams that somebody listens to, and hand each ear its own."""
        together = any(who is None for who, _ in self._ears.values())
        alone = {who for who, _ in self._ears.values()}
        streams = set()
        for one in self.participants.values():
            generation = one.audio_generation
            if generation is not None and (together or one.id in alone):
                streams.add(Stream(one.id, generation))
        self._peer.want(streams)
        self._tuned()

    def _tuned(self) -> None:
        for ear, (who, samples) in self._ears.items():
            self._line.listen(ear, None if who is None else self._peer.mid_of(who) or "", samples)
        phones = self.phones
        mids = [mid for one in phones if (mid := self._peer.mid_of(one.id)) is not None]
        if self._codec is not None:
            self._line.speak([], self._codec)
        else:
            self._line.speak(mids, "PCMU" if phones else "OPUS")

    async def _keep_counting(self) -> None:
        told = dict.fromkeys(COUNTERS, 0)
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            now = {name: self._line.stats().get(name, 0) for name in COUNTERS}
            if now != told:
                await self._connection.request("counters", {"counters": now})
                told = now

    def _start(self, work: Any) -> None:
        async def quietly() -> None:
            with contextlib.suppress(CallError):
                await work

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _everybody(reply: Mapping[str, Any]) -> dict[str, Participant]:
    everybody: Iterable[Participant] = map(read_participant, reply.get("participants", []))
    return {one.id: one for one in everybody}
