"""What was wrong with the pictures of a call that is over, by what its row has kept of them. Pure.

A row knows how long each way lasted and how often a picture stood still, not who had a camera on.
"""

from collections.abc import Iterator

from ringback.calls.looks import Counted, Ended, Situation
from ringback.calls.verdict import FEW, HEAVY_LOSS, Verdict, Way, Whose

LONG = 3.0
"""Seconds without a picture of which something is said, where they are also a tenth of the call."""
SHARE = 0.1
STOPPED = 5.0
"""Seconds before the end since which pictures that were agreed on had not come."""
LIMPING = 0.7
"""Share of the agreed pictures in a second below which an encoder does not keep up."""

INSTALL = "Run ringback doctor: it says what is missing and how it is installed."
LADDER = "ringback calls show ID --ladder shows its SDP; codecs.video and sip.codecs say what we offer."
WAYS = ("forward", "make", "waiting", "nobody", "no_maker", "maker_down")


def ended_verdicts(leg: Counted, situation: Situation, ended: Ended) -> Iterator[Verdict]:
    """What was wrong with them, each way; what they were like where nothing was."""
    if situation.talked < LONG:
        return
    if ended.agreed in ("none", "no-port"):
        yield _none(ended)
        return
    found = [*_in(leg, ended), *_out(leg, situation, ended)]
    yield from found or [_well(leg, ended)]


def _none(ended: Ended) -> Verdict:
    if ended.agreed == "no-port":
        return Verdict(
            "video-no-port", "There were no pictures: no RTP port was free for them.", Whose.SERVER, Way.BOTH,
            "Widen RINGBACK_MEDIA__RTP_PORTS: a call with pictures takes four ports.", {}, silent=False,
        )  # fmt: skip
    return Verdict(
        "video-not-agreed", "There were no pictures: the far end offered or accepted no video codec that we have (VP8, "
        "H.264), or no video at all.", Whose.FAR_END, Way.BOTH, LADDER, {}, silent=False,
    )  # fmt: skip


# ── from the far end to the room ─────────────────────────────────────────────────────────────────────────────────────


def _in(leg: Counted, ended: Ended) -> Iterator[Verdict]:
    if not ended.listened:
        yield Verdict(
            "video-not-sent", "The far end's SDP never said that it sends pictures, or the room had it on hold.",
            Whose.FAR_END, Way.IN, "Turn its camera on.", {}, silent=False,
        )  # fmt: skip
    elif leg.total("video_packets_received") < FEW:
        yield _none_came(leg)
    elif leg.total("video_key_frames_received") == 0 and leg.total("video_key_frames_asked") >= 2:
        yield Verdict(
            "video-no-key-frame", "Pictures came, and no key frame among them, so that nobody could show them.",
            Whose.FAR_END, Way.IN, "It ignores PLI, FIR and picture_fast_update: update it, or use its other codec.",
            {"video_key_frames_asked": int(leg.total("video_key_frames_asked"))}, silent=False,
        )  # fmt: skip
    else:
        yield from _stopped(ended)
        yield from _stood_still(leg, "received", Way.IN)
        yield from _lossy(leg)


def _none_came(leg: Counted) -> Verdict:
    if rejected := int(leg.total("video_packets_rejected")):
        return Verdict(
            "video-refused", "Packets of pictures came, and none was taken: from elsewhere than its SDP said, of a "
            "payload type that was not agreed on, or with another SRTP key.", Whose.FAR_END, Way.IN, LADDER,
            {"video_packets_rejected": rejected}, silent=False,
        )  # fmt: skip
    return Verdict(
        "video-nothing-arrives", "No picture of the far end ever arrived.", Whose.FAR_END, Way.IN,
        "Turn its camera on; where sound arrives and pictures do not, a firewall passes only the first port.",
        {"video_packets_received": int(leg.total("video_packets_received"))}, silent=False,
    )  # fmt: skip


def _stopped(ended: Ended) -> Iterator[Verdict]:
    if ended.stopped is not None and ended.stopped >= STOPPED:
        yield Verdict(
            "video-nothing-arrives", f"The far end's pictures stopped {ended.stopped:.0f} s before the call ended.",
            Whose.FAR_END, Way.IN, "Its camera was turned off without a word, or its network gave way.",
            {"stopped_seconds": round(ended.stopped, 1)}, silent=False,
        )  # fmt: skip


def _stood_still(leg: Counted, name: str, way: Way) -> Iterator[Verdict]:
    """``name``: of the counters, ``received`` or ``sent``."""
    times, seconds = int(leg.total(f"video_freezes_{name}")), leg.total(f"video_frozen_{name}_seconds")
    if not times:
        return
    evidence = {f"video_freezes_{name}": times, f"video_frozen_{name}_seconds": round(seconds, 1)}
    often = f"{times} times" if times > 1 else "once"
    if way is Way.IN:
        yield Verdict(
            "video-frozen", f"The far end's picture stood still {often}, for {seconds:.0f} s in all.", Whose.FAR_END,
            Way.IN, "Its upload, or its processor, could not keep up; or its camera was paused.", evidence,
            silent=False,
        )  # fmt: skip
        return
    yield Verdict(
        "video-frozen-out", f"What the far end was shown stood still {often}, for {seconds:.0f} s in all.",
        Whose.PARTICIPANT, Way.OUT, "Look at the upload of those who had a camera on; show ID has the times of each "
        "way.", evidence, silent=False,
    )  # fmt: skip


