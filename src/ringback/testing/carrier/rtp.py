"""RTP of one call, without sockets or clock: packets out, sound and keys in (RFC 3550, RFC 3551, RFC 4733)."""

import struct
from collections import deque
from dataclasses import dataclass, field

from ringback.testing.carrier import sound

KEYS = "0123456789*#ABCD"
HEADER = struct.Struct(">BBHII")
LONGEST_S = 600.0
"""Of what is kept of a call's sound, each way; later sound is heard but not kept."""

JUMP_S = 60.0
"""Of time between two packets, beyond which the stream counts anew."""

_EVENT = struct.Struct(">BBH")
_END, _VOLUME = 0x80, 10
_REPEATS = 3
"""How often the end of a key is said (RFC 4733 §2.5.1.4)."""


@dataclass(slots=True)
class Sender:
    """Makes packets.

    Attributes:
        ssrc, sequence, timestamp: Where the stream stands.
    """

    ssrc: int
    sequence: int
    timestamp: int
    fresh: bool = True

    def speech(self, payload: bytes, payload_type: int) -> bytes:
        """A packet of sound; time goes on by its samples."""
        packet = self._packet(payload_type, payload, marker=self.fresh)
        self.fresh = False
        self.timestamp = self.timestamp + len(payload) & 0xFFFFFFFF
        return packet

    def rest(self, samples: int) -> None:
        """Time goes on without a packet; the next one begins a talkspurt."""
        self.timestamp = self.timestamp + samples & 0xFFFFFFFF
        self.fresh = True

    def key(self, key: str, payload_type: int, packets: int) -> list[bytes]:
        """All packets of a key pressed for ``packets`` times 20 ms, one per 20 ms; the end is said three times."""
        code = KEYS.index(key)
        made = []
        for number in range(1, packets + _REPEATS):
            last = number >= packets
            duration = min(number, packets) * sound.FRAME
            event = _EVENT.pack(code, _VOLUME | (_END if last else 0), min(duration, 0xFFFF))
            made.append(self._packet(payload_type, event, marker=number == 1))
        self.timestamp = self.timestamp + (packets + _REPEATS - 1) * sound.FRAME & 0xFFFFFFFF
        self.fresh = True
        return made

    def _packet(self, payload_type: int, payload: bytes, marker: bool) -> bytes:
        second = payload_type | (0x80 if marker else 0)
        head = HEADER.pack(0x80, second, self.sequence, self.timestamp, self.ssrc)
        self.sequence = self.sequence + 1 & 0xFFFF
        return head + payload


@dataclass(frozen=True, slots=True)
class Packet:
    """What came."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read(data: bytes) -> Packet | None:
    """An RTP packet; ``None`` for what is none (also RTCP)."""
    if len(data) < HEADER.size or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    at = HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    end = len(data) - (data[-1] if first & 0x20 else 0)
    return Packet(second & 0x7F, sequence, timestamp, ssrc, data[at:end]) if at <= end else None


@dataclass(slots=True)
class Ear:
    """Puts what comes where it belongs in time, and reads keys.

    Attributes:
        pcm: What was heard from the first packet on, gaps as silence.
        packets: How many packets of sound came.
    """

    pcm: bytearray = field(default_factory=bytearray)
    packets: int = 0
    _ssrc: int | None = None
    _base: int = 0
    _pressed: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=16))

    def hear(self, packet: Packet, codec: str) -> bytes:
        """Take a packet of sound; returns its PCM."""
        heard = sound.decode(packet.payload, codec)
        self.packets += 1
        at = self._place(packet)
        if 0 <= at <= LONGEST_S * sound.RATE:
            if 2 * at > len(self.pcm):
                self.pcm += bytes(2 * at - len(self.pcm))
            self.pcm[2 * at : 2 * at + len(heard)] = heard
        return heard

    def key(self, packet: Packet) -> str | None:
        """The key of a telephone-event, once per press whatever is repeated or lost; ``None`` when it was told."""
        press = packet.ssrc, packet.timestamp
        if len(packet.payload) < _EVENT.size or packet.payload[0] >= len(KEYS) or press in self._pressed:
            return None
        self._pressed.append(press)
        return KEYS[packet.payload[0]]

    def _place(self, packet: Packet) -> int:
        """The sample a packet begins at; negative for one from before the first."""
        end = len(self.pcm) // 2
        at = (packet.timestamp - self._base + 2**31 & 0xFFFFFFFF) - 2**31
        if packet.ssrc != self._ssrc or abs(at - end) > JUMP_S * sound.RATE:
            # Another stream, or another time, goes on where the last one ended.
            self._ssrc, self._base = packet.ssrc, packet.timestamp - end
            return end
        return at
