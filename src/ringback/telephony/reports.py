"""The stack's events, put into the words of ``calls.ports.carrier.CarrierEvents``."""

from collections.abc import Callable

from ringback.calls.ports.carrier import CarrierEvents, Failure, IncomingInvite
from ringback.sip import events as sip
from ringback.sip.bodies import description
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean
from ringback.sip.headers import parse_address
from ringback.sip.uri import SipUri, dialled_user, embedded_headers, format_host_port
from ringback.telephony.transfers import refer_of


def report(event: sip.Event, to: CarrierEvents, is_known: Callable[[Flow], bool]) -> None:
    """Call the one method that an event belongs to."""
    match event:
        case sip.Incoming():
            to.incoming(incoming_invite(event, is_known(event.flow)))
        case sip.Cancelled(call, reason, q850):
            to.cancelled(call, reason, q850)
        case sip.Acknowledged(call, body):
            to.acknowledged(call, body)
        case sip.Progress(call, status, reason, body, fork, wants_answer):
            to.progress(call, status, reason, body, fork, wants_answer)
        case sip.Answered(call, body):
            to.answered(call, body)
        case sip.Failed(call, status, reason, cause, q850, contacts):
            to.failed(call, Failure(status, reason, cause, q850, contacts))
        case sip.Routed(call, attempt, trunk):
            to.routed(call, attempt, trunk)
        case sip.DialogChanged(call, dialog):
            to.dialog_changed(call, dialog)
        case sip.Reoffered(call, body):
            to.reoffered(call, body)
        case sip.ReofferAnswered(call, answer):
            to.reoffer_answered(call, answer)
        case sip.ReofferFailed(call, status):
            to.reoffer_failed(call, status)
        case sip.Digit(call, digit, duration_ms):
            to.dtmf_info(call, digit, duration_ms)
        case sip.Ended(call, cause, reason, q850):
            to.ended(call, cause, reason, q850)
        case sip.Transferred(call, status, reason, final, notified):
            to.refer_progress(call, status, reason, final, notified)
        case sip.PictureWanted(call):
            to.picture_wanted(call)
        case sip.Referred(call):
            to.referred(call, refer_of(event))
        case sip.Refused() | sip.Lookup() | sip.Registering():
            pass


def incoming_invite(
    event: sip.Incoming,
    known: bool,
    *,
    user: str | None = None,
    trunk: str = "",
    called_number: str = "",
    caller: str = "",
    withheld: bool = False,
    srtp: str = "",
    srtp_keys: str = "",
    media_networks: tuple[str, ...] = (),
    codecs: tuple[str, ...] = (),
    dtmf: str = "auto",
    sip_trunk: str = "",
) -> IncomingInvite:
    """What calls need to know of an INVITE; every text in it is cleaned. The rest is what its trunk says of it."""
    request = event.request
    uri = request.sip_uri
    from_ = request.from_.uri
    from_uri = from_.bare() if isinstance(from_, SipUri) else from_
    return IncomingInvite(
        call=event.call,
        user=dialled_user(uri) if user is None else clean(user),
        host=uri.host,
        from_uri=clean(str(from_uri)),
        from_name=clean(request.from_.name),
        sip_call_id=clean(request.call_id),
        source=format_host_port(event.flow.host, event.flow.port),
        offer=description(request),
        trunk=trunk,
        called_number=called_number,
        caller=clean(caller),
        withheld=withheld,
        srtp=srtp,
        srtp_keys=srtp_keys,
        media_networks=media_networks,
        codecs=codecs,
        dtmf=dtmf,
        sip_trunk=sip_trunk,
        known=known or bool(event.client),
        client=event.client,
        client_domain=event.domain,
        uri_headers=embedded_headers(uri),
        dialog=event.dialog,
        replaces=event.replaces,
        referred_by=_referred_by(request.headers.get("referred-by")),
        headers=[(name, clean(value)) for name, value in request.headers.rows if name[:2].lower() == "x-"],
    )


def _referred_by(text: str | None) -> str:
    """The URI of Referred-By (RFC 3892); one that cannot be read is nobody's."""
    try:
        return clean(str(parse_address(text).uri)) if text else ""
    except SipParseError:
        return ""
