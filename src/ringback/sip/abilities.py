"""What the stack can do, and how it says so: Allow, Accept and Supported (RFC 3261 §8.2, §19.2)."""

from ringback.sip.bodies import SDP
from ringback.sip.headers import media_type
from ringback.sip.message import Request, Row
from ringback.sip.registrar import EXTENSIONS as REGISTER_EXTENSIONS
from ringback.sip.session_timer import option_tags

METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"
EXTENSIONS = ("timer", "100rel", "replaces", "norefersub", "199")
"""Option tags we understand (§19.2)."""

ALLOW: tuple[Row, ...] = (("Allow", METHODS),)
ABILITIES: tuple[Row, ...] = (*ALLOW, ("Accept", SDP), ("Supported", ", ".join(EXTENSIONS)))


def unknown_extensions(request: Request) -> list[str]:
    """Option tags a request requires that mean nothing to us (§8.2.2.3)."""
    known = (*EXTENSIONS, *REGISTER_EXTENSIONS) if request.method == "REGISTER" else EXTENSIONS
    return [tag for tag in option_tags(request, "require") if tag not in known]


def accepts_sdp(values: list[str]) -> bool:
    """Whether an Accept header leaves room for a session description."""
    kinds = {media_type(part) for value in values for part in value.split(",")}
    return bool(kinds & {SDP, "application/*", "*/*"})
