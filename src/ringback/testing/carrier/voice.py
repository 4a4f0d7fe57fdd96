"""The mouth and the ear of one call: a packet every 20 ms, what is heard, and keys both ways."""

import random
from collections import deque
from collections.abc import Callable

from ringback.calls.ports.clock import Clock, Timer
from ringback.sdp.negotiation import Negotiated
from ringback.testing.carrier import rtp, sound
from ringback.testing.carrier.impairment import Impairment, Weather
from ringback.testing.carrier.media import Address, MediaNetwork

CODECS = ("PCMU", "PCMA")
"""What these voices speak: what telephone networks carry everywhere."""

ECHO_S = 0.06
"""By which an echo is late, so that late packets leave no hole in it."""

MOST_QUEUED = 2 * sound.RATE * 120
"""Octets of sound that wait to be said."""


class Voice:
    """Sound of one call.

    Args:
        clock: Time.
        network: Where packets go.
        host: Our address.
        chance: For SSRC, sequence number and timestamp.
        impairment: Of both directions.
        seed: Decides what the impairment does.
        on_key: A key was pressed (RFC 4733).
        on_sound: PCM of each packet that was heard.

    Attributes:
        ear: What was heard.
        spoken: What was sent, as PCM.
        echoing: Whether everything heard is said back.
        dumb: Sends nothing at all: one-way audio, seen from the other side.
        deaf: Hears nothing.
    """

    def __init__(
        self,
        clock: Clock,
        network: MediaNetwork,
        host: str,
        chance: random.Random,
        impairment: Impairment,
        seed: str,
        on_key: Callable[[str], None],
        on_sound: Callable[[bytes], None],
    ) -> None:
        self._clock = clock
        self._ticks = network.carries
        self._port = network.open(host, self._hear)
        self._out, self._in = (Weather(clock, impairment, f"{seed} {way}") for way in ("out", "in"))
        self._sender = rtp.Sender(chance.getrandbits(32), chance.getrandbits(15), chance.getrandbits(31))
        self._on_key, self._on_sound = on_key, on_sound
        self._agreed: Negotiated | None = None
        self._queue = bytearray()
        self._keys: deque[bytes] = deque()
        self._timer: Timer | None = None
        self._due = 0.0
        self._open = True
        self.ear = rtp.Ear()
        self.spoken = bytearray()
        self.sent = 0
        self.echoing = self.dumb = self.deaf = False

    @property
    def address(self) -> Address:
        return self._port.address

    @property
    def codec(self) -> str:
        """Empty before the first agreement."""
        return self._agreed.codec.name if self._agreed is not None else ""

    @property
    def takes_keys(self) -> bool:
        """Whether telephone-events were agreed on."""
        return self._agreed is not None and self._agreed.dtmf_payload_type is not None

    def apply(self, agreed: Negotiated) -> None:
        """Run as an offer and its answer say."""
        self._agreed = agreed
        if self._timer is None and self._open and self._ticks:
            self._due = self._clock.monotonic()
            self._arm()

    def say(self, data: bytes) -> float:
        """Queue PCM; returns the seconds until it is said."""
        if not self._ticks:
            return len(data) / 2 / sound.RATE
        self._queue += data[: max(0, MOST_QUEUED - len(self._queue))]
        return self.queued_s

    @property
    def queued_s(self) -> float:
        return len(self._queue) / 2 / sound.RATE + len(self._keys) * sound.FRAME_S

    def hush(self) -> None:
        """Say nothing of what waits."""
        self._queue.clear()

    def press(self, key: str, duration_ms: int) -> None:
        """Queue a telephone-event, and 100 ms of nothing after it."""
        if self._agreed is None or self._agreed.dtmf_payload_type is None or not self._ticks:
            return
        packets = max(1, round(duration_ms / 20))
        self._keys += self._sender.key(key, self._agreed.dtmf_payload_type, packets)
        self._keys += [b""] * 5

    def close(self) -> None:
        """Idempotent."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._port.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _arm(self) -> None:
        self._due += sound.FRAME_S
        self._timer = self._clock.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        agreed = self._agreed
        if not self._open or agreed is None:
            return
        frame = self._next_frame()
        if self._keys:
            if packet := self._keys.popleft():
                self._send(packet, agreed)
            else:
                self._sender.rest(sound.FRAME)
        elif agreed.send and not self.dumb:
            self._send(self._sender.speech(sound.encode(frame, agreed.codec.name), agreed.codec.payload_type), agreed)
        else:
            self._sender.rest(sound.FRAME)
        if len(self.spoken) < 2 * sound.RATE * rtp.LONGEST_S:
            self.spoken += frame
        self._arm()

    def _next_frame(self) -> bytes:
        """20 ms of what waits, or of silence. While keys are pressed nothing is said."""
        if self._keys:
            return sound.silence(sound.FRAME_S)
        frame = bytes(self._queue[: 2 * sound.FRAME])
        del self._queue[: 2 * sound.FRAME]
        return frame.ljust(2 * sound.FRAME, b"\0")

    def _send(self, packet: bytes, agreed: Negotiated) -> None:
        to = agreed.remote
        if to is not None and agreed.send and not self.dumb:
            self.sent += 1
            self._out.passes(lambda: self._port.send(packet, to))

    def _hear(self, data: bytes, source: Address) -> None:
        if not self.deaf:
            self._in.passes(lambda: self._take(data))

    def _take(self, data: bytes) -> None:
        agreed, packet = self._agreed, rtp.read(data)
        if not self._open or agreed is None or packet is None:
            return
        if packet.payload_type == agreed.dtmf_receive_payload_type:
            if key := self.ear.key(packet):
                self._on_key(key)
            return
        codec = next((c.name for c in agreed.receive if c.receive_payload_type == packet.payload_type), None)
        if codec is None:
            return
        heard = self.ear.hear(packet, codec)
        if self.echoing:
            self.say(heard if self._queue else sound.silence(ECHO_S) + heard)
        self._on_sound(heard)
