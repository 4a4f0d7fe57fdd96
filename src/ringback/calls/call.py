"""What dial-in and dial-out have in common once a far end is there: media, hold, digits, and the end.

A call is a state machine like the meeting: inputs with a time, effects out. Its row (``record``) is kept here and
handed out to be saved at each step; times of the row are Unix seconds.
"""

import zlib
from collections.abc import Callable, Sequence

from ringback.calls.codecs import phone_media
from ringback.calls.digit_request import DigitRequest
from ringback.calls.dtmf import DigitFilter
from ringback.calls.effects import Answer, AnswerOffer, AskPicture, Bye, Metered, News, Offer, PressByInfo, TellListener
from ringback.calls.outcome import of_dialog_end, told
from ringback.calls.paid import Meter
from ringback.calls.picture_notes import PictureNotes
from ringback.calls.pictures import Pictures
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.ports.streams import PhoneMedia, PhonePolish
from ringback.calls.press import GAP_MS, PAUSES, Presses
from ringback.calls.protection import PRIVATE
from ringback.calls.timeline import Timeline
from ringback.meetings.effects import (
    CallEnds,
    Effect,
    PhoneChanges,
    PhoneJoins,
    Save,
    SendDigits,
    SetPhone,
    SetPhoneVideo,
    Tell,
    WantPicture,
)
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.errors import InvalidRequest
from ringback.model.events import CallEvent, CallFacts, CallStep, DigitPressed
from ringback.model.ids import ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import Holder, Participant, ParticipantType, PhoneState, Track
from ringback.model.records import CallRecord, CallState, DialogRecord, Direction
from ringback.model.room import Permissions
from ringback.model.values import replace
from ringback.sdp.crypto import CLEAR_ONLY, Protection
from ringback.sdp.description import heard_at
from ringback.sdp.errors import BadSdp, NoCommonCodec, NotProtected
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer

LAST_WORD = 2.0
"""Seconds a far end has to hang up by itself once its transfer has worked."""

CLEAR_WARNING = "signalling is encrypted and sound is not: the far end took no keys"

TRANSFERRED = EndReason(Ending.TRANSFERRED)


