"""What peers are told we are called: the world one thing, networks of ours another; and where that comes from."""

import pytest

from ringback.telephony.networks import Advertised, keep_public_address, stun_server
from ringback.telephony.stun import NoAnswer

PUBLIC = "203.0.113.5"


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("198.51.100.7", PUBLIC),
        ("10.1.2.3", "10.0.0.5"),
        ("192.168.7.7", PUBLIC),
        ("", PUBLIC),
        ("2001:db8::7", "10.0.0.5"),
    ],
)
def test_peers_on_networks_of_ours_are_told_our_own_address_and_others_the_public_one(peer: str, told: str):
    assert Advertised(PUBLIC, ["10.0.0.0/8"]).host_for(peer, "10.0.0.5") == told


def test_without_a_public_address_everybody_is_told_the_address_on_the_way():
    assert Advertised().host_for("198.51.100.7", "10.0.0.5") == "10.0.0.5"


@pytest.mark.parametrize(
    ("value", "server"),
    [
        ("stun:stun.example:3479", ("stun.example", 3479)),
        ("STUN:stun.example", ("stun.example", 3478)),
        ("stun:[2001:db8::1]", ("2001:db8::1", 3478)),
        ("203.0.113.5", None),
    ],
)
def test_a_stun_server_is_written_as_in_a_uri(value: str, server: tuple[str, int] | None):
    assert stun_server(value) == server


class Enough(Exception):
    """The test has seen what it wanted."""


async def test_an_address_that_changes_is_told_anew_and_a_server_that_fails_changes_nothing(
    capsys: pytest.CaptureFixture[str],
):
    answers: list[str | None] = [PUBLIC, None, None, "203.0.113.6"]
    slept: list[float] = []
    told: list[str] = []
    advertised = Advertised("10.0.0.5")

    async def ask(host: str, port: int) -> str:
        answer = answers.pop(0)
        if answer is None:
            raise NoAnswer("no answer")
        return answer

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        told.append(advertised.public)
        if not answers:
            raise Enough

    with pytest.raises(Enough):
        await keep_public_address(advertised, ("stun.example", 3478), ask=ask, sleep=sleep)

    assert told == [PUBLIC, PUBLIC, PUBLIC, "203.0.113.6"]
    assert slept == [300.0, 15.0, 15.0, 300.0]
    said = capsys.readouterr().out.splitlines()
    assert [line.count("sip.public-address-unknown") for line in said] == [0, 1, 0]
