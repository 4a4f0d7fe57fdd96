"""Named deadlines."""

from ringback.meetings.deadlines import Deadlines


def test_what_is_due_comes_out_once_in_order_of_time():
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("late", 3.0)
    deadlines.set("soon", 1.0)
    deadlines.set("middle", 2.0)

    assert deadlines.next() == 1.0
    assert deadlines.due(2.5) == ["soon", "middle"]
    assert deadlines.due(2.5) == []
    assert deadlines.next() == 3.0


def test_a_moved_deadline_is_due_at_its_new_time_only():
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", 5.0)

    assert deadlines.due(4.0) == []
    assert deadlines.due(5.0) == ["a"]
    assert not deadlines


def test_a_cleared_deadline_never_comes():
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.clear("a")
    deadlines.clear("b")

    assert deadlines.next() is None and deadlines.due(9.0) == []
