"""A caller at the keypad: three tries, time-outs, and waiting for a meeting. No clock runs."""

from ringback.dialin.code_entry import FIRST_KEY, LONGEST_PROMPT, LONGEST_WAIT, NEXT_KEY, CodeEntry, State
from ringback.dialin.steps import Enter, HangUp, Hush, LookUp, Music, Say, Step, Why

CODE = "12345678901"


def keyed(entry: CodeEntry, keys: str, now: float) -> list[Step]:
    return [step for key in keys for step in entry.digit(key, now)]


def listening(tries: int = 3) -> CodeEntry:
    entry = CodeEntry(tries)
    assert entry.begin(0.0) == [Say(("greeting", "enter-code"))]
    assert entry.played(6.0) == []
    assert entry.state is State.LISTENING
    return entry


def test_a_code_of_eleven_digits_needs_no_pound_key_and_one_behind_it_does_no_harm():
    entry = listening()

    assert keyed(entry, CODE, 7.0) == [LookUp(CODE)]
    assert keyed(entry, "#", 7.1) == []
    assert entry.found(False, 7.2) == [Enter()]


def test_keys_during_the_prompt_end_it_and_count():
    entry = CodeEntry()
    entry.begin(0.0)

    assert keyed(entry, "#", 0.5) == [], "the prompt goes on"
    assert keyed(entry, CODE, 1.0) == [Hush(), LookUp(CODE)]


def test_a_short_code_is_looked_up_after_a_pause_and_a_star_begins_anew():
    entry = listening()

    assert keyed(entry, "99*12", 7.0) == []
    assert entry.next_wake() == 7.0 + NEXT_KEY
    assert entry.wake(7.0 + NEXT_KEY - 0.1) == []
    assert entry.wake(7.0 + NEXT_KEY) == [LookUp("12")]


def test_keys_that_no_telephone_has_and_keys_while_it_is_checked_do_nothing():
    entry = listening()

    assert keyed(entry, "AB", 7.0) == []
    keyed(entry, CODE, 7.0)
    assert keyed(entry, "123", 7.0) == []


def test_three_wrong_codes_end_the_call():
    entry = listening()
    for expected in (("wrong-code", "enter-code"), ("wrong-code", "enter-code"), ("wrong-code", "goodbye")):
        keyed(entry, CODE, 7.0)
        assert entry.unknown(7.5) == [Say(expected)]

    assert keyed(entry, CODE, 8.0) == []
    assert entry.played(9.0) == [HangUp(Why.WRONG_CODE)]
    assert entry.next_wake() is None and entry.played(10.0) == [] and entry.wake(99.0) == []


def test_silence_counts_as_a_try():
    entry = listening()
    at = 6.0 + FIRST_KEY
    assert entry.wake(at) == [Say(("no-input", "enter-code"))]
    entry.played(at)
    assert entry.wake(at + FIRST_KEY) == [Say(("no-input", "enter-code"))]
    entry.played(40.0)
    assert entry.wake(40.0 + FIRST_KEY) == [Say(("no-input", "goodbye"))]
    assert entry.played(60.0) == [HangUp(Why.NO_CODE)]


def test_prompts_whose_end_is_never_reported_hold_nobody():
    entry = CodeEntry(1)
    entry.begin(0.0)
    assert entry.wake(LONGEST_PROMPT) == [] and entry.state is State.LISTENING
    assert entry.wake(LONGEST_PROMPT + FIRST_KEY) == [Say(("no-input", "goodbye"))]
    assert entry.wake(2 * LONGEST_PROMPT + FIRST_KEY) == [HangUp(Why.NO_CODE)]


def test_a_look_up_that_never_ends_ends_the_call():
    entry = listening()
    keyed(entry, CODE, 7.0)

    assert entry.wake(22.0) == [Say(("goodbye",))]
    assert entry.found(False, 23.0) == [] and entry.unknown(23.0) == [], "too late"
    assert entry.played(24.0) == [HangUp(Why.NOT_LET_IN)]


def test_who_need_not_wait_is_told_that_nobody_is_there():
    entry = listening()
    keyed(entry, CODE, 7.0)
    entry.found(False, 7.0)

    assert entry.turned_away(True, 7.1) == [Say(("nobody-here", "goodbye"))]
    assert entry.played(12.0) == [HangUp(Why.NOBODY_CAME)]


def test_a_full_room_is_told_and_left():
    entry = listening()
    keyed(entry, CODE, 7.0)
    entry.found(True, 7.0)

    assert entry.turned_away(False, 7.1) == [Say(("full", "goodbye"))]
    assert entry.played(12.0) == [HangUp(Why.NOT_LET_IN)]


def waiting() -> CodeEntry:
    entry = listening()
    keyed(entry, CODE, 7.0)
    assert entry.found(True, 7.0) == [Enter()]
    assert entry.turned_away(True, 7.1) == [Say(("please-wait",))]
    return entry


def test_who_waits_hears_music_until_the_meeting_begins():
    entry = waiting()
    (first,) = entry.played(11.0)
    assert isinstance(first, Music) and first.times > 60

    assert entry.meeting_began(600.0) == [Enter()]
    assert entry.turned_away(True, 600.1) == [], "it was over again: the music goes on"
    assert entry.meeting_began(700.0) == [Enter()]


def test_nobody_waits_for_ever():
    entry = waiting()

    assert entry.next_wake() == 7.0 + LONGEST_WAIT
    assert entry.wake(7.0 + LONGEST_WAIT) == [Say(("nobody-here", "goodbye"))]
    assert entry.meeting_began(7.1 + LONGEST_WAIT) == [], "too late"


def test_a_meeting_that_begins_while_the_caller_is_being_turned_away_is_not_missed():
    entry = listening()
    keyed(entry, CODE, 7.0)
    entry.found(True, 7.0)

    assert entry.meeting_began(7.05) == []
    assert entry.turned_away(True, 7.1) == [Enter()]
