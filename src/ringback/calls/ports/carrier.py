"""The SIP side: what is asked of it, and what it reports back. ``telephony`` implements it."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from ringback.calls.ports.routes import Attempt
from ringback.model.ids import NO_DOMAIN, CallId, DomainId
from ringback.model.records import CallRecord, DialogRecord
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Replaces:
    """The dialog that a call is to take the place of (RFC 3891): tags as the one who is replaced sees them.

    Attributes:
        sip_call_id: ``Call-ID`` of that dialog.
        to_tag: Tag of whoever gets the INVITE with this header.
        from_tag: Tag of that one's far end.
        early_only: Only while the dialog is early.
        call: Our own call that has this dialog; ``None`` when it is somebody else's.
    """

    sip_call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False
    call: CallId | None = None


@dataclass(frozen=True, slots=True)
class Refer:
    """A far end asks us to call somebody else in its place (RFC 3515).

    Attributes:
        id: Names it in ``Carrier.accept_refer``, ``notify_refer`` and ``refuse_refer``.
        target: URI to call, without ``?headers``; control characters removed.
        referred_by: URI of ``Referred-By`` (RFC 3892), not proved; empty when there is none.
        replaces: The dialog that the new call is to replace (an attended transfer).
        headers: ``X-`` headers that the new INVITE is to carry.
        quiet: No NOTIFY is wanted (``Refer-Sub: false``, RFC 4488); ``notify_refer`` then says nothing.
    """

    id: str
    target: str
    referred_by: str = ""
    replaces: Replaces | None = None
    headers: Sequence[tuple[str, str]] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class IncomingInvite:
    """A new INVITE outside any dialog. 100 Trying has already gone out.

    Attributes:
        call: Id given by telephony to this call from now on (also the participant's id if it is let in).
        user: User part of the Request-URI, unescaped; ``sip:sip:123@host`` already understood as ``123``.
        host: Host of the Request-URI.
        uri_headers: Headers in the Request-URI (``?name=value``) and its unknown parameters, percent-decoded once.
        headers: ``X-`` headers in order, names as sent, values with control characters removed.
        from_uri: ``From`` URI without tag and display name (wire: ``sipFrom``).
        from_name: ``From`` display name, unquoted, empty when none.
        known: Whether the source is a trunk or a registered client (which get distinct refusals; strangers do not).
        offer: SDP body, ``None`` for a delayed offer.
        sip_call_id: ``Call-ID``.
        source: ``host:port`` the request came from.
        dialog: The dialog an answer would create (our tag already chosen), so that it can be stored before the answer.
        trunk: Name of the trunk it came over, empty for none.
        called_number: The telephone number it is for (E.164 with ``+``), by the trunk's rules; empty without a trunk or
            when it dialled something that is no number.
        caller: Who calls, as a trusted trunk vouches for: an E.164 number or a ``sip:`` URI; empty when nobody vouches.
        withheld: The caller asked not to be shown (``Privacy: id``).
        client: Username of the SIP client that makes the call and has proved so; empty for anybody else.
        client_domain: The client's domain.
        replaces: Our call that this one is to take the place of (RFC 3891): answer this one, then end that one. A
            ``Replaces`` that matches no call of ours was refused before.
        referred_by: URI of ``Referred-By`` (RFC 3892), not proved.
        sip_trunk: Id of the customer's trunk that it is for and that admits it; empty for none.
        srtp: Policy of the trunk it came over: ``off``, ``optional``, ``required``; empty without a trunk.
        srtp_keys: How that trunk's keys come about: ``sdes``, ``dtls``; empty without a trunk.
        media_networks: That trunk's networks (CIDR) for sound.
        codecs: Codec names that trunk takes, best first; empty for any.
        dtmf: How keys travel over that trunk, as in ``Attempt``.
    """

    call: CallId
    user: str
    host: str
    from_uri: str
    from_name: str
    sip_call_id: str
    source: str
    offer: bytes | None
    known: bool = False
    uri_headers: Mapping[str, str] = field(default_factory=dict)
    headers: Sequence[tuple[str, str]] = ()
    dialog: DialogRecord | None = None
    trunk: str = ""
    called_number: str = ""
    caller: str = ""
    withheld: bool = False
    client: str = ""
    client_domain: DomainId = NO_DOMAIN
    replaces: CallId | None = None
    referred_by: str = ""
    srtp: str = ""
    srtp_keys: str = ""
    media_networks: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    dtmf: str = "auto"
    sip_trunk: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingInvite:
    """An INVITE to send. Its dialog identifiers were chosen by ``Carrier.prepare`` and are already stored.

    Attributes:
        call: Id of the call.
        dialog: As returned by ``Carrier.prepare`` (Call-ID, local tag, branch, CSeq).
        display_name: Our display name in ``From``, may be empty.
        headers: Extra headers, names already checked to start with ``X-``, values free of control characters.
        offer: SDP body; ``None`` asks the far end to offer: ``answered`` then brings its offer, and ``Carrier.confirm``
            our answer. A reliable 18x may bring it before (``progress`` with ``wants_answer``).
        ring_timeout: Seconds to wait for a final answer before CANCEL.
        attempts: Ways to try, best first; empty: straight to the dialog's target. ``CarrierEvents.routed`` tells
            which one is being tried.
        domain: Whose call it is. SIP clients are called only by their own domain; to others they are not registered.
        replaces: The dialog that this call is to take the place of at the far end.
        referred_by: URI on whose word we call (RFC 3892).
    """

    call: CallId
    dialog: DialogRecord
    offer: bytes | None
    display_name: str = ""
    headers: Sequence[tuple[str, str]] = ()
    ring_timeout: float = 60.0
    attempts: Sequence[Attempt] = ()
    domain: DomainId = NO_DOMAIN
    replaces: Replaces | None = None
    referred_by: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A final failure of our INVITE.

    Attributes:
        status: SIP status; 0 when none came.
        reason: Reason phrase, control characters removed; or our own words when ``status`` is 0.
        q850: Cause of a ``Reason: Q.850`` header.
        cause: ``answer`` (the far end said no), ``timeout`` (nothing came), ``transport`` (could not be sent),
            ``tls`` (whoever answered is not who was called, or TLS was not agreed on: ``reason`` says which),
            ``resolve`` (no address for the host), ``policy`` (the address is not allowed), ``unregistered`` (a SIP
            client that is not registered now; status 480).
        contacts: Where a 3xx points to, best first: URIs from a stranger, to be checked before they are called.
    """

    status: int
    reason: str
    cause: str = "answer"
    q850: int | None = None
    contacts: Sequence[str] = ()


class Carrier(Protocol):
    """The SIP side of calls. Nothing here waits or raises for the network's sake: outcomes come as ``CarrierEvents``.

    Every verb on an unknown or ended call does nothing.
    """

    def prepare(self, target: str, call: CallId, user: str) -> DialogRecord:
        """Choose Call-ID, tag, branch and CSeq for a call to ``target`` (a ``sip:`` URI without ``?headers``).

        ``user`` is the user part of our ``From``. Nothing is sent. Raises ``InvalidRequest`` for a URI that cannot be
        dialled (syntax, ``maddr``, a transport that is off), ``Forbidden`` (``destination-not-allowed: …``) for an IP
        address that policy refuses; names are looked up and checked by ``invite``.
        """

    def invite(self, invite: OutgoingInvite) -> None:
        """Resolve, check and send. Exactly one of ``answered``, ``failed`` follows, after any ``progress``."""

    def cancel(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        """Give up an unanswered dial-out: CANCEL now or as soon as allowed; a crossing 200 gets ACK and BYE."""

    def ring(self, call: CallId, sdp: bytes | None = None) -> None:
        """180 to a dial-in; with ``sdp`` 183 and its early media. Sent reliably where the caller requires that
        (RFC 3262): ``answer`` then waits by itself until the caller has acknowledged it."""

    def answer(self, call: CallId, sdp: bytes) -> None:
        """200 to a dial-in, repeated until its ACK; without one in 32 s: ``ended`` with ``ack-timeout``."""

    def reject(self, call: CallId, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        """Final refusal of a dial-in."""

    def confirm(self, call: CallId, sdp: bytes | None = None) -> None:
        """ACK the answer to our INVITE. Said once its row is stored: a far end that was told that its answer arrived is
        then always hung up on after a restart. A ``Carrier`` may have done so already, but not where the INVITE had no
        offer: then ``sdp`` is our answer to the far end's."""

    def bye(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        """End an answered call; ``reason`` and ``q850`` go into ``Reason`` headers (RFC 3326), normal clearing when
        nothing is given."""

    def offer(self, call: CallId, sdp: bytes) -> None:
        """re-INVITE. ``reoffer_answered`` or ``reoffer_failed`` follows; glare is retried inside (RFC 3261 §14.1)."""

    def answer_offer(self, call: CallId, sdp: bytes | None, status: int = 200) -> None:
        """Answer the far end's re-INVITE; ``sdp`` is ``None`` exactly when ``status`` is not 200."""

    def send_info_digit(self, call: CallId, digit: str, duration_ms: int) -> None:
        """Press a key (``0-9 * # A-D``) towards the far end by INFO ``application/dtmf-relay``, after any before it."""

    def ask_picture(self, call: CallId) -> None:
        """Ask the far end for a whole picture by INFO (RFC 5168); what it answers changes nothing."""

    def refer(self, call: CallId, target: str, *, referred_by: str = "", replaces: CallId | None = None) -> None:
        """Ask the far end of an answered call to call ``target``, or whoever is at the far end of ``replaces`` in that
        call's place. ``refer_progress`` follows, the last time with ``final``. One at a time: another gets 491."""

    def accept_refer(self, call: CallId, refer: str) -> None:
        """202, and NOTIFY 100: we are about to call."""

    def notify_refer(self, call: CallId, refer: str, status: int, reason: str = "") -> None:
        """Tell how the call goes that the far end asked for; a status from 200 on is the last word."""

    def refuse_refer(self, call: CallId, refer: str, status: int = 603) -> None:
        """We do not call."""

    def finish(self, record: CallRecord) -> None:
        """After a restart: BYE (answered) or CANCEL (not yet) for a call of an earlier epoch, by its stored dialog."""


class CarrierEvents(Protocol):
    """What the SIP side reports. Called on the loop's thread, never re-entrantly from inside a ``Carrier`` verb."""

    def incoming(self, invite: IncomingInvite) -> None: ...
    def cancelled(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        """The caller gave up before our answer (487 has been sent); ``reason`` and ``q850`` as it said."""

    def acknowledged(self, call: CallId, sdp: bytes | None) -> None:
        """ACK of our 200; with SDP when the offer was ours (delayed offer)."""

    def routed(self, call: CallId, attempt: int, trunk: str) -> None:
        """The attempt of that number (from 0) is being made, over that trunk; once for each attempt, in order."""

    def progress(
        self,
        call: CallId,
        status: int,
        reason: str,
        sdp: bytes | None,
        fork: str = "",
        wants_answer: bool = False,
    ) -> None:
        """18x to our INVITE (100 is not reported).

        Args:
            fork: Tag of the early dialog. Another fork's description replaces the one before and its early media.
                199 says that this fork is over (RFC 6228), while others may still ring.
            wants_answer: ``sdp`` is an offer (our INVITE had none) to be answered with ``Carrier.answer_offer``.
        """

    def answered(self, call: CallId, sdp: bytes | None) -> None:
        """200 to our INVITE, from whichever fork: ``sdp`` is what holds from now on, also when it came earlier in a
        reliable 18x of that fork. Its ACK goes out at ``Carrier.confirm``, or when the call is ended."""

    def failed(self, call: CallId, failure: Failure) -> None: ...
    def dialog_changed(self, call: CallId, dialog: DialogRecord) -> None:
        """Tags, targets or CSeq changed: to be stored with the call's row."""

    def reoffered(self, call: CallId, sdp: bytes | None) -> None:
        """The far end's re-INVITE (``None``: it asks us to offer). Answer with ``Carrier.answer_offer``."""

    def reoffer_answered(self, call: CallId, sdp: bytes) -> None: ...
    def reoffer_failed(self, call: CallId, status: int) -> None: ...
    def dtmf_info(self, call: CallId, digit: str, duration_ms: int) -> None:
        """A digit by SIP INFO."""

    def picture_wanted(self, call: CallId) -> None:
        """The far end asks for a whole picture (``picture_fast_update``, RFC 5168)."""

    def referred(self, call: CallId, refer: Refer) -> None:
        """The far end asks us to call somebody else. Answer with ``accept_refer`` or ``refuse_refer``."""

    def refer_progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool = False) -> None:
        """How our ``Carrier.refer`` goes.

        First its answer: 202, or a refusal (``final``). Then what the far end tells of its new call (``notified``):
        100 to 199, and once ``final`` from 200 on. 408 and ``final`` when it tells nothing for 32 s.
        """

    def ended(self, call: CallId, cause: str, reason: str = "", q850: int | None = None) -> None:
        """The dialog is over: ``bye`` (far end hung up), ``ack-timeout``, ``refresh-missed`` (the far end did not
        refresh its session in time, RFC 4028 §10), ``gone`` (it no longer knows the dialog, or does not answer in it),
        ``protocol-error``."""
