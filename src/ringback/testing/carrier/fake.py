"""A telephone network of one process: callers and callees a test plays, with real session descriptions, without SIP."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ringback.calls.ports.carrier import CarrierEvents, Failure, IncomingInvite, OutgoingInvite, Refer, Replaces
from ringback.calls.ports.routes import Attempt
from ringback.model.errors import InvalidRequest
from ringback.model.ids import CallId, DomainId
from ringback.model.records import CallRecord, DialogRecord
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer
from ringback.sdp.video import VideoTerms

PHONE_HOST = "198.51.100.7"
PHONE_PORT = 14000


@dataclass(slots=True)
class FakePhone:
    """The far end of one call.

    Attributes:
        state: ``calling``, ``ringing``, ``answered``, ``refused``, ``over``.
        status: Final status it got, or gave.
        headers: Headers of the refusal it got, or of the INVITE it got.
        agreed: What it negotiated, as it sees it.
        holding: Whether the server has put it on hold.
        attempts: Ways that were given to reach it.
        referred: Statuses told of each call it asked for, by the id of its REFER.
        asked_to_call: Targets the server asked it to call, and by which call they are replaced.
        replaces: The dialog that the server's call to it is to replace.
        video: Its camera and screen, where it has any.
        pictures_asked: Whole pictures it was asked for by INFO.
        info_digits: Keys pressed towards it by INFO.
        ring_timeout: Seconds that the server lets it ring.
        direction: The most it wants of a stream: ``sendonly`` while it holds the server.
    """

    call: CallId
    carrier: "FakeCarrier"
    state: str = "calling"
    status: int = 0
    headers: Sequence[tuple[str, str]] = ()
    offer: bytes = b""
    agreed: Negotiated | None = None
    holding: bool = False
    direction: str = "sendrecv"
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    goodbye: str = ""
    rang: bool = False
    own_offer: bytes = b""
    reoffers: list[int] = field(default_factory=list)
    attempts: Sequence[Attempt] = ()
    referred: dict[str, list[int]] = field(default_factory=dict)
    asked_to_call: list[tuple[str, CallId | None]] = field(default_factory=list)
    info_digits: str = ""
    pictures_asked: int = 0
    video: VideoTerms | None = None
    replaces: Replaces | None = None
    ring_timeout: float = 0.0

    @property
    def _events(self) -> CarrierEvents:
        assert self.carrier.events is not None, "nobody listens to the carrier"
        return self.carrier.events

    # ── as a caller ──────────────────────────────────────────────────────────────────────────────────────────────────

    def give_up(self) -> None:
        """CANCEL before the answer."""
        self.state = "over"
        self._events.cancelled(self.call)

    # ── on the way to a callee ───────────────────────────────────────────────────────────────────────────────────────

    def fail_over(self, attempt: int) -> None:
        """The attempts before this one came to nothing."""
        self.offer = self.attempts[attempt].offer or self.offer
        self._events.routed(self.call, attempt, self.attempts[attempt].trunk)

    # ── as a callee ──────────────────────────────────────────────────────────────────────────────────────────────────

    def ring(self, status: int = 180, early: bool = False, fork: str = "far", port: int = PHONE_PORT) -> None:
        """18x, with early media (on ``port``) when asked; each ``fork`` is another telephone."""
        self.state, self.rang = "ringing", True
        dialog = replace(self.carrier.dialogs[self.call], remote_tag=fork)
        self.carrier.dialogs[self.call] = dialog
        self._events.dialog_changed(self.call, dialog)
        self._events.progress(self.call, status, "Ringing", self._answer(port) if early else None, fork)

    def pick_up(self, fork: str = "far", port: int = PHONE_PORT) -> None:
        """200 with the first of our codecs that was offered."""
        self.state, self.status = "answered", 200
        sdp = self._answer(port)
        dialog = replace(self.carrier.dialogs[self.call], remote_tag=fork, remote_target=f"sip:phone@{PHONE_HOST}")
        self.carrier.dialogs[self.call] = dialog
        self._events.dialog_changed(self.call, dialog)
        self._events.answered(self.call, sdp)

    def refuse(
        self,
        status: int,
        reason: str,
        cause: str = "answer",
        contacts: Sequence[str] = (),
        q850: int | None = None,
    ) -> None:
        """A final failure."""
        self.state, self.status = "refused", status
        self._events.failed(self.call, Failure(status, reason, cause, q850, contacts))

    # ── in a call ────────────────────────────────────────────────────────────────────────────────────────────────────

    def hang_up(self) -> None:
        """BYE."""
        self.state = "over"
        self._events.ended(self.call, "bye")

    def refer(self, target: str, *, replaces: Replaces | None = None, referred_by: str = "") -> str:
        """REFER; the statuses that come back are in ``referred`` under the id returned."""
        refer = Refer(f"refer-{next(self.carrier.count)}", target, referred_by, replaces)
        self.referred[refer.id] = []
        self._events.referred(self.call, refer)
        return refer.id

    def follow(self, status: int, reason: str = "OK") -> None:
        """Tell of the call that the server's REFER asked for; from 200 on for the last time."""
        self._events.refer_progress(self.call, status, reason, status >= 200, notified=True)

    def want_picture(self) -> None:
        """INFO: it needs a whole picture."""
        self._events.picture_wanted(self.call)

    def press(self, digit: str, method: str = "telephone-event") -> None:
        """A key, as one of the two ways reports it."""
        if method == "sip-info":
            self._events.dtmf_info(self.call, digit, 100)
        else:
            self.carrier.press_by_rtp(self.call, digit)

    def hold(self, on: bool = True) -> None:
        """re-INVITE with ``sendonly``, or back to ``sendrecv``."""
        self.direction = "sendonly" if on else "sendrecv"
        video = None if self.video is None else replace(self.video, direction=self.direction)
        self.reoffer(make_offer(7, 2, PHONE_HOST, PHONE_PORT, self.codecs, self.direction, video=video))

    def reoffer(self, sdp: bytes) -> None:
        """re-INVITE with any description."""
        self.own_offer = sdp
        self._events.reoffered(self.call, sdp)

    def _answer(self, port: int = PHONE_PORT) -> bytes:
        sdp, self.agreed = make_answer(
            self.offer,
            PHONE_HOST,
            port,
            self.codecs,
            session_id=7,
            version=1,
            direction=self.direction,
            video=self.video,
        )
        return sdp


