import pytest

from ringback.numbers.e164 import country_of, dialled, normalise, write
from ringback.numbers.trunk import NumberFormat

E, P, N = NumberFormat.E164, NumberFormat.PLAIN, NumberFormat.NATIONAL


@pytest.mark.parametrize(
    ("text", "form", "country", "number"),
    [
        ("+4930123456", E, "", "+4930123456"),
        ("+49 (30) 123-456", E, "", "+4930123456"),
        ("+4930123456;npdi", E, "", "+4930123456"),
        ("4930123456", P, "", "+4930123456"),
        ("4930123456", E, "", ""),
        ("030123456", N, "49", "+4930123456"),
        ("004430123456", N, "49", "+4430123456"),
        ("0114930123456", N, "1", "+4930123456"),
        ("2125550100", N, "1", "+12125550100"),
        ("89161234567", N, "7", "+79161234567"),
        ("0612345678", N, "39", "+390612345678"),
        ("ann", P, "", ""),
        ("+0123", E, "", ""),
        ("+1234567890123456", E, "", ""),
        ("", P, "", ""),
        ("٣٤", P, "", ""),
    ],
)
def test_a_number_is_read_as_its_trunk_writes_it(text: str, form: NumberFormat, country: str, number: str) -> None:
    assert normalise(text, form, country) == number


@pytest.mark.parametrize(
    ("number", "form", "country", "text"),
    [
        ("+4930123456", E, "49", "+4930123456"),
        ("+4930123456", P, "49", "4930123456"),
        ("+4930123456", N, "49", "030123456"),
        ("+12125550100", N, "49", "0012125550100"),
        ("+4930123456", N, "1", "0114930123456"),
        ("+12125550100", N, "1", "2125550100"),
        ("*21", N, "49", "*21"),
    ],
)
def test_a_number_is_written_as_its_trunk_wants_it(number: str, form: NumberFormat, country: str, text: str) -> None:
    assert write(number, form, country) == text


@pytest.mark.parametrize(
    ("number", "country"), [("+12125550100", "1"), ("+79161234567", "7"), ("+4930", "49"), ("+35312345", "353")]
)
def test_the_country_code_of_a_number_is_found(number: str, country: str) -> None:
    assert country_of(number) == country


@pytest.mark.parametrize(
    ("text", "form", "country", "number"),
    [
        ("+49 30 123-456", E, "", "+4930123456"),
        ("030123456", E, "49", "+4930123456"),
        ("004930123456", E, "1", ""),
        ("004930123456", P, "49", "+4930123456"),
        ("01149 30 123456", E, "1", "+4930123456"),
        ("2125550101", P, "1", "+12125550101"),
        ("12125550101", N, "1", "+12125550101"),
        ("5550101", N, "1", ""),
        ("0612345678", E, "39", "+390612345678"),
        ("123456", E, "49", ""),
        ("4930123456", P, "49", "+4930123456"),
        ("4930123456", P, "", "+4930123456"),
        ("4930123456", E, "", ""),
        ("ann", P, "49", ""),
        ("+0123", P, "49", ""),
        ("٣٠١٢٣٤٥٦", P, "49", ""),
    ],
)
def test_a_telephone_dials_as_one_does_in_its_country(text: str, form: NumberFormat, country: str, number: str) -> None:
    assert dialled(text, form, country) == number
