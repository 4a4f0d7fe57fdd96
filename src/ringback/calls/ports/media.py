"""The media side: what is asked of it, and what it reports back. ``media`` implements it."""

from collections.abc import Mapping
from typing import Protocol

from ringback.calls.ports.streams import PhoneMedia, PhoneVideo
from ringback.model.events import LayerLimit
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.participant import Seen
from ringback.model.sound import Sound
from ringback.model.tones import Tone


class MediaLegs(Protocol):
    """The media side. Synchronous verbs are queued to the core and cannot fail later without a ``MediaEvents`` call."""

    @property
    def fingerprint(self) -> str:
        """What ``a=fingerprint`` says of our certificate to telephones: hash and digest (RFC 8122); empty: no DTLS."""

    def open_meeting(self, meeting: MeetingId) -> None: ...
    def close_meeting(self, meeting: MeetingId) -> None:
        """Drops every leg still in it."""

    def open_phone(self, meeting: MeetingId, leg: ParticipantId, peer: str = "") -> tuple[str, int]:
        """Bind an RTP/RTCP port pair; returns the *advertised* host and RTP port.

        ``peer`` is the IP address of the far end's signalling where it is known: peers on networks of ours are told
        another host than the world. Raises ``Unavailable`` when no port is free.
        """

    def phone_host(self, peer: str) -> str:
        """What a phone at an IP address is told for its sound, where both IP versions are spoken; else empty."""

    def set_phone(self, leg: ParticipantId, media: PhoneMedia) -> None:
        """Apply an offer/answer; called again for each later one."""

    def open_phone_video(self, leg: ParticipantId) -> int:
        """Bind a second port pair of a phone leg, for pictures; returns the RTP port, on the host of the first.

        Raises ``Unavailable`` when no port is free.
        """

    def set_phone_video(self, leg: ParticipantId, video: PhoneVideo | None) -> None:
        """Apply an offer/answer to a phone leg's pictures; ``None``: it has none any more. What it sends is a track
        ``video`` of its participant, what it is shown is the picture of who speaks, where that fits."""

    def want_picture(self, leg: ParticipantId) -> None:
        """The far end of a phone leg needs a whole picture of what it is shown."""

    def send_digits(self, leg: ParticipantId, digits: str, duration_ms: int, gap_ms: int) -> None:
        """Queue RFC 4733 events, or tones where ``PhoneMedia`` says so; they follow any already queued."""

    def play_tone(self, leg: ParticipantId, tone: Tone) -> None:
        """Let a phone leg sound like this to everybody who hears it (local ringback, before it is answered).

        From the beginning of its rhythm, in place of an earlier tone, until ``stop_tone`` or until sound of the far end
        itself arrives. The leg needs no ``set_phone`` before; ``Media`` refuses a tone that breaks the limits of
        ``Tone`` with ``ValueError``.
        """

    def stop_tone(self, leg: ParticipantId) -> None:
        """Silence again; without a tone nothing happens."""

    def play(self, leg: ParticipantId, sound: Sound, *, times: int = 1) -> None:
        """A phone leg hears this sound, ``times`` times in a row, instead of its meeting.

        In place of an earlier sound, from the moment there is somewhere to send it. ``MediaEvents.played`` follows once
        it ended by itself; ``stop_playing`` and another ``play`` end it without a word.
        """

    def stop_playing(self, leg: ParticipantId) -> None:
        """A phone leg hears its meeting again; without a sound nothing happens."""

    def move_phone(self, leg: ParticipantId, meeting: MeetingId) -> None:
        """A phone leg goes to another meeting, with its port and its streams; there it hears everybody."""

    def close_leg(self, leg: ParticipantId) -> None: ...

    async def open_webrtc(self, meeting: MeetingId, leg: ParticipantId) -> None: ...
    async def webrtc_offer(self, leg: ParticipantId, sdp: str) -> str:
        """Negotiate a client's offer, first or later, and return the answer; ``InvalidRequest`` for a bad one."""

    def set_published(self, leg: ParticipantId, tracks: Mapping[str, str]) -> None:
        """Name a WebRTC leg's sending m-lines: mid → ``audio``, ``video``, ``screenVideo``, ``screenAudio``."""

    def set_subscriptions(self, leg: ParticipantId, tracks: Mapping[str, tuple[ParticipantId, str]]) -> None:
        """The whole receive table of a WebRTC leg: mid → (source participant, track name). What is left out stops."""

    def set_layers(self, leg: ParticipantId, layers: Mapping[tuple[str, str], int]) -> None:
        """The highest simulcast layer a WebRTC leg wants: (participant or ``*``, track name) → layer, 0 the lowest.

        The whole table; who is not named is seen as well as the path allows. A lower layer is sent where bandwidth or
        the sender gives no more.
        """

    def set_sources(self, leg: ParticipantId, sources: frozenset[ParticipantId] | None) -> None:
        """Whose audio a phone (or PCM) leg hears; ``None`` is everybody else in the meeting, the default."""

    def set_viewing(self, leg: ParticipantId, seen: bool, tracks: frozenset[tuple[ParticipantId, str]] | None) -> None:
        """Whether others are shown a phone leg's pictures, and which tracks it may be shown; ``None`` is everybody's,
        the default."""

    def set_muted(self, leg: ParticipantId, muted: bool) -> None:
        """Whether a leg's audio is kept from everybody (muted by the server; also hold)."""

    def set_name(self, leg: ParticipantId, name: str) -> None:
        """What is written on a leg's picture where it is composed with others."""

    def open_pcm(self, meeting: MeetingId, leg: ParticipantId, sample_rate: int) -> None:
        """A participant inside this process whose sound is PCM: int16 mono little-endian at 8000, 16000 or 48000 Hz."""

    def push_pcm(self, leg: ParticipantId, data: bytes) -> int:
        """Queue speech; it is paced in real time by the core. Returns the samples now queued."""

    def flush_pcm(self, leg: ParticipantId) -> int:
        """Drop what is queued (barge-in); returns how many samples were dropped unheard."""

    def read_pcm(self, leg: ParticipantId) -> bytes:
        """What the leg has heard since the last read: int16 mono, at most 5 s kept."""

    def stats(self, leg: ParticipantId) -> Mapping[str, float | int | str]:
        """Counters of a leg: packets and bytes each way, lost, late, concealed, jitter, and for phones quality.

        What a phone leg has beside the counters, each absent until it is known: ``last_heard_ms`` (since its last RTP
        packet was taken), ``round_trip_ms``, ``loss_percent`` and ``mos`` (1.0 to 4.5, of what we hear of it),
        ``remote_packets_lost``, ``remote_loss_percent``, ``remote_jitter_ms`` and ``remote_mos`` (of what it hears of
        us, by its own reports), ``buffer_ms`` (what the jitter buffer aims at), ``srtp`` (the suite, where protected).
        ``core.Engine.stats`` lists the rest: what was refused and why, where packets come from and go to, how loud the
        sound is, what became of what was sent, and how it was made.
        """

    def engine_stats(self) -> Mapping[str, int]:
        """Counters of the whole media side, as ``core.Engine.engine_stats`` lists them."""


