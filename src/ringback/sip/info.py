"""What SIP INFO carries: digits, as phones have long sent them, and wishes for whole pictures (RFC 5168)."""

import re

_SIGNAL = re.compile(r"^[ \t]*Signal[ \t]*=[ \t]*([0-9A-Da-d*#]|1[01])[ \t]*$", re.MULTILINE | re.IGNORECASE)
_DURATION = re.compile(r"^[ \t]*Duration[ \t]*=[ \t]*([0-9]{1,5})[ \t]*$", re.MULTILINE | re.IGNORECASE)
_PLAIN = re.compile(r"[ \t\r\n]*([0-9A-Da-d*#]|1[01])[ \t\r\n]*")
_NUMBERED = {"10": "*", "11": "#"}


DTMF_RELAY = "application/dtmf-relay"
MEDIA_CONTROL = "application/media_control+xml"

_PICTURE = re.compile(rb"<[ \t\r\n]*picture_fast_update[ \t\r\n/>]")


def wants_picture(body: bytes) -> bool:
    """Whether a ``MEDIA_CONTROL`` body asks for a whole picture (RFC 5168 §7.1). It is searched, never parsed."""
    return _PICTURE.search(body[:4096]) is not None


PICTURE_WANTED = (
    b'<?xml version="1.0" encoding="utf-8"?>\r\n<media_control><vc_primitive><to_encoder><picture_fast_update/>'
    b"</to_encoder></vc_primitive></media_control>\r\n"
)
"""Asks for a whole picture of every stream: there is one, and some phones stumble over a number."""


def write_digit(digit: str, duration_ms: int) -> bytes:
    """The body of an INFO of kind ``DTMF_RELAY``."""
    return f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()


def read_digit(kind: str, body: bytes) -> tuple[str, int] | None:
    """The digit and its length in ms (250 when not told, 40–6000), or ``None`` if there is none."""
    text = body[:256].decode("ascii", "replace").replace("\r\n", "\n")
    if kind == DTMF_RELAY:
        signal, duration = _SIGNAL.search(text), _DURATION.search(text)
        length = int(duration[1]) if duration else 250
    elif kind == "application/dtmf":
        signal, length = _PLAIN.fullmatch(text), 250
    else:
        return None
    if signal is None:
        return None
    digit = _NUMBERED.get(signal[1], signal[1].upper())
    return digit, max(40, min(length, 6000))
