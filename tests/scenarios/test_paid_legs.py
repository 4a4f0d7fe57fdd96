"""Calls that cost, in memory: every way to make one asks the quota, and what was granted is always given back."""

from collections.abc import Awaitable, Callable

import pytest

from ringback.calls.ports.paid import Asker, Refusal
from ringback.model.errors import Forbidden, InvalidRequest
from ringback.model.ids import RoomName
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

NUMBER = "+4930123456"
HELLO = RoomName("hello")
KEY = Asker(DOMAIN, "key", "key-1")


async def dialled(stage: Stage, **body: object) -> str:
    call = await stage.calls.start_dial_out(DOMAIN, HELLO, {"phoneNumber": NUMBER, **body}, asker=KEY)
    await stage.settle()
    return call


def numbered(stage: Stage, **settings: object) -> None:
    stage.routes.trunks = {"acme": "sip.acme.example"}
    stage.rooms.put("hello", endpoints=1, enable_dialout=True, enable_phone_transfer=True, **settings)


async def test_a_number_is_granted_before_it_rings_and_settled_by_the_seconds_it_was_answered() -> None:
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")

        call = await dialled(stage, ringback={"consentReference": "form 17"})
        phone = stage.carrier.phone_of(call)
        phone.ring()
        await stage.wait(7)
        phone.pick_up()
        await stage.wait(30)
        phone.hang_up()
        await stage.settle()

        (leg,) = stage.quota.asked
        assert (leg.asker, leg.by, leg.number, leg.trunk, leg.consent) == (KEY, "dial-out", NUMBER, "acme", "form 17")
        assert stage.quota.settled == [("grant-1", 30.0)]


async def test_what_is_never_answered_costs_nothing() -> None:
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")

        call = await dialled(stage)
        stage.carrier.phone_of(call).refuse(486, "Busy Here")
        await stage.settle()

        assert stage.quota.settled == [("grant-1", 0.0)]


async def test_an_address_that_no_trunk_carries_asks_nobody() -> None:
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")

        call = await stage.dial_out("hello", "sip:bob@phones.example")
        stage.carrier.phone_of(call).refuse(486, "Busy Here")
        await stage.settle()

        assert stage.quota.asked == []


async def test_a_number_in_an_address_asks_as_a_number_does() -> None:
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")

        call = await stage.dial_out("hello", f"sip:{NUMBER}@gateway.example")
        stage.carrier.phone_of(call).refuse(486, "Busy Here")
        await stage.settle()

        assert [leg.number for leg in stage.quota.asked] == [NUMBER]


async def test_a_grant_is_given_back_when_the_room_has_no_place() -> None:
    async with Stage() as stage:
        numbered(stage, max_sip_pstn_sessions=0)
        await stage.join("hello", "Ann")

        with pytest.raises(InvalidRequest, match="limit"):
            await dialled(stage)

        assert stage.quota.settled == [("grant-1", 0.0)]


async def to_number(stage: Stage, call: str) -> None:
    await stage.calls.transfer(DOMAIN, HELLO, {"sessionId": call, "toEndPoint": "+12025550123"}, asker=KEY)


async def by_refer(stage: Stage, call: str) -> None:
    stage.carrier.phone_of(call).refer("tel:+12025550123")


@pytest.mark.parametrize(("way", "by"), [(to_number, "transfer"), (by_refer, "refer")])
async def test_transfers_and_refers_to_numbers_ask_as_well_and_their_refusals_are_audited(
    way: Callable[[Stage, str], Awaitable[None]], by: str
) -> None:
    """D9."""
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in("000001000000")
        await stage.settle()
        stage.quota.refusal = Refusal("spending-cap-reached", "no more today")

        try:
            await way(stage, phone.call)
        except Forbidden as refused:
            assert refused.info == "spending-cap-reached: no more today"
        await stage.settle()

        assert [(leg.by, rule) for leg, rule, _ in stage.quota.audit] == [(by, "spending-cap-reached")]
        assert phone.state == "answered"
        phone.hang_up()
        await stage.settle()


async def test_a_call_ends_when_what_it_may_cost_is_spent() -> None:
    async with Stage() as stage:
        numbered(stage)
        ann = await stage.join("hello", "Ann")
        call = await dialled(stage)
        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        stage.quota.exhaust()
        await stage.settle()

        end = stage.records.calls[call].end  # type: ignore[index]
        assert end is not None and end.ending.value == "quota-exhausted"
        assert ann.last("dialout-stopped")["sessionId"] == call


@pytest.mark.parametrize(("granted", "asked"), [(60.0, None), (3600.0, 60), (float("inf"), 60)])
async def test_a_call_ends_at_its_longest_counted_from_the_answer(granted: float, asked: int | None) -> None:
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")
        stage.quota.longest = granted
        call = await dialled(stage, **({"ringback": {"maxDurationSec": asked}} if asked else {}))
        phone = stage.carrier.phone_of(call)
        await stage.wait(20)
        phone.pick_up()
        await stage.wait(59)
        assert phone.state == "answered"

        await stage.wait(2)

        end = stage.records.calls[call].end  # type: ignore[index]
        assert end is not None and end.ending.value == "duration-limit"
        assert stage.quota.settled == [("grant-1", 60.0)]


async def test_a_call_is_given_up_after_its_own_ring_timeout() -> None:
    async with Stage() as stage:
        numbered(stage)
        await stage.join("hello", "Ann")

        call = await dialled(stage, ringback={"ringTimeoutSec": 12})

        assert stage.carrier.phone_of(call).ring_timeout == 12.0
        stage.carrier.phone_of(call).refuse(486, "Busy Here")
        await stage.settle()
