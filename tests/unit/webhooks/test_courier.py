"""What one webhook is owed, and when."""

from dataclasses import replace

from ringback.model.ids import DomainId
from ringback.model.webhook import Attempt, Delivery, DeliveryState, RetryType, Webhook, WebhookState
from ringback.webhooks.courier import AT_ONCE, BACKOFF, Courier

HOOK = Webhook("w", DomainId("d"), "https://x.test/", "c2VjcmV0c2VjcmV0", "", (), RetryType.CIRCUIT_BREAKER, 0.0, 0.0)
STUBBORN = replace(HOOK, retry_type=RetryType.EXPONENTIAL)


def owed(number: int, lane: str = "m") -> Delivery:
    return Delivery(number, "w", lane, "meeting.started", f"id-{number}", "{}", 0.0)


def went(status: int, at: float = 0.0) -> Attempt:
    return Attempt(at, status, "", 0.1)


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [delivery.number for delivery in deliveries]


def test_events_of_one_meeting_go_one_after_the_other() -> None:
    courier = Courier(HOOK)
    courier.add(owed(1))
    courier.add(owed(2))

    first = courier.due(0.0)
    assert numbers(first) == [1]
    assert courier.due(0.0) == []

    courier.settle(first[0], went(200), 0.0)
    assert numbers(courier.due(0.0)) == [2]


def test_meetings_do_not_wait_for_each_other_but_a_server_gets_only_so_many_at_once() -> None:
    courier = Courier(HOOK)
    for number in range(AT_ONCE + 2):
        courier.add(owed(number, f"m-{number}"))

    busy = courier.due(0.0)
    assert len(busy) == AT_ONCE
    assert courier.next_wake() is None

    courier.settle(busy[0], went(200), 0.0)
    assert len(courier.due(0.0)) == 1


def test_a_success_counts_failures_anew() -> None:
    courier = Courier(HOOK)
    courier.add(owed(1))
    again = courier.settle(courier.due(0.0)[0], went(500), 0.0)
    assert (again.state, courier.webhook.failed_count) == (DeliveryState.PENDING, 1)
    assert courier.due(again.next_at - 0.01) == []

    done = courier.settle(courier.due(again.next_at)[0], went(200), again.next_at)
    assert (done.state, len(done.attempts)) == (DeliveryState.DELIVERED, 2)
    assert (courier.webhook.failed_count, courier.webhook.last_pushed) == (0, again.next_at)


def test_the_third_failure_in_a_row_opens_the_circuit_and_what_is_owed_waits() -> None:
    courier = Courier(HOOK)
    courier.add(owed(1))
    courier.add(owed(2))
    now = 0.0
    for _ in range(3):
        now = max(now, courier.next_wake() or now)
        settled = courier.settle(courier.due(now)[0], went(0), now)

    assert courier.webhook.state is WebhookState.FAILED
    assert settled.state is DeliveryState.PENDING
    assert (courier.next_wake(), courier.due(now + 1e6)) == (None, [])

    courier.webhook = replace(courier.webhook, state=WebhookState.ACTIVE, failed_count=0)
    back = courier.due(now)
    assert numbers(back) == [1]
    courier.settle(back[0], went(200), now)
    assert numbers(courier.due(now)) == [2]


def test_anything_but_a_200_is_a_failure() -> None:
    for status in (0, 199, 201, 204, 301, 302, 404, 500):
        courier = Courier(STUBBORN)
        courier.add(owed(1))
        assert courier.settle(courier.due(0.0)[0], went(status), 0.0).state is DeliveryState.PENDING


def test_a_stubborn_webhook_tries_an_event_five_times_within_some_fifteen_minutes_and_goes_on_with_the_next() -> None:
    courier = Courier(STUBBORN)
    courier.add(owed(1))
    courier.add(owed(2))
    now, times = 0.0, []
    while True:
        (delivery,) = courier.due(now)
        times.append(now)
        settled = courier.settle(delivery, went(503, now), now)
        if settled.state is DeliveryState.DROPPED:
            break
        now = courier.next_wake() or now

    assert len(times) == 5
    assert times[-1] == sum(BACKOFF)
    assert courier.webhook.state is WebhookState.ACTIVE
    assert numbers(courier.due(now)) == [2]


def test_a_failing_meeting_does_not_hold_up_another() -> None:
    courier = Courier(STUBBORN)
    courier.add(owed(1, "a"))
    courier.settle(courier.due(0.0)[0], went(500), 0.0)
    courier.add(owed(2, "b"))

    assert numbers(courier.due(0.0)) == [2]
    assert courier.owed == 2
