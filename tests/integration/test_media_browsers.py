"""Headless Chromium against the real engine: sound by its frequency, pictures by their colour."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
import pytest_asyncio

from integration.media_browser import BrowserPeer, Chromium
from integration.media_events import Seen
from integration.media_phone import CODECS, FarPhone
from interop.peers.tones import level_db
from interop.peers.waiting import until
from ringback.calls.ports.streams import PhoneMedia
from ringback.core import new_engine
from ringback.media.service import Media
from ringback.model.errors import InvalidRequest
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.tones import Tone

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

ROOM = MeetingId("room")
Join = Callable[[str], Awaitable[BrowserPeer]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Chromium]:
    async with Chromium() as browser:
        yield browser


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest_asyncio.fixture(loop_scope="module")
async def media(seen: Seen) -> AsyncIterator[Media]:
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 22000, 22999)
    media = Media(engine, asyncio.get_running_loop(), seen, phone_host="127.0.0.1")
    media.open_meeting(ROOM)
    yield media
    media.close()


@pytest_asyncio.fixture(loop_scope="module")
async def join(media: Media, chromium: Chromium) -> AsyncIterator[Join]:
    pages: list[BrowserPeer] = []

    async def join(leg: str) -> BrowserPeer:
        await media.open_webrtc(ROOM, ParticipantId(leg))
        pages.append(await chromium.page(media, leg))
        return pages[-1]

    yield join
    for page in pages:
        await page.close()


async def test_two_browsers_hear_and_see_each_other(join: Join, seen: Seen) -> None:
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    await ann.send_colour("#00c000")
    await bob.send_tone(880)
    await bob.send_colour("#0000c0", ["H264"])
    from_bob, bobs_face = await ann.receive("bob", "audio"), await ann.receive("bob", "video")
    from_ann, anns_face = await bob.receive("ann", "audio"), await bob.receive("ann", "video")

    await ann.negotiate()
    await bob.negotiate()

    async def hears(who: BrowserPeer, index: int, hz: float) -> bool:
        return (await who.heard(index, hz))[0] > 30

    async def sees(who: BrowserPeer, index: int, channel: int) -> bool:
        colour = await who.colour(index)
        return colour is not None and colour[channel] > 120 and sum(colour) - colour[channel] < 120

    await until(lambda: hears(ann, from_bob, 880), "ann hears bob")
    await until(lambda: hears(bob, from_ann, 440), "bob hears ann")
    await until(lambda: sees(ann, bobs_face, 2), "ann sees blue")
    await until(lambda: sees(bob, anns_face, 1), "bob sees green")
    assert {("ann", "connected"), ("bob", "connected")} <= set(seen.states)
    assert {("ann", "audio"), ("ann", "video"), ("bob", "audio"), ("bob", "video")} <= set(seen.started)
    assert seen.speakers and seen.speakers[0][0] == ROOM


async def test_over_tcp_alone_sound_and_pictures_come_through(join: Join, media: Media) -> None:
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    await ann.send_colour("#c00000")
    from_ann, anns_face = await bob.receive("ann", "audio"), await bob.receive("ann", "video")

    await ann.negotiate(only="tcp")
    await bob.negotiate(only="tcp")

    async def comes_through() -> bool:
        colour = await bob.colour(anns_face)
        return (await bob.heard(from_ann, 440))[0] > 30 and colour is not None and colour[0] > 120 and colour[1] < 60

    await until(comes_through, "bob hears ann and sees red")
    chosen = [c for c in await bob.report("local-candidate") if c.get("protocol") == "tcp"]
    assert chosen and not [c for c in await bob.report("remote-candidate") if c["protocol"] == "udp"]
    assert media.engine_stats()["tcp_refused"] == 0


@pytest.mark.parametrize("codec", list(CODECS))
async def test_a_phone_and_a_browser_hear_each_other(join: Join, media: Media, codec: str) -> None:
    """The browser is given the phone's own codec, the phone what the browser's Opus is turned into."""
    phone = FarPhone(media, "phone", codec)
    here = media.open_phone(ROOM, ParticipantId("phone"))
    phone.connect(here)
    media.set_phone(ParticipantId("phone"), PhoneMedia(phone.address, CODECS[codec], tuple(CODECS.values())))
    ann = await join("ann")
    await ann.send_tone(440)
    from_phone = await ann.receive("phone", "audio")

    await ann.negotiate()
    phone.speak(900, 15)

    async def hears_phone() -> bool:
        return (await ann.heard(from_phone, 900))[0] > 30

    await until(hears_phone, "ann hears the phone")
    await until(lambda: level_db(phone.heard()[-8000:], 16000, 440) > 30, "the phone hears ann")
    inbound = [s for s in await ann.report("inbound-rtp") if s["kind"] == "audio"]
    codecs = {c["id"]: c["mimeType"] for c in await ann.report("codec")}
    assert codecs[inbound[0]["codecId"]].upper() == f"AUDIO/{codec}"
    assert (await ann.heard(from_phone, 440))[0] < 20, "ann hears herself"


async def test_a_browser_hears_a_phone_ring_and_then_the_phone_itself_untouched(join: Join, media: Media) -> None:
    """The tone is made in G.711, so that the phone's own payloads can follow it on the same stream."""
    media.open_phone(ROOM, ParticipantId("phone"))
    media.play_tone(ParticipantId("phone"), Tone((425,)))
    ann = await join("ann")
    from_phone = await ann.receive("phone", "audio")
    await ann.negotiate()

    async def hears(hz: float) -> bool:
        return (await ann.heard(from_phone, hz))[0] > 30

    async def silence(hz: float) -> bool:
        return not await hears(hz)

    await until(lambda: hears(425), "ann hears the ringing")
    media.close_leg(ParticipantId("phone"))
    phone = FarPhone(media, "phone", "PCMA")
    here = media.open_phone(ROOM, ParticipantId("phone"))
    phone.connect(here)
    media.play_tone(ParticipantId("phone"), Tone((500,)))
    await until(lambda: hears(500), "ann hears the next ringing")
    media.set_phone(ParticipantId("phone"), PhoneMedia(phone.address, CODECS["PCMA"], tuple(CODECS.values())))
    phone.speak(900, 15)

    await until(lambda: hears(900), "ann hears the phone")
    await until(lambda: silence(500), "the ringing is over")
    inbound = [s for s in await ann.report("inbound-rtp") if s["kind"] == "audio"]
    codecs = {c["id"]: c["mimeType"] for c in await ann.report("codec")}
    assert codecs[inbound[0]["codecId"]] == "audio/PCMA"


