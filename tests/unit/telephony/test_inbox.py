"""Of what waits to be heard, calls that are up come first, and nothing is heard twice or kept without end."""

from ringback.telephony.inbox import IN_TURN, MOST_OCTETS, Inbox

HOME, OTHER = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


def invite(number: int) -> bytes:
    return b"INVITE sip:1@host SIP/2.0\r\nCall-ID: %d\r\n\r\n" % number


def taken(inbox: Inbox) -> list[bytes]:
    found = []
    while (datagram := inbox.take()) is not None:
        found.append(datagram[0])
    return found


def test_what_belongs_to_calls_that_are_up_is_heard_before_new_calls() -> None:
    inbox = Inbox()
    for data in (invite(1), b"ACK sip:1@host SIP/2.0\r\n\r\n", invite(2), b"BYE sip:1@host SIP/2.0\r\n\r\n"):
        inbox.put(data, HOME)

    assert [data[:3] for data in taken(inbox)] == [b"ACK", b"BYE", b"INV", b"INV"]


def test_a_cancel_does_not_overtake_its_invite() -> None:
    inbox = Inbox()
    inbox.put(invite(1), HOME)
    inbox.put(b"CANCEL sip:1@host SIP/2.0\r\n\r\n", HOME)

    assert [data[:3] for data in taken(inbox)] == [b"INV", b"CAN"]


def test_an_invite_that_is_sent_again_while_it_waits_is_heard_once() -> None:
    """RFC 3261 §17.1.1.2: timer A repeats it unchanged."""
    inbox = Inbox()
    for _ in range(3):
        inbox.put(invite(1), HOME)
    inbox.put(invite(1), OTHER)

    assert taken(inbox) == [invite(1), invite(1)]
    inbox.put(invite(1), HOME)
    assert taken(inbox) == [invite(1)], "once it was heard, the transaction knows what to do with it"


def test_new_calls_have_their_turn_however_much_claims_to_belong_to_others() -> None:
    inbox = Inbox()
    inbox.put(invite(1), HOME)
    for number in range(2 * IN_TURN):
        inbox.put(b"ACK sip:%d@host SIP/2.0\r\n\r\n" % number, HOME)

    assert invite(1) in taken(inbox)[:IN_TURN]


def test_what_waits_is_bounded_and_room_comes_back() -> None:
    inbox, large = Inbox(), b"x" * 60_000
    for _ in range(MOST_OCTETS // len(large) + 10):
        inbox.put(large, HOME)

    assert len(taken(inbox)) == MOST_OCTETS // len(large)
    inbox.put(large, HOME)
    assert taken(inbox) == [large] and not inbox


def test_what_is_cleared_is_not_heard_and_may_come_again() -> None:
    inbox = Inbox()
    inbox.put(invite(1), HOME)
    inbox.clear()

    assert inbox.take() is None
    inbox.put(invite(1), HOME)
    assert taken(inbox) == [invite(1)]
