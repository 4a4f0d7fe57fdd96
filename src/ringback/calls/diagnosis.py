"""Why nobody hears anything in a call, or hears it badly: from two looks at its counters to sentences. Pure.

Each rule looks for one cause and says it with its evidence. What explains more comes first: no sound before bad sound,
and what keeps packets away before what is in them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from ipaddress import ip_address

from ringback.calls.looks import Counted, Kind, Other, Situation
from ringback.model.participant import Holder
from ringback.model.records import CallState
from ringback.model.values import dataclass


class Whose(StrEnum):
    """Who can do something about it. Values are shown and never renamed."""

    NOBODY = "nobody"
    FAR_END = "far-end"
    NETWORK = "network"
    SERVER = "server"
    PARTICIPANT = "participant"
    APPLICATION = "application"


class Way(StrEnum):
    """Which way sound does not go, or goes badly."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cause.

    Attributes:
        code: What it is; never renamed.
        words: One sentence.
        to_do: What to do about it; empty where nothing is to be done.
        evidence: The numbers and addresses that say so, JSON-ready.
        silent: Whether it means no sound at all, rather than bad sound.
    """

    code: str
    words: str
    whose: Whose
    way: Way
    to_do: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    silent: bool = True


HEAVY_LOSS = 0.05
CLIPPED_SHARE = 0.1
LATE_SHARE = 0.05
TICKS_A_SECOND = 50
PAUSES = 2
"""Pauses of a bot in mid-talk between two looks that are no accident."""

FEW = 5
"""Packets or frames below which nothing is concluded."""

REPORTS_EXPECTED_AFTER = 500
"""Packets we sent, ten seconds' worth, after which its reports speak of them if it gets them."""

OTHERWISE = 50
WEIGHT = {
    "ended": 0, "held-by-far-end": 5, "held-by-room": 5, "played-to": 8,
    "key-mismatch": 10, "wrong-codec": 10, "wrong-source": 10, "unsteady-stream": 10,
    "private-address": 20, "unreachable": 25, "send-failed": 25, "stopped-arriving": 30, "nothing-arrives": 30,
    "alone": 35, "far-end-silent": 60, "room-silent": 60,
}  # fmt: skip
"""What is told first: what keeps packets away explains what is missing elsewhere, silence within them nothing."""

HEALTHY = Verdict("healthy", "Sound goes both ways and arrives well.", Whose.NOBODY, Way.BOTH, silent=False)


def diagnose(leg: Counted, engine: Counted, situation: Situation) -> list[Verdict]:
    """What is wrong, the likeliest cause first; ``[HEALTHY]`` when nothing is.

    Args:
        leg: The call's own counters (``MediaLegs.stats``).
        engine: The media engine's.
    """
    if situation.state is not CallState.ANSWERED and situation.end is None:
        return [_not_answered(situation)]
    if situation.end is not None and not situation.talked:
        return [_last_word(situation)]
    found = [*_held(situation), *_played_to(leg), *_late_engine(engine, situation)]
    found += _first(leg, situation, INWARD) + _first(leg, situation, OUTWARD)
    if situation.end is not None:
        went_well = not found and min(leg.total("packets_received"), leg.total("packets_sent")) >= FEW
        found = [_last_word(situation), *(found or [HEALTHY] * went_well)]
    # A stable sort: what weighs the same stays in the order of the rules.
    return sorted(found, key=lambda verdict: (not verdict.silent, WEIGHT.get(verdict.code, OTHERWISE))) or [HEALTHY]


def _not_answered(situation: Situation) -> Verdict:
    if not situation.has_port:
        return Verdict(
            "no-rtp-port", "The call rings because the server has no RTP port for it.", Whose.SERVER, Way.BOTH,
            "Widen RINGBACK_MEDIA__RTP_PORTS: every call takes two ports.",
        )  # fmt: skip
    return Verdict(
        "not-answered", f"The call is not answered yet ({situation.state}).", Whose.NOBODY, Way.BOTH,
        "ringback calls show ID --ladder shows what was said on the wire.",
    )  # fmt: skip


def _last_word(situation: Situation) -> Verdict:
    assert situation.end is not None
    whose = {"remote": Whose.FAR_END, "network": Whose.NETWORK, "ours": Whose.SERVER, "caller": Whose.APPLICATION}
    fault = whose.get(situation.end.fault.value, Whose.NOBODY)
    words = f"The call is over: {situation.end.sentence()}. What follows is of the whole call."
    if not situation.talked:
        words = f"The call was never answered: {situation.end.sentence()}."
    return Verdict("ended", words, fault, Way.BOTH, "", {}, silent=True)


