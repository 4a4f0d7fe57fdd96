"""Why a phone with a screen shows no picture, or the room sees none of it: one rule for each cause. Pure.

Sound comes first in a call: none of these means that nothing is heard.
"""

from collections.abc import Callable, Iterator

from ringback.calls.diagnosis_pictures_ended import INSTALL, LADDER, LIMPING, ended_verdicts
from ringback.calls.looks import Counted, Looking, Situation
from ringback.calls.pictures import NO_PORT
from ringback.calls.verdict import FEW, HEAVY_LOSS, Verdict, Way, Whose

PATIENCE = 3.0
"""Seconds after the answer within which pictures begin."""

PictureRule = Callable[[Counted, Situation, Looking], Iterator[Verdict]]


def picture_verdicts(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """What is wrong with a call's pictures; nothing where none were wanted, or while it is on hold.

    Of one that is over, also that nothing was.
    """
    if situation.seen is not None:
        yield from ended_verdicts(leg, situation, situation.seen)
        return
    looking = situation.pictures
    if looking is None or situation.held_by or situation.end is not None:
        return
    if looking.media is None:
        yield from _not_agreed(situation, looking)
    elif situation.talked >= PATIENCE:
        for rules in (PICTURES_IN, PICTURES_OUT):
            yield from next((found for rule in rules if (found := list(rule(leg, situation, looking)))), [])


def _not_agreed(situation: Situation, looking: Looking) -> Iterator[Verdict]:
    if not looking.has_port:
        yield Verdict(
            "video-no-port", f"There are no pictures: {NO_PORT}.", Whose.SERVER, Way.BOTH,
            "Widen RINGBACK_MEDIA__RTP_PORTS: a call with pictures takes four ports.", {}, silent=False,
        )  # fmt: skip
        return
    yield Verdict(
        "video-not-agreed", "There are no pictures: the far end offered or accepted no video codec that we have "
        "(VP8, H.264), or no video at all.", Whose.FAR_END, Way.BOTH, LADDER, {"ours": list(looking.codecs)},
        silent=False,
    )  # fmt: skip


# ── from the far end to the room ─────────────────────────────────────────────────────────────────────────────────────


def _kept_from_the_room(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    assert looking.media is not None, "it was agreed on"
    if not looking.may_send:
        yield Verdict(
            "video-may-not-send", "The room is not shown the call's pictures: it has no permission for them (canSend).",
            Whose.APPLICATION, Way.IN, "Give it canSend with video (update-permissions).", {},
            silent=False,
        )  # fmt: skip
    elif not looking.media.listen:
        yield Verdict(
            "video-not-sent", "The far end's SDP says that it sends no pictures (recvonly).", Whose.FAR_END, Way.IN,
            "Turn its camera on.", {}, silent=False,
        )  # fmt: skip


def _none_come(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    if leg.since("video_packets_received") >= FEW:
        return
    if rejected := int(leg.since("video_packets_rejected")):
        yield Verdict(
            "video-refused", "Packets of pictures arrive, and none is taken: from elsewhere than its SDP says, of a "
            "payload type that was not agreed on, or with another SRTP key.", Whose.FAR_END, Way.IN, LADDER,
            {"video_packets_rejected": rejected}, silent=False,
        )  # fmt: skip
        return
    ever = int(leg.total("video_packets_received"))
    words = "No picture of the far end has ever arrived" if not ever else "The pictures of the far end have stopped"
    yield Verdict(
        "video-nothing-arrives", f"{words}.", Whose.FAR_END, Way.IN,
        "Turn its camera on; where sound arrives and pictures do not, a firewall passes only the first port.",
        {"video_packets_received": ever}, silent=False,
    )  # fmt: skip


def _never_whole(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    asked, came = int(leg.total("video_key_frames_asked")), int(leg.total("video_key_frames_received"))
    if not came and asked >= 2:
        yield Verdict(
            "video-no-key-frame", "Pictures arrive, and no key frame among them, so that nobody can show them.",
            Whose.FAR_END, Way.IN, "It ignores PLI, FIR and picture_fast_update: update it, or use its other codec.",
            {"video_key_frames_asked": asked}, silent=False,
        )  # fmt: skip


def _lossy(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    share = leg.share("video_packets_lost", "video_packets_received")
    if leg.since("video_packets_lost") >= FEW and share > HEAVY_LOSS:
        yield Verdict(
            "video-loss", f"{share:.0%} of its pictures' packets are lost on their way to us: they freeze and jump.",
            Whose.NETWORK, Way.IN, "Its upload is too narrow for its bitrate, or the path drops bursts.",
            {"video_packets_lost": int(leg.since("video_packets_lost"))}, silent=False,
        )  # fmt: skip


# ── from the room to the far end ─────────────────────────────────────────────────────────────────────────────────────


def _not_wanted(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    media = looking.media
    assert media is not None, "it was agreed on"
    if media.remote is None or not media.send:
        yield Verdict(
            "video-not-wanted", "The far end's SDP asks for no pictures (sendonly, or no address).", Whose.FAR_END,
            Way.OUT, "Look at its settings; ringback calls show ID --ladder shows its SDP.", {}, silent=False,
        )  # fmt: skip
    elif (withheld := int(leg.since("video_packets_withheld"))) > leg.since("video_packets_sent"):
        yield Verdict(
            "video-unproved", "Most pictures for it are kept back: it has sent none that prove it wants them.",
            Whose.NETWORK, Way.OUT, "See why none arrive from it; a trunk is trusted at once.",
            {"video_packets_withheld": withheld}, silent=False,
        )  # fmt: skip


def _nobody_shown(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    if leg.text("video_way") != "nobody":
        return
    if looking.cameras and not looking.seen:
        yield Verdict(
            "video-may-not-see", "The call has no permission to see anybody in the room (canReceive).",
            Whose.APPLICATION, Way.OUT, "Give it canReceive with video.", {"cameras": list(looking.cameras)},
            silent=False,
        )  # fmt: skip
    elif not looking.cameras:
        yield Verdict(
            "video-no-cameras", "Nobody in the room has a camera on, so there is no picture to show.",
            Whose.PARTICIPANT, Way.OUT, "Let somebody turn a camera on.", {}, silent=False,
        )  # fmt: skip
    else:
        yield Verdict(
            "video-participant-sends-nothing", "Cameras are said to be on in the room, and none sends pictures.",
            Whose.PARTICIPANT, Way.OUT, "Look at their connection and their browser.",
            {"cameras": list(looking.seen)}, silent=False,
        )  # fmt: skip


def _cannot_be_made(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    media, way, lacks = looking.media, leg.text("video_way"), leg.text("video_maker_lacks")
    assert media is not None, "it was agreed on"
    if way == "no-maker":
        yield Verdict(
            "video-no-program", f"Nobody's pictures fit this phone ({media.codec}), and ringback-pixels, which would "
            "make others, is not installed.", Whose.SERVER, Way.OUT, INSTALL, {"codec": media.codec}, silent=False,
        )  # fmt: skip
    elif way == "maker-down":
        yield Verdict(
            "video-program-down", "Pictures have to be made for this phone, and ringback-pixels ends again and again, "
            "or does not start.", Whose.SERVER, Way.OUT, INSTALL, {"codec": media.codec}, silent=False,
        )  # fmt: skip
    elif lacks:
        missing = "libvpx" if lacks == "VP8" else lacks
        yield Verdict(
            "video-codec-missing", f"Pictures have to be made for this phone, and ringback-pixels has no {lacks} on "
            f"this machine: {missing} is missing.", Whose.SERVER, Way.OUT, INSTALL,
            {"codec": media.codec, "missing": missing}, silent=False,
        )  # fmt: skip


def _waits(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    if leg.text("video_way") == "waiting" and not leg.since("video_packets_sent"):
        yield Verdict(
            "video-waiting", "The phone is to be shown somebody whose key frame has not come.", Whose.PARTICIPANT,
            Way.OUT, "Look at the connection of those who have a camera on.", {"cameras": list(looking.cameras)},
            silent=False,
        )  # fmt: skip


def _limping(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    media = looking.media
    assert media is not None, "it was agreed on"
    made = leg.since("video_pictures_made") / situation.seconds if situation.seconds else media.fps
    if leg.before and leg.text("video_way") == "make" and made < LIMPING * media.fps:
        yield Verdict(
            "video-encoder-limited", f"The phone is sent {made:.0f} of {media.fps} pictures a second: the machine has "
            "too little CPU to make them.", Whose.SERVER, Way.OUT,
            "Free a core, or ask for smaller and fewer pictures (videoSettings).",
            {"pictures_per_second": round(made, 1), "agreed": media.fps}, silent=False,
        )  # fmt: skip


def _lossy_out(leg: Counted, situation: Situation, looking: Looking) -> Iterator[Verdict]:
    lost, sent = leg.since("video_remote_packets_lost"), leg.since("video_packets_sent")
    if lost >= FEW and lost > HEAVY_LOSS * sent:
        yield Verdict(
            "video-loss-out", f"The far end lost {int(lost)} packets of pictures while {int(sent)} were sent.",
            Whose.NETWORK, Way.OUT, "Its download is too narrow: a smaller videoSettings.videoBitrate fits.",
            {"video_remote_packets_lost": int(lost), "video_packets_sent": int(sent)}, silent=False,
        )  # fmt: skip


PICTURES_IN: tuple[PictureRule, ...] = (_kept_from_the_room, _none_come, _never_whole, _lossy)
PICTURES_OUT: tuple[PictureRule, ...] = (_not_wanted, _nobody_shown, _cannot_be_made, _waits, _limping, _lossy_out)
