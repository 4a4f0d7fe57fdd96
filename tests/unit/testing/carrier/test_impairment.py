"""Bad weather on a line."""

import pytest

from ringback.testing.carrier.impairment import CLEAR, Impairment, Weather
from ringback.testing.clock import VirtualClock


async def arrivals(impairment: Impairment, seed: str = "1") -> list[tuple[int, int]]:
    """Packet and milliseconds of its arrival, of two hundred sent 20 ms apart."""
    clock = VirtualClock()
    weather, came = Weather(clock, impairment, seed), []
    begun = clock.monotonic()
    for number in range(200):
        weather.passes(lambda number=number: came.append((number, round(1000 * (clock.monotonic() - begun)))))
        await clock.run_for(0.02)
    await clock.run_for(1)
    return came


async def test_a_perfect_line_changes_nothing() -> None:
    assert await arrivals(CLEAR) == [(number, 20 * number) for number in range(200)]


async def test_a_bad_line_is_bad_in_the_same_way_for_the_same_seed() -> None:
    bad = Impairment(loss=0.1, duplicate=0.1, reorder=0.1, jitter_ms=50, delay_ms=30)

    came = await arrivals(bad)

    assert came == await arrivals(bad)
    assert came != await arrivals(bad, "2")
    numbers = [number for number, _ in came]
    assert 165 <= len(set(numbers)) <= 195, "a tenth is lost"
    assert len(numbers) > len(set(numbers)), "some came twice"
    assert numbers != sorted(numbers), "some were overtaken"
    assert all(30 <= at - 20 * number <= 111 for number, at in came)


@pytest.mark.parametrize("wrong", [{"loss": 1.1}, {"duplicate": -0.1}, {"jitter_ms": -1}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Impairment(**wrong)
