"""RTP of the pretend carrier: packets out, sound and keys in."""

import struct

from ringback.testing.carrier import rtp, sound


def packets(sender: rtp.Sender, count: int) -> list[rtp.Packet]:
    made = (rtp.read(sender.speech(sound.encode(sound.tone(400, 0.02), "PCMU"), 0)) for _ in range(count))
    return [packet for packet in made if packet is not None]


def test_what_comes_late_or_twice_stands_where_it_belongs() -> None:
    sent = packets(rtp.Sender(7, 65535, 2**32 - 80), 5)
    ear = rtp.Ear()

    for packet in (sent[0], sent[2], sent[1], sent[1], sent[4]):
        ear.hear(packet, "PCMU")

    assert len(ear.pcm) == 5 * 2 * sound.FRAME
    assert bytes(ear.pcm[3 * 320 : 4 * 320]) == bytes(320), "what was lost is silence"
    assert bytes(ear.pcm[320:640]) == sound.decode(sent[1].payload, "PCMU")


def test_another_stream_goes_on_where_the_last_one_ended() -> None:
    ear = rtp.Ear()
    for sender in (rtp.Sender(1, 0, 1000), rtp.Sender(2, 9, 5_000_000)):
        for packet in packets(sender, 3):
            ear.hear(packet, "PCMU")

    assert len(ear.pcm) == 6 * 320


def test_a_jump_in_time_makes_no_hours_of_silence() -> None:
    ear = rtp.Ear()
    sender = rtp.Sender(1, 0, 0)
    for _ in range(2):
        for packet in packets(sender, 2):
            ear.hear(packet, "PCMU")
        sender.timestamp += 2**31

    assert len(ear.pcm) == 4 * 320


def test_each_press_is_told_once_whatever_is_lost_doubled_or_late() -> None:
    """RFC 4733 §2.5: every packet of a press carries its beginning's timestamp."""
    sender, ear = rtp.Sender(1, 0, 0), rtp.Ear()
    first, second = sender.key("5", 101, 6), sender.key("5", 101, 6)
    coming = [first[1], first[7], second[0], first[7], second[5], first[6], second[7]]

    told = [ear.key(packet) for data in coming if (packet := rtp.read(data)) is not None]

    assert [key for key in told if key] == ["5", "5"]


def test_the_end_of_a_press_is_said_three_times_with_its_whole_length() -> None:
    made = rtp.Sender(1, 0, 0).key("#", 101, 4)

    ends = [struct.unpack(">BBH", data[12:]) for data in made if data[13] & 0x80]
    assert ends == [(11, 0x8A, 640)] * 3


def test_what_is_no_rtp_is_nothing() -> None:
    rtcp = bytes([0x80, 200, 0, 1]) + bytes(24)
    cut = bytes([0x9F, 0]) + bytes(10)
    padded = bytes([0xA0, 0]) + bytes(10) + bytes([255])

    assert [rtp.read(data) for data in (b"", b"hello", rtcp, cut, padded)] == [None] * 5
