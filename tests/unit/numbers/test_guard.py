import pytest

from ringback.numbers.guard import help_digits, is_help, refusal


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+1911", ""),
        ("911", "1"),
        ("+911", ""),
        ("112", "49"),
        ("+49112", ""),
        ("+490112", ""),
        ("0112", "49"),
        ("+44999", ""),
        ("999", ""),
        ("+61000", ""),
        ("000", "61"),
        ("+3317", ""),
        ("15", "33"),
        ("+33112", ""),
        ("+49116117", ""),
        ("urn:service:sos", ""),
        ("URN:service:sos.fire", ""),
    ],
)
def test_emergency_services_are_refused_however_they_are_written(number: str, country: str) -> None:
    assert "emergency" in (refusal(number, country, allow_premium=True) or "")


@pytest.mark.parametrize("number", ["+1411", "+121255", "+3936", "115", "4444", "+4911"])
def test_short_codes_are_refused(number: str) -> None:
    assert refusal(number, "46") is not None


@pytest.mark.parametrize("number", ["+19005550100", "+4490912345678", "+881612345678", "+97912345678"])
def test_premium_and_satellite_numbers_need_to_be_allowed(number: str) -> None:
    """D9."""
    assert "allow_premium" in (refusal(number) or "")
    assert refusal(number, allow_premium=True) is None


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+12125550100", ""),
        ("+4930123456", "49"),
        ("+491121234567", ""),
        ("+919111234567", ""),
        ("030112345", "49"),
        ("+442079460000", ""),
        ("+33123456789", ""),
        ("12345", "49"),
    ],
)
def test_subscribers_are_called(number: str, country: str) -> None:
    assert refusal(number, country) is None


@pytest.mark.parametrize(
    "text", ["112", "+112", "911", "9-1-1", " 999 ", "tel:911", "tel:110;phone-context=+49", "urn:service:sos",
             "URN:SERVICE:sos.fire", "sos", "0112", "00112"],
)  # fmt: skip
def test_help_is_known_however_it_is_written(text: str) -> None:
    assert is_help(text)


@pytest.mark.parametrize(
    "text", ["", "+", "bob", "201", "+4930112", "+12125550911", "1125", "sip:bob@911.example", "١١٢"]
)
def test_what_only_looks_like_help_is_none(text: str) -> None:
    assert not is_help(text)


def test_help_of_a_country_is_told_from_numbers_of_it() -> None:
    assert [help_digits(number, "1") for number in ("+1911", "+1988", "+12125550911", "+49112", "+1112345")] == [
        "911",
        "988",
        "",
        "",
        "",
    ]
    assert help_digits("+1911", "") == ""
