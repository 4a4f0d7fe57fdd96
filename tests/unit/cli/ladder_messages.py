"""Rows of a call's trace, as the server answers them."""

from datetime import UTC, datetime

from ringback.model.times import iso

INVITE = "INVITE sip:a@b SIP/2.0"
TRYING = "SIP/2.0 100 Trying"
RINGING = "SIP/2.0 180 Ringing"
OK = "SIP/2.0 200 OK"
ACK = "ACK sip:a@b SIP/2.0"
CANCEL = "CANCEL sip:a@b SIP/2.0"
BYE = "BYE sip:a@b SIP/2.0"

START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()


def row(
    at: float,
    direction: str,
    start: str,
    *,
    cseq: str = "",
    branch: str = "z9hG4bK1",
    to: str = "<sip:a@b>",
    sdp: bool = False,
    peer: str = "192.0.2.1:5060",
    more: str = "",
) -> dict[str, str]:
    """One message ``at`` seconds into the call."""
    method = start.partition(" ")[0]
    if not cseq:
        cseq = "1 INVITE" if method == "SIP/2.0" else f"1 {method}"
    kind = "c: application/sdp\n" if sdp else ""
    text = f"{start}\nv: SIP/2.0/UDP x;branch={branch};rport\nTo: {to}\nCSeq: {cseq}\n{kind}{more}\n"
    return {
        "at": iso(START + at),
        "direction": direction,
        "peer": peer,
        "transport": "udp",
        "summary": start,
        "text": text,
    }
