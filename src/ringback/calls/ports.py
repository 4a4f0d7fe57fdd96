"""What the rules of calls and meetings need of the outside. Edges implement these; ``app.py`` joins the two.

``Carrier`` is the SIP side (``telephony``), ``CarrierEvents`` what it reports back; ``MediaLegs`` is the media side
(``media``); ``Records`` is the store; ``Clock`` is time. ``ringback.testing`` has an in-memory twin of each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from ringback.model.dialin import DialinConfig
from ringback.model.ids import NO_DOMAIN, CallId, DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Seen
from ringback.model.records import (
    CallRecord,
    CommandRecord,
    DialogRecord,
    MeetingRecord,
    ParticipantRecord,
    TransferRecord,
    Unit,
)
from ringback.model.sound import Sound
from ringback.model.tones import Tone
from ringback.model.values import dataclass

# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Timer(Protocol):
    """A pending wake-up."""

    def cancel(self) -> None:
        """Forget it. Cancelling twice, or after it fired, does nothing."""


class Clock(Protocol):
    """The only source of time. ``monotonic`` orders and schedules, ``wall`` (Unix seconds) is written and shown."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the loop once ``monotonic() >= when``."""


# ── SIP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
class Attempt:
    """One way of setting up a call: over one host of one trunk, or straight to an address.

    Attributes:
        uri: Request-URI (and ``To``).
        trunk: Name of the trunk: its credentials, TLS policy, caps and rate apply. Empty: none has to do with it.
        proxy: Where it is sent first, as a ``sip:`` URI; empty for the host of ``uri``.
        transport: ``udp``, ``tcp`` or ``tls``; empty for what ``uri`` says.
        from_uri: Our ``From``, empty for the dialog's own.
        headers: Identity headers, made by us (``P-Asserted-Identity``, ``Remote-Party-ID``, ``Privacy``).
        codecs: Codec names it may use, best first; empty for any.
        dtmf: ``auto``, ``telephone-event``, ``sip-info``, ``in-band``.
        srtp: ``off``, ``optional``, ``required``.
        srtp_keys: ``sdes``, ``dtls``.
        media_networks: Networks (CIDR) its sound may come from, beside where it signals from.
        patience: Seconds without any answer (not even 100) after which the next attempt is made; ``None``: the stack's.
        offer: SDP for this attempt; empty for the call's own.
        caller_id: The number that is shown, E.164; empty for none.
    """

    uri: str
    trunk: str = ""
    proxy: str = ""
    transport: str = ""
    from_uri: str = ""
    headers: Sequence[tuple[str, str]] = ()
    codecs: tuple[str, ...] = ()
    dtmf: str = "auto"
    srtp: str = "off"
    srtp_keys: str = "sdes"
    media_networks: tuple[str, ...] = ()
    patience: float | None = None
    offer: bytes = b""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingRoute:
    """Where a call goes out.

    Attributes:
        attempts: Best first, at least one. The next one is made when nothing came, the network failed or 503 was
            answered, and never once a phone has rung.
        number: The number dialled after the rules that all trunks share, E.164; empty for a ``sip:`` address.
        caller_id: What is shown, as events name it: the id of an owned number, else E.164; empty for none.
        grant: What was granted to it, where it costs.
        emergency: It is a call for help: nothing is counted, and nothing may stop it.
    """

    attempts: tuple[Attempt, ...]
    number: str = ""
    caller_id: str = ""
    grant: "Grant | None" = None
    emergency: bool = False


class Routes(Protocol):
    """Which trunks carry a call out."""

    async def route(
        self, domain: DomainId, room: RoomName, destination: str, caller_id: str | None = None
    ) -> OutgoingRoute:
        """Find the way to ``destination``: an E.164 number with ``+``, or a ``sip:`` address.

        Raises:
            InvalidRequest: No trunk is set up, none takes this number, or ``caller_id`` is not one of the domain's; the
                text says what to set.
            Forbidden: An emergency number, a short code, or a number that every trunk's rules deny.
        """

    async def dialled(self, domain: DomainId, text: str) -> str:
        """The E.164 number that digits stand for as a telephone of the domain dials them; empty for none.

        Raises ``NumberNotAllowed`` for what calls help, or is a short code, in any country that the trunks are in.
        """


