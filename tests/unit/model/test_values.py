"""Values that are frozen for mypy, and cheap to make."""

import dataclasses
import pickle

import pytest

from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    words: tuple[str, ...] = dataclasses.field(default=(), compare=False)


def test_equal_values_are_one_key_of_a_dict():
    assert Point(1, 2) == Point(1, 2, ("a",))
    assert {Point(1, 2): "there"}[Point(1, 2)] == "there"
    assert Point(1, 2) != Point(2, 1)


def test_a_replaced_value_is_another_one():
    point = Point(1, 2)
    assert dataclasses.replace(point, y=3) == Point(1, 3)
    assert point == Point(1, 2)


def test_a_value_survives_being_written_down():
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_a_value_has_no_room_for_what_it_does_not_declare():
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
