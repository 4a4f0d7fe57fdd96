"""Why the far end does not hear the room, or hears it badly: one rule for each cause. Pure."""

from collections.abc import Iterator

from ringback.calls.looks import Counted, Kind, Other, Situation
from ringback.calls.verdict import (
    FEW,
    HEAVY_LOSS,
    LATE_SHARE,
    Rule,
    Verdict,
    Way,
    Whose,
    address,
    is_connected,
    names,
    not_connected,
)
from ringback.model.end_reason import Ending

PAUSES = 2
"""Pauses of a bot in mid-talk between two looks that are no accident."""

REPORTS_EXPECTED_AFTER = 500
"""Packets we sent, ten seconds' worth, after which its reports speak of them if it gets them."""


def _is_not_acknowledged(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    if situation.unacknowledged:
        yield Verdict(
            "no-ack", "The far end has not acknowledged our answer (no ACK), and is sent nothing until it does: the "
            f"answer says that we are at {situation.told}, and it does not get there, or the answer not to it.",
            Whose.NETWORK, Way.BOTH, "Set RINGBACK_SIP__PUBLIC_ADDRESS (unset: RINGBACK_MEDIA__PUBLIC_ADDRESS) to the "
            "address that the far end reaches this machine at, and open the SIP port in every firewall.",
            {"told": situation.told},
        )  # fmt: skip


def _cannot_leave(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """The machine or the network says so. A few at the end of a call are nothing: one side closes its port first."""
    to, sent = leg.text("destination") or address(situation), leg.since("packets_sent")
    if (errors := int(leg.since("send_errors"))) > HEAVY_LOSS * (sent + errors):
        yield Verdict(
            "send-failed", f"This machine refuses to send to {to}: no route, or its own firewall.", Whose.SERVER,
            Way.OUT, "Look at routes and outgoing firewall rules for UDP.", {"send_errors": errors, "to": to},
        )  # fmt: skip
    if (unreachable := int(leg.since("unreachable"))) > HEAVY_LOSS * (sent + unreachable):
        yield Verdict(
            "unreachable", f"The network says that nobody takes our sound at {to} (ICMP).", Whose.FAR_END, Way.OUT,
            "The far end is gone, its port is closed, or a firewall rejects our packets.",
            {"unreachable": unreachable, "destination": to},
        )  # fmt: skip


def _does_not_leave(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    media = situation.media
    if situation.held_by:
        return
    if media is None:
        yield from _never_left(leg, situation)
        return
    said, sent = address(situation), leg.since("packets_sent")
    if media.remote is None or not media.send:
        yield Verdict(
            "not-wanted", "The far end's SDP asks for no sound (no address, or sendonly).", Whose.FAR_END, Way.OUT,
            "It plays an announcement, or is misconfigured; ringback calls show ID --ladder shows its SDP.",
            {"sdp": said},
        )  # fmt: skip
        return
    if media.hold_fire and not leg.text("destination"):
        yield Verdict(
            "outgoing-blocked", f"Nothing is sent: policy forbids sending to {said} before the far end has been heard "
            "from there.", Whose.SERVER, Way.OUT,
            "Name the network in the trunk's media_networks, or set RINGBACK_DIALOUT__ALLOW_PRIVATE in a laboratory.",
            {"sdp": said, "packets_sent": int(leg.total("packets_sent"))},
        )  # fmt: skip
    if (withheld := int(leg.since("packets_withheld"))) > sent:
        yield Verdict(
            "unproved", f"Most of our sound is kept back: the far end has sent nothing from {said} that proves it "
            "wants it.", Whose.NETWORK, Way.OUT, "See why nothing arrives from it; a trunk is trusted at once.",
            {"packets_withheld": withheld, "packets_sent": int(sent)},
        )  # fmt: skip
    if not sent and situation.end is None and not withheld:
        yield Verdict(
            "nothing-sent", "We send nothing, and nothing forbids it: the media engine does not serve this call.",
            Whose.SERVER, Way.OUT, "This is a bug: keep the log and report it.", {"destination": said},
        )  # fmt: skip


def _never_left(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """Of a call that is over; one that was not acknowledged was not to be sent anything."""
    if situation.end is not None and situation.end.ending is Ending.ACK_TIMEOUT:
        return
    if situation.talked >= 1 and "packets_sent" in leg.now and not leg.total("packets_sent"):
        yield Verdict(
            "never-sent", "In the whole call no packet of ours left for the far end.", Whose.SERVER, Way.OUT,
            "ringback calls show ID --ladder shows where its SDP wanted sound, and whether it acknowledged our answer.",
            {"sdp": address(situation)},
        )  # fmt: skip


def _does_not_arrive(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    if situation.held_by:
        return
    reports, on_ours = leg.total("reports_received"), leg.total("reports_on_ours")
    if reports >= 2 and not on_ours and leg.total("packets_sent") >= REPORTS_EXPECTED_AFTER:
        yield Verdict(
            "not-received", "The far end's reports say nothing of our sound: it does not arrive there.",
            Whose.NETWORK, Way.OUT, "A NAT or firewall on its side drops our packets; see the address we send to.",
            {"reports_received": int(reports), "destination": leg.text("destination")},
        )  # fmt: skip


HEARD = ("forward_seconds", "transcode_seconds", "mix_seconds", "play_seconds")
"""Seconds in which the far end was sent somebody, or a sound."""


def _silence_was_all(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """Of a call that is over: who else was there is not known any more, that nobody of them was passed on is."""
    silent = leg.total("silent_seconds")
    if situation.end is None or silent < 1 or sum(map(leg.total, HEARD)) > HEAVY_LOSS * silent:
        return
    if leg.total("held_seconds") < silent / 2:
        yield Verdict(
            "sent-silence", "In the whole call the far end was sent nothing but silence: nobody in the room was heard "
            "in it.", Whose.PARTICIPANT, Way.OUT, "Somebody has to be there with a microphone that is on, or a bot "
            "that plays something: while a call lasts, ringback calls why names who does not, and why.",
            {"silent_seconds": silent},
        )  # fmt: skip


def _nobody_is_heard(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """We send silence."""
    others = situation.others
    if others is None or situation.held_by or not others:
        return
    if not any(other.heard for other in others):
        yield Verdict(
            "may-not-hear", "The call has no permission to hear anybody in the room (canReceive).",
            Whose.APPLICATION, Way.OUT, "Give it canReceive: update-permissions, or the permissions it was dialled "
            "with.", {"others": names(others)},
        )  # fmt: skip
        return
    speakers = [other for other in others if other.heard]
    causes = [cause for other in speakers if (cause := _why_unheard(other)) is not None]
    if len(causes) == len(speakers):
        yield min(causes, key=lambda cause: TELLING.index(cause.code))
        return
    well = [other for other in speakers if _why_unheard(other) is None]
    if all(not other.counted.since("frames_speech") and not other.counted.since("frames_quiet") for other in well):
        known = [other for other in well if other.counted.frames >= FEW]
        if len(known) == len(well):
            yield Verdict(
                "room-silent", "We send silence, as those in the room send nothing else: nobody there speaks.",
                Whose.PARTICIPANT, Way.OUT, "Let somebody speak; look at their microphones.",
                {"others": names(tuple(well))},
            )  # fmt: skip
    for other in well:
        yield from _holds_up_itself(other)
        late = other.counted.share("underruns_late", "frames_heard", "underruns_lost")
        if other.counted.since("underruns_late") >= FEW and late > LATE_SHARE:
            yield Verdict(
                "underrun", f"{other.name} sends its sound too late or too slowly: {late:.0%} of it is missing when it "
                "is due.", Whose.PARTICIPANT, Way.OUT,
                "A bot must send 20 ms of sound every 20 ms; see its CPU and its network.",
                {"participant": other.name, "underruns_late": int(other.counted.since("underruns_late"))},
                silent=False,
            )  # fmt: skip


def _holds_up_itself(other: Other) -> Iterator[Verdict]:
    """What a bot's own client says of its speech (``core.Callers.stats``)."""
    for counter, words, to_do in (
        ("underruns_bot", "brings its speech too late: it pauses in mid-talk.",
         "Make the next piece before the last is over: queue speech ahead, `say` returns early enough for it."),
        ("ticks_late", "runs on a machine that is too busy: its packets leave late.",
         "Give the bot's process more CPU."),
    ):  # fmt: skip
        count = int(other.counted.since(counter))
        if count >= PAUSES:
            evidence = {"participant": other.name, counter: count}
            yield Verdict(
                "bot-late", f"{other.name} {words}", Whose.PARTICIPANT, Way.OUT, to_do, evidence, silent=False
            )


TELLING = (
    "participant-sends-nothing", "participant-not-connected", "participant-muted", "participant-may-not-send",
    "participant-on-hold", "microphone-off", "no-microphone", "participant-away",
)  # fmt: skip
"""Of several reasons why several people are not heard, the one worth telling first."""


def _why_unheard(other: Other) -> Verdict | None:
    """Why nothing of somebody reaches the call; ``None`` when it does."""
    evidence: dict[str, object] = {"participant": other.name}

    def verdict(code: str, words: str, to_do: str, whose: Whose = Whose.PARTICIPANT) -> Verdict:
        return Verdict(code, f"{other.name} {words}", whose, Way.OUT, to_do, evidence)

    if other.muted:
        return verdict("participant-muted", "was muted by the server.", "Unmute it (setAudio).", Whose.APPLICATION)
    if not other.may_send:
        words = "has no permission to speak (canSend)."
        return verdict("participant-may-not-send", words, "Give it canSend.", Whose.APPLICATION)
    if other.held:
        return verdict("participant-on-hold", "is on hold.", "Take it back.", Whose.APPLICATION)
    if other.kind is Kind.INSIDE:
        return None
    if other.kind is Kind.WEBRTC:
        if not other.here:
            return verdict("participant-away", "has lost its connection to the server.", "It is waited for 20 s.")
        if not other.sends:
            words = "has no microphone track."
            return verdict("no-microphone", words, "Let it use its microphone; the browser may have refused it.")
        if not is_connected(other):
            return not_connected(other, Way.OUT)
        if other.microphone != "playable":
            return verdict("microphone-off", "has switched its microphone off.", "Let it switch it on.")
    if not other.counted.since("packets_received"):
        to_do = "Look at its microphone; a bot has to play something."
        return verdict("participant-sends-nothing", "is connected and sends no sound.", to_do)
    return None


def _lossy_there(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    loss = leg.total("remote_loss_percent")
    if loss > HEAVY_LOSS * 100:
        yield Verdict(
            "heavy-loss-out", f"The far end reports that {loss:.0f}% of our packets do not arrive.", Whose.NETWORK,
            Way.OUT, "Look at the network between the server and the far end.",
            {"remote_loss_percent": loss, "remote_mos": leg.total("remote_mos")}, silent=False,
        )  # fmt: skip


OUTWARD: tuple[Rule, ...] = (
    _is_not_acknowledged, _cannot_leave, _does_not_leave, _does_not_arrive, _silence_was_all, _nobody_is_heard,
    _lossy_there,
)  # fmt: skip
