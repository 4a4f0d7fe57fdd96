"""Who calls and who is called, as SIP headers: written for a trunk, and read from one (pure).

RFC 3323 (Privacy), RFC 3325 (P-Asserted-Identity), RFC 3455 (P-Called-Party-ID), RFC 5806 (Diversion), RFC 3966.
"""

from dataclasses import dataclass

from ringback.numbers.e164 import is_e164, normalise, write
from ringback.numbers.trunk import CalledFrom, IdentityHeader, NumberFormat, Trunk
from ringback.sip.errors import SipParseError
from ringback.sip.headers import Address, parse_address
from ringback.sip.message import Request
from ringback.sip.uri import SipUri, dialled_user, escape, parse_sip_uri

ANONYMOUS = "sip:anonymous@anonymous.invalid"


@dataclass(frozen=True, slots=True)
class Written:
    """Our caller as one trunk wants it: the ``From`` URI and the headers beside it."""

    from_uri: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as it is believed.

    Attributes:
        number: E.164, or a ``sip:`` URI when it is no number; empty when nobody vouches for it.
        withheld: Not to be shown to anybody.
    """

    number: str = ""
    withheld: bool = False


def write_identity(trunk: Trunk, caller_id: str, our_domain: str) -> Written:
    """Our caller for one trunk.

    Args:
        caller_id: E.164 number to show; empty for none.
        our_domain: Host part of our addresses.
    """
    style = trunk.identity
    domain = style.from_domain or our_domain
    account = trunk.credentials.username if trunk.credentials is not None else ""
    number = write(caller_id, style.format, trunk.country)
    user = style.from_user or number or account or "ringback"
    phone = ";user=phone" if style.user_phone else ""
    shown = f"sip:{_escaped(user)}@{domain}{phone if user == number else ''}"
    asserted = f"sip:{_escaped(number or user)}@{domain}{phone if number else ''}"
    headers: list[tuple[str, str]] = []
    if style.header is IdentityHeader.ASSERTED:
        headers.append(("P-Asserted-Identity", f"<{asserted}>"))
    elif style.header is IdentityHeader.REMOTE_PARTY:
        privacy = "full" if style.withhold else "off"
        headers.append(("Remote-Party-ID", f"<{asserted}>;party=calling;screen=yes;privacy={privacy}"))
    if style.withhold:
        headers.append(("Privacy", "id"))
        return Written(ANONYMOUS, tuple(headers))
    return Written(shown, tuple(headers))


def request_uri(trunk: Trunk, number: str, host: str, port: int | None) -> str:
    """The Request-URI of a call to ``number`` (after the rules) at one host of a trunk."""
    user = write(number, trunk.number_format, trunk.country)
    where = f"[{host}]" if ":" in host else host
    phone = ";user=phone" if trunk.identity.user_phone else ""
    return f"sip:{_escaped(user)}@{where}{f':{port}' if port else ''}{phone}"


def called_text(trunk: Trunk, request: Request) -> str:
    """The user part that says which number was called, from where the trunk puts it; else from the Request-URI."""
    named: list[str] = []
    match trunk.called_from:
        case CalledFrom.TO:
            named = request.headers.all("to")
        case CalledFrom.CALLED_PARTY:
            named = request.headers.all("p-called-party-id")
        case CalledFrom.DIVERSION:
            named = request.headers.all("diversion")
        case CalledFrom.REQUEST_URI:
            named = []
    # Of several diversions the last one is the number that was dialled first (RFC 5806 §3.2: newest on top).
    for value in reversed(named):
        user = _user_of(value)
        if user:
            return user
    uri = request.uri
    return _user(uri) if isinstance(uri, SipUri) else ""


def believed(trunk: Trunk, request: Request) -> Caller:
    """The caller on the trunk's word; nobody when the trunk is not trusted."""
    if not trunk.trusted:
        return Caller()
    privacy = {part.strip().lower() for value in request.headers.all("privacy") for part in value.split(";")}
    withheld = bool(privacy & {"id", "user", "header"})
    for name in ("p-asserted-identity", "remote-party-id"):
        for value in request.headers.all(name):
            address = _address(value)
            if address is None:
                continue
            hidden = name == "remote-party-id" and (address.parameters.get("privacy") or "off").lower() in (
                "full",
                "uri",
            )
            return Caller(_number(trunk, address), withheld or hidden)
    address = request.from_
    if isinstance(address.uri, SipUri) and address.uri.host == "anonymous.invalid":
        return Caller("", True)
    return Caller(_number(trunk, address), withheld)


def _number(trunk: Trunk, address: Address) -> str:
    uri = address.uri
    if isinstance(uri, SipUri):
        found = normalise(_user(uri), _leniently(trunk), trunk.country)
        return found or str(SipUri("sip", uri.user, None, uri.host, uri.port))
    text = str(uri)
    if text.lower().startswith("tel:"):
        return normalise(text[4:], _leniently(trunk), trunk.country)
    return ""


def _leniently(trunk: Trunk) -> NumberFormat:
    """Numbers come in many ways: digits alone are international unless the trunk writes national numbers."""
    return NumberFormat.NATIONAL if trunk.number_format is NumberFormat.NATIONAL else NumberFormat.PLAIN


def _address(value: str) -> Address | None:
    """The first address of a header; hostile or foreign text is nobody."""
    try:
        return parse_address(value.partition(",")[0] if value.count("<") > 1 else value)
    except SipParseError:
        return None


def _user_of(value: str) -> str:
    address = _address(value)
    if address is None:
        return ""
    if isinstance(address.uri, SipUri):
        return _user(address.uri)
    text = str(address.uri)
    return text[4:] if text.lower().startswith("tel:") else ""


def _user(uri: SipUri) -> str:
    return dialled_user(uri).partition(";")[0]


def _escaped(user: str) -> str:
    """A plus may stand in a user part as it is (RFC 3261 §25.1), and carriers do not decode it."""
    return escape(user).replace("%2B", "+")


def called_number(trunk: Trunk, text: str) -> str:
    """The E.164 number of what the inbound rules left; empty when it is none."""
    return text if is_e164(text) else normalise(text, _leniently(trunk), trunk.country)


def host_of(uri: str) -> str:
    """Host of a SIP URI in lower case; empty for text that is none."""
    try:
        return parse_sip_uri(uri).host.lower()
    except SipParseError:
        return ""
