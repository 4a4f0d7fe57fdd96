"""Phones with cameras: what is agreed on, who is told, and who asks whom for a whole picture."""

from ringback.calls.ports.streams import PhoneVideo
from ringback.model.events import LayerLimit
from ringback.model.ids import CallId, ParticipantId
from ringback.model.participant import Seen, SeenLayout
from ringback.model.room import SipSettings
from ringback.sdp.description import parse
from ringback.sdp.negotiation import make_offer
from ringback.sdp.video import VideoTerms
from ringback.testing.carrier.fake import PHONE_HOST, PHONE_PORT, FakePhone
from ringback.testing.stage import Stage

SIP = SipSettings("Caller", video=True)
CAMERA = VideoTerms(PHONE_PORT + 2)


def pictures(stage: Stage, call: CallId) -> PhoneVideo | None:
    return stage.media.legs[ParticipantId(call)].video


def tracks(stage: Stage, call: CallId) -> dict[str, str]:
    actor = stage.meetings.by_call[call]
    return {name: track.state for name, track in actor.meeting.members[ParticipantId(call)].participant.tracks.items()}


async def dialled(stage: Stage, camera: VideoTerms | None = CAMERA, **request: object) -> FakePhone:
    """Ann is in the room; a phone is called with pictures, and answers."""
    stage.rooms.put("hello", enable_dialout=True)
    await stage.join("hello", "Ann")
    call = await stage.dial_out("hello", video=True, **request)
    phone = stage.carrier.phone_of(call)
    phone.video = camera
    phone.pick_up()
    await stage.settle()
    return phone


async def test_a_dialled_phone_with_a_camera_is_seen_and_shown_pictures():
    async with Stage() as stage:
        phone = await dialled(stage, videoSettings={"videoBitrate": 500, "fps": 10})

        offered = parse(phone.offer).media[1]
        running = pictures(stage, phone.call)
        assert offered.other[0] == ("b", "AS:500") and offered.value("framerate") == "10"
        assert running is not None and (running.codec, running.send, running.listen) == ("VP8", True, True)
        assert running.remote == (PHONE_HOST, PHONE_PORT + 2) and running.bitrate_bps == 500_000
        assert tracks(stage, phone.call)["video"] == "playable"
        assert stage.records.calls[phone.call].video_codec == "VP8"


async def test_a_phone_without_a_camera_goes_on_with_sound_and_everybody_is_warned_once():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.dial_out("hello", video=True)
        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        warning = ann.last("dialout-warning")
        assert warning["sessionId"] == call and "audio only" in warning["errorMsg"] == warning["message"]
        assert pictures(stage, call) is None
        stage.carrier.phone_of(call).hold()
        await stage.settle()
        assert len(ann.payloads("dialout-warning")) == 1


def offer(video: VideoTerms | None, version: int = 1, direction: str = "sendrecv") -> bytes:
    return make_offer(7, version, PHONE_HOST, PHONE_PORT, ("PCMU",), direction, video=video)


async def dialled_in(stage: Stage, first: bytes) -> FakePhone:
    endpoint = stage.rooms.put("hello", endpoints=1, sip=SIP).room.endpoints[0]
    await stage.join("hello", "Ann")
    phone = stage.carrier.call_in(endpoint, offer=first)
    await stage.settle()
    return phone


async def test_a_caller_with_a_camera_is_sent_nothing_before_it_has_acknowledged():
    async with Stage() as stage:
        phone = await dialled_in(stage, offer(CAMERA))

        running = pictures(stage, phone.call)
        assert running is not None and running.send and running.listen
        assert tracks(stage, phone.call)["video"] == "playable"


