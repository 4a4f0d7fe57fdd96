"""Numbers of fiction: who answers them, what is for sale, and that a server may call them."""

import pytest

from ringback.numbers import guard
from ringback.numbers.e164 import is_e164
from ringback.numbers.rules import apply
from ringback.numbers.trunk import Rule
from ringback.testing.carrier import PERSONAS
from ringback.testing.carrier.directory import PATTERNS, PERSONAS_HAVE, for_sale, people
from ringback.testing.carrier.prompts import names, prompt

RULES = (*(Rule(pattern) for pattern in PATTERNS), Rule("*", deny=True))


def test_every_number_may_be_called_and_goes_to_the_carrier() -> None:
    for number in (*people(), *(offer.number for offer in for_sale())):
        assert is_e164(number)
        assert guard.refusal(number) is None, number
        assert not apply(RULES, number).denied, number


@pytest.mark.parametrize(
    "number", ["+12125551212", "+12125550200", "+4930123456", "+442079470000", "+447700800000", "+61491571000", "+112"]
)
def test_numbers_that_somebody_may_have_never_go_there(number: str) -> None:
    assert apply(RULES, number).denied


def test_nobody_answers_a_number_that_is_for_sale() -> None:
    assert len(PERSONAS) <= PERSONAS_HAVE
    assert not {offer.number for offer in for_sale()} & people().keys()
    assert len({offer.number for offer in for_sale()}) == len(for_sale()) >= 90


def test_everything_that_can_be_said_is_sound() -> None:
    for name in names():
        assert len(prompt(name)) % 2 == 0 and len(prompt(name)) > 1000, name
    with pytest.raises(KeyError, match="choose among"):
        prompt("nothing")