class SipClients(Protocol):
    """Accounts of plain SIP phones, which register with us."""

    def address(self, domain: DomainId, user: str) -> str | None:
        """``sip:`` address of a domain's client of that name, registered now or not; ``None``: there is no such."""

    def may_dial_numbers(self, domain: DomainId, user: str) -> bool:
        """Whether its phones may call telephone numbers, which cost."""


# ── calls that cost ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose word a call is made: caps count it, and the audit names it.

    Attributes:
        kind: ``key`` (an API key), ``token`` (somebody in a room), ``phone`` (a telephone's REFER), ``client`` (a SIP
            client that dials), ``server`` (nobody outside).
        id: Of the key (not its secret), the token (a digest), the call or the client.
    """

    domain: DomainId
    kind: str = "server"
    id: str = ""


@dataclass(frozen=True, slots=True)
class PaidLeg:
    """A call over a trunk, or to a telephone number, that is about to be made.

    Attributes:
        by: ``dial-out``, ``transfer``, ``refer``, ``client``.
        destination: As asked for: a number, or an address without headers.
        number: E.164 with ``+`` that is called; empty for an address whose user is none.
        trunk: The first that would carry it, empty for none.
        consent: The customer's reference to the callee's consent, empty for none.
    """

    asker: Asker
    room: RoomName
    by: str
    destination: str
    number: str = ""
    trunk: str = ""
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A paid leg that may be made. It counts until it is settled.

    Attributes:
        id: Names it.
        longest: Seconds that it may last once answered.
    """

    id: str
    longest: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A paid leg that is not made.

    Attributes:
        rule: ``destination-not-allowed``, ``call-rate-reached``, ``too-many-calls``, ``minutes-cap-reached``,
            ``spending-cap-reached``, ``outside-calling-hours``, ``do-not-call``, ``consent-missing``,
            ``quota-unavailable``: what a refusal's text begins with.
        info: Why, for the one who asked; the whole text without the rule.
    """

    rule: str
    info: str


class Quota(Protocol):
    """Who may spend how much on calls. It fails closed: what cannot be counted is not called."""

    async def reserve(self, leg: PaidLeg, now: Instant) -> Grant | Refusal:
        """Count one more leg, durably, before it is made; never raises."""

    async def check(self, leg: PaidLeg, now: Instant) -> Sequence[Refusal]:
        """Everything that ``reserve`` would say against it; counts nothing."""

    def carries(self, grant: Grant, call: CallId) -> None:
        """This call uses the grant. ``run_out`` names it when a cap is reached while it runs."""

    def answered(self, grant: Grant) -> None:
        """From here on it costs."""

    def settle(self, grant: Grant, seconds: float) -> None:
        """It is over after so many answered seconds (0: never answered, or never made). Settling twice does nothing."""

    run_out: Callable[[CallId], None]
    """Told when a running call has to end: what it may cost is spent."""


class Audit(Protocol):
    """What was refused, for the operator: bounded, and never in the way of a call."""

    def refused(self, leg: PaidLeg, rule: str, info: str) -> None: ...


@dataclass(frozen=True, slots=True)
class OwnedNumber:
    """A telephone number of a domain's.

    Attributes:
        id: UUID (Daily: ``callerId``).
        number: E.164.
        trunk: Trunk it belongs to, empty for none.
        room: Room it rings, empty for none.
    """

    id: str
    number: str
    trunk: str = ""
    room: str = ""


class OwnedNumbers(Protocol):
    """Telephone numbers that domains own."""

    def oldest(self, domain: DomainId) -> OwnedNumber | None:
        """The one shown when a call names none."""

    def by_id(self, domain: DomainId, id: str) -> OwnedNumber | None: ...
    def by_number(self, domain: DomainId, number: str) -> OwnedNumber | None: ...


class FrontDesk(Protocol):
    """Takes calls that are for no room yet: callers with a code, and those that are held (``dialin.desk``)."""

    def config_of(self, invite: IncomingInvite) -> DialinConfig | None:
        """Whose static address was dialled, if it is one."""

    def take(self, invite: IncomingInvite, config: DialinConfig) -> None: ...
    async def take_number(self, invite: IncomingInvite) -> bool:
        """Take a call to a telephone number that is already expected; false: it is for a room."""


class NumberedRooms(Protocol):
    """Which room a telephone number rings."""

    async def room_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        """The room of an E.164 number called over ``trunk``; ``None`` when nothing is set up for it."""


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


# ── media ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PhoneCodec:
    """A codec on the phone's wire.

    Attributes:
        name: ``PCMU``, ``PCMA``, ``G722``, ``OPUS``.
        payload_type: RTP payload type we send with.
        receive_payload_type: Payload type the far end sends with (they may differ).
        clock_rate: RTP clock (G.722: 8000, though sampled at 16000; RFC 3551 §4.5.2).
        ptime_ms: Packet time we send.
    """

    name: str
    payload_type: int
    receive_payload_type: int
    clock_rate: int
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True)
class PhoneCrypto:
    """Keys of a protected stream, agreed in SDP (RFC 4568). A side whose key stays keeps its packet count (ROC).

    Attributes:
        suite: As in ``a=crypto``: a name of ``sdp.crypto.SUITES``.
        send_key, receive_key: Master key and salt of each direction, in one, as long as the suite says. Never shown.
        receive_mki: Master key identifier that each packet of the far end carries, usually empty.
    """

    suite: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_mki: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class PhoneDtls:
    """Keys that are agreed on over the leg's own port (RFC 5764), and stay while neither certificate nor role changes.

    Attributes:
        fingerprints: Hash (``sha-256`` …) and digest of the far end's certificate; one that fits is enough.
        active: We begin.
    """

    fingerprints: tuple[tuple[str, bytes], ...]
    active: bool


@dataclass(frozen=True, slots=True)
class PhoneIce:
    """ICE with a far end that offered it: it checks our address, and names its own (RFC 8445 "lite").

    Attributes:
        ufrag, password: Ours. Never shown.
        remote_ufrag: The far end's.
    """

    ufrag: str
    password: str = field(repr=False)
    remote_ufrag: str


@dataclass(frozen=True, slots=True)
class PhonePolish:
    """What a phone's sound goes through before anybody hears it; it is encoded anew for all then.

    Attributes:
        echo: What it returns of what it is sent is kept back.
        noise: Noise is taken out of its speech (RNNoise).
        gain: It is brought to one loudness with others, slowly.
    """

    echo: bool = False
    noise: bool = False
    gain: bool = False


@dataclass(frozen=True, slots=True)
class PhoneMedia:
    """How a phone leg's stream runs, after an offer/answer.

    Attributes:
        remote: RTP address to send to; ``None`` while unknown or on hold by 0.0.0.0.
        codec: What we send, and prefer to receive.
        receive: Every codec (by payload type) the far end may send without asking again.
        dtmf_payload_type: telephone-event payload type towards the far end, if negotiated (RFC 4733).
        dtmf_receive_payload_type: telephone-event payload type the far end sends with.
        dtmf_tones: Keys that we press are tones in what we say.
        dtmf_detect: Keys are looked for in what is heard, where no ``dtmf_receive_payload_type`` is agreed on.
        send, listen: Direction as seen from us, for hold.
        trusted: The far end is known, or we called it: it is sent everything before it has sent anything itself
            (others at most 50 packets in 2 s, so that nobody can be flooded through us).
        signalling_host: IP address the far end signals from, empty when unknown: RTP from there counts however late it
            begins, as with a phone behind a NAT whose SDP names an address that nobody else can reach.
        hold_fire: ``remote`` is no address to send to on the far end's word: nothing is sent before it has been heard.
        rtcp_port: Port of the far end's RTCP when it is not the one above its RTP; RTP's own: one port for both (mux).
        networks: Networks (CIDR) that a trunk's media may come from, other than where it signals from.
        crypto: Keys of SRTP and SRTCP, or how they come about; ``None``: the stream is in the clear. Otherwise nothing
            is sent or taken without protection.
        ice: The far end finds out itself where it reaches us and where we are to send.
        polish: What its sound goes through.
    """

    remote: tuple[str, int] | None
    codec: PhoneCodec
    receive: tuple[PhoneCodec, ...] = ()
    dtmf_payload_type: int | None = None
    dtmf_receive_payload_type: int | None = None
    dtmf_tones: bool = False
    dtmf_detect: bool = False
    send: bool = True
    listen: bool = True
    trusted: bool = False
    signalling_host: str = ""
    hold_fire: bool = False
    rtcp_port: int | None = None
    networks: tuple[str, ...] = ()
    crypto: PhoneCrypto | PhoneDtls | None = None
    ice: PhoneIce | None = None
    polish: PhonePolish = PhonePolish()


@dataclass(frozen=True, slots=True)
class PhoneVideo:
    """How a phone leg's pictures run, after an offer/answer.

    Attributes:
        remote, send, listen, trusted, signalling_host, hold_fire, rtcp_port, networks, crypto: As of ``PhoneMedia``.
        codec: ``VP8`` or ``H264``, both ways.
        mode: H.264's packetization-mode.
        pli, fir: Which RTCP the far end takes to be asked for a whole picture; neither: it is asked by INFO.
        nack: Lost packets are asked for and sent again, both ways.
        bitrate_bps: The most it is sent.
        width, height, fps: Of a picture that is made for it because none can be passed on; even.
    """

    remote: tuple[str, int] | None
    codec: str
    payload_type: int
    receive_payload_type: int
    mode: int = 0
    send: bool = True
    listen: bool = True
    trusted: bool = False
    signalling_host: str = ""
    hold_fire: bool = False
    rtcp_port: int | None = None
    networks: tuple[str, ...] = ()
    crypto: PhoneCrypto | None = None
    pli: bool = False
    fir: bool = False
    nack: bool = False
    bitrate_bps: int = 900_000
    width: int = 1280
    height: int = 720
    fps: int = 15


class MediaLegs(Protocol):
    """The media side. Synchronous verbs are queued to the core and cannot fail later without a ``MediaEvents`` call."""

    @property
    def fingerprint(self) -> str:
        """What ``a=fingerprint`` says of our certificate to telephones: hash and digest (RFC 8122); empty: no DTLS."""

    def open_meeting(self, meeting: MeetingId) -> None: ...
    def close_meeting(self, meeting: MeetingId) -> None:
        """Drops every leg still in it."""

    def open_phone(self, meeting: MeetingId, leg: ParticipantId, peer: str = "") -> tuple[str, int]:
        """Bind an RTP/RTCP port pair; returns the *advertised* host and RTP port.

        ``peer`` is the IP address of the far end's signalling where it is known: peers on networks of ours are told
        another host than the world. Raises ``Unavailable`` when no port is free.
        """

    def phone_host(self, peer: str) -> str:
        """What a phone at an IP address is told for its sound, where both IP versions are spoken; else empty."""

    def set_phone(self, leg: ParticipantId, media: PhoneMedia) -> None:
        """Apply an offer/answer; called again for each later one."""

    def open_phone_video(self, leg: ParticipantId) -> int:
        """Bind a second port pair of a phone leg, for pictures; returns the RTP port, on the host of the first.

        Raises ``Unavailable`` when no port is free.
        """

    def set_phone_video(self, leg: ParticipantId, video: PhoneVideo | None) -> None:
        """Apply an offer/answer to a phone leg's pictures; ``None``: it has none any more. What it sends is a track
        ``video`` of its participant, what it is shown is the picture of who speaks, where that fits."""

    def want_picture(self, leg: ParticipantId) -> None:
        """The far end of a phone leg needs a whole picture of what it is shown."""

    def send_digits(self, leg: ParticipantId, digits: str, duration_ms: int, gap_ms: int) -> None:
        """Queue RFC 4733 events, or tones where ``PhoneMedia`` says so; they follow any already queued."""

    def play_tone(self, leg: ParticipantId, tone: Tone) -> None:
        """Let a phone leg sound like this to everybody who hears it (local ringback, before it is answered).

        From the beginning of its rhythm, in place of an earlier tone, until ``stop_tone`` or until sound of the far end
        itself arrives. The leg needs no ``set_phone`` before; ``Media`` refuses a tone that breaks the limits of
        ``Tone`` with ``ValueError``.
        """

    def stop_tone(self, leg: ParticipantId) -> None:
        """Silence again; without a tone nothing happens."""

    def play(self, leg: ParticipantId, sound: Sound, *, times: int = 1) -> None:
        """A phone leg hears this sound, ``times`` times in a row, instead of its meeting.

        In place of an earlier sound, from the moment there is somewhere to send it. ``MediaEvents.played`` follows once
        it ended by itself; ``stop_playing`` and another ``play`` end it without a word.
        """

    def stop_playing(self, leg: ParticipantId) -> None:
        """A phone leg hears its meeting again; without a sound nothing happens."""

    def move_phone(self, leg: ParticipantId, meeting: MeetingId) -> None:
        """A phone leg goes to another meeting, with its port and its streams; there it hears everybody."""

    def close_leg(self, leg: ParticipantId) -> None: ...

    async def open_webrtc(self, meeting: MeetingId, leg: ParticipantId) -> None: ...
    async def webrtc_offer(self, leg: ParticipantId, sdp: str) -> str:
        """Negotiate a client's offer, first or later, and return the answer; ``InvalidRequest`` for a bad one."""

    def set_published(self, leg: ParticipantId, tracks: Mapping[str, str]) -> None:
        """Name a WebRTC leg's sending m-lines: mid → ``audio``, ``video``, ``screenVideo``, ``screenAudio``."""

    def set_subscriptions(self, leg: ParticipantId, tracks: Mapping[str, tuple[ParticipantId, str]]) -> None:
        """The whole receive table of a WebRTC leg: mid → (source participant, track name). What is left out stops."""

    def set_layers(self, leg: ParticipantId, layers: Mapping[tuple[str, str], int]) -> None:
        """The highest simulcast layer a WebRTC leg wants: (participant or ``*``, track name) → layer, 0 the lowest.

        The whole table; who is not named is seen as well as the path allows. A lower layer is sent where bandwidth or
        the sender gives no more.
        """

    def set_sources(self, leg: ParticipantId, sources: frozenset[ParticipantId] | None) -> None:
        """Whose audio a phone (or PCM) leg hears; ``None`` is everybody else in the meeting, the default."""

    def set_viewing(self, leg: ParticipantId, seen: bool, tracks: frozenset[tuple[ParticipantId, str]] | None) -> None:
        """Whether others are shown a phone leg's pictures, and which tracks it may be shown; ``None`` is everybody's,
        the default."""

    def set_muted(self, leg: ParticipantId, muted: bool) -> None:
        """Whether a leg's audio is kept from everybody (muted by the server; also hold)."""

    def set_name(self, leg: ParticipantId, name: str) -> None:
        """What is written on a leg's picture where it is composed with others."""

    def open_pcm(self, meeting: MeetingId, leg: ParticipantId, sample_rate: int) -> None:
        """A participant inside this process whose sound is PCM: int16 mono little-endian at 8000, 16000 or 48000 Hz."""

    def push_pcm(self, leg: ParticipantId, data: bytes) -> int:
        """Queue speech; it is paced in real time by the core. Returns the samples now queued."""

    def flush_pcm(self, leg: ParticipantId) -> int:
        """Drop what is queued (barge-in); returns how many samples were dropped unheard."""

    def read_pcm(self, leg: ParticipantId) -> bytes:
        """What the leg has heard since the last read: int16 mono, at most 5 s kept."""

    def stats(self, leg: ParticipantId) -> Mapping[str, float | int | str]:
        """Counters of a leg: packets and bytes each way, lost, late, concealed, jitter, and for phones quality.

        What a phone leg has beside the counters, each absent until it is known: ``last_heard_ms`` (since its last RTP
        packet was taken), ``round_trip_ms``, ``loss_percent`` and ``mos`` (1.0 to 4.5, of what we hear of it),
        ``remote_packets_lost``, ``remote_loss_percent``, ``remote_jitter_ms`` and ``remote_mos`` (of what it hears of
        us, by its own reports), ``buffer_ms`` (what the jitter buffer aims at), ``srtp`` (the suite, where protected).
        ``core.Engine.stats`` lists the rest: what was refused and why, where packets come from and go to, how loud the
        sound is, what became of what was sent, and how it was made.
        """

    def engine_stats(self) -> Mapping[str, int]:
        """Counters of the whole media side, as ``core.Engine.engine_stats`` lists them."""