def _held(situation: Situation) -> Iterator[Verdict]:
    if Holder.FAR_END in situation.held_by:
        yield Verdict(
            "held-by-far-end", "The far end has put the call on hold: it wants no sound, and its own is kept from the "
            "room.", Whose.FAR_END, Way.BOTH, "It resumes by a re-INVITE; nothing is broken.",
        )  # fmt: skip
    if Holder.ROOM in situation.held_by:
        yield Verdict(
            "held-by-room", "The room has put the call on hold.", Whose.APPLICATION, Way.BOTH,
            "Take it back: updateParticipant with hold false, or end the transfer that holds it.",
        )  # fmt: skip


def _played_to(leg: Counted) -> Iterator[Verdict]:
    if leg.before and (played := leg.since("play_seconds")):
        yield Verdict(
            "played-to", "The far end is played a sound (a prompt, or music) instead of what is said in its room.",
            Whose.APPLICATION, Way.OUT, "It ends with the sound: a code that is asked for, a transfer, a wait.",
            {"play_seconds": round(played, 2)},
        )  # fmt: skip


def _late_engine(engine: Counted, situation: Situation) -> Iterator[Verdict]:
    late, due = engine.since("ticks_late"), max(1.0, engine.total("rooms")) * situation.seconds * TICKS_A_SECOND
    if late > LATE_SHARE * due:
        yield Verdict(
            "media-thread-late", "The server's media thread was late: the machine has too little CPU for its calls.",
            Whose.SERVER, Way.BOTH, "Give it a core of its own, or fewer calls; see ringback_media_* in /metrics.",
            {"ticks_late": int(late), "ticks": int(due)}, silent=False,
        )  # fmt: skip


Rule = Callable[[Counted, Situation], Iterator[Verdict]]


def _first(leg: Counted, situation: Situation, rules: tuple[Rule, ...]) -> list[Verdict]:
    """What the first rule that finds no sound says; or all that find bad sound."""
    found: list[Verdict] = []
    for rule in rules:
        for verdict in rule(leg, situation):
            if verdict.silent:
                return [verdict]
            found.append(verdict)
    return found


# ── from the far end to the room ─────────────────────────────────────────────────────────────────────────────────────


