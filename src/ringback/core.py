"""The one door to Rust (``ringback_core``): every name, typed and documented.

The engine carries every media packet on its own threads. Python tells it who hears whom and reads what happened
through ``event_fd`` and ``drain``. No method waits for the network.

Ids of rooms and legs are the caller's strings. Sound is int16 mono little-endian wherever it crosses.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ringback import __version__

SOURCES = Path(__file__).resolve().parents[2] / "crates" / "ringback-python" / "src"
"""What Python says to the core is read there. Installed from a package there is no such folder."""


class WrongCore(ImportError):
    """The compiled core is missing, or was built for another Ringback than this one. One sentence with the fix."""


@cache
def compiled() -> Any:
    """The compiled core itself, once it has been seen to be of this version and, in a checkout, of these sources.

    An older one would be found out by a call that it does not understand, in the middle of a meeting.

    Raises:
        WrongCore: It is not, or there is none.
    """
    try:
        core = import_module("ringback_core")
    except ModuleNotFoundError:
        raise WrongCore("the compiled core is not installed; run `make build`, or pip install ringback-core") from None
    version = getattr(core, "VERSION", None)
    if version != __version__:
        found = f"version {version}" if version else "an earlier version"
        fix = f"run `make build`, or pip install ringback-core=={__version__}"
        raise WrongCore(f"the compiled core is of {found}, this is Ringback {__version__}; {fix}")
    if SOURCES.is_dir() and digest(SOURCES) != core.BUILT_FROM:
        raise WrongCore("the compiled core was built from other sources than those beside it; run `make build`")
    return core


def digest(folder: Path) -> int:
    """The sources in a folder as one number, as ``crates/ringback-python/build.rs`` computes it."""
    number = 0
    for file in sorted(folder.glob("*.rs")):
        number = zlib.crc32(file.read_bytes(), zlib.crc32(file.name.encode(), number))
    return number


class Engine(Protocol):
    """What ``ringback_core.Engine`` offers.

    Built as ``Engine(webrtc_host, webrtc_port, webrtc_advertised, rtp_host, rtp_first, rtp_last, rtp_other_host,
    workers)``; ``rtp_other_host`` is of the other IP version, or ``None``. Ports are bound at once and ``OSError``
    names the address. ``workers`` (1 to 64) is the number of threads, each with rooms of its own; the first has
    ``webrtc_port``, each other the one after that of the one before. 0 takes any free ones (UDP and TCP get the same
    number).
    ``webrtc_advertised`` is the list of IP addresses written into ICE candidates.
    """

    def event_fd(self) -> int:
        """Readable while events wait."""

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """All waiting events, oldest first, as ``(kind, fields)``:

        - ``reply``: ``request`` (int), ``error`` (str or None), ``sdp`` (str or None)
        - ``webrtc-state``: ``leg``, ``state`` (``connected``, ``disconnected``, ``closed``)
        - ``media-started``: ``leg``, ``track``
        - ``digit``: ``leg``, ``digit``, ``duration_ms``, ``volume`` (RFC 4733: 0..63, dBm0 without sign), ``in_band``
          (found in the sound)
        - ``picture-wanted``: ``leg`` (a phone that is to be asked for a whole picture by SIP)
        - ``pictures-shown``: ``leg`` (a phone), ``layout`` (``none``, ``one``, ``speaker``, ``grid``), ``of`` (list of
          leg and track name: whom it is shown from now on, the most important first), ``way`` (``none``, ``nobody``,
          ``forward``, ``make``, ``waiting``, ``no-maker``, ``maker-down``)
        - ``encoding-asked``: ``leg`` (a browser), ``track``, ``layers`` (list of layer, bit/s, pictures in a second or
          0: what it is to encode at most for the sake of phones, the whole table)
        - ``played``: ``leg``, ``sound`` (the id given to ``play_sound``)
        - ``active-speaker``: ``room``, ``leg``
        - ``leg-silent``: ``leg``
        - ``leg-failed``: ``leg``, ``reason``
        """

    def webrtc_ports(self) -> list[int]:
        """Of each worker."""

    def fingerprint(self) -> str:
        """What ``a=fingerprint`` says to telephones: hash and digest of the certificate their legs show by DTLS."""

    def close(self) -> None:
        """Stop the threads and close every socket. Idempotent."""

    def open_room(self, room: str) -> None: ...
    def close_room(self, room: str) -> None:
        """Closes every leg in it."""

    def open_webrtc(self, room: str, leg: str) -> None: ...
    def webrtc_offer(self, leg: str, sdp: str) -> int:
        """Queue a client's SDP offer; the answer comes as a ``reply`` event with the returned request number."""

    def set_published(self, leg: str, tracks: dict[str, str]) -> None:
        """mid → track name of what a WebRTC leg sends."""

    def set_subscriptions(self, leg: str, tracks: dict[str, tuple[str, str]]) -> None:
        """mid → (source leg, track name): the whole receive table of a WebRTC leg."""

    def set_layers(self, leg: str, layers: dict[tuple[str, str], int]) -> None:
        """(source leg or ``*``, track name) → the highest layer wanted of its pictures, 0 the lowest: the whole table
        of a WebRTC leg. Who is not in it is seen as well as the path allows."""

    def open_phone(self, room: str, leg: str) -> int:
        """Bind an even RTP port and the next one for RTCP; returns the RTP port. ``OSError`` when none is free."""

    def set_phone(self, leg: str, media: dict[str, Any]) -> None:
        """``remote`` ((ip, port) or None), ``codec``, ``receive`` (list), ``dtmf_payload_type``,
        ``dtmf_receive_payload_type``, ``dtmf_clock_rate`` (int or None), ``dtmf_tones``, ``dtmf_detect``, ``send``,
        ``listen``, ``trusted``, ``signalling_host``, ``hold_fire``, ``rtcp_port``, ``networks`` (list of CIDR),
        ``crypto``, ``ice`` (None or a dict), ``guard_echo``, ``suppress_noise``, ``level_gain``, as in ``PhoneMedia``
        of ``calls.ports.streams``; a codec is a dict of ``name``, ``payload_type``, ``receive_payload_type``,
        ``clock_rate``, ``ptime_ms`` as in its ``PhoneCodec``, crypto one of ``suite``, ``send_key``, ``receive_key``,
        ``receive_mki`` (bytes) as in ``PhoneCrypto``, or one of ``fingerprints`` (list of hash and bytes), ``active``
        as in ``PhoneDtls``; ice one of ``ufrag``, ``password``, ``remote_ufrag``. ``ValueError`` names a field that
        makes no sense.
        """

    def open_phone_video(self, leg: str) -> int:
        """Bind another such pair for a phone leg's pictures; returns the RTP port. ``OSError`` when none is free."""

    def set_phone_video(self, leg: str, media: dict[str, Any] | None) -> None:
        """The fields of ``calls.ports.streams.PhoneVideo``; ``None``: it has no pictures any more. ``ValueError`` names
        a field that makes no sense."""

    def want_picture(self, leg: str) -> None:
        """A phone leg needs a whole picture of what it is shown."""

    def send_digits(self, leg: str, digits: str, duration_ms: int, gap_ms: int) -> None: ...
    def play_tone(self, leg: str, frequencies: list[float], rhythm_ms: list[int], level_dbm0: float) -> None:
        """A phone leg sounds like this to its room, as ``model.tones.Tone`` says, until ``stop_tone`` or its own sound.
        ``ValueError`` for a tone that breaks the limits given there."""

    def stop_tone(self, leg: str) -> None: ...
    def play_sound(self, leg: str, sound: str, data: bytes, sample_rate: int, times: int) -> None:
        """A phone leg hears this int16 mono sound (8000 or 16000 Hz) so many times, as ``MediaLegs.play`` says
        (``calls.ports.media``). ``sound`` names the content: while any leg is played a sound of that name, its samples
        are shared and ``data`` is not read again. ``ValueError`` for an empty one, or another rate."""

    def stop_sound(self, leg: str) -> None: ...
    def open_pcm(self, room: str, leg: str, sample_rate: int) -> None: ...
    def push_pcm(self, leg: str, data: bytes) -> int: ...
    def flush_pcm(self, leg: str) -> int: ...
    def read_pcm(self, leg: str) -> bytes: ...
    def set_sources(self, leg: str, sources: list[str] | None) -> None: ...
    def set_viewing(self, leg: str, seen: bool, tracks: list[tuple[str, str]] | None) -> None:
        """Whether others are shown a phone leg's pictures, and which (leg, track) it may be shown; ``None``: all."""

    def move_phone(self, leg: str, room: str) -> None:
        """A phone leg goes to another room with its port and streams; it hears everybody there (``set_sources``)."""

    def set_muted(self, leg: str, muted: bool) -> None: ...
    def set_name(self, leg: str, name: str) -> None:
        """What is written on a leg's picture where it is shown among others."""

    def set_pixels(self, program: str) -> None:
        """The program that makes pictures where none can be passed on; it is started when one is needed."""

    def close_leg(self, leg: str) -> None:
        """Idempotent; an unknown leg is ignored, as in every verb here."""

    def stats(self, leg: str) -> dict[str, Any]:
        """Counters, and what follows from them; empty for an unknown leg.

        - ``packets_received``, ``bytes_received``, ``packets_sent``, ``bytes_sent``, ``packets_lost``,
          ``packets_late``, ``jitter_ms``
        - ``packets_rejected``: wrong source or payload type, or ``packets_forged`` and ``packets_replayed``: SRTP that
          did not prove itself
        - ``frames_heard``, ``frames_concealed``; of these ``underruns_lost`` and ``underruns_late``, by cause;
          ``frames_stretched``, ``frames_shrunk``
        - of those rejected: ``rejected_source`` (from elsewhere; ``refused_source`` is the last such address),
          ``rejected_type`` (payload type not agreed on; ``refused_type`` is the last), ``rejected_stream`` (an SSRC or
          sequence that has not proved itself)
        - ``packets_withheld`` (the far end has not proved that it wants them), ``send_errors`` (the kernel refused),
          ``unreachable`` (ICMP said that it did not arrive), ``source`` and ``destination`` (``ip:port``)
        - ``reports_received`` (RTCP), ``reports_on_ours`` (of these, blocks on the stream we send)
        - its sound in frames of 20 ms: ``frames_speech``, ``frames_quiet`` (below -42 dBov), ``frames_silent`` (below
          -60), ``frames_clipped``; ``level_dbov`` of the last one
        - ``way`` (``forward``, ``transcode``, ``mix``, ``play``, ``none``), ``codec``, ``srtp`` (suite, if protected);
          ``forward_seconds``, ``transcode_seconds``, ``mix_seconds``, ``play_seconds``, ``silent_seconds``; how often
          that changed: ``way_switches``
        - ``first_heard_ms``, ``first_sent_ms``, ``last_heard_ms``: how long ago, once it has happened
        - of a phone with pictures, each way: ``video_packets_…``, ``video_bytes_…``, ``video_pictures_received`` and
          ``video_pictures_sent``, ``video_size_…`` (``640x360``), ``video_freezes_…`` and ``video_frozen_…_seconds``
          (2 s and more without one), ``video_first_…_ms``, ``video_last_…_ms``; ``video_packets_lost``,
          ``video_remote_packets_lost``, ``video_packets_rejected``, ``video_packets_withheld``,
          ``video_packets_repeated``; key frames: ``video_key_frames_received``, ``…_asked`` (by us), ``…_wanted`` (by
          it); ``video_way`` as in ``pictures-shown`` and the seconds of each (``video_forward_seconds`` …),
          ``video_switches`` (somebody else), ``video_layer_switches``, ``video_pictures_made``, ``video_shown`` (leg),
          ``video_maker_lacks`` (a codec) and what it ever lacked, ``video_maker_lacked``
        - ``webrtc`` of a WebRTC leg: ``connecting``, ``connected``, ``disconnected``
        - on a phone leg, once known: what ``calls.ports.media.MediaLegs.stats`` lists
        """

    def engine_stats(self) -> dict[str, int]:
        """Counters of the whole engine: ``rooms``, ``legs``, ``garbage`` (datagrams of strangers, dropped),
        ``tcp_refused``, ``ticks_late``, ``leg_failures``, ``cpu_us`` (of the media threads), ``events_dropped``."""

    def worker_stats(self) -> list[dict[str, int]]:
        """The same of each worker, but for ``events_dropped``."""


