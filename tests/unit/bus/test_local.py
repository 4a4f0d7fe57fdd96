"""The bus inside one process."""

from ringback.bus.local import PARTITIONS, LocalBus, partition


def test_messages_of_one_key_arrive_in_order_at_everybody():
    bus: LocalBus[int] = LocalBus()
    first: list[int] = []
    second: list[int] = []
    bus.subscribe(first.append)
    bus.subscribe(second.append)

    for number in range(5):
        bus.publish("meeting", number)

    assert first == second == [0, 1, 2, 3, 4]


def test_a_subscriber_of_some_partitions_hears_only_those():
    bus: LocalBus[str] = LocalBus()
    heard: list[str] = []
    bus.subscribe(heard.append, [partition("mine")])
    other = next(f"k{n}" for n in range(1000) if partition(f"k{n}") != partition("mine"))

    bus.publish("mine", "yes")
    bus.publish(other, "no")

    assert heard == ["yes"]


def test_a_broken_subscriber_harms_no_other():
    bus: LocalBus[str] = LocalBus()
    heard: list[str] = []

    def broken(message: str) -> None:
        raise RuntimeError(message)

    bus.subscribe(broken)
    bus.subscribe(heard.append)
    bus.publish("k", "hello")

    assert heard == ["hello"]


def test_who_unsubscribed_hears_nothing_more():
    bus: LocalBus[str] = LocalBus()
    heard: list[str] = []
    bus.subscribe(heard.append)
    bus.unsubscribe(heard.append)
    bus.publish("k", "hello")

    assert heard == []


def test_the_partition_of_a_key_never_changes():
    """Nodes of different releases must agree on it."""
    assert [partition(key) for key in ("", "a", "meeting-1")] == [0, 3, 43]
    assert all(0 <= partition(str(number)) < PARTITIONS for number in range(500))
