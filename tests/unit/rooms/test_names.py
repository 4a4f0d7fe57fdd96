"""Names of rooms and user parts of their addresses."""

import random

import pytest

from ringback.model.errors import InvalidRequest
from ringback.rooms.names import RESERVED, new_endpoint, new_room_name, room_name


@pytest.mark.parametrize("name", ["a", "A-b_9", "n" * 128, "-", "V1"])
def test_letters_digits_dashes_and_underscores_make_a_name(name: str) -> None:
    assert room_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a b", "..", "a/b", "a%2e", "a\x00", "ä", "а", "a\r\nb", "n" * 129, "x" * 1_000_000, 7, None, ["a"], "a.b"],
)
def test_nothing_else_does(name: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        room_name(name)
    assert caught.value.info.isprintable() and len(caught.value.info) < 400


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_words_with_another_meaning_name_no_room(name: str) -> None:
    with pytest.raises(InvalidRequest):
        room_name(name)


def test_made_up_names_and_endpoints_have_their_form() -> None:
    chance = random.Random(7)

    names = {new_room_name(chance) for _ in range(100)}
    users = {new_endpoint(chance) for _ in range(100)}

    assert len(names) == len(users) == 100
    assert all(len(name) == 20 and name.isalnum() and name.isascii() for name in names)
    assert all(len(user) == 12 and user.isdecimal() for user in users)
