"""RFC 3261 §17.2 and RFC 6026 §7.1, on a clock that jumps."""

from ringback.sip.flow import Flow
from ringback.sip.message import reply
from ringback.sip.server_transaction import InviteServerTransaction, OtherServerTransaction, ServerTransaction, State
from ringback.sip.timers import Timing
from unit.sip.messages import FLOW, request

TCP = Flow("tcp", "192.0.2.1", 5060)


def run_to_idle(transaction: ServerTransaction) -> list[float]:
    """When something was sent, until nothing is due any more."""
    seen = []
    while (at := transaction.next_wake()) is not None:
        if transaction.wake(at) is not None:
            seen.append(at)
    return seen


def test_a_refusal_is_repeated_up_to_every_4_seconds_until_32_without_an_ack():
    """§17.2.1, timers G and H."""
    invite = request()
    transaction = InviteServerTransaction(invite, FLOW, Timing())
    transaction.respond(reply(invite, 486), 0.0)

    assert run_to_idle(transaction) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert transaction.state is State.TERMINATED


def test_the_ack_ends_the_repeating_and_5_seconds_later_all_is_forgotten():
    """§17.2.1, timer I."""
    invite = request()
    transaction = InviteServerTransaction(invite, FLOW, Timing())
    transaction.respond(reply(invite, 486), 0.0)

    transaction.receive(request("ACK"), 1.0)

    assert transaction.state is State.CONFIRMED
    assert transaction.next_wake() == 6.0
    assert run_to_idle(transaction) == []


def test_a_repeated_invite_gets_the_last_answer_again():
    invite = request()
    transaction = InviteServerTransaction(invite, FLOW, Timing())
    ringing = transaction.respond(reply(invite, 180, to_tag="t"), 0.0)

    assert transaction.receive(invite, 0.5) == ringing
    refused = transaction.respond(reply(invite, 486, to_tag="t"), 1.0)
    assert transaction.receive(invite, 1.5) == refused


def test_after_a_2xx_repeats_of_the_invite_are_swallowed_for_32_seconds():
    """RFC 6026 §7.1, timer L: the dialog repeats the 2xx, not the transaction."""
    invite = request()
    transaction = InviteServerTransaction(invite, FLOW, Timing())
    transaction.respond(reply(invite, 200, to_tag="t"), 0.0)

    assert transaction.receive(invite, 0.5) is None
    assert transaction.next_wake() == 32.0
    assert run_to_idle(transaction) == []


def test_a_second_final_answer_is_not_sent():
    invite = request()
    transaction = InviteServerTransaction(invite, FLOW, Timing())
    transaction.respond(reply(invite, 486), 0.0)

    assert transaction.respond(reply(invite, 200), 0.1) is None


def test_another_request_is_answered_again_for_32_seconds():
    """§17.2.2, timer J."""
    bye = request("BYE")
    transaction = OtherServerTransaction(bye, FLOW, Timing())
    ok = transaction.respond(reply(bye, 200), 0.0)

    assert transaction.receive(bye, 20.0) == ok
    assert transaction.next_wake() == 32.0


def test_over_tcp_nothing_is_repeated_and_other_requests_are_forgotten_at_once():
    bye, invite = request("BYE"), request()
    other, refused = OtherServerTransaction(bye, TCP, Timing()), InviteServerTransaction(invite, TCP, Timing())

    other.respond(reply(bye, 200), 0.0)
    refused.respond(reply(invite, 486), 0.0)

    assert other.state is State.TERMINATED
    assert run_to_idle(refused) == []
