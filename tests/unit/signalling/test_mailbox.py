"""What waits for one client."""

import json

import pytest

from ringback.signalling import mailbox
from ringback.signalling.mailbox import Mailbox, Overrun, body


def filled(count: int) -> Mailbox:
    box = Mailbox()
    for number in range(count):
        box.put(body("app-message", {"data": number}))
    return box


def read(frames: list[str]) -> list[tuple[int, object]]:
    return [(event["seq"], event["payload"]["data"]) for event in map(json.loads, frames)]


def test_events_are_numbered_from_one_and_handed_out_once() -> None:
    box = filled(2)
    assert read(box.take()) == [(1, 0), (2, 1)]
    assert box.take() == []


def test_a_client_that_comes_back_gets_what_followed_the_last_event_it_saw() -> None:
    box = filled(5)
    box.take()
    assert box.rewind(3)
    assert read(box.take()) == [(4, 3), (5, 4)]


def test_a_client_that_saw_everything_gets_nothing_again() -> None:
    box = filled(3)
    box.take()
    assert box.rewind(3)
    assert box.take() == []


@pytest.mark.parametrize("seq", [-5, 4, 10**12])
def test_a_number_that_was_never_sent_is_no_place_to_go_on_from(seq: int) -> None:
    box = filled(3)
    box.take()
    assert not box.rewind(seq)
    assert box.take() == []


def test_events_that_are_no_longer_kept_cannot_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAX_KEPT", 3)
    box = filled(3)
    box.take()
    box.put(body("app-message", {"data": 3}))
    box.put(body("app-message", {"data": 4}))
    box.take()
    assert not box.rewind(1)
    assert box.rewind(2)


def test_a_client_that_reads_too_slowly_is_told_apart_from_one_that_missed_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailbox, "MAX_KEPT", 3)
    with pytest.raises(Overrun):
        filled(4).take()


def test_large_events_are_kept_up_to_a_total_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAX_KEPT_BYTES", 5000)
    box = Mailbox()
    for _ in range(10):
        box.put(body("app-message", {"data": "x" * 1000}))
    with pytest.raises(Overrun):
        box.take()
