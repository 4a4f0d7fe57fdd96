"""A caller on hold: music, the customer's server, and the end. No clock runs."""

from ringback.dialin.holding import LONGEST_HOLD, OWN_TIMES, TIMES, Holding
from ringback.dialin.steps import Enter, HangUp, Music, Notify, Say, Why


def test_music_plays_while_the_customer_is_told_and_connects():
    holding = Holding()
    assert holding.begin(0.0) == [Notify(1), Music(OWN_TIMES)]
    assert holding.notified(True, 1, 0.2) == []
    assert holding.digit("1", 1.0) == []

    assert holding.connect(5.0) == [Enter()]
    assert holding.connect(5.1) == [], "once"


def test_a_server_that_fails_is_told_once_more_and_the_caller_stays_either_way():
    holding = Holding()
    holding.begin(0.0)
    assert holding.notified(False, 1, 1.0) == []
    assert holding.next_wake() == 3.0
    assert holding.wake(3.0) == [Notify(2)]
    assert holding.notified(False, 2, 4.0) == [] and holding.wake(10.0) == []

    assert holding.connect(60.0) == [Enter()], "it may call all the same"


def test_the_customers_music_is_played_from_its_beginning_once_it_came():
    holding = Holding()
    holding.begin(0.0)

    assert holding.music_came(4.0) == [Music(TIMES)]
    assert holding.music_came(5.0) == []
    assert holding.next_wake() == 4.0 + LONGEST_HOLD


def test_music_that_is_there_is_played_at_once():
    assert Holding(music=True).begin(0.0) == [Notify(1), Music(TIMES)]


def test_nobody_takes_the_call():
    holding = Holding()
    holding.begin(0.0)

    assert holding.played(120.0) == [Say(("timeout",))]
    assert holding.connect(121.0) == [] and holding.music_came(121.0) == []
    assert holding.played(125.0) == [HangUp(Why.NOT_TAKEN)]
    assert holding.next_wake() is None


def test_a_hold_ends_though_nothing_is_reported_of_its_sound():
    holding = Holding()
    holding.begin(0.0)

    assert holding.wake(LONGEST_HOLD) == [Say(("timeout",))]
    at = holding.next_wake()
    assert at is not None and holding.wake(at) == [HangUp(Why.NOT_TAKEN)]


def test_a_room_that_takes_nobody_gives_the_caller_back_to_the_music():
    holding = Holding()
    holding.begin(0.0)
    holding.connect(5.0)

    assert holding.turned_away(True, 5.5) == []
    assert holding.connect(8.0) == [Enter()]


def test_music_that_ends_while_the_caller_is_being_connected_ends_the_hold_if_that_fails():
    holding = Holding()
    holding.begin(0.0)
    holding.connect(119.0)

    assert holding.played(120.0) == []
    assert holding.turned_away(False, 121.0) == [Say(("timeout",))]
