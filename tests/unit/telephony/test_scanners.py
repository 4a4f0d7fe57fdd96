"""Scanners are told from people; A7, C6, G11."""

import pytest

from ringback.telephony.scanners import MUTED_FOR, TRIES, Scanners, is_scanner_agent


def answer(method: str, user: int | str, status: int) -> bytes:
    return (
        f"SIP/2.0 {status} Words\r\nVia: SIP/2.0/UDP h;branch=z9\r\nFrom: <sip:x@h>;tag=1\r\n"
        f"To: <sip:{user}@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(("method", "status"), [("INVITE", 480), ("INVITE", 404), ("REGISTER", 401), ("OPTIONS", 200)])
def test_whoever_asks_for_many_different_users_in_vain_is_a_scanner(method: str, status: int):
    scanners = Scanners()

    said = [scanners.answered("s", answer(method, user, status), user / 10) for user in range(TRIES[method])]

    assert said[:-1] == [""] * (TRIES[method] - 1)
    assert said[-1] == f"{method} for {TRIES[method]} different users in vain"


def test_whoever_redials_one_address_is_a_person():
    scanners = Scanners()

    assert not any(scanners.answered("s", answer("INVITE", 123, 480), second) for second in range(50))


def test_whoever_asks_slowly_or_from_many_places_is_not_told_from_people():
    scanners = Scanners()

    assert not any(scanners.answered("s", answer("INVITE", user, 404), user * 10.0) for user in range(50))
    assert not any(scanners.answered(f"s{user}", answer("INVITE", user, 404), 0.0) for user in range(50))


def test_the_phones_of_an_office_register_and_are_challenged_first():
    """C5: each REGISTER without credentials gets 401; one that succeeds clears the office."""
    scanners = Scanners()

    for phone in range(200):
        assert not scanners.answered("office", answer("REGISTER", phone, 401), phone / 100)
        if phone % 10 == 9:
            assert not scanners.answered("office", answer("REGISTER", phone, 200), phone / 100)


@pytest.mark.parametrize(
    "data", [b"", b"SIP/2.0 ", b"SIP/2.0 404 x\r\n\r\n", answer("BYE", 1, 404), answer("INVITE", 1, 180)]
)
def test_other_answers_say_nothing(data: bytes):
    assert not any(Scanners().answered("s", data, 0.0) for _ in range(50))


def test_muting_ends():
    scanners = Scanners()
    scanners.mute("s", 0.0)

    assert scanners.is_muted("s", MUTED_FOR - 1)
    assert not scanners.is_muted("s", MUTED_FOR)
    assert not scanners.is_muted("other", 0.0)


@pytest.mark.parametrize("agent", ["friendly-scanner", "sipvicious v0.3", "SIPCLI/v1.8", "VaxSIPUserAgent/3.1"])
def test_tools_that_say_what_they_are_are_believed(agent: str):
    assert is_scanner_agent(agent)


@pytest.mark.parametrize("agent", ["Twilio Gateway", "baresip v1.0.0", "Asterisk PBX", "sipsak 0.9", "Yealink T46S"])
def test_phones_and_carriers_are_no_scanners(agent: str):
    assert not is_scanner_agent(agent)