class MediaEvents(Protocol):
    """What the media side reports, on the loop's thread."""

    def webrtc_state(self, leg: ParticipantId, state: str) -> None:
        """``connected``, ``disconnected`` (ICE lost; it may return), ``closed``."""

    def media_started(self, leg: ParticipantId, track: str) -> None:
        """First media packet of a track arrived."""

    def digit(
        self, leg: ParticipantId, digit: str, duration_ms: int, volume: int, method: str = "telephone-event"
    ) -> None:
        """One key press, once per press by each ``method``: ``telephone-event`` (RFC 4733), ``in-band``."""

    def picture_lost(self, leg: ParticipantId) -> None:
        """A phone that takes no such RTCP is to be asked for a whole picture."""

    def pictures_shown(self, leg: ParticipantId, seen: Seen | None, way: str = "") -> None:
        """A phone with a screen is shown something else now, or in another way; ``None``: nothing.

        ``way``: ``forward``, ``make``, ``none`` (it takes none), or why there is none: ``nobody`` has a picture,
        ``waiting`` for a key frame, ``no-maker``, ``maker-down``. Empty for as before.
        """

    def encoding_asked(self, leg: ParticipantId, track: str, layers: tuple[LayerLimit, ...]) -> None:
        """A browser is to encode a picture so that phones can be passed it on: the whole table of limits."""

    def played(self, leg: ParticipantId, sound_id: str) -> None:
        """The sound of that ``Sound.id`` that a leg was played came to its end."""

    def active_speaker(self, meeting: MeetingId, leg: ParticipantId) -> None: ...
    def leg_silent(self, leg: ParticipantId) -> None:
        """60 s without RTP or RTCP on a phone leg while neither side holds the other."""

    def leg_unprotected(self, leg: ParticipantId, reason: str) -> None:
        """A phone whose keys are agreed on by DTLS is not who its SDP said, or cannot do what we can: no sound runs."""

    def leg_failed(self, leg: ParticipantId, reason: str) -> None:
        """The core gave this leg up (a bug of ours); it is already closed."""
