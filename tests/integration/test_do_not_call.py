"""Lists of numbers that are not called: a file that changes, and a server that is asked. Who cannot tell, refuses."""

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest

from ringback.calls.ports.paid import Asker, PaidLeg
from ringback.model.ids import DomainId, RoomName
from ringback.numbers.do_not_call import SignedHook
from ringback.store.do_not_call import ListFile
from ringback.testing.clock import VirtualClock
from ringback.testing.poster import FakePoster

SECRET = base64.b64encode(b"a secret for tests").decode()
URL = "https://dnc.example.test/ask"


def leg(number: str) -> PaidLeg:
    return PaidLeg(Asker(DomainId("d"), "key", "k"), RoomName("desk"), "dial-out", number, number, "acme", "form 17")


async def test_numbers_and_prefixes_of_a_file_are_refused_and_the_file_is_read_again_when_it_changes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "never.txt"
    path.write_text("# ours\n+4930123456  # said no\n\n+1212*\n")
    listed = ListFile(path)

    assert await listed.refusal(leg("+4930123456")) and await listed.refusal(leg("+12125550101"))
    assert await listed.refusal(leg("+4930123457")) is None
    path.write_text("+4930123457\n")
    os.utime(path, ns=(1, 1))

    assert await listed.refusal(leg("+4930123457"))
    assert await listed.refusal(leg("+4930123456")) is None


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"030 123456\n", b"+49*30\n"])
async def test_a_file_that_cannot_be_read_refuses_everything(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "never.txt"
    if content is not None:
        path.write_bytes(content)

    assert "cannot be read" in str(await ListFile(path).refusal(leg("+4930123456")))


async def test_a_server_is_asked_by_a_signed_request_and_only_2xx_lets_a_call_be_made() -> None:
    poster, clock = FakePoster(), VirtualClock()
    hook = SignedHook(poster, URL, SECRET, clock)
    poster.answers = [200, 204, 403, 302, 500, 0]

    verdicts = [await hook.refusal(leg("+4930123456")) for _ in range(6)]

    assert verdicts[:2] == [None, None]
    assert [verdict is not None for verdict in verdicts] == [False, False, True, True, True, True]
    assert "403" in str(verdicts[2]) and "could not be asked" in str(verdicts[5])
    asked = poster.received[0]
    assert json.loads(asked.body) == {
        "number": "+4930123456",
        "domain_id": "d",
        "room": "desk",
        "by": "dial-out",
        "consent_reference": "form 17",
    }
    signed = asked.headers["X-Webhook-Timestamp"].encode() + b"." + asked.body
    digest = hmac.digest(b"a secret for tests", signed, hashlib.sha256)
    assert asked.headers["X-Webhook-Signature"] == base64.b64encode(digest).decode()