def _lossy(leg: Counted) -> Iterator[Verdict]:
    share = leg.share("video_packets_lost", "video_packets_received")
    if leg.total("video_packets_lost") >= FEW and share > HEAVY_LOSS:
        yield Verdict(
            "video-loss", f"{share:.0%} of its pictures' packets were lost on their way to us: they froze and jumped.",
            Whose.NETWORK, Way.IN, "Its upload is too narrow for its bitrate, or the path drops bursts.",
            {"video_packets_lost": int(leg.total("video_packets_lost"))}, silent=False,
        )  # fmt: skip


# ── from the room to the far end ─────────────────────────────────────────────────────────────────────────────────────


def _out(leg: Counted, situation: Situation, ended: Ended) -> Iterator[Verdict]:
    withheld = int(leg.total("video_packets_withheld"))
    if not ended.sent:
        yield Verdict(
            "video-not-wanted", "The far end's SDP never asked for pictures (sendonly, or no address).", Whose.FAR_END,
            Way.OUT, "Look at its settings; ringback calls show ID --ladder shows its SDP.", {}, silent=False,
        )  # fmt: skip
    elif withheld > leg.total("video_packets_sent"):
        yield Verdict(
            "video-unproved", "Most pictures for it were kept back: it had sent none that prove it wants them.",
            Whose.NETWORK, Way.OUT, "See why none arrived from it; a trunk is trusted at once.",
            {"video_packets_withheld": withheld}, silent=False,
        )  # fmt: skip
    else:
        yield from _not_shown(leg, situation)
        yield from _limped(leg, ended)
        yield from _stood_still(leg, "sent", Way.OUT)
        yield from _lossy_out(leg)


def _not_shown(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """How long it was shown nothing, and why: the longest of the causes."""
    causes = {
        "nobody": ("video-no-cameras", "nobody whom it may see sent pictures", Whose.PARTICIPANT,
                   "Let somebody turn a camera on; see canReceive of the call."),
        "waiting": ("video-waiting", "the key frame of who was to be shown had not come", Whose.PARTICIPANT,
                    "Look at the connection of those who had a camera on."),
        "no_maker": ("video-no-program", "nobody's pictures fitted it, and ringback-pixels is not installed",
                     Whose.SERVER, INSTALL),
        "maker_down": ("video-program-down", "ringback-pixels did not run, or ended again and again", Whose.SERVER,
                       INSTALL),
    }  # fmt: skip
    lasted = {way: leg.total(f"video_{way}_seconds") for way in causes}
    way = max(lasted, key=lasted.__getitem__)
    if lasted[way] >= max(LONG, SHARE * situation.talked):
        code, why, whose, to_do = causes[way]
        words = f"For {lasted[way]:.0f} of {situation.talked:.0f} s the far end was shown nothing: {why}."
        evidence = {f"video_{name}_seconds": round(seconds, 1) for name, seconds in lasted.items() if seconds}
        yield Verdict(code, words, whose, Way.OUT, to_do, evidence, silent=False)
    if lacked := leg.text("video_maker_lacked"):
        missing = "libvpx" if lacked == "VP8" else lacked
        yield Verdict(
            "video-codec-missing", f"Pictures had to be made, and ringback-pixels has no {lacked} on this machine: "
            f"{missing} is missing.", Whose.SERVER, Way.OUT, INSTALL, {"missing": missing}, silent=False,
        )  # fmt: skip


def _limped(leg: Counted, ended: Ended) -> Iterator[Verdict]:
    seconds = leg.total("video_make_seconds")
    made = leg.total("video_pictures_made") / seconds if seconds else 0.0
    if seconds >= STOPPED and ended.fps and made < LIMPING * ended.fps:
        yield Verdict(
            "video-encoder-limited", f"The far end was sent {made:.0f} of {ended.fps} pictures a second that were made "
            "for it: the machine had too little CPU.", Whose.SERVER, Way.OUT,
            "Free a core, or ask for smaller and fewer pictures (videoSettings).",
            {"pictures_per_second": round(made, 1), "agreed": ended.fps}, silent=False,
        )  # fmt: skip


def _lossy_out(leg: Counted) -> Iterator[Verdict]:
    lost, sent = leg.total("video_remote_packets_lost"), leg.total("video_packets_sent")
    if lost >= FEW and lost > HEAVY_LOSS * sent:
        yield Verdict(
            "video-loss-out", f"The far end lost {int(lost)} of {int(sent)} packets of pictures.", Whose.NETWORK,
            Way.OUT, "Its download is too narrow: a smaller videoSettings.videoBitrate fits.",
            {"video_remote_packets_lost": int(lost), "video_packets_sent": int(sent)}, silent=False,
        )  # fmt: skip


def _well(leg: Counted, ended: Ended) -> Verdict:
    """Nothing was wrong: what came and went."""
    evidence: dict[str, object] = {"codec": ended.agreed}
    for name in ("received", "sent"):
        evidence[f"pictures_{name}"] = int(leg.total(f"video_pictures_{name}"))
        evidence |= {f"size_{name}": size} if (size := leg.text(f"video_size_{name}")) else {}
    ways = {way: round(leg.total(f"video_{way}_seconds"), 1) for way in WAYS}
    evidence |= {f"{way}_seconds": seconds for way, seconds in ways.items() if seconds}
    return Verdict(
        "video-well", "Pictures went both ways, and nothing was wrong with them.", Whose.NOBODY, Way.BOTH, "",
        evidence, silent=False,
    )  # fmt: skip