class Call:
    """One SIP call, first INVITE to last BYE.

    Args:
        record: Its row as it stands before anything happened.
        facts: What its events repeat.
        codecs: Codec names it may use, best first.

    Attributes:
        reachable: Whether sound may go to a host and port on nothing but the far end's word.
        line: What the SIP side knows it by: its id, until another call takes its far end's place (RFC 3891).
        dtmf: How keys go to it when a request leaves that open.
        finds_keys: Whether keys are looked for in its sound, where it has no better way to send them.
        polish: What its sound goes through before anybody hears it.
        host_towards: What a far end's address is told for our sound, where both IP versions are spoken; else empty.
        protection: Whether its sound is encrypted.
        media_networks: Networks (CIDR) that its sound may come from, beside where it signals from.
        listener: Told what becomes of it, if somebody waits for that.
        moving: Whether it is being transferred.
        meter: Counts what it costs; ``None``: nothing.
        longest: Seconds it may last once answered; ``None``: any time.
        timeline: Its times; whoever does something with it notes it there.
        picture_notes: The same of its pictures.
        fell_back: Whether none of the codecs it was asked to use could be.
    """

    def __init__(self, record: CallRecord, facts: CallFacts, codecs: Sequence[str]) -> None:
        self.id = self.line = record.id
        self.leg = ParticipantId(record.id)
        self.endpoint = record.endpoint
        self.record = record
        self.facts = facts
        self.codecs = tuple(codecs)
        self.address: tuple[str, int] | None = None
        self.media: PhoneMedia | None = None
        self.pictures = Pictures()
        self.reachable: Callable[[str, int], bool] = lambda host, port: True
        self.dtmf = "auto"
        self.finds_keys = False
        self.polish = PhonePolish()
        self.host_towards: Callable[[str], str] = lambda peer: ""
        self.protection = CLEAR_ONLY
        self.media_networks: tuple[str, ...] = ()
        self.listener: Callable[[News], None] | None = None
        self.moving = False
        self.meter: Meter | None = None
        self.longest: float | None = None
        self.held_by_us = False
        self._hold_offered = self._hold_agreed = False
        self._offer_sent: bytes | None = None
        self._late_offer: bytes | None = None
        self._sdp_version = 0
        self._said = b""
        self._clear_told = False
        self._digits = DigitFilter()
        self._presses = Presses()
        self.timeline = Timeline()
        self.picture_notes = PictureNotes(self.timeline)
        self.fell_back = False
        self._held_by: frozenset[Holder] = frozenset()
        self._apart = False
        self._talked = False
        self._parts_at: float | None = None
        self._ends_at: float | None = None

    @property
    def answered(self) -> bool:
        return self.record.state is CallState.ANSWERED

    @property
    def held_by(self) -> frozenset[Holder]:
        """Who has the other on hold."""
        return self._held_by

    @property
    def unacknowledged(self) -> bool:
        """Whether the far end has been answered and has not said that it knows (ACK)."""
        return False

    @property
    def sdp_address(self) -> str:
        """Where the far end's description wants its sound, ``host:port``; empty while it names nothing."""
        remote = self.media.remote if self.media is not None else None
        return "" if remote is None else f"{remote[0]}:{remote[1]}"

    @property
    def ended(self) -> bool:
        return self.record.state is CallState.ENDED

    # ── inputs once the far end is there ─────────────────────────────────────────────────────────────────────────────

    def dialog_changed(self, dialog: DialogRecord, now: Instant) -> list[Effect]:
        """Keep the dialog's identifiers. Before the answer only what a CANCEL needs is worth a write of its own."""
        old = self.record.dialog
        if self.ended or dialog == old:
            return []
        self.record = replace(self.record, dialog=dialog)
        if self.answered or old is None or _names_another_invite(old, dialog):
            return [Save(self.record)]
        return []

    def reoffered(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        """The far end's offer: hold, resume, another address, other codecs; or (``None``) it asks for ours.

        One may come while it still rings, once its early media is agreed on (RFC 3311 §5.1).
        """
        if self.ended or self.address is None:
            return []
        if sdp is None:
            self._late_offer = self._offer()
            return [AnswerOffer(self.line, self._late_offer)]
        try:
            answer, agreed = self._answer(sdp, self.codecs)
        except (BadSdp, NoCommonCodec):
            return [AnswerOffer(self.line, None, 488)]
        return [*self._agree(agreed, now, silent=not self.answered), AnswerOffer(self.line, answer)]

    def acknowledged(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        """ACK of a 200 of ours, with the answer when the offer was in that 200."""
        offer, self._late_offer = self._late_offer, None
        if not self.answered or offer is None:
            return []
        try:
            agreed = read_answer(offer, sdp or b"", self.protection)
        except (BadSdp, NoCommonCodec) as error:
            return self._hang_up_answered(why(error), now)
        return [*self._note_codec(agreed, now), *self._agree(agreed, now)]

    def reoffer_answered(self, sdp: bytes, now: Instant) -> list[Effect]:
        """The far end took our re-INVITE; or answered a refresh, which offered what held, with something else."""
        if self._offer_sent is None:
            try:
                return self._agree(read_answer(self._said, sdp, self.protection), now)
            except (BadSdp, NoCommonCodec):
                return []
        offer, self._offer_sent = self._offer_sent, None
        self._hold_agreed = self._hold_offered
        try:
            effects = self._agree(read_answer(offer, sdp, self.protection), now)
        except (BadSdp, NoCommonCodec):
            effects = []
        return effects + (self._reoffer() if self.held_by_us != self._hold_agreed else [])

    def reoffer_failed(self, status: int, now: Instant) -> list[Effect]:
        """Our re-INVITE came to nothing: the call goes on as it was, unless the dialog is gone (RFC 3261 §14.1)."""
        self._offer_sent = None
        self.held_by_us = self._hold_agreed
        if status in (408, 481):
            return self._hang_up_answered(EndReason(Ending.PROTOCOL_ERROR, Fault.REMOTE, status), now)
        return []

    def hold(self, on: bool, now: Instant) -> list[Effect]:
        """Put the far end on hold, or take it back."""
        if not self.answered or self.held_by_us == on:
            return []
        self.held_by_us = on
        return [] if self._offer_sent is not None else self._reoffer()

    def keep_apart(self, on: bool, now: Instant) -> list[Effect]:
        """Let it hear nobody and be heard by nobody, or take it back. The far end is told nothing of it, so it can
        neither refuse nor delay it; what it is played meanwhile it hears."""
        if self.ended or self._apart == on:
            return []
        self._apart = on
        return self._held_now(Holder.FAR_END in self._held_by, now)

    def digit(self, digit: str, method: str, volume: int, now: Instant) -> list[Effect]:
        """A key was pressed at the far end; told once, however often it is reported."""
        if self.ended or not self._digits.is_new(digit, method, now.mono):
            return []
        self.timeline.note("key-pressed", now, method=method)
        return [Tell(DigitPressed(self.id, digit, method, volume)), *self._news("pressed", reason=digit)]

    def send_digits(self, request: DigitRequest, now: Instant) -> list[Effect]:
        """Press keys towards the far end, behind those that wait. Raises ``InvalidRequest`` when that cannot be."""
        if not self.answered:
            raise InvalidRequest("call is not answered: tones can be sent once it is")
        return self._send_keys(request.tones, request.duration_ms, self._by_info(request.method), now)

    def played(self, sound: str, now: Instant) -> list[Effect]:
        """A sound of that id, which the far end was played, came to its end; most calls wait for none."""
        return []

    def heard(self, now: Instant) -> list[Effect]:
        """The first sound of the far end arrived."""
        self.timeline.heard(now)
        return []

    def seen(self, now: Instant) -> list[Effect]:
        """The first picture of the far end arrived."""
        self.picture_notes.came(now)
        return []

    def shown(self, way: str, now: Instant) -> list[Effect]:
        """The far end is given pictures in this way from now on (``MediaEvents.pictures_shown``)."""
        self.picture_notes.shown(way, now)
        return []

    def sound(self, now: Instant) -> dict[str, object]:
        """What it has sounded like so far, as its row will say."""
        told = {"sdp_address": self.sdp_address} if self.sdp_address else {}
        pictures = self.pictures
        seen = (
            self.picture_notes.summary(pictures.port is not None)
            if self.record.answered_at is not None and pictures.settings
            else {}
        )
        return {**self.timeline.sound(now), **told, **seen}

    def picture_wanted(self, now: Instant) -> list[Effect]:
        """The far end asks for a whole picture by SIP."""
        if self.pictures.media is None:
            return []
        self.picture_notes.wanted_by_info += 1
        return [WantPicture(self.leg)]

    def picture_lost(self, now: Instant) -> list[Effect]:
        """The room needs a whole picture of the far end, which can be asked only by SIP."""
        if not self.answered or not self.pictures.shown:
            return []
        self.picture_notes.asked_by_info += 1
        return [AskPicture(self.line)]

    def silent(self, now: Instant) -> list[Effect]:
        """Nothing came from the far end for a minute."""
        return self.hang_up(EndReason(Ending.MEDIA_TIMEOUT, Fault.NETWORK), now)

    def unprotected(self, now: Instant) -> list[Effect]:
        """Keys were to be agreed on beside the sound, and who is there is not who SDP said, or cannot."""
        return self.hang_up(EndReason(Ending.NOT_PROTECTED, Fault.REMOTE), now)

    def remote_ended(self, cause: str, reason: str, q850: int | None, now: Instant) -> list[Effect]:
        """The dialog is over, as ``CarrierEvents.ended`` tells."""
        if self.ended:
            return []
        return self._finish(of_dialog_end(cause, q850) if self._parts_at is None else TRANSFERRED, now)

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]:
        """End it from our side, in whatever state it is."""
        raise NotImplementedError

    def part(self, now: Instant) -> list[Effect]:
        """Its far end was told that somebody else took its place: it hangs up now, or is hung up on a little later.

        At once would be too early: BYE may overtake the NOTIFY that says so, and the far end would never know.
        """
        self._parts_at = now.mono + LAST_WORD
        return []

    def wake(self, now: Instant) -> list[Effect]:
        """Do what is due."""
        if self._parts_at is not None and now.mono >= self._parts_at and not self.ended:
            return self.hang_up(TRANSFERRED, now)
        if self._ends_at is not None and now.mono >= self._ends_at and not self.ended:
            return self.hang_up(EndReason(Ending.DURATION_LIMIT), now)
        return self._press(now)

    def next_wake(self) -> float | None:
        if self.ended:
            return None
        times = (self._presses.next(), self._parts_at, self._ends_at)
        return min((at for at in times if at is not None), default=None)

    # ── going elsewhere ──────────────────────────────────────────────────────────────────────────────────────────────

    kind: ParticipantType
    permissions: Permissions

    def participant(self, now: Instant) -> Participant:
        """Its far end as a participant who comes in now."""
        return Participant(
            id=self.leg,
            joined_at=now.wall,
            user_name=self.facts.display_name,
            user_id=self.facts.user_id,
            type=self.kind,
            permissions=self.permissions,
            tracks=self._tracks(),
            phone_state=PhoneState.ANSWERED if self.answered else PhoneState.RINGING,
            held_by=self._held_by,
        )

    def _tracks(self) -> dict[str, Track]:
        names = ("audio", "video") if self.pictures.shown else ("audio",)
        return {name: Track("playable", generation=1) for name in names}

    def arrives(self, now: Instant) -> list[Effect]:
        """It comes into another meeting as it is: its row, its participant, and what tells of them."""
        self.timeline.note("moved", now, room=self.record.room)
        return self._come_in(now)

    def _come_in(self, now: Instant) -> list[Effect]:
        steps = [CallStep.CONNECTED]
        if self.record.direction is Direction.DIAL_OUT and self.answered:
            steps.append(CallStep.ANSWERED)
        told = [Tell(CallEvent(self.facts, step)) for step in steps]
        return [Save(self.record), PhoneJoins(self.participant(now)), *told]

    def replaced(self, invite: IncomingInvite, now: Instant) -> list[Effect] | None:
        """Another call takes the far end's place; ``None``: it cannot (RFC 3891). The participant stays."""
        if not self.answered or invite.offer is None or invite.dialog is None:
            return None
        try:
            answer, agreed = self._answer(invite.offer, self.codecs)
        except (BadSdp, NoCommonCodec):
            return None
        before, self.line = self.line, invite.call
        self.timeline.note("replaced", now)
        self._offer_sent = self._late_offer = None
        self.record = replace(self.record, dialog=invite.dialog, sip_call_id=invite.sip_call_id, remote=invite.from_uri)
        self.facts = replace(self.facts, sip_call_id=invite.sip_call_id, remote=invite.from_uri)
        return [
            *self._note_codec(agreed, now),
            Save(self.record),
            *self._agree(agreed, now),
            Answer(self.line, answer, self.id),
            Bye(before, Ending.TRANSFERRED.value),
        ]

    def _news(self, what: str, status: int = 0, reason: str = "", end: EndReason | None = None) -> list[Effect]:
        if self.listener is None:
            return []
        return [
            TellListener(self.listener, News(self.id, what, status, reason, end, self.record.answered_at is not None))
        ]

    # ── for the two kinds of call ────────────────────────────────────────────────────────────────────────────────────

    def _hang_up_answered(self, reason: EndReason, now: Instant) -> list[Effect]:
        return [Bye(self.line, reason.ending.value), *self._finish(told(reason), now)]

    def _finish(self, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        """The call is over: row, participant, event, in this order (left before stopped).

        A caller who was never connected stops without a word: there is nothing that anybody was told of.
        """
        unseen = step is CallStep.STOPPED and self.record.direction is Direction.DIAL_IN and not self.answered
        self.timeline.note("ended", now, reason=reason.ending.value)
        self.record = replace(
            self.record,
            state=CallState.ENDED,
            ended_at=now.wall,
            end=reason,
            sound=self.sound(now),
            timeline=self.timeline.steps(),
            fell_back=self.fell_back,
        )
        self._presses.clear()
        ended = [Save(self.record), CallEnds(self.id)]
        message = reason.sentence() if step is CallStep.ERROR else ""
        metered: list[Effect] = [] if self.meter is None else [Metered(self.meter, now, over=True)]
        told = [] if unseen else [Tell(CallEvent(self.facts, step, message, reason))]
        return [*ended, *told, *metered, *self._news("ended", reason.sip_status or 0, reason.sip_reason or "", reason)]

    def _metered(self, now: Instant) -> list[Effect]:
        """It was answered: from now on it costs, and its time runs."""
        if self.longest is not None:
            self._ends_at = now.mono + self.longest
        return [] if self.meter is None else [Metered(self.meter, now)]

    def _by_info(self, method: str) -> bool:
        """Whether keys go by INFO: what was agreed on decides for ``auto`` (and the trunk, where it knows better)."""
        agreed = self.media is not None and self.media.dtmf_payload_type is not None
        if method == "auto" and self.dtmf == "in-band":
            return False
        if method == "telephone-event" and not agreed:
            raise InvalidRequest("the far end did not agree on telephone-event: use method 'sip-info' or 'auto'")
        return (self.dtmf if method == "auto" else method) == "sip-info" or not agreed

    def _send_keys(self, keys: str, duration_ms: int, by_info: bool, now: Instant) -> list[Effect]:
        """Press keys behind those that wait; the timeline says how many, and how, not which."""
        self._presses.add(keys, duration_ms, by_info, now.mono)
        in_band = self.media is not None and self.media.dtmf_tones
        method = "sip-info" if by_info else "in-band" if in_band else "telephone-event"
        self.timeline.note("keys-sent", now, keys=sum(key not in PAUSES for key in keys), method=method)
        return self._press(now)

    def _press(self, now: Instant) -> list[Effect]:
        return [
            PressByInfo(self.line, press.keys, press.duration_ms)
            if press.by_info
            else SendDigits(self.leg, press.keys, press.duration_ms, GAP_MS)
            for press in self._presses.due(now.mono)
        ]

    def _warn(self, message: str) -> Tell:
        return Tell(CallEvent(self.facts, CallStep.WARNING, message))

    def _session_id(self) -> int:
        return zlib.crc32(self.id.encode())

    def _reoffer(self) -> list[Effect]:
        """One offer at a time: what changes meanwhile is offered when the far end has answered this one."""
        self._hold_offered = self.held_by_us
        self._offer_sent = self._offer()
        return [Offer(self.line, self._offer_sent)]

    def _offer(self) -> bytes:
        assert self.address is not None, "an offer names our RTP port"
        self._sdp_version += 1
        direction = "sendonly" if self.held_by_us else "sendrecv"
        remote = self.media.remote if self.media is not None else None
        host, port = self._host_for(remote[0] if remote is not None else ""), self.address[1]
        self._said = make_offer(
            self._session_id(),
            self._sdp_version,
            host,
            port,
            self.codecs,
            direction,
            protection=self.protection,
            video=self.pictures.terms(self.held_by_us, offer=True),
            before=self._said,
        )
        return self._said

    def _answer(self, offer: bytes, codecs: Sequence[str]) -> tuple[bytes, Negotiated]:
        assert self.address is not None, "an answer names our RTP port"
        host, port = self._host_for(heard_at(offer)), self.address[1]
        direction = "sendonly" if self.held_by_us else "sendrecv"
        answer = make_answer(
            offer,
            host,
            port,
            codecs,
            session_id=self._session_id(),
            version=self._sdp_version + 1,
            direction=direction,
            protection=self.protection,
            video=self.pictures.terms(self.held_by_us, offer=False),
        )
        self._sdp_version += 1
        self._said = answer[0]
        return answer

    def _host_for(self, there: str) -> str:
        """What we are called by in a description for sound that goes ``there``: an address of the same IP version."""
        assert self.address is not None, "there is a port"
        host = self.address[0]
        return host if not there or (":" in there) == (":" in host) else self.host_towards(there) or host

    def _agree(self, agreed: Negotiated, now: Instant, silent: bool = False) -> list[Effect]:
        """Run the stream as agreed; ``silent``: send nothing yet."""
        host, proved = self.signalling_host, self._speaks_from(agreed.remote)
        hold_fire = agreed.remote is not None and not proved and not self.reachable(*agreed.remote)
        told = self._holds(agreed, now)
        if agreed.protected and self.answered:
            # What was protected once stays so: a later offer or answer in the clear is refused.
            self.protection = replace(self.protection, policy="required")
        self.protection = self._as_agreed(agreed)
        media = replace(
            phone_media(agreed),
            dtmf_tones=self.dtmf == "in-band",
            dtmf_detect=self.finds_keys or self.dtmf == "in-band",
            polish=self.polish,
            trusted=proved,
            signalling_host=host,
            hold_fire=hold_fire,
            networks=self.media_networks,
        )
        self.media = replace(media, listen=False) if Holder.FAR_END in self._held_by else media
        running = self._run(replace(self.media, send=False) if silent else self.media, now)
        return [running, *told, *self._clear_warning(agreed), *self._agree_pictures(agreed, now, silent)]

    def _agree_pictures(self, agreed: Negotiated, now: Instant, silent: bool) -> list[Effect]:
        """Run the pictures as agreed, tell the room when they come or go, and the application when there are none."""
        assert self.media is not None, "the sound is agreed on first"
        remote = agreed.video.remote if agreed.video is not None else None
        proved = self._speaks_from(remote)
        hold_fire = remote is not None and not proved and not self.reachable(*remote)
        shown = self.pictures.shown
        if not self.pictures.agree(agreed.video, self.media, hold_fire=hold_fire, trusted=proved):
            return []
        self.picture_notes.agreed(self.pictures.media, now)
        effects: list[Effect] = [SetPhoneVideo(self.leg, self.pictures.running(silent))]
        if self.pictures.shown != shown:
            effects.append(PhoneChanges(self.id, video=self.pictures.shown))
        if self.pictures.codec and self.record.video_codec != self.pictures.codec:
            self.record = replace(self.record, video_codec=self.pictures.codec)
            effects.append(Save(self.record))
        return effects

    def _picture_warning(self) -> list[Effect]:
        """Said once, after the answer, where pictures were wanted and do not run as they should."""
        text = self.pictures.warning()
        return [self._warn(text)] if text else []

    def _as_agreed(self, agreed: Negotiated) -> Protection:
        """What later offers and answers go on with: a way to come by keys, who begins, and ICE."""
        before, ice = self.protection, agreed.ice.remote_ufrag if agreed.ice is not None else ""
        if agreed.dtls is not None:
            return replace(before, keying="dtls", active=agreed.dtls.active, ice=ice)
        return replace(before, keying="sdes" if agreed.keys is not None else before.keying, ice=ice)

    def _clear_warning(self, agreed: Negotiated) -> list[Effect]:
        """Once, where signalling is encrypted and sound could be: nobody is left to believe that it is."""
        dialog = self.record.dialog
        private = dialog is not None and dialog.transport in PRIVATE
        if self._clear_told or agreed.protected or not (private and self.answered and self.protection.wanted):
            return []
        self._clear_told = True
        return [self._warn(CLEAR_WARNING)]

    def _run(self, media: PhoneMedia, now: Instant) -> SetPhone:
        if media.send and media.remote is not None:
            self.timeline.sent(now)
        return SetPhone(self.leg, media)

    def _holds(self, agreed: Negotiated, now: Instant) -> list[Effect]:
        """Who has whom on hold from now on, and what changed in that.

        The far end holds us when it lets us send nothing any more. While it does, its music is kept from the room. A
        call that never ran both ways is no held one: it is an announcement. What rings holds nobody.
        """
        if not self.answered:
            return []
        self._talked = self._talked or (agreed.send and agreed.listen)
        return self._held_now(self._talked and not agreed.send, now)

    def _held_now(self, by_far_end: bool, now: Instant) -> list[Effect]:
        by_room = self._hold_agreed or self._apart
        held_by = frozenset(who for who, on in ((Holder.FAR_END, by_far_end), (Holder.ROOM, by_room)) if on)
        before, self._held_by = self._held_by, held_by
        if held_by == before:
            return []
        self.timeline.hold(bool(held_by), now)
        for who in sorted(held_by ^ before):
            self.timeline.note("held" if who in held_by else "resumed", now, by=who.value)
        began = [Tell(CallEvent(self.facts, CallStep.HELD, held_by=who)) for who in sorted(held_by - before)]
        over = [Tell(CallEvent(self.facts, CallStep.RESUMED, held_by=who)) for who in sorted(before - held_by)]
        return [PhoneChanges(self.id, held_by=held_by), *began, *over]

    def _note_codec(self, agreed: Negotiated, now: Instant) -> list[Effect]:
        """The row says what was agreed on, also when that came late."""
        if self.record.codec == agreed.codec.name:
            return []
        self.record = replace(self.record, codec=agreed.codec.name)
        self.timeline.note("codec", now, codec=agreed.codec.name)
        return [Save(self.record)]

    def _speaks_from(self, remote: tuple[str, int] | None) -> bool:
        """Whether sound goes to the very address that the far end signals from: a handshake has proved that one."""
        return remote is not None and remote[0] == self.signalling_host

    @property
    def signalling_host(self) -> str:
        """IP address the far end signals from; empty while that is not known."""
        dialog = self.record.dialog
        return dialog.peer.rpartition(":")[0].strip("[]") if dialog is not None else ""


def why(error: BadSdp | NoCommonCodec, status: int | None = None) -> EndReason:
    """How a call ends whose descriptions led to no agreement."""
    ending = Ending.NOT_PROTECTED if isinstance(error, NotProtected) else Ending.NO_COMMON_CODEC
    return EndReason(ending, Fault.REMOTE, status)


def _names_another_invite(old: DialogRecord, new: DialogRecord) -> bool:
    """Whether an INVITE went out anew: another target, another transport, or with credentials."""
    return (old.branch, old.transport, old.local_cseq) != (new.branch, new.transport, new.local_cseq)