async def test_a_browser_without_the_phones_codec_hears_it_transcoded(join: Join, media: Media) -> None:
    phone = FarPhone(media, "phone", "PCMU")
    here = media.open_phone(ROOM, ParticipantId("phone"))
    phone.connect(here)
    media.set_phone(ParticipantId("phone"), PhoneMedia(phone.address, CODECS["PCMU"], tuple(CODECS.values())))
    ann = await join("ann")
    from_phone = await ann.receive("phone", "audio", ["OPUS"])

    await ann.negotiate()
    phone.speak(900, 15)

    async def hears_phone() -> bool:
        return (await ann.heard(from_phone, 900))[0] > 30

    await until(hears_phone, "ann hears the phone")


async def test_an_in_process_voice_is_heard_by_browsers_and_hears_them(join: Join, media: Media) -> None:
    greeter = ParticipantId("greeter")
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    await bob.send_tone(1300)
    to_ann, to_bob = await ann.receive("greeter", "audio"), await bob.receive("greeter", "audio")
    await ann.negotiate()
    media.open_pcm(ROOM, greeter, 16000)
    await bob.negotiate()
    at = np.arange(16000 * 15) / 16000
    media.push_pcm(greeter, (8000 * np.sin(2 * np.pi * 700 * at)).astype("<i2").tobytes())
    heard = bytearray()

    async def all_hear() -> bool:
        heard.extend(media.read_pcm(greeter))
        sound = np.frombuffer(bytes(heard[-16000:]), "<i2").astype(np.float64) / 32768
        both = level_db(sound, 16000, 440) > 30 and level_db(sound, 16000, 1300) > 30
        return both and (await ann.heard(to_ann, 700))[0] > 30 and (await bob.heard(to_bob, 700))[0] > 30

    await until(all_hear, "everybody hears everybody")
    assert media.stats(greeter)["way"] == "mix"
    dropped = media.flush_pcm(greeter)
    assert 0 < dropped < 16000 * 15
    assert media.flush_pcm(greeter) == 0