class FakeCarrier:
    """Implements ``calls.ports.carrier.Carrier``.

    Attributes:
        events: Who is told; set before the first call.
        sent: Every verb said, with its call, in order.
        phones: Far ends by call.
        unreachable: Hosts nothing can be sent to.
        refer_answer: What far ends answer to a REFER; 0: nothing yet.
    """

    def __init__(self) -> None:
        self.events: CarrierEvents | None = None
        self.sent: list[tuple[str, CallId]] = []
        self.confirmed: list[CallId] = []
        self.phones: dict[CallId, FakePhone] = {}
        self.dialogs: dict[CallId, DialogRecord] = {}
        self.finished: list[CallRecord] = []
        self.press_by_rtp: Callable[[CallId, str], None] = lambda call, digit: None
        self.refer_answer = 202
        self.count = itertools.count(1)

    # ── what a test does ─────────────────────────────────────────────────────────────────────────────────────────────

    def call_in(
        self,
        user: str,
        *,
        codecs: tuple[str, ...] = ("PCMU", "PCMA"),
        known: bool = False,
        late_offer: bool = False,
        uri_headers: Mapping[str, str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        from_uri: str = "sip:ann@phones.example",
        offer: bytes | None = None,
        trunk: str = "",
        called_number: str = "",
        caller: str = "",
        client: str = "",
        client_domain: str = "",
        replaces: CallId | None = None,
    ) -> FakePhone:
        """A phone dials ``user``; over ``trunk``, which says what number that is and who calls, or as a SIP client;
        ``replaces``: in the place of that call."""
        number = next(self.count)
        call = CallId(f"in-{number}")
        phone = FakePhone(call, self, codecs=codecs)
        self.phones[call] = phone
        if offer is None and not late_offer:
            offer = make_offer(7, 1, PHONE_HOST, PHONE_PORT, codecs)
        phone.own_offer = offer or b""
        self.dialogs[call] = DialogRecord(
            f"sip-in-{number}", "ours", "theirs", f"sip:{user}@ringback.example", from_uri, 0, f"sip:phone@{PHONE_HOST}"
        )
        invite = IncomingInvite(
            call,
            user,
            "ringback.example",
            from_uri,
            "",
            f"sip-in-{number}",
            f"{PHONE_HOST}:5060",
            offer,
            known or bool(trunk or client),
            uri_headers or {},
            headers,
            self.dialogs[call],
            trunk,
            called_number,
            caller,
            client=client,
            client_domain=DomainId(client_domain),
            replaces=replaces,
        )
        assert self.events is not None, "nobody listens to the carrier"
        self.events.incoming(invite)
        return phone

    def phone_of(self, call: str) -> FakePhone:
        """The callee of a dial-out whose INVITE has gone out."""
        return self.phones[CallId(call)]

    def verbs(self, call: str) -> list[str]:
        """What was said about one call, in order."""
        return [verb for verb, about in self.sent if about == call]

    def assert_idle(self) -> None:
        """Every far end knows that its call is over."""
        for phone in self.phones.values():
            assert phone.state in ("over", "refused"), f"left in {phone.state}: {phone.call}"

    # ── Carrier ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, target: str, call: CallId, user: str) -> DialogRecord:
        if "maddr" in target:
            raise InvalidRequest("sipUri: maddr is not allowed")
        number = next(self.count)
        dialog = DialogRecord(
            f"sip-out-{number}",
            f"tag-{number}",
            "",
            f"sip:{user}@ringback.example",
            target,
            1,
            target,
            branch=f"z9hG4bK-{number}",
            invite_uri=target,
        )
        self.dialogs[call] = dialog
        return dialog

    def invite(self, invite: OutgoingInvite) -> None:
        assert invite.call not in self.phones, f"the INVITE of {invite.call} was sent twice"
        self.sent.append(("invite", invite.call))
        phone = FakePhone(
            invite.call, self, headers=invite.headers, offer=invite.offer or b"", attempts=invite.attempts
        )
        phone.replaces, phone.ring_timeout = invite.replaces, invite.ring_timeout
        self.phones[invite.call] = phone
        if invite.attempts:
            phone.fail_over(0)

    def cancel(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        self._say("cancel", call, "over", reason)

    def ring(self, call: CallId, sdp: bytes | None = None) -> None:
        self._say("ring", call, "ringing")

    def answer(self, call: CallId, sdp: bytes) -> None:
        phone = self._say("answer", call, "answered")
        if phone is None:
            return
        phone.status = 200
        late: bytes | None = None
        if phone.own_offer:
            phone.agreed = read_answer(phone.own_offer, sdp)
        else:
            late, phone.agreed = make_answer(sdp, PHONE_HOST, PHONE_PORT, phone.codecs, session_id=7, version=1)
        assert self.events is not None
        self.events.acknowledged(call, late)

    def reject(self, call: CallId, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        phone = self._say("reject", call, "refused")
        if phone is not None:
            phone.status, phone.headers = status, tuple(headers)

    def confirm(self, call: CallId, sdp: bytes | None = None) -> None:
        """The far end is told that its answer arrived; kept in ``confirmed``."""
        if call in self.phones:
            self.confirmed.append(call)

    def bye(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        self._say("bye", call, "over", reason)

    def offer(self, call: CallId, sdp: bytes) -> None:
        phone = self._say("offer", call, "answered")
        if phone is not None and self.events is not None:
            answer, phone.agreed = make_answer(
                sdp, PHONE_HOST, PHONE_PORT, phone.codecs, session_id=7, version=2, direction=phone.direction
            )
            phone.holding = b"a=sendonly" in sdp
            self.events.reoffer_answered(call, answer)

    def answer_offer(self, call: CallId, sdp: bytes | None, status: int = 200) -> None:
        phone = self._say("answer-offer", call, "answered")
        if phone is not None:
            phone.reoffers.append(status)
            if sdp is not None and phone.own_offer:
                phone.agreed = read_answer(phone.own_offer, sdp)

    def send_info_digit(self, call: CallId, digit: str, duration_ms: int) -> None:
        phone = self._say("info-digit", call, "answered")
        if phone is not None:
            phone.info_digits += digit

    def ask_picture(self, call: CallId) -> None:
        phone = self._say("ask-picture", call, "answered")
        if phone is not None:
            phone.pictures_asked += 1

    def refer(self, call: CallId, target: str, *, referred_by: str = "", replaces: CallId | None = None) -> None:
        phone = self._say("refer", call, "answered")
        if phone is not None and self.events is not None:
            phone.asked_to_call.append((target, replaces))
            if self.refer_answer:
                self.events.refer_progress(call, self.refer_answer, "", self.refer_answer >= 300)

    def accept_refer(self, call: CallId, refer: str) -> None:
        self._answer_refer("accept-refer", call, refer, 100)

    def notify_refer(self, call: CallId, refer: str, status: int, reason: str = "") -> None:
        self._answer_refer("notify-refer", call, refer, status)

    def refuse_refer(self, call: CallId, refer: str, status: int = 603) -> None:
        self._answer_refer("refuse-refer", call, refer, status)

    def finish(self, record: CallRecord) -> None:
        self.finished.append(record)

    def _answer_refer(self, verb: str, call: CallId, refer: str, status: int) -> None:
        phone = self._say(verb, call, "answered")
        if phone is not None:
            phone.referred[refer].append(status)

    def _say(self, verb: str, call: CallId, state: str, reason: str = "") -> FakePhone | None:
        self.sent.append((verb, call))
        phone = self.phones.get(call)
        if phone is not None and phone.state not in ("over", "refused"):
            phone.state = state
            phone.goodbye = reason
            return phone
        return None
