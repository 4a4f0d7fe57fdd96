"""The media side without sound: it notes who is connected to what, and lets a test report what real media would."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringback.calls.ports.media import MediaEvents
from ringback.calls.ports.streams import PhoneMedia, PhoneVideo
from ringback.model.errors import InvalidRequest, Unavailable
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.sound import Sound
from ringback.model.tones import Tone

HOST = "192.0.2.10"
FIRST_PORT, LAST_PORT = 20000, 29998


@dataclass(slots=True)
class FakeLeg:
    """One leg as it was last told to be."""

    meeting: MeetingId
    kind: str
    port: int = 0
    media: PhoneMedia | None = None
    video_port: int = 0
    video: PhoneVideo | None = None
    pictures_wanted: int = 0
    sources: frozenset[ParticipantId] | None = None
    seen: bool = True
    watchable: frozenset[tuple[ParticipantId, str]] | None = None
    muted: bool = False
    name: str = ""
    published: dict[str, str] = field(default_factory=dict)
    subscriptions: dict[str, tuple[ParticipantId, str]] = field(default_factory=dict)
    layers: dict[tuple[str, str], int] = field(default_factory=dict)
    digits: list[tuple[str, int, int]] = field(default_factory=list)
    pcm: bytearray = field(default_factory=bytearray)
    tone: Tone | None = None
    playing: Sound | None = None
    times: int = 0


class FakeMedia:
    """Implements ``calls.ports.media.MediaLegs``.

    Attributes:
        events: Set by whoever wants to be told; a test calls its methods to make things happen.
        ports: How many phone ports there are.
        counters: What ``stats`` answers, by leg.
        fingerprint: Of a certificate that there is none of.
        hosts: What ``phone_host`` answers, by IP version; empty where one version is spoken.
    """

    fingerprint = "sha-256 " + ":".join(["FA"] * 32)

    def __init__(self, ports: int = 1000) -> None:
        self.meetings: set[MeetingId] = set()
        self.legs: dict[ParticipantId, FakeLeg] = {}
        self.ports = ports
        self.hosts: dict[int, str] = {}
        self.events: MediaEvents | None = None
        self.counters: dict[ParticipantId, Mapping[str, float | int | str]] = {}
        self._next_port = FIRST_PORT

    def open_meeting(self, meeting: MeetingId) -> None:
        self.meetings.add(meeting)

    def close_meeting(self, meeting: MeetingId) -> None:
        self.meetings.discard(meeting)
        self.legs = {leg: state for leg, state in self.legs.items() if state.meeting != meeting}

    def open_phone(self, meeting: MeetingId, leg: ParticipantId, peer: str = "") -> tuple[str, int]:
        if sum(other.kind == "phone" for other in self.legs.values()) >= self.ports:
            raise Unavailable("no RTP port is free")
        taken = {other.port for other in self.legs.values()}
        while self._next_port in taken or self._next_port > LAST_PORT:
            self._next_port = self._next_port + 2 if self._next_port < LAST_PORT else FIRST_PORT
        port = self._open(meeting, leg, "phone").port = self._next_port
        self._next_port += 2
        return HOST, port

    def phone_host(self, peer: str) -> str:
        return self.hosts.get(6 if ":" in peer else 4, "")

    def set_phone(self, leg: ParticipantId, media: PhoneMedia) -> None:
        if leg in self.legs:
            self.legs[leg].media = media

    def open_phone_video(self, leg: ParticipantId) -> int:
        if sum(1 + bool(other.video_port) for other in self.legs.values() if other.kind == "phone") >= self.ports:
            raise Unavailable("no RTP port is free")
        self._next_port += 2
        self.legs[leg].video_port = self._next_port - 2
        return self.legs[leg].video_port

    def set_phone_video(self, leg: ParticipantId, video: PhoneVideo | None) -> None:
        if leg in self.legs:
            self.legs[leg].video = video

    def want_picture(self, leg: ParticipantId) -> None:
        if leg in self.legs:
            self.legs[leg].pictures_wanted += 1

    def send_digits(self, leg: ParticipantId, digits: str, duration_ms: int, gap_ms: int) -> None:
        if leg in self.legs:
            self.legs[leg].digits.append((digits, duration_ms, gap_ms))

    def play_tone(self, leg: ParticipantId, tone: Tone) -> None:
        if leg in self.legs:
            self.legs[leg].tone = tone

    def stop_tone(self, leg: ParticipantId) -> None:
        if leg in self.legs:
            self.legs[leg].tone = None

    def play(self, leg: ParticipantId, sound: Sound, *, times: int = 1) -> None:
        if leg in self.legs:
            self.legs[leg].playing, self.legs[leg].times = sound, times

    def stop_playing(self, leg: ParticipantId) -> None:
        if leg in self.legs:
            self.legs[leg].playing = None

    def play_out(self, leg: ParticipantId) -> None:
        """What a leg is played comes to its end, as it would in time."""
        state = self.legs.get(leg)
        assert state is not None and state.playing is not None, f"{leg} is played nothing"
        sound, state.playing = state.playing, None
        if self.events is not None:
            self.events.played(leg, sound.id)

    def close_leg(self, leg: ParticipantId) -> None:
        self.legs.pop(leg, None)

    async def open_webrtc(self, meeting: MeetingId, leg: ParticipantId) -> None:
        self._open(meeting, leg, "webrtc")

    async def webrtc_offer(self, leg: ParticipantId, sdp: str) -> str:
        if not sdp.startswith("v=0"):
            raise InvalidRequest("the offer is no session description")
        await asyncio.sleep(0)  # as in the real one, others act before the answer is there
        return "v=0\r\ns=answer\r\n"

    def set_published(self, leg: ParticipantId, tracks: Mapping[str, str]) -> None:
        if leg in self.legs:
            self.legs[leg].published = dict(tracks)

    def set_subscriptions(self, leg: ParticipantId, tracks: Mapping[str, tuple[ParticipantId, str]]) -> None:
        if leg in self.legs:
            self.legs[leg].subscriptions = dict(tracks)

    def set_layers(self, leg: ParticipantId, layers: Mapping[tuple[str, str], int]) -> None:
        if leg in self.legs:
            self.legs[leg].layers = dict(layers)

    def set_sources(self, leg: ParticipantId, sources: frozenset[ParticipantId] | None) -> None:
        if leg in self.legs:
            self.legs[leg].sources = sources

    def set_viewing(self, leg: ParticipantId, seen: bool, tracks: frozenset[tuple[ParticipantId, str]] | None) -> None:
        if leg in self.legs:
            self.legs[leg].seen, self.legs[leg].watchable = seen, tracks

    def move_phone(self, leg: ParticipantId, meeting: MeetingId) -> None:
        if leg in self.legs:
            self.legs[leg].meeting, self.legs[leg].sources = meeting, None

    def set_muted(self, leg: ParticipantId, muted: bool) -> None:
        if leg in self.legs:
            self.legs[leg].muted = muted

    def set_name(self, leg: ParticipantId, name: str) -> None:
        if leg in self.legs:
            self.legs[leg].name = name

    def open_pcm(self, meeting: MeetingId, leg: ParticipantId, sample_rate: int) -> None:
        self._open(meeting, leg, "pcm")

    def push_pcm(self, leg: ParticipantId, data: bytes) -> int:
        if leg not in self.legs:
            return 0
        self.legs[leg].pcm += data
        return len(self.legs[leg].pcm) // 2

    def flush_pcm(self, leg: ParticipantId) -> int:
        if leg not in self.legs:
            return 0
        dropped = len(self.legs[leg].pcm) // 2
        self.legs[leg].pcm.clear()
        return dropped

    def read_pcm(self, leg: ParticipantId) -> bytes:
        return b""

    def stats(self, leg: ParticipantId) -> Mapping[str, float | int | str]:
        return self.counters.get(leg, {})

    def engine_stats(self) -> Mapping[str, int]:
        return {"rooms": len(self.meetings), "legs": len(self.legs), "ticks_late": 0}

    def assert_idle(self) -> None:
        """No meeting and no leg is left open."""
        assert not self.meetings, f"meetings left open: {self.meetings}"
        assert not self.legs, f"legs left open: {self.legs}"

    def _open(self, meeting: MeetingId, leg: ParticipantId, kind: str) -> FakeLeg:
        assert meeting in self.meetings, f"a leg was opened in {meeting}, which is not open"
        self.legs[leg] = FakeLeg(meeting, kind)
        return self.legs[leg]
