"""The most we read of one message: one table for the whole codec."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in octets or counts. What exceeds one is refused, never cut.

    ``uri`` leaves room for a display name of 300 characters, percent-encoded, in a Request-URI.
    """

    head: int = 16_384
    header_lines: int = 128
    vias: int = 64
    contacts: int = 32
    uri: int = 4096
    call_id: int = 256
    parameters: int = 64
    body: int = 32_768
    message: int = 65_536


LIMITS = Limits()
