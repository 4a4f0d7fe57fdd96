"""RFC 8489: binding requests and what comes back, whoever sends it."""

import random
import struct

import pytest

from ringback.telephony.stun import answer_to, binding_request, mapped, mapped_address, transaction_of

ID = bytes(range(12))
MAGIC = b"\x21\x12\xa4\x42"


def success(*attributes: tuple[int, bytes], id: bytes = ID, kind: int = 0x0101) -> bytes:
    body = b"".join(
        struct.pack(">HH", name, len(value)) + value + b"\0" * (-len(value) % 4) for name, value in attributes
    )
    return struct.pack(">HH", kind, len(body)) + MAGIC + id + body


def xored(address: bytes, mask: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(address, mask, strict=True))


V4 = b"\0\x01\xa1\x47" + xored(bytes([192, 0, 2, 1]), MAGIC)
V6 = b"\0\x02\xa1\x47" + xored(bytes.fromhex("20010db8" + 23 * "0" + "1"), MAGIC + ID)


def test_a_request_is_a_header_and_nothing_else():
    assert binding_request(ID) == b"\x00\x01\x00\x00" + MAGIC + ID


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (success((0x0020, V4)), "192.0.2.1"),
        (success((0x0020, V6)), "2001:db8::1"),
        (success((0x8022, b"odd size"[:7]), (0x0020, V4)), "192.0.2.1"),
        (success((0x0001, b"\0\x01\0\1" + bytes([198, 51, 100, 1]))), "198.51.100.1"),
        (success((0x0001, b"\0\x01\0\1" + bytes([198, 51, 100, 1])), (0x0020, V4)), "192.0.2.1"),
    ],
)
def test_the_address_is_read_from_an_answer(data: bytes, address: str):
    """§14.1, §14.2."""
    assert mapped_address(data, ID) == address


@pytest.mark.parametrize(
    "data",
    [
        b"",
        success((0x0020, V4), id=bytes(12)),
        success((0x0020, V4), kind=0x0111),
        success((0x0020, V4))[:-1],
        success((0x0020, V4)) + b"x",
        success((0x0020, V4[:-1])),
        success((0x0020, b"\0\x03" + V4[2:])),
        success(),
    ],
)
def test_what_is_no_answer_to_the_request_tells_nothing(data: bytes):
    assert mapped_address(data, ID) is None


def test_garbage_never_raises():
    """F9."""
    chance = random.Random(8489)
    good = success((0x0020, V6), (0x8022, b"server"))
    for _ in range(5000):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        mapped_address(bytes(bad[: chance.randint(0, len(bad))]), ID)
        transaction_of(bytes(bad))
        answer_to(bytes(bad), "192.0.2.1", 5060)


@pytest.mark.parametrize("address", [("192.0.2.1", 41287), ("2001:db8::1", 5060)])
def test_who_asks_is_told_its_address_and_port(address: tuple[str, int]):
    """RFC 5626 §3.5.2: the keep-alive of phones on UDP."""
    answer = answer_to(binding_request(ID), *address)

    assert answer is not None and mapped(answer, ID) == address
    assert len(answer) <= 44


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"OPTIONS sip:x SIP/2.0",
        success((0x0020, V4)),
        binding_request(ID)[:-1],
        binding_request(ID) + b"x",
        b"\0\1\0\0" + bytes(4) + ID,
        b"\x40\1\0\0" + MAGIC + ID,
    ],
)
def test_nobody_else_is_answered(data: bytes):
    assert answer_to(data, "192.0.2.1", 5060) is None