async def test_pictures_come_and_go_by_reinvite_and_pause_on_hold():
    async with Stage() as stage:
        phone = await dialled_in(stage, offer(None))
        assert pictures(stage, phone.call) is None and "video" not in tracks(stage, phone.call)

        phone.reoffer(offer(CAMERA, 2))
        await stage.settle()
        assert tracks(stage, phone.call)["video"] == "playable"
        phone.video = CAMERA
        phone.hold()
        await stage.settle()
        held = pictures(stage, phone.call)
        assert held is not None and not held.send and not held.listen
        assert tracks(stage, phone.call)["video"] == "off"
        phone.hold(False)
        await stage.settle()
        assert tracks(stage, phone.call)["video"] == "playable"
        phone.reoffer(offer(CAMERA, 5).replace(b"m=video 14002", b"m=video 0"))
        await stage.settle()

        assert pictures(stage, phone.call) is None and tracks(stage, phone.call)["video"] == "off"
        assert phone.state == "answered"


async def test_a_room_without_video_takes_the_sound_alone_and_says_nothing():
    async with Stage() as stage:
        endpoint = stage.rooms.put("hello", endpoints=1, sip=SipSettings("Caller")).room.endpoints[0]
        ann = await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(endpoint, offer=offer(CAMERA))
        await stage.settle()

        assert phone.state == "answered" and "dialin-warning" not in ann.names()
        assert pictures(stage, phone.call) is None and stage.media.legs[ParticipantId(phone.call)].video_port == 0


async def test_whole_pictures_are_asked_for_by_info_both_ways():
    async with Stage() as stage:
        phone = await dialled(stage)

        phone.want_picture()
        await stage.settle()
        stage.media_events.picture_lost(ParticipantId(phone.call))
        await stage.settle()

        assert stage.media.legs[ParticipantId(phone.call)].pictures_wanted == 1
        assert phone.pictures_asked == 1


async def test_a_call_for_which_no_second_port_is_free_goes_on_with_sound():
    async with Stage() as stage:
        stage.media.ports = 1
        phone = await dialled(stage)

        assert phone.state == "answered" and len(parse(phone.offer).media) == 1
        assert pictures(stage, phone.call) is None


async def test_everybody_is_told_what_a_phone_is_shown_and_nothing_of_who_is_not_here():
    async with Stage() as stage:
        phone = await dialled(stage)
        bob = await stage.join("hello", "Bob")
        gone = ParticipantId("somebody-who-left")
        seen = Seen(SeenLayout.SPEAKER, ((bob.id, "screenVideo"), (gone, "video")))

        stage.media_events.pictures_shown(ParticipantId(phone.call), seen)
        await stage.settle()
        shown = bob.last("participant-updated")["participant"]
        assert shown["sees"] == {"layout": "speaker", "tracks": [{"session_id": bob.id, "track": "screenVideo"}]}

        stage.media_events.pictures_shown(ParticipantId(phone.call), None)
        await stage.settle()
        assert "sees" not in bob.last("participant-updated")["participant"]


async def test_a_browser_alone_is_told_what_to_encode_for_a_phone():
    async with Stage() as stage:
        stage.rooms.put("hello")
        bob = await stage.join("hello", "Bob")
        ann = await stage.join("hello", "Ann")

        stage.media_events.encoding_asked(bob.id, "video", (LayerLimit(2, 855_000),))
        stage.media_events.encoding_asked(ParticipantId("somebody-who-left"), "video", ())
        await stage.settle()

        layers = [{"layer": 2, "maxBitrate": 855_000}]
        assert bob.last("send-layers") == {"track": "video", "layers": layers}
        assert ann.payloads("send-layers") == []


async def test_a_phone_that_may_hear_and_not_see_is_shown_nobody_though_it_is_seen():
    async with Stage() as stage:
        blind = {"canReceive": {"base": {"audio": True, "video": False, "screenVideo": False}}}
        phone = await dialled(stage, permissions=blind)

        leg = stage.media.legs[ParticipantId(phone.call)]
        assert (leg.seen, leg.watchable, leg.muted) == (True, frozenset(), False)
        assert tracks(stage, phone.call)["video"] == "playable"
