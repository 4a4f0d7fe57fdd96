"""What a call's ladder says went wrong first."""

from typing import Any

import pytest

from ringback.cli.verdict import what_failed
from ringback.model.times import iso
from unit.cli.ladder_messages import ACK, BYE, CANCEL, INVITE, OK, RINGING, START, TRYING, row

NO_FAULT = {"reason": "hangup-remote", "fault": "nobody", "sentence": "hangup remote"}
TAGGED = "<sip:a@b>;tag=theirs"


def call(ended: float | None = 9.0, **end: Any) -> dict[str, Any]:
    return {"ended_at": None if ended is None else iso(START + ended), "end": {**NO_FAULT, **end} if ended else None}


CASES = {
    "a far end that is busy": (
        [row(0, "out", INVITE), row(0.1, "in", TRYING), row(0.2, "in", "SIP/2.0 486 Busy Here"), row(0.2, "out", ACK)],
        call(fault="remote"),
        "First failure: the far end said 486 Busy Here.",
    ),
    "ours was busy, with a reason": (
        [row(0, "in", INVITE), row(0.1, "out", "SIP/2.0 486 Busy", more='Warning: 399 x "five calls are there"\n')],
        call(fault="caller"),
        "First failure: we said 486 Busy (five calls are there).",
    ),
    "nobody there over UDP": (
        [row(at, "out", INVITE) for at in (0, 0.5, 1.5, 3.5)],
        call(4.0, reason="unreachable", fault="network"),
        "First failure: no answer to INVITE within 4 s.",
    ),
    "a port where nothing listens": (
        [row(0, "out", INVITE)],
        call(0.01, reason="unreachable", fault="network"),
        "First failure: nothing takes calls at 192.0.2.1:5060 (udp).",
    ),
    "the first of two targets is silent": (
        [row(0, "out", INVITE), row(4, "out", INVITE, branch="2", peer="192.0.2.2:5060"),
         row(4.1, "in", OK, branch="2"), row(4.2, "out", ACK, branch="3")],
        call(),
        "First failure: no answer to INVITE within 4 s.",
    ),
    "a challenge that was met, then a refusal": (
        [row(0, "out", INVITE), row(0.1, "in", "SIP/2.0 407 Proxy Authentication Required"), row(0.1, "out", ACK),
         row(0.2, "out", INVITE, cseq="2 INVITE", branch="2"),
         row(0.3, "in", "SIP/2.0 603 Decline", cseq="2 INVITE", branch="2")],
        call(fault="remote"),
        "First failure: the far end said 603 Decline.",
    ),
    "a challenge we had nothing for": (
        [row(0, "out", INVITE), row(0.1, "in", "SIP/2.0 401 Unauthorized"), row(0.1, "out", ACK)],
        call(fault="remote"),
        "First failure: the far end said 401 Unauthorized.",
    ),
    "we gave up ringing": (
        [row(0, "out", INVITE), row(1, "in", RINGING), row(60, "out", CANCEL), row(60.1, "in", OK, cseq="1 CANCEL"),
         row(60.1, "in", "SIP/2.0 487 Request Terminated")],
        call(60.2, fault="remote"),
        "First failure: we gave up after 60 s without an answer (CANCEL).",
    ),
    "the caller gave up": (
        [row(0, "in", INVITE), row(0.1, "out", RINGING), row(5, "in", CANCEL), row(5, "out", OK, cseq="1 CANCEL"),
         row(5, "out", "SIP/2.0 487 Request Terminated")],
        call(5.1, fault="caller"),
        "First failure: the far end gave up after 5 s without an answer (CANCEL).",
    ),
    "our answer was never confirmed": (
        [row(0, "in", INVITE), row(1, "out", OK), row(1.5, "out", OK), row(2.5, "out", OK)],
        call(33, reason="ack-timeout", fault="network"),
        "First failure: no ACK to our 200 OK.",
    ),
    "a change of the call was refused, much later": (
        [row(0, "in", INVITE), row(1, "out", OK), row(1.1, "in", ACK),
         row(5, "out", INVITE, cseq="7 INVITE", branch="7", to=TAGGED),
         row(5.1, "in", "SIP/2.0 488 Not Acceptable Here", cseq="7 INVITE", branch="7", to=TAGGED),
         row(5.1, "out", ACK, cseq="7 ACK", branch="7")],
        call(),
        "First failure: the far end said 488 Not Acceptable Here to INVITE.",
    ),
    "nobody hears our goodbye": (
        [row(0, "in", INVITE), row(1, "out", OK), row(1.1, "in", ACK),
         row(5, "out", BYE, cseq="2 BYE", branch="9"), row(5.5, "out", BYE, cseq="2 BYE", branch="9")],
        call(5.0),
        "First failure: no answer to BYE.",
    ),
    "all went well": (
        [row(0, "in", INVITE), row(1, "out", OK), row(1.1, "in", ACK), row(5, "in", BYE, branch="9"),
         row(5, "out", OK, cseq="1 BYE", branch="9")],
        call(),
        "Nothing failed: hangup remote.",
    ),
    "sound that stopped": (
        [row(0, "in", INVITE), row(1, "out", OK), row(1.1, "in", ACK), row(5, "out", BYE, branch="9"),
         row(5, "in", OK, cseq="1 BYE", branch="9")],
        call(reason="media-timeout", fault="network", sentence="media timeout"),
        "The messages show no failure. The call ended: media timeout, fault: network.",
    ),
    "no message was ever sent": (
        [],
        call(reason="unresolvable", fault="caller", sentence="unresolvable"),
        "The call ended: unresolvable, fault: caller.",
    ),
    "a call that went well and is forgotten": ([], call(), "The call ended: hangup remote."),
    "it still rings": ([row(0, "out", INVITE), row(1, "in", RINGING)], call(None), "Nothing has failed so far."),
    "a far end that writes to terminals": (
        [row(0, "out", INVITE), row(0.2, "in", "SIP/2.0 500 \x1b[2J[red]\u202e")],
        call(fault="remote"),
        "First failure: the far end said 500 ?[2J[red]?.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "record", "words"), CASES.values(), ids=CASES)
def test_the_first_failure_is_said_in_words(messages: list[Any], record: dict[str, Any], words: str) -> None:
    assert what_failed(messages, record) == words
