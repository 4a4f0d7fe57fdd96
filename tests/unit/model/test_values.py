"""Values that are frozen for mypy, and cheap to make."""

import dataclasses
import pickle

import pytest

from ringback.model.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    words: tuple[str, ...] = dataclasses.field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Place(Point):
    name: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    x: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "double", 2 * self.x)


@dataclasses.dataclass(frozen=True)
class Guarded:
    x: int


def test_equal_values_are_one_key_of_a_dict():
    assert Point(1, 2) == Point(1, 2, ("a",))
    assert {Point(1, 2): "there"}[Point(1, 2)] == "there"
    assert Point(1, 2) != Point(2, 1)


@pytest.mark.parametrize("change", [replace, dataclasses.replace])
def test_a_replaced_value_is_another_one(change):
    place = Place(1, 2, ("a",), name="here")
    assert change(place, y=3) == Place(1, 3, name="here")
    assert change(place, y=3).words == ("a",)
    assert change(place) == place and change(place) is not place
    assert place == Place(1, 2, name="here")


@pytest.mark.parametrize("change", [replace, dataclasses.replace])
def test_what_making_a_value_computes_is_computed_again(change):
    assert change(Counted(1), x=4).double == 8
    assert change(Guarded(1), x=4) == Guarded(4)


@pytest.mark.parametrize("change", [replace, dataclasses.replace])
def test_a_field_that_a_value_does_not_have_cannot_be_replaced(change):
    with pytest.raises(TypeError):
        change(Point(1), z=3)


def test_a_value_survives_being_written_down():
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_a_value_has_no_room_for_what_it_does_not_declare():
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