async def test_a_browser_that_reads_only_g711_hears_an_opus_speaker(join: Join) -> None:
    """A bot may negotiate nothing but the phone's codec; another browser's Opus is transcoded for it."""
    ann, bot = await join("ann"), await join("bot")
    await ann.send_tone(440)
    await bot.send_tone(900, ["PCMU"])
    from_ann = await bot.receive("ann", "audio", ["PCMU"])
    from_bot = await ann.receive("bot", "audio")

    await ann.negotiate()
    await bot.negotiate()

    async def hear_each_other() -> bool:
        return (await bot.heard(from_ann, 440))[0] > 30 and (await ann.heard(from_bot, 900))[0] > 30

    await until(hear_each_other, "they hear each other")


async def test_earlier_sound_reaches_who_agreed_on_it_and_is_taken_out_for_others(join: Join) -> None:
    """RFC 2198: a page asks its browser for it by ``setCodecPreferences``."""
    ann, bob, plain = await join("ann"), await join("bob"), await join("plain")
    await ann.send_tone(440, ["RED", "OPUS"])
    to_bob = await bob.receive("ann", "audio")
    to_plain = await plain.receive("ann", "audio", ["OPUS"])

    for page in (ann, bob, plain):
        await page.negotiate()

    async def both_hear() -> bool:
        return (await bob.heard(to_bob, 440))[0] > 30 and (await plain.heard(to_plain, 440))[0] > 30

    async def octets_a_packet(page: BrowserPeer) -> float:
        """Chromium names the codec that is inside; how long its packets are tells whether they carry it twice."""
        inbound = next(s for s in await page.report("inbound-rtp") if s["kind"] == "audio")
        return float(inbound["bytesReceived"] / max(inbound["packetsReceived"], 1))

    async def one_gets_twice_as_much() -> bool:
        return await octets_a_packet(bob) > 1.6 * await octets_a_packet(plain) > 0

    await until(both_hear, "both hear ann")
    await until(one_gets_twice_as_much, "bob is given each packet's predecessor with it")


async def test_a_latecomer_sees_at_once_and_garbage_disturbs_nobody(join: Join, media: Media, seen: Seen) -> None:
    ann = await join("ann")
    await ann.send_colour("#00c000")
    await ann.send_tone(440)
    await ann.negotiate()
    await until(lambda: ("ann", "video") in seen.started, "ann's picture arrives")
    loop = asyncio.get_running_loop()
    port = media.webrtc_ports[0]
    stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port))
    _, writer = await asyncio.open_connection("127.0.0.1", port)

    for n in range(500):
        stranger.sendto(random.Random(n).randbytes(n % 300 + 1))
    writer.write(random.Random(1).randbytes(5000))
    bob = await join("bob")
    anns_face, from_ann = await bob.receive("ann", "video"), await bob.receive("ann", "audio")
    await bob.negotiate()

    async def sees_and_hears() -> bool:
        colour = await bob.colour(anns_face)
        return colour is not None and colour[1] > 120 and (await bob.heard(from_ann, 440))[0] > 30

    await until(sees_and_hears, "bob sees and hears ann")
    assert media.engine_stats()["garbage"] >= 450
    assert media.engine_stats()["leg_failures"] == 0
    stranger.close()
    writer.close()


async def test_who_speaks_becomes_the_active_speaker(join: Join, media: Media, seen: Seen) -> None:
    phone = FarPhone(media, "phone", "PCMU")
    here = media.open_phone(ROOM, ParticipantId("phone"))
    phone.connect(here)
    media.set_phone(ParticipantId("phone"), PhoneMedia(phone.address, CODECS["PCMU"], tuple(CODECS.values())))
    ann = await join("ann")
    await ann.send_tone(440)
    await ann.negotiate()

    def room_speakers() -> list[str]:
        # The far phone's end of the line has a room of its own, where others may be heard first.
        return [leg for room, leg in seen.speakers if room == ROOM]

    await until(lambda: room_speakers() == ["ann"], "ann is the speaker")

    await ann.page.evaluate("loudness(0)")
    phone.speak(900, 5)

    await until(lambda: room_speakers() == ["ann", "phone"], "the phone is the speaker")


