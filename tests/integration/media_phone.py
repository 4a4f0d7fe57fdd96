"""Telephones for media tests: a tiny RTP sender of G.711 of our own, and the engine's own far end for other codecs."""

import asyncio
import math
import socket
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ringback.calls.ports.streams import PhoneCodec, PhoneMedia
from ringback.media.service import Media
from ringback.model.ids import MeetingId, ParticipantId

CODECS = {
    "PCMU": PhoneCodec("PCMU", 0, 0, 8000),
    "PCMA": PhoneCodec("PCMA", 8, 8, 8000),
    "G722": PhoneCodec("G722", 9, 9, 8000),
    "OPUS": PhoneCodec("OPUS", 107, 107, 48000),
}
TELEPHONE_EVENT = 101

Samples = NDArray[np.float64]


def mu_law(sample: float) -> int:
    """One sample, -1..1, as G.711 µ-law."""
    value = min(int(abs(sample) * 32635) + 132, 32767)
    exponent = max(value.bit_length() - 8, 0)
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | (value >> (exponent + 3)) & 0x0F) & 0xFF


def from_mu_law(code: int) -> float:
    """One byte of G.711 µ-law, as -1..1."""
    code = ~code & 0xFF
    value = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return (-value if code & 0x80 else value) / 32768


FROM_MU_LAW = np.array([from_mu_law(code) for code in range(256)])


@dataclass(frozen=True, slots=True)
class Rtp:
    """A received packet."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Rtp":
        first, second, sequence, timestamp, ssrc = struct.unpack(">BBHII", data[:12])
        assert first & 0xF0 == 0x80, "our packets have no extension and no padding"
        return cls(second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[12:])


@dataclass
class RtpPhone(asyncio.DatagramProtocol):
    """Speaks PCMU with the engine over a real socket: a tone goes out in packets, everything that comes is kept."""

    hz: float = 440.0
    amplitude: float = 0.25
    ptime_ms: int = 20
    received: list[Rtp] = field(default_factory=list)
    sequence: int = 1000
    timestamp: int = 77
    ssrc: int = 0x1234
    _to: tuple[str, int] = ("127.0.0.1", 0)
    _talking: asyncio.Task[None] | None = None
    transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str = "127.0.0.1") -> tuple[str, int]:
        """Bind; returns the address for our SDP."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(host, 0), family=socket.AF_INET
        )
        bound, port = self.transport.get_extra_info("sockname")
        return bound, port

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.append(Rtp.parse(data))

    def error_received(self, exc: Exception) -> None:
        """The engine's port is gone: what a telephone would not notice either."""

    def talk(self, to: tuple[str, int]) -> None:
        """Begin the tone."""
        self._to = to
        self._talking = asyncio.get_running_loop().create_task(self._talk())

    def hush(self) -> None:
        """Send nothing more."""
        if self._talking is not None:
            self._talking.cancel()

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.send(0, self._tone(), advance=8 * self.ptime_ms)
            due += self.ptime_ms / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _tone(self) -> bytes:
        step = 2 * math.pi * self.hz / 8000
        return bytes(mu_law(self.amplitude * math.sin(step * (self.timestamp + n))) for n in range(8 * self.ptime_ms))

    def send(self, payload_type: int, payload: bytes, *, marker: bool = False, advance: int = 160) -> None:
        """One packet; ``advance`` is what it adds to the timestamp."""
        assert self.transport is not None, "it was not opened"
        second = payload_type | (0x80 if marker else 0)
        head = struct.pack(">BBHII", 0x80, second, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc)
        self.transport.sendto(head + payload, self._to)
        self.sequence += 1
        self.timestamp += advance

    def sound(self) -> Samples:
        """What it was sent in PCMU, packet after packet."""
        speech = b"".join(packet.payload for packet in self.received if packet.payload_type == 0)
        return FROM_MU_LAW[np.frombuffer(speech, np.uint8)]

    def close(self) -> None:
        """Hang up."""
        self.hush()
        if self.transport is not None:
            self.transport.close()


class FarPhone:
    """A telephone made of the engine's own parts, for every codec: a room with a voice of PCM and a phone leg.

    Args:
        name: Also the far room's name.
        codec: Name as in our API.
        rate: Of its voice and ears.
    """

    def __init__(self, media: Media, name: str, codec: str, rate: int = 16000) -> None:
        self._media = media
        self.here = ("127.0.0.1", 0)
        self.codec = CODECS[codec]
        self.rate = rate
        self.room = MeetingId(f"far-{name}")
        self.voice = ParticipantId(f"voice-{name}")
        self.line = ParticipantId(f"line-{name}")
        self._heard = np.zeros(0)
        self._phase = 0
        media.open_meeting(self.room)
        media.open_pcm(self.room, self.voice, rate)
        self.address = media.open_phone(self.room, self.line)

    def connect(self, to: tuple[str, int], tones: bool = False) -> None:
        """Send to, and expect from, the address; press keys as ``tones``."""
        media = PhoneMedia(to, self.codec, (self.codec,), trusted=True, dtmf_tones=tones)
        self._media.set_phone(self.line, media)

    def press(self, keys: str, duration_ms: int = 100, gap_ms: int = 80) -> None:
        """Press keys."""
        self._media.send_digits(self.line, keys, duration_ms, gap_ms)

    def speak(self, hz: float, seconds: float, amplitude: float = 0.25) -> None:
        """Queue a tone."""
        at = np.arange(self._phase, self._phase + int(seconds * self.rate)) / self.rate
        self._phase += len(at)
        sound = (amplitude * 32767 * np.sin(2 * np.pi * hz * at)).astype("<i2")
        self._media.push_pcm(self.voice, sound.tobytes())

    def heard(self) -> Samples:
        """Everything heard so far."""
        new = np.frombuffer(self._media.read_pcm(self.voice), "<i2").astype(np.float64) / 32768
        self._heard = np.concatenate([self._heard, new])
        return self._heard
