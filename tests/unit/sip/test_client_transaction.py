"""RFC 3261 §17.1 and RFC 6026 §7.2, on a clock that jumps."""

import pytest

from ringback.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    OtherClientTransaction,
    PassUp,
    Send,
    State,
    TimedOut,
    cancel_of,
)
from ringback.sip.flow import Flow
from ringback.sip.parser import parse
from ringback.sip.timers import Timing
from unit.sip.messages import FLOW, answer, request

TCP = Flow("tcp", "192.0.2.1", 5060)


def run_to_idle(transaction: ClientTransaction) -> list[tuple[float, object]]:
    """Every effect with its time, until nothing is due any more."""
    seen: list[tuple[float, object]] = []
    while (at := transaction.next_wake()) is not None:
        seen += [(at, effect) for effect in transaction.wake(at)]
    return seen


def sends(seen: list[tuple[float, object]]) -> list[float]:
    return [at for at, effect in seen if isinstance(effect, Send)]


def test_an_unanswered_invite_is_resent_at_doubling_intervals_for_32_seconds():
    """§17.1.1.2, timers A and B."""
    transaction = InviteClientTransaction(request(), FLOW, 0.0, Timing())

    seen = run_to_idle(transaction)

    assert sends(seen) == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert seen[-1] == (32.0, TimedOut())
    assert transaction.state is State.TERMINATED


def test_another_request_is_resent_up_to_every_4_seconds_for_32_seconds():
    """§17.1.2.2, timers E and F."""
    seen = run_to_idle(OtherClientTransaction(request("BYE"), FLOW, 0.0, Timing()))

    assert sends(seen) == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert seen[-1] == (32.0, TimedOut())


@pytest.mark.parametrize("kind", [InviteClientTransaction, OtherClientTransaction])
def test_nothing_is_resent_over_tcp(kind: type[ClientTransaction]):
    seen = run_to_idle(kind(request("INVITE" if kind is InviteClientTransaction else "BYE"), TCP, 0.0, Timing()))

    assert sends(seen) == [0.0]
    assert seen[-1] == (32.0, TimedOut())


def test_a_provisional_answer_ends_the_resending_and_then_an_invite_may_ring_for_ever():
    """§17.1.1.2: timers A and B stop in Proceeding."""
    invite = request()
    transaction = InviteClientTransaction(invite, FLOW, 0.0, Timing())
    transaction.wake(0.0)

    effects = transaction.receive(answer(invite, 180), 0.2)

    assert [type(effect) for effect in effects] == [PassUp]
    assert transaction.next_wake() is None


def test_a_refused_invite_is_acknowledged_each_time_the_refusal_comes():
    """§17.1.1.3: the ACK has the INVITE's branch, and To as in the response."""
    invite = request()
    transaction = InviteClientTransaction(invite, FLOW, 0.0, Timing())
    transaction.wake(0.0)
    busy = answer(invite, 486)

    first, again = transaction.receive(busy, 1.0), transaction.receive(busy, 2.0)

    assert [type(effect) for effect in first] == [Send, PassUp]
    assert [type(effect) for effect in again] == [Send]
    assert isinstance(first[0], Send)
    ack = parse(first[0].data)
    assert ack.top_via.branch == "z9hG4bKone"
    assert (str(ack.cseq), ack.to.tag, ack.from_.tag) == ("1 ACK", "bob", "ann")
    assert run_to_idle(transaction) == []
    assert transaction.state is State.TERMINATED


def test_every_2xx_of_an_invite_is_passed_up_for_32_seconds():
    """RFC 6026 §7.2, timer M: answers of other forks and repeats must reach the user."""
    invite = request()
    transaction = InviteClientTransaction(invite, FLOW, 0.0, Timing())
    transaction.wake(0.0)

    passed = [transaction.receive(answer(invite, 200, tag), at) for at, tag in ((1.0, "b"), (1.5, "b"), (9.0, "c"))]

    assert [[type(effect) for effect in effects] for effects in passed] == [[PassUp]] * 3
    assert transaction.next_wake() == 33.0


def test_another_request_waits_5_seconds_for_repeats_of_its_answer():
    """§17.1.2.2, timer K."""
    bye = request("BYE")
    transaction = OtherClientTransaction(bye, FLOW, 0.0, Timing())
    transaction.wake(0.0)

    first, again = transaction.receive(answer(bye, 200), 1.0), transaction.receive(answer(bye, 200), 1.1)

    assert ([type(effect) for effect in first], again) == ([PassUp], [])
    assert transaction.next_wake() == 6.0


def test_cancel_is_the_invite_with_another_method():
    """§9.1."""
    cancel = cancel_of(request())

    assert cancel.target == "sip:123@198.51.100.1"
    assert (cancel.top_via.branch, str(cancel.cseq)) == ("z9hG4bKone", "1 CANCEL")
    assert len(cancel.headers.all("via")) == 1
    assert not cancel.to.tag


def test_an_invite_of_an_earlier_process_is_never_sent_again():
    transaction = InviteClientTransaction(request(), FLOW, 0.0, Timing())

    transaction.restored(0.0)

    assert run_to_idle(transaction) == [(32.0, TimedOut())]
