"""How a call that was asked for by REFER goes, as the start of a SIP response (RFC 3420, RFC 3515 §2.4.5)."""

import re

from ringback.sip.grammar import clean
from ringback.sip.message import REASONS

SIPFRAG = "message/sipfrag"

_STATUS = re.compile(r"^[ \t\r\n]*SIP/2\.0[ \t]+([1-6][0-9][0-9])(?:[ \t]+([^\r\n]*))?", re.IGNORECASE)


def write_sipfrag(status: int, reason: str = "") -> bytes:
    return f"SIP/2.0 {status} {clean(reason) or REASONS.get(status, 'Unknown')}\r\n".encode("utf-8", "replace")


def read_sipfrag(body: bytes) -> tuple[int, str] | None:
    """Status and reason. Lenient as to line ends and what stands around; ``None`` when no status line is there."""
    found = _STATUS.match(body[:1024].decode("utf-8", "replace"))
    return (int(found[1]), clean(found[2] or "").strip()) if found else None
