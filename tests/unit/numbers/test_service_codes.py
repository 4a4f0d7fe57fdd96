import pytest

from ringback.model.errors import NumberNotAllowed
from ringback.numbers.guard import refusal
from ringback.numbers.plan import Wanted, to_address
from ringback.numbers.service_codes import behind_code
from ringback.numbers.trunk import Host, NumberFormat, Trunk

WANTED = Wanted("", None, "main", (), "ringback.example")


@pytest.mark.parametrize(
    ("user", "country", "behind"),
    [
        ("141999", "44", "999"),
        ("1831000", "61", "000"),
        ("184110", "81", "110"),
        ("184110", "", "110"),
        ("1411234567", "1", ""),
        ("*67911", "1", "911"),
        ("#31#112", "49", "112"),
        ("12125550100", "1", ""),
    ],
)
def test_what_is_called_stands_behind_the_code(user: str, country: str, behind: str) -> None:
    assert behind_code(user, country) == behind


@pytest.mark.parametrize(("number", "country"), [("141999", "44"), ("1831000", "61"), ("184119", "81"), ("133999", "")])
def test_no_rule_makes_help_with_a_code_before_it(number: str, country: str) -> None:
    assert "emergency" in (refusal(number, country, allow_premium=True) or "")


@pytest.mark.parametrize("user", ["141999", "141-999", "14709061234567", "14109061234567"])
def test_an_address_of_a_trunk_hides_nothing_behind_digits(user: str) -> None:
    """D16."""
    trunk = Trunk("uk", hosts=(Host("sip.uk.example"),), country="44", number_format=NumberFormat.NATIONAL)

    with pytest.raises(NumberNotAllowed):
        to_address([trunk], f"sip:{user}@sip.uk.example", WANTED)


def test_a_subscriber_behind_a_code_is_called_and_counted_as_one() -> None:
    trunk = Trunk("uk", hosts=(Host("sip.uk.example"),), country="44", number_format=NumberFormat.NATIONAL)

    attempt, number = to_address([trunk], "sip:14102079460000@sip.uk.example", WANTED)

    assert (attempt.trunk, number) == ("uk", "+442079460000")
