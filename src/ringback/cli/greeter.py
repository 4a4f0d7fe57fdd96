"""The greeter of ``ringback dev``: greets who comes, says back what it hears, and returns a test tone at once.

Pure: sound and a time in, sound out. Sound is int16 mono PCM at ``RATE``.
"""

from ringback.cli.softphone import tone
from ringback.cli.softphone.sound import loudness

RATE = 16000
BYTES_PER_SECOND = 2 * RATE
SPEECH_RMS = 500.0
"""Above is speech. A quiet telephone line is below 100, quiet speech near 1000."""

LEAST_SPEECH_S = 0.3
PAUSE_S = 0.7
MOST_SPEECH_S = 8.0
GREETS_AFTER_S = 0.8


class Greeter:
    """Listens, and says what is due.

    Args:
        greeting: Said to everybody who comes.
        reply: Said before what was heard is said back.
    """

    def __init__(self, greeting: bytes, reply: bytes) -> None:
        self._greeting = greeting
        self._reply = reply
        self._heard = bytearray()
        self._last_speech = 0.0
        self._speech_s = 0.0
        self._speaking_until = 0.0
        self._greet_at: float | None = None

    def arrived(self, now: float) -> None:
        """Somebody came: greet them in a moment."""
        if self._greet_at is None:
            self._greet_at = now + GREETS_AFTER_S

    def hear(self, data: bytes, now: float) -> bytes:
        """Take what was heard since the last time (20 ms or so); returns what to say now."""
        if tone.is_tone(data, RATE):
            self._forget()
            return data
        if self._greet_at is not None and now >= self._greet_at:
            self._greet_at = None
            return self._say(self._greeting, now)
        if now < self._speaking_until:
            return b""
        return self._listen(data, now)

    def _listen(self, data: bytes, now: float) -> bytes:
        if loudness(data) > SPEECH_RMS:
            self._last_speech = now
            self._speech_s += len(data) / BYTES_PER_SECOND
        if self._speech_s == 0.0:
            return b""
        if len(self._heard) < MOST_SPEECH_S * BYTES_PER_SECOND:
            self._heard += data
        if now - self._last_speech < PAUSE_S:
            return b""
        heard, enough = bytes(self._heard), self._speech_s >= LEAST_SPEECH_S
        self._forget()
        return self._say(self._reply + heard, now) if enough else b""

    def _say(self, data: bytes, now: float) -> bytes:
        self._forget()
        self._speaking_until = now + len(data) / BYTES_PER_SECOND
        return data

    def _forget(self) -> None:
        self._heard.clear()
        self._speech_s = 0.0