class MediaEvents(Protocol):
    """What the media side reports, on the loop's thread."""

    def webrtc_state(self, leg: ParticipantId, state: str) -> None:
        """``connected``, ``disconnected`` (ICE lost; it may return), ``closed``."""

    def media_started(self, leg: ParticipantId, track: str) -> None:
        """First media packet of a track arrived."""

    def digit(
        self, leg: ParticipantId, digit: str, duration_ms: int, volume: int, method: str = "telephone-event"
    ) -> None:
        """One key press, once per press by each ``method``: ``telephone-event`` (RFC 4733), ``in-band``."""

    def picture_lost(self, leg: ParticipantId) -> None:
        """A phone that takes no such RTCP is to be asked for a whole picture."""

    def pictures_shown(self, leg: ParticipantId, seen: Seen | None, way: str = "") -> None:
        """A phone with a screen is shown something else now, or in another way; ``None``: nothing.

        ``way``: ``forward``, ``make``, ``none`` (it takes none), or why there is none: ``nobody`` has a picture,
        ``waiting`` for a key frame, ``no-maker``, ``maker-down``. Empty for as before.
        """

    def played(self, leg: ParticipantId, sound_id: str) -> None:
        """The sound of that ``Sound.id`` that a leg was played came to its end."""

    def active_speaker(self, meeting: MeetingId, leg: ParticipantId) -> None: ...
    def leg_silent(self, leg: ParticipantId) -> None:
        """60 s without RTP or RTCP on a phone leg while neither side holds the other."""

    def leg_unprotected(self, leg: ParticipantId, reason: str) -> None:
        """A phone whose keys are agreed on by DTLS is not who its SDP said, or cannot do what we can: no sound runs."""

    def leg_failed(self, leg: ParticipantId, reason: str) -> None:
        """The core gave this leg up (a bug of ours); it is already closed."""


# ── store ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Records(Protocol):
    """The store as calls and meetings see it."""

    async def commit(self, unit: Unit) -> None:
        """Write all of it or nothing, durably against a kill of the process. Units are committed in call order."""

    async def call_by_idempotency_key(self, domain: str, key: str) -> CallRecord | None: ...
    async def command(self, domain: str, key: str) -> CommandRecord | None:
        """The command that was carried out under an idempotency key; dial-outs are found by the method above."""

    async def unfinished_transfers(self, node: str, before_epoch: int) -> Sequence[TransferRecord]: ...
    async def unfinished_calls(self, node: str, before_epoch: int) -> Sequence[CallRecord]: ...
    async def unfinished_meetings(self, node: str, before_epoch: int) -> Sequence[MeetingRecord]: ...
    async def unfinished_participants(self, node: str, before_epoch: int) -> Sequence[ParticipantRecord]:
        """Stays without an end in those meetings, in order of joining."""

    async def next_epoch(self, node: str) -> int:
        """The node's boot number, one higher at each call, never reused."""
