"""Why the room does not hear the far end, or hears it badly: one rule for each cause. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address

from ringback.calls.looks import Counted, Situation
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

CLIPPED_SHARE = 0.1


def _kept_away(leg: Counted, situation: Situation) -> Iterator[Verdict]:
    """Something arrives, and nothing of it is taken."""
    if leg.since("packets_received") >= FEW:
        return
    said = address(situation)
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
    said, media = address(situation), situation.media
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
        spoke = " It was heard earlier in this call." if leg.total("frames_speech") else ""
        yield Verdict(
            "far-end-silent", "Packets arrive, and there is nothing but silence in them: the far end is muted, or "
            f"nobody speaks there.{spoke}", Whose.FAR_END, Way.IN, "Look at its microphone and its mute key.", evidence,
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
            Whose.APPLICATION, Way.IN, "Give somebody canReceive for it.", {"others": names(others)},
        )  # fmt: skip
    elif not any(other.hears and is_connected(other) for other in others):
        unconnected = [other for other in others if other.hears and not is_connected(other)]
        if unconnected:
            yield not_connected(unconnected[0], Way.IN)
        yield Verdict(
            "nobody-subscribed", "Nobody in the room has subscribed to the call's sound.", Whose.PARTICIPANT, Way.IN,
            "Subscribe to its audio track; SDKs do so by themselves unless subscribeToTracksAutomatically is false.",
            {"others": names(others)},
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


def _agreed(situation: Situation) -> list[str]:
    media = situation.media
    if media is None:
        return []
    codecs = [media.codec, *media.receive]
    return sorted({f"{codec.name} as {codec.receive_payload_type}" for codec in codecs})


def _is_behind_nat(told: str, signals_from: str) -> bool:
    """Whether a description names a private address although its sender is somewhere else."""
    try:
        named, source = ip_address(told), ip_address(signals_from)
    except ValueError:
        return False
    return named.is_private and not named.is_loopback and named != source
