"""Why nobody hears anything in a call, or hears it badly: from two looks at its counters to sentences. Pure.

Each rule looks for one cause and says it with its evidence. What explains more comes first: no sound before bad sound,
and what keeps packets away before what is in them.
"""

from collections.abc import Iterator

from ringback.calls.advice import what_to_do
from ringback.calls.diagnosis_inward import INWARD
from ringback.calls.diagnosis_outward import OUTWARD
from ringback.calls.diagnosis_pictures import picture_verdicts
from ringback.calls.looks import Counted, Situation
from ringback.calls.verdict import FEW, LATE_SHARE, Rule, Verdict, Way, Whose
from ringback.model.participant import Holder
from ringback.model.records import CallState

TICKS_A_SECOND = 50
OTHERWISE = 50
WEIGHT = {
    "ended": 0, "no-ack": 4, "held-by-far-end": 5, "held-by-room": 5, "played-to": 8,
    "key-mismatch": 10, "wrong-codec": 10, "wrong-source": 10, "unsteady-stream": 10,
    "private-address": 20, "unreachable": 25, "send-failed": 25, "stopped-arriving": 30, "nothing-arrives": 30,
    "alone": 35, "far-end-silent": 60, "room-silent": 60,
}  # fmt: skip
"""What is told first: what keeps packets away explains what is missing elsewhere, silence within them nothing."""

HEALTHY = Verdict("healthy", "Sound goes both ways and arrives well.", Whose.NOBODY, Way.BOTH, silent=False)
UNHEARD_OF = Verdict(
    "healthy", "Sound of the far end arrives well, and ours leaves; that ours arrives the far end has not said (RTCP).",
    Whose.NOBODY, Way.BOTH, "If it hears nothing, ask again: most say so within ten seconds, some never do.",
    silent=False,
)  # fmt: skip


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
    seen = list(picture_verdicts(leg, situation))
    if situation.end is not None:
        went_well = not found and min(leg.total("packets_received"), leg.total("packets_sent")) >= FEW
        found = [_last_word(situation), *(found or [_well(leg)] * went_well)]
    found += seen
    # A stable sort: what weighs the same stays in the order of the rules.
    return sorted(found, key=lambda verdict: (not verdict.silent, WEIGHT.get(verdict.code, OTHERWISE))) or [_well(leg)]


def _well(leg: Counted) -> Verdict:
    """That it is heard there is known from its reports alone."""
    return HEALTHY if leg.total("reports_on_ours") else UNHEARD_OF


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
    return Verdict("ended", words, fault, Way.BOTH, what_to_do(situation.end, situation.talked), {}, silent=True)


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


def _first(leg: Counted, situation: Situation, rules: tuple[Rule, ...]) -> list[Verdict]:
    """What the first rule that finds no sound says; or all that find bad sound."""
    found: list[Verdict] = []
    for rule in rules:
        for verdict in rule(leg, situation):
            if verdict.silent:
                return [verdict]
            found.append(verdict)
    return found