async def test_a_leg_that_is_closed_is_gone_for_the_others_and_its_name_free(join: Join, media: Media) -> None:
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    from_ann = await bob.receive("ann", "audio")
    await ann.negotiate()
    await bob.negotiate()

    async def hears(hz: float) -> bool:
        return (await bob.heard(from_ann, hz))[0] > 30

    await until(lambda: hears(440), "bob hears ann")

    media.close_leg(ParticipantId("ann"))
    again = await join("ann")
    await again.send_tone(1000)
    await again.negotiate()

    await until(lambda: hears(1000), "bob hears the new ann on the same line")
    assert media.stats(ParticipantId("nobody")) == {}


async def test_an_offer_that_cannot_be_read_is_refused_in_a_sentence(join: Join, media: Media) -> None:
    ann = await join("ann")
    await ann.send_tone(440)

    for bad in ("", "v=0", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "\x00" * 500):
        with pytest.raises(InvalidRequest, match="offer"):
            await media.webrtc_offer(ann.leg, bad)
    with pytest.raises(InvalidRequest, match="no connection"):
        await media.webrtc_offer(ParticipantId("nobody"), "v=0")

    await ann.negotiate()

    async def connected() -> bool:
        return await ann.state() == "connected"

    await until(connected, "ann connects after all")


async def test_later_offers_add_lines_and_disturb_none(join: Join, media: Media) -> None:
    """Ann is alone, then bob comes, then a phone: each time she offers again with one more line."""
    ann = await join("ann")
    await ann.send_tone(440)
    await ann.negotiate()
    bob = await join("bob")
    await bob.send_tone(880)
    from_ann = await bob.receive("ann", "audio")
    await bob.negotiate()
    from_bob = await ann.receive("bob", "audio")

    await ann.negotiate()

    async def hears(who: BrowserPeer, index: int, hz: float) -> bool:
        return (await who.heard(index, hz))[0] > 30

    await until(lambda: hears(ann, from_bob, 880), "ann hears bob")
    phone = FarPhone(media, "phone", "PCMA")
    phone.connect(media.open_phone(ROOM, ParticipantId("phone")))
    media.set_phone(ParticipantId("phone"), PhoneMedia(phone.address, CODECS["PCMA"], tuple(CODECS.values())))
    phone.speak(1300, 10)
    from_phone = await ann.receive("phone", "audio")
    await ann.negotiate()
    await until(lambda: hears(ann, from_phone, 1300), "ann hears the phone")
    assert await hears(ann, from_bob, 880)
    assert await hears(bob, from_ann, 440)
    assert len({s["ssrc"] for s in await ann.report("inbound-rtp") if s["kind"] == "audio"}) == 2


async def test_what_is_no_longer_subscribed_stops(join: Join, media: Media) -> None:
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    from_ann = await bob.receive("ann", "audio")
    await ann.negotiate()
    await bob.negotiate()
    await until(lambda: media.stats(bob.leg)["packets_sent"] > 10, "bob is sent ann's sound")

    media.set_subscriptions(bob.leg, {})

    async def quiet() -> bool:
        return (await bob.heard(from_ann, 440))[0] < 10

    await until(quiet, "bob hears nothing")


async def test_a_browser_that_closes_is_reported_closed(join: Join, seen: Seen) -> None:
    ann = await join("ann")
    await ann.send_tone(440)
    await ann.negotiate()
    await until(lambda: ("ann", "connected") in seen.states, "ann connects")

    await ann.page.evaluate("peer.close()")

    await until(lambda: ("ann", "closed") in seen.states, "ann is gone")


