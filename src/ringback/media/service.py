"""Meetings, legs and tracks as spoken to the Rust core: implements ``MediaLegs``, feeds ``MediaEvents``.

Events come in batches: the engine's eventfd wakes the loop once, and everything that waits is handed out in order.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from typing import Any

from ringback.calls.ports.media import MediaEvents
from ringback.calls.ports.streams import PhoneCodec, PhoneCrypto, PhoneDtls, PhoneIce, PhoneMedia, PhoneVideo
from ringback.core import Engine
from ringback.model.errors import InvalidRequest, Unavailable
from ringback.model.events import LayerLimit
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.participant import Seen, SeenLayout
from ringback.model.sound import Sound
from ringback.model.tones import Tone


class Media:
    """The media side of calls and meetings.

    Args:
        engine: From ``core.new_engine``; closed by ``close``.
        loop: The loop on whose thread every method is called and every event reported.
        events: Who is told what happens. May be set later through ``events``, before the first leg is opened.
        phone_host: Host written into SDP for phones (the advertised address, not the bind address); or what says it
            for the IP address of a far end, which is empty when unknown.
        both_versions: Whether the engine's RTP ports are open in both IP versions.
    """

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        events: MediaEvents | None,
        *,
        phone_host: str | Callable[[str], str],
        both_versions: bool = False,
    ) -> None:
        self.events = events
        self._engine = engine
        self._loop = loop
        self._phone_host = phone_host
        self._both_versions = both_versions
        self._offers: dict[int, tuple[ParticipantId, asyncio.Future[str]]] = {}
        self._closed = False
        loop.add_reader(engine.event_fd(), self._drain)

    def close(self) -> None:
        """Stop the engine; offers still waiting fail. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._engine.event_fd())
        self._engine.close()
        for request in list(self._offers):
            self._replied({"request": request, "sdp": None, "error": "the media engine is closing"})

    @property
    def fingerprint(self) -> str:
        """What ``a=fingerprint`` says to telephones."""
        return self._engine.fingerprint()

    @property
    def webrtc_ports(self) -> list[int]:
        """The UDP and TCP ports of WebRTC peers: of each worker, in its order."""
        return self._engine.webrtc_ports()

    def open_meeting(self, meeting: MeetingId) -> None:
        self._engine.open_room(meeting)

    def close_meeting(self, meeting: MeetingId) -> None:
        self._engine.close_room(meeting)

    def open_phone(self, meeting: MeetingId, leg: ParticipantId, peer: str = "") -> tuple[str, int]:
        try:
            port = self._engine.open_phone(meeting, leg)
        except OSError as error:
            raise Unavailable(f"no RTP port for another call ({error}); widen RINGBACK_MEDIA__RTP_PORTS") from error
        host = self._phone_host
        return host if isinstance(host, str) else host(peer), port

    def phone_host(self, peer: str) -> str:
        told = self._phone_host
        return told(peer) if self._both_versions and not isinstance(told, str) else ""

    def set_phone(self, leg: ParticipantId, media: PhoneMedia) -> None:
        self._engine.set_phone(leg, phone_fields(media))

    def open_phone_video(self, leg: ParticipantId) -> int:
        try:
            return self._engine.open_phone_video(leg)
        except OSError as error:
            raise Unavailable(f"no RTP port for a call's video ({error}); widen RINGBACK_MEDIA__RTP_PORTS") from error

    def set_phone_video(self, leg: ParticipantId, video: PhoneVideo | None) -> None:
        self._engine.set_phone_video(leg, None if video is None else video_fields(video))

    def want_picture(self, leg: ParticipantId) -> None:
        self._engine.want_picture(leg)

    def send_digits(self, leg: ParticipantId, digits: str, duration_ms: int, gap_ms: int) -> None:
        self._engine.send_digits(leg, digits, duration_ms, gap_ms)

    def play_tone(self, leg: ParticipantId, tone: Tone) -> None:
        self._engine.play_tone(leg, list(tone.frequencies), list(tone.rhythm_ms), tone.level_dbm0)

    def stop_tone(self, leg: ParticipantId) -> None:
        self._engine.stop_tone(leg)

    def play(self, leg: ParticipantId, sound: Sound, *, times: int = 1) -> None:
        self._engine.play_sound(leg, sound.id, sound.pcm, sound.rate, times)

    def stop_playing(self, leg: ParticipantId) -> None:
        self._engine.stop_sound(leg)

    def close_leg(self, leg: ParticipantId) -> None:
        self._engine.close_leg(leg)
        for request, (owner, _) in list(self._offers.items()):
            if owner == leg:
                self._replied({"request": request, "sdp": None, "error": "the connection was closed"})

    async def open_webrtc(self, meeting: MeetingId, leg: ParticipantId) -> None:
        self._engine.open_webrtc(meeting, leg)

    async def webrtc_offer(self, leg: ParticipantId, sdp: str) -> str:
        if self._closed:
            raise Unavailable("the media engine is closed")
        answer: asyncio.Future[str] = self._loop.create_future()
        request = self._engine.webrtc_offer(leg, sdp)
        self._offers[request] = (leg, answer)
        try:
            return await answer
        finally:
            self._offers.pop(request, None)

    def set_published(self, leg: ParticipantId, tracks: Mapping[str, str]) -> None:
        self._engine.set_published(leg, dict(tracks))

    def set_subscriptions(self, leg: ParticipantId, tracks: Mapping[str, tuple[ParticipantId, str]]) -> None:
        self._engine.set_subscriptions(leg, {mid: (source, track) for mid, (source, track) in tracks.items()})

    def set_layers(self, leg: ParticipantId, layers: Mapping[tuple[str, str], int]) -> None:
        self._engine.set_layers(leg, dict(layers))

    def set_sources(self, leg: ParticipantId, sources: frozenset[ParticipantId] | None) -> None:
        self._engine.set_sources(leg, None if sources is None else sorted(sources))

    def set_viewing(self, leg: ParticipantId, seen: bool, tracks: frozenset[tuple[ParticipantId, str]] | None) -> None:
        self._engine.set_viewing(leg, seen, None if tracks is None else sorted(tracks))

    def move_phone(self, leg: ParticipantId, meeting: MeetingId) -> None:
        self._engine.move_phone(leg, meeting)

    def set_muted(self, leg: ParticipantId, muted: bool) -> None:
        self._engine.set_muted(leg, muted)

    def set_name(self, leg: ParticipantId, name: str) -> None:
        self._engine.set_name(leg, name)

    def open_pcm(self, meeting: MeetingId, leg: ParticipantId, sample_rate: int) -> None:
        self._engine.open_pcm(meeting, leg, sample_rate)

    def push_pcm(self, leg: ParticipantId, data: bytes) -> int:
        return self._engine.push_pcm(leg, data)

    def flush_pcm(self, leg: ParticipantId) -> int:
        return self._engine.flush_pcm(leg)

    def read_pcm(self, leg: ParticipantId) -> bytes:
        return self._engine.read_pcm(leg)

    def stats(self, leg: ParticipantId) -> Mapping[str, float | int | str]:
        return self._engine.stats(leg)

    def engine_stats(self) -> Mapping[str, int]:
        """Counters of the whole engine, for metrics: see ``core.Engine.engine_stats``."""
        return self._engine.engine_stats()

    def worker_stats(self) -> list[Mapping[str, int]]:
        """The same of each worker."""
        return list(self._engine.worker_stats())

    def _drain(self) -> None:
        for kind, fields in self._engine.drain():
            handle = HANDLERS.get(kind)
            if handle is not None:
                handle(self, fields)

    def _replied(self, fields: Mapping[str, Any]) -> None:
        _, answer = self._offers.pop(fields["request"], (None, None))
        if answer is None or answer.done():
            return
        if fields["error"] is None:
            answer.set_result(fields["sdp"])
        else:
            answer.set_exception(InvalidRequest(fields["error"]))

    def _state(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.webrtc_state(fields["leg"], fields["state"])

    def _started(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.media_started(fields["leg"], fields["track"])

    def _digit(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            method = "in-band" if fields["in_band"] else "telephone-event"
            self.events.digit(fields["leg"], fields["digit"], fields["duration_ms"], fields["volume"], method)

    def _picture(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.picture_lost(fields["leg"])

    def _shown(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            tracks = tuple((ParticipantId(leg), track) for leg, track in fields["of"])
            seen = Seen(SeenLayout(fields["layout"]), tracks) if tracks else None
            self.events.pictures_shown(fields["leg"], seen, fields["way"])

    def _encoding(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            layers = tuple(LayerLimit(*one) for one in fields["layers"])
            self.events.encoding_asked(fields["leg"], fields["track"], layers)

    def _played(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.played(fields["leg"], fields["sound"])

    def _speaker(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.active_speaker(fields["room"], fields["leg"])

    def _silent(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.leg_silent(fields["leg"])

    def _unprotected(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.leg_unprotected(fields["leg"], fields["reason"])

    def _failed(self, fields: Mapping[str, Any]) -> None:
        if self.events is not None:
            self.events.leg_failed(fields["leg"], fields["reason"])


HANDLERS: Mapping[str, Callable[[Media, Mapping[str, Any]], None]] = {
    "reply": Media._replied,
    "webrtc-state": Media._state,
    "media-started": Media._started,
    "digit": Media._digit,
    "picture-wanted": Media._picture,
    "pictures-shown": Media._shown,
    "encoding-asked": Media._encoding,
    "played": Media._played,
    "active-speaker": Media._speaker,
    "leg-silent": Media._silent,
    "leg-unprotected": Media._unprotected,
    "leg-failed": Media._failed,
}


def phone_fields(media: PhoneMedia) -> dict[str, Any]:
    """``PhoneMedia`` as ``core.Engine.set_phone`` takes it."""
    return {
        "remote": media.remote,
        "codec": codec_fields(media.codec),
        "receive": [codec_fields(codec) for codec in media.receive],
        "dtmf_payload_type": media.dtmf_payload_type,
        "dtmf_receive_payload_type": media.dtmf_receive_payload_type,
        "dtmf_clock_rate": media.dtmf_clock_rate,
        "dtmf_tones": media.dtmf_tones,
        "dtmf_detect": media.dtmf_detect,
        "send": media.send,
        "listen": media.listen,
        "trusted": media.trusted,
        "signalling_host": media.signalling_host,
        "hold_fire": media.hold_fire,
        "rtcp_port": media.rtcp_port,
        "networks": list(media.networks),
        "crypto": None if media.crypto is None else crypto_fields(media.crypto),
        "ice": None if media.ice is None else ice_fields(media.ice),
        "guard_echo": media.polish.echo,
        "suppress_noise": media.polish.noise,
        "level_gain": media.polish.gain,
    }


def ice_fields(ice: PhoneIce) -> dict[str, Any]:
    """``PhoneIce`` as ``core.Engine.set_phone`` takes it."""
    return {"ufrag": ice.ufrag, "password": ice.password, "remote_ufrag": ice.remote_ufrag}


VIDEO_FIELDS = tuple(f.name for f in fields_of(PhoneVideo) if f.name not in ("networks", "crypto"))
"""Those that cross as they are."""


def video_fields(video: PhoneVideo) -> dict[str, Any]:
    """``PhoneVideo`` as ``core.Engine.set_phone_video`` takes it."""
    same = {name: getattr(video, name) for name in VIDEO_FIELDS}
    crypto = None if video.crypto is None else crypto_fields(video.crypto)
    return {**same, "networks": list(video.networks), "crypto": crypto}


def crypto_fields(crypto: PhoneCrypto | PhoneDtls) -> dict[str, Any]:
    """``PhoneCrypto`` or ``PhoneDtls`` as ``core.Engine.set_phone`` takes it."""
    if isinstance(crypto, PhoneDtls):
        return {"fingerprints": list(crypto.fingerprints), "active": crypto.active}
    return {
        "suite": crypto.suite,
        "send_key": crypto.send_key,
        "receive_key": crypto.receive_key,
        "receive_mki": crypto.receive_mki,
    }


def codec_fields(codec: PhoneCodec) -> dict[str, Any]:
    """``PhoneCodec`` as ``core.Engine.set_phone`` takes it."""
    return {
        "name": codec.name,
        "payload_type": codec.payload_type,
        "receive_payload_type": codec.receive_payload_type,
        "clock_rate": codec.clock_rate,
        "ptime_ms": codec.ptime_ms,
    }