def _kept_away(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """Something arrives, and nothing of it is taken."""
    if leg.since("packets_received") >= FEW:
        return
    said = _address(situation)
    if forged := int(leg.since("packets_forged")):
        yield Verdict(
            "key-mismatch", "Packets arrive that the agreed SRTP key does not open.", Whose.FAR_END, Way.IN,
            "The far end encrypts with another key than it told in a=crypto, or somebody between changed the SDP.",
            {"packets_forged": forged, "suite": leg.text("srtp")},
        )  # fmt: skip
    if wrong := int(leg.since("rejected_type")):
        kind = int(leg.total("refused_type"))
        yield Verdict(
            "wrong-codec", f"Packets arrive with payload type {kind}, which was not agreed on.", Whose.FAR_END, Way.IN,
            "The far end ignores the SDP answer: leave it one codec (codecs.audio, or the trunk's codecs).",
            {"rejected_type": wrong, "payload_type": kind, "agreed": _agreed(situation)},
        )  # fmt: skip
    if elsewhere := int(leg.since("rejected_source")):
        where = leg.text("refused_source")
        yield Verdict(
            "wrong-source", f"Sound arrives from {where}, but the SDP names {said}, so it is refused.",
            Whose.NETWORK, Way.IN,
            "If that is the carrier's media network, name it in the trunk's media_networks.",
            {"rejected_source": elsewhere, "from": where, "sdp": said},
        )  # fmt: skip
    if unsteady := int(leg.since("rejected_stream")):
        yield Verdict(
            "unsteady-stream", "Packets arrive whose stream changes all the time, so none of them is believed.",
            Whose.FAR_END, Way.IN, "The far end must keep one SSRC and count its packets (RFC 3550).",
            {"rejected_stream": unsteady},
        )  # fmt: skip


def _nothing_arrives(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    if leg.since("packets_received") >= FEW or situation.held_by:
        return
    said, media = _address(situation), situation.media
    evidence: dict[str, object] = {"packets_received": int(leg.total("packets_received")), "sdp": said}
    if media is not None and media.remote is not None and _is_behind_nat(media.remote[0], media.signalling_host):
        yield Verdict(
            "private-address", f"Nothing arrives, and the SDP of the far end names the private address {said} while it "
            f"signals from {media.signalling_host}: its sound is lost on one side of a NAT.", Whose.NETWORK, Way.IN,
            "Turn on STUN or the public address at the far end, switch SIP ALG off at its router, and see that "
            "RINGBACK_MEDIA__PUBLIC_ADDRESS is the address it can reach.", evidence,
        )  # fmt: skip
    last = leg.now.get("last_heard_ms")
    if isinstance(last, (int, float)):
        yield Verdict(
            "stopped-arriving", f"Nothing has arrived for {last / 1000:.1f} s; before that its sound did.",
            Whose.FAR_END, Way.IN,
            "The far end is muted without sending silence, its network is gone, or a firewall closed its way.",
            {**evidence, "last_heard_ms": int(last), "reports_received": int(leg.total("reports_received"))},
        )  # fmt: skip
    yield Verdict(
        "nothing-arrives", "No sound of the far end has ever arrived at our port.", Whose.NETWORK, Way.IN,
        "Open the RTP ports (RINGBACK_MEDIA__RTP_PORTS, UDP) in every firewall and see that "
        "RINGBACK_MEDIA__PUBLIC_ADDRESS is the address the far end can reach.", evidence,
    )  # fmt: skip


def _not_passed_on(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """Its sound arrives and stays with us."""
    if situation.muted:
        yield Verdict(
            "muted-by-us", "The call's sound is kept from the room: it was muted by the server.",
            Whose.APPLICATION, Way.IN, "Unmute it: updateParticipant with setAudio true.",
        )  # fmt: skip
    if not situation.may_send:
        yield Verdict(
            "may-not-send", "The call has no permission to speak (canSend).", Whose.APPLICATION, Way.IN,
            "Give it canSend: update-permissions, or the permissions it was dialled with.",
        )  # fmt: skip


def _silence_arrives(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    if situation.held_by or leg.frames < FEW:
        return
    evidence = {name: int(leg.since(name)) for name in ("frames_speech", "frames_quiet", "frames_silent")}
    if not evidence["frames_speech"] and not evidence["frames_quiet"]:
        yield Verdict(
            "far-end-silent", "Packets arrive, and there is nothing but silence in them: the far end is muted, or "
            "nobody speaks there.", Whose.FAR_END, Way.IN, "Look at its microphone and its mute key.", evidence,
        )  # fmt: skip
    elif evidence["frames_quiet"] > 4 * evidence["frames_speech"]:
        yield Verdict(
            "too-quiet", "The far end is hardly to be heard: its sound is far below the level of speech.",
            Whose.FAR_END, Way.IN, "Raise its microphone's gain; speech is at about -26 dBov.",
            {**evidence, "level_dbov": leg.total("level_dbov")}, silent=False,
        )  # fmt: skip
    clipped = leg.since("frames_clipped")
    if clipped >= FEW and clipped > CLIPPED_SHARE * (evidence["frames_speech"] or 1):
        yield Verdict(
            "clipping", "The far end is too loud: its sound is cut off at the top and rattles.",
            Whose.FAR_END, Way.IN, "Lower its microphone's gain.", {**evidence, "frames_clipped": int(clipped)},
            silent=False,
        )  # fmt: skip


def _nobody_listens(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    others = situation.others
    if others is None or situation.held_by:
        return
    if not others:
        yield Verdict(
            "alone", "Nobody else is in the room, so there is nobody to hear and nobody to be heard.",
            Whose.APPLICATION, Way.BOTH, "Let a browser, a bot or another call join it.",
        )  # fmt: skip
    elif not any(other.may_hear for other in others):
        yield Verdict(
            "nobody-may-hear", "Nobody in the room has permission to hear the call (canReceive).",
            Whose.APPLICATION, Way.IN, "Give somebody canReceive for it.", {"others": _names(others)},
        )  # fmt: skip
    elif not any(other.hears and _is_connected(other) for other in others):
        unconnected = [other for other in others if other.hears and not _is_connected(other)]
        if unconnected:
            yield _not_connected(unconnected[0], Way.IN)
        yield Verdict(
            "nobody-subscribed", "Nobody in the room has subscribed to the call's sound.", Whose.PARTICIPANT, Way.IN,
            "Subscribe to its audio track; SDKs do so by themselves unless subscribeToTracksAutomatically is false.",
            {"others": _names(others)},
        )  # fmt: skip


def _lossy(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    lost, share = leg.since("packets_lost"), leg.share("packets_lost", "packets_received")
    if lost >= FEW and share > HEAVY_LOSS:
        yield Verdict(
            "heavy-loss", f"{share:.0%} of the far end's packets are lost on their way to us.", Whose.NETWORK, Way.IN,
            "Look at the network between the far end and the server: Wi-Fi, a full line, a policer.",
            {"packets_lost": int(lost), "packets_received": int(leg.since("packets_received"))}, silent=False,
        )  # fmt: skip
    late = leg.share("underruns_late", "frames_heard", "underruns_lost")
    if leg.since("underruns_late") >= FEW and late > LATE_SHARE:
        yield Verdict(
            "late-packets", "Packets of the far end come too late to be played.", Whose.NETWORK, Way.IN,
            "Its network delays packets unevenly, or it sends too slowly.",
            {"underruns_late": int(leg.since("underruns_late")), "jitter_ms": leg.total("jitter_ms")}, silent=False,
        )  # fmt: skip


INWARD: tuple[Rule, ...] = (
    _kept_away, _nothing_arrives, _not_passed_on, _silence_arrives, _nobody_listens, _lossy,
)  # fmt: skip


# ── from the room to the far end ─────────────────────────────────────────────────────────────────────────────────────


def _does_not_leave(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    media = situation.media
    if media is None or situation.held_by:
        return
    said, sent = _address(situation), leg.since("packets_sent")
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
    if errors := int(leg.since("send_errors")):
        yield Verdict(
            "send-failed", f"This machine refuses to send to {said}: no route, or its own firewall.", Whose.SERVER,
            Way.OUT, "Look at routes and outgoing firewall rules for UDP.", {"send_errors": errors, "sdp": said},
        )  # fmt: skip
    if unreachable := int(leg.since("unreachable")):
        to = leg.text("destination") or said
        yield Verdict(
            "unreachable", f"The network says that nobody takes our sound at {to} (ICMP).", Whose.FAR_END, Way.OUT,
            "The far end is gone, its port is closed, or a firewall rejects our packets.",
            {"unreachable": unreachable, "destination": to},
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


def _nobody_is_heard(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """We send silence."""
    others = situation.others
    if others is None or situation.held_by or not others:
        return
    if not any(other.heard for other in others):
        yield Verdict(
            "may-not-hear", "The call has no permission to hear anybody in the room (canReceive).",
            Whose.APPLICATION, Way.OUT, "Give it canReceive: update-permissions, or the permissions it was dialled "
            "with.", {"others": _names(others)},
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
                {"others": _names(tuple(well))},
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
        if not _is_connected(other):
            return _not_connected(other, Way.OUT)
        if other.microphone != "playable":
            return verdict("microphone-off", "has switched its microphone off.", "Let it switch it on.")
    if not other.counted.since("packets_received"):
        return verdict("participant-sends-nothing", "is connected and sends no sound.", "Look at its microphone.")
    return None


def _not_connected(other: Other, way: Way) -> Verdict:
    state = other.counted.text("webrtc") or "no connection"
    return Verdict(
        "participant-not-connected", f"{other.name} has no media connection (ICE is {state}).", Whose.NETWORK, way,
        "Its network lets no UDP or TCP through to RINGBACK_MEDIA__UDP_PORT, or RINGBACK_MEDIA__PUBLIC_ADDRESS is "
        "wrong for it.", {"participant": other.name, "webrtc": state},
    )  # fmt: skip


def _lossy_there(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    loss = leg.total("remote_loss_percent")
    if loss > HEAVY_LOSS * 100:
        yield Verdict(
            "heavy-loss-out", f"The far end reports that {loss:.0f}% of our packets do not arrive.", Whose.NETWORK,
            Way.OUT, "Look at the network between the server and the far end.",
            {"remote_loss_percent": loss, "remote_mos": leg.total("remote_mos")}, silent=False,
        )  # fmt: skip


OUTWARD: tuple[Rule, ...] = (_does_not_leave, _does_not_arrive, _nobody_is_heard, _lossy_there)


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_connected(other: Other) -> bool:
    return other.here and (other.kind is not Kind.WEBRTC or other.counted.text("webrtc") == "connected")


def _address(situation: Situation) -> str:
    return situation.sdp or "no address"


def _agreed(situation: Situation) -> list[str]:
    media = situation.media
    if media is None:
        return []
    codecs = [media.codec, *media.receive]
    return sorted({f"{codec.name} as {codec.receive_payload_type}" for codec in codecs})


def _is_behind_nat(told: str, signals_from: str) -> bool:
    """Whether a description names a private address although its sender is somewhere else."""
    try:
        address, source = ip_address(told), ip_address(signals_from)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback and address != source


def _names(others: tuple[Other, ...]) -> list[str]:
    return [other.name for other in others][:20]
