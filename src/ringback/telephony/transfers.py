"""Transfers between the words of calls and those of the stack: REFER, Replaces, Referred-By."""

from ringback.calls.ports import carrier
from ringback.sip.call import Call
from ringback.sip.errors import SipParseError
from ringback.sip.events import Referred, Transferred
from ringback.sip.grammar import clean
from ringback.sip.message import Row
from ringback.sip.replaces import Replaces
from ringback.sip.uri import SipUri, parse_uri


def refer_into(call: Call, target: str, referred_by: str, replaced: Call | None, now: float) -> Transferred | None:
    """REFER in a call; what to tell at once when it cannot be sent.

    Args:
        replaced: The call whose far end is meant, which the new one takes the place of.
    """
    try:
        uri = parse_uri(target)
    except SipParseError as error:
        return Transferred(call.id, 400, error.reason, True)
    if isinstance(uri, SipUri):
        uri = uri.bare()
    replaces = None
    if replaced is not None:
        dialog = replaced.dialog
        if dialog is None or not dialog.remote_tag:
            return Transferred(call.id, 481, "the other call is not answered", True)
        replaces = Replaces(dialog.call_id, dialog.remote_tag, dialog.local_tag)
    call.refer(str(uri), referred_by, replaces, now)
    return None


def transfer_rows(invite: carrier.OutgoingInvite) -> list[Row]:
    """Headers of an INVITE that is made on somebody's word, or takes the place of another call (RFC 3891, RFC 3892)."""
    rows: list[Row] = []
    if invite.replaces is not None:
        told = invite.replaces
        rows.append(("Replaces", clean(str(Replaces(told.sip_call_id, told.to_tag, told.from_tag, told.early_only)))))
        rows.append(("Require", "replaces"))
    if invite.referred_by:
        rows.append(("Referred-By", f"<{clean(invite.referred_by)}>"))
    return rows


def refer_of(event: Referred) -> carrier.Refer:
    """A REFER as calls know it."""
    replaces = None
    if event.replaces is not None:
        told = event.replaces
        replaces = carrier.Replaces(told.call_id, told.to_tag, told.from_tag, told.early_only, event.replaced)
    return carrier.Refer(event.id, event.target, event.referred_by, replaces, event.headers, event.quiet)
