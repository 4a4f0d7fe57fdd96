"""What a caller is called in the room."""

import pytest

from ringback.calls.display_name import MAX_LENGTH, clean, display_name

HEADER = "x-daily_display_name"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Ann%20Lee", "Ann Lee"),
        ("J%C3%BCrgen", "Jürgen"),
        ("%E6%9D%8E%20%E5%9B%9B", "李 四"),
        ("A+B", "A+B"),
        ("Ann%0d%0aVia: x", "Ann Via: x"),
        ("100%", "100%"),
        ("50%zz off", "50%zz off"),
        ("%ff%fe", "\ufffd\ufffd"),
        ("%250d%250a", "%0d%0a"),
        ("a\u202eb\u2066c\u200fd", "abcd"),
        ("  Ann \t Lee  ", "Ann Lee"),
    ],
)
def test_a_header_is_decoded_once_and_made_fit_to_be_shown(value: str, shown: str):
    assert display_name({}, [("X-Daily_Display_Name", value)], "Caller", "") == shown


@pytest.mark.parametrize(
    ("decoded", "shown"), [("Ann Lee", "Ann Lee"), ("A+B", "A+B"), ("Ann\r\nVia: x", "Ann Via: x"), ("%20", "%20")]
)
def test_a_parameter_of_the_dialled_uri_comes_decoded_and_is_not_decoded_again(decoded: str, shown: str):
    assert display_name({HEADER: decoded}, [], "Caller", "") == shown


def test_what_is_too_long_is_cut():
    assert display_name({}, [(HEADER, "a" * 300)], "Caller", "") == "a" * MAX_LENGTH


def test_a_cut_never_leaves_a_space_at_the_end():
    assert display_name({}, [(HEADER, "a" * (MAX_LENGTH - 1) + " b")], "Caller", "") == "a" * (MAX_LENGTH - 1)


def test_the_header_goes_before_the_parameter_and_both_before_the_rooms_name():
    assert display_name({HEADER: "two"}, [(HEADER, "one")], "three", "four") == "one"
    assert display_name({HEADER: "two"}, [("X-Other", "one")], "three", "four") == "two"
    assert display_name({}, [], "three", "four") == "three"
    assert display_name({}, [], "", "four") == "four"


@pytest.mark.parametrize("empty", ["", "%20", "%0d%0a", "\u202e"])
def test_a_name_with_nothing_to_see_is_no_name(empty: str):
    assert display_name({}, [(HEADER, empty)], "Caller", "") == "Caller"


def test_lone_surrogates_do_not_survive():
    assert clean("a\ud800b") == "a b"