class Callers(Protocol):
    """What ``ringback_core.Callers`` offers: the media of clients' calls, all on one thread.

    A call is a number from ``open``; a verb for an unknown one does nothing. All sound of a call has one rate.
    """

    def event_fd(self) -> int:
        """Readable while events wait."""

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """All waiting events, oldest first, as ``(kind, fields)``; every one has ``call``:

        - ``offer``: ``request``, ``sdp`` (empty: nothing to offer), ``sending`` (mid or None), ``receiving`` (mids)
        - ``answered``: ``request``, ``error`` (None, or one sentence)
        - ``state``: ``state`` (``connected``, ``disconnected``, ``closed``; ``failed``: a bug of ours)
        - ``mark``: ``mark``; less than 20 ms of the speech before it are still to go out
        - ``heard``: ``ear``; a whole piece can be read
        """

    def close(self) -> None:
        """End every call and the thread. Idempotent."""

    def open(self, sample_rate: int) -> int:
        """A call that has not begun. ``ValueError`` for a rate other than 8000, 16000, 24000 and 48000."""

    def offer(self, call: int, send: bool, receive: int, stop: list[str], restart: bool) -> int:
        """Queue an offer: add an m-line to send on, so many to receive on, stop others, look for another path. It
        comes as an ``offer`` event with the returned number and makes one that was not answered void."""

    def answer(self, call: int, sdp: str) -> int:
        """Queue the answer; an ``answered`` event with the returned number follows."""

    def speak(self, call: int, follows: list[str], otherwise: str) -> None:
        """From the next pause on speak the codec of the first of these mids that was heard, else ``otherwise``."""

    def push(self, call: int, data: bytes, mark: int | None = None) -> bool:
        """Queue speech with a mark behind it. ``False``: ten minutes wait already, nothing was queued. ``ValueError``
        for an odd number of bytes."""

    def waiting(self, call: int) -> int:
        """Samples that wait to be said."""

    def flush(self, call: int) -> tuple[int, int, list[tuple[int, int]]]:
        """Drop what waits: samples of this talk that went out, samples dropped, ``(mark, samples said)`` of the pieces
        that were cut off."""

    def listen(self, call: int, ear: int, mid: str | None, samples: int) -> None:
        """Collect what comes on an m-line (``None``: everybody together), and tell of every so many samples."""

    def rest(self, call: int, ear: int) -> None: ...
    def read(self, call: int, ear: int) -> bytes:
        """What an ear heard since the last time, in whole pieces; at most 30 s are kept."""

    def stats(self, call: int) -> dict[str, int]:
        """``packets_received``, ``packets_sent``, ``packets_lost``, ``packets_late``, ``frames_heard``,
        ``frames_concealed``, and underruns by cause: ``underruns_lost`` and ``underruns_late`` of what is heard;
        ``underruns_bot`` (its next piece came too late), ``underruns_path`` (no path to the server) and ``ticks_late``
        (this machine was busy) of what is said; ``samples_said``, ``samples_dropped`` (heard and not read)."""

    def hang_up(self, call: int) -> None: ...


