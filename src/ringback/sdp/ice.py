"""ICE as a server answers it: one address, no checks of our own (RFC 8839; "lite" of RFC 8445)."""

import base64
import hmac
import re
from dataclasses import field

from ringback.model.values import dataclass
from ringback.sdp.description import Attribute, Description, Media

_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_HOST_PRIORITY = 126 << 24 | 65_535 << 8
"""Of a host's only address (RFC 8445 §5.1.2.1); the component is taken from 256."""


@dataclass(frozen=True, slots=True)
class IceTerms:
    """Names of both ends and our password.

    Attributes:
        ufrag, password: Ours: checks that know them are the far end's.
        remote_ufrag: The far end's.
    """

    ufrag: str
    password: str = field(repr=False)
    remote_ufrag: str = ""


def remote_ufrag(description: Description, media: Media) -> str:
    """The far end's name, empty where it does not offer ICE, or offers it in a way that nobody could answer."""
    session = next((value for name, value in description.attributes if name == "ice-ufrag"), None)
    ufrag = media.value("ice-ufrag") or session or ""
    has_password = media.has("ice-pwd") or any(name == "ice-pwd" for name, _ in description.attributes)
    return ufrag if has_password and _UFRAG.fullmatch(ufrag) else ""


def ice_terms(secret: bytes, remote: str) -> IceTerms:
    """Our names towards ``remote``: the same for the same one, others once it begins anew (RFC 8839 §4.4.1.1)."""
    digest = hmac.digest(secret, b"ice " + remote.encode(), "sha256")
    text = base64.b64encode(digest).decode().rstrip("=")
    return IceTerms(text[:8], text[8:40], remote)


def ice_lines(terms: IceTerms, host: str, port: int, muxed: bool) -> list[Attribute]:
    """Attributes of the stream: who we are, and the one address there is of each port."""
    components = [(1, port)] if muxed else [(1, port), (2, port + 1)]
    candidates: list[Attribute] = [
        ("candidate", f"1 {component} UDP {_HOST_PRIORITY + 256 - component} {host} {number} typ host")
        for component, number in components
    ]
    return [("ice-ufrag", terms.ufrag), ("ice-pwd", terms.password), *candidates]
