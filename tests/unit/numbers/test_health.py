from ringback.numbers.health import Health, answered, failed


def test_a_host_is_down_after_two_failures_and_up_at_the_first_answer() -> None:
    up = answered(Health(), 200, "OK", 1.0, 0.02)
    once = failed(up, "no answer to OPTIONS", 2.0)
    down = failed(once, "no answer to OPTIONS", 3.0)
    back = answered(down, 404, "Not Found", 4.0)

    assert [each.state for each in (up, once, down, back)] == ["up", "up", "down", "up"]
    assert (down.why, down.since, back.since, up.round_trip) == ("no answer to OPTIONS", 3.0, 4.0, 0.02)


def test_a_host_never_heard_of_is_down_at_its_first_failure() -> None:
    assert failed(Health(), "refused", 1.0).is_down


def test_a_host_that_says_it_is_unavailable_is_not_up() -> None:
    assert answered(Health(), 503, "Service Unavailable", 1.0).why == "answers 503 Service Unavailable"
    assert answered(Health(), 503, "", 1.0).is_down