def new_callers() -> Callers:
    """Start the thread of a client's calls (see ``Callers``)."""
    callers: Callers = compiled().Callers()
    return callers


class SipReader(Protocol):
    """What ``ringback_core.SipReader`` offers: plain SIP messages read in one pass."""

    def read(self, data: bytes) -> tuple[Any, ...] | None:
        """A message as ``sip.compiled.Found``; ``None`` when it is not plain, or not right."""


def new_sip_reader(limits: Mapping[str, int], single: list[str], compact: Mapping[str, str]) -> SipReader:
    """A reader with the limits and header names of ``sip.compiled.rules``. ``ValueError`` names a missing limit."""
    reader: SipReader = compiled().SipReader(limits, single, compact)
    return reader


def new_engine(
    webrtc_host: str,
    webrtc_port: int,
    webrtc_advertised: list[str],
    rtp_host: str,
    rtp_first: int,
    rtp_last: int,
    rtp_other_host: str | None = None,
    workers: int = 1,
) -> Engine:
    """Start an engine (see ``Engine``)."""
    engine: Engine = compiled().Engine(
        webrtc_host, webrtc_port, webrtc_advertised, rtp_host, rtp_first, rtp_last, rtp_other_host, workers
    )
    return engine


def decode_mp3(data: bytes, sample_rate: int, most_seconds: int) -> bytes:
    """An MP3 file as int16 mono at 8000 or 16000 Hz. Without the GIL. ``ValueError`` says what is wrong with it: it is
    no MP3, or lasts longer than that."""
    sound: bytes = compiled().decode_mp3(data, sample_rate, most_seconds)
    return sound