async def test_ice_restarts_and_the_sound_goes_on(join: Join, media: Media) -> None:
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    from_ann = await bob.receive("ann", "audio")
    await ann.negotiate()
    await bob.negotiate()

    async def hears() -> bool:
        return (await bob.heard(from_ann, 440))[0] > 30

    await until(hears, "bob hears ann")
    before = await ann.negotiate()
    await ann.page.evaluate("peer.restart()")

    after = await ann.negotiate()

    def ufrag(sdp: str) -> str:
        return next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag"))

    assert ufrag(before) != ufrag(after)
    received = media.stats(ann.leg)["packets_received"]
    await until(lambda: media.stats(ann.leg)["packets_received"] > received + 50, "ann's sound still arrives")
    await until(hears, "bob still hears ann")


async def test_a_phone_that_changes_its_codec_is_still_heard_on_the_same_line(join: Join, media: Media) -> None:
    """Towards a browser a line keeps its payload type for life (RFC 7160): what is new is turned into it."""
    phone, leg = FarPhone(media, "phone", "PCMU"), ParticipantId("phone")
    here = media.open_phone(ROOM, leg)
    phone.connect(here)
    media.set_phone(leg, PhoneMedia(phone.address, CODECS["PCMU"], tuple(CODECS.values())))
    ann = await join("ann")
    from_phone = await ann.receive("phone", "audio")
    await ann.negotiate()
    phone.speak(900, 20)

    async def hears() -> bool:
        return (await ann.heard(from_phone, 900))[0] > 30

    await until(hears, "ann hears the phone")

    phone.codec = CODECS["G722"]
    phone.connect(here)
    media.set_phone(leg, PhoneMedia(phone.address, CODECS["G722"], tuple(CODECS.values())))

    sent = media.stats(ann.leg)["packets_sent"]
    await until(lambda: media.stats(ann.leg)["packets_sent"] > sent + 50, "ann is sent more")
    await until(hears, "ann still hears the phone")
    inbound = [s for s in await ann.report("inbound-rtp") if s["kind"] == "audio"]
    codecs = {c["id"]: c["mimeType"] for c in await ann.report("codec")}
    assert [codecs[s["codecId"]] for s in inbound] == ["audio/PCMU"]


async def test_a_strangers_handshake_neither_comes_in_nor_keeps_the_right_one_out(join: Join, media: Media) -> None:
    """E6: DTLS records and a ClientHello to the port from an address that ICE has not proved, before and during."""
    record = bytes.fromhex("16fefd00000000000000000036010000 2a0000000000000000 2afefd")
    hello = record + bytes(32) + bytes.fromhex("0000 0002 00ff 0100")
    loop = asyncio.get_running_loop()
    answers: list[bytes] = []

    class Stranger(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            answers.append(data)

    stranger, _ = await loop.create_datagram_endpoint(Stranger, remote_addr=("127.0.0.1", media.webrtc_ports[0]))
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    from_ann = await bob.receive("ann", "audio")
    for _ in range(200):
        stranger.sendto(hello)

    await ann.negotiate()
    for _ in range(200):
        stranger.sendto(hello)
    await bob.negotiate()

    async def hears() -> bool:
        stranger.sendto(hello)
        return (await bob.heard(from_ann, 440))[0] > 30

    await until(hears, "bob hears ann")
    assert not answers
    stranger.close()


async def test_who_has_not_the_certificate_that_was_signalled_is_not_connected(join: Join, media: Media) -> None:
    """E7: the fingerprint in the offer is not that of the certificate: no media, and nobody else is disturbed."""
    ann, bob, mallory = await join("ann"), await join("bob"), await join("mallory")
    await ann.send_tone(440)
    await mallory.send_tone(2000)
    await mallory.page.evaluate(
        """() => {
          const offer = peer.offer;
          peer.offer = async () => {
            const made = await offer();
            made.sdp = made.sdp.replace(/(a=fingerprint:sha-256 )../g, (_, head) => head + "00");
            return made;
          };
        }"""
    )
    from_ann, from_mallory = await bob.receive("ann", "audio"), await bob.receive("mallory", "audio")

    await mallory.negotiate()
    await ann.negotiate()
    await bob.negotiate()

    async def hears() -> bool:
        return (await bob.heard(from_ann, 440))[0] > 30

    await until(hears, "bob hears ann")
    assert (await bob.heard(from_mallory, 2000))[0] < 10
    assert int(media.stats(mallory.leg)["packets_received"]) == 0
    assert media.engine_stats()["leg_failures"] == 0
