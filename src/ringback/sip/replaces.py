"""The dialog that a call takes the place of (RFC 3891)."""

from ringback.model.values import dataclass
from ringback.sip.errors import SipParseError
from ringback.sip.grammar import TOKEN, parse_parameters
from ringback.sip.uri import escape


@dataclass(frozen=True, slots=True)
class Replaces:
    """``Replaces`` (§6.1). Tags as the one sees them who gets the INVITE: ``to_tag`` is its own."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"

    def in_uri(self, target: str) -> str:
        """``target`` with this as a header in it, for Refer-To."""
        return f"{target}{'&' if '?' in target else '?'}Replaces={escape(str(self))}"


def parse_replaces(text: str) -> Replaces:
    """Raises ``SipParseError`` when a tag is missing or anything is unreadable."""
    call_id, semicolon, rest = text.strip(" \t").partition(";")
    call_id = call_id.strip(" \t")
    parameters = parse_parameters(";" + rest) if semicolon else {}
    to_tag, from_tag = parameters.get("to-tag"), parameters.get("from-tag")
    if not call_id or not call_id.isprintable() or not to_tag or not from_tag:
        raise SipParseError("Replaces is unreadable")
    if not TOKEN.fullmatch(to_tag) or not TOKEN.fullmatch(from_tag):
        raise SipParseError("Replaces is unreadable")
    return Replaces(call_id, to_tag, from_tag, "early-only" in parameters)
