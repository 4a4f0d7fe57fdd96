"""SIP clients dial telephone numbers, in memory: who pays, what is refused by which rule, and how both calls end."""

import pytest

from ringback.calls.ports.paid import Asker, Refusal
from ringback.model.end_reason import Ending
from ringback.model.ids import DomainId
from ringback.model.records import CallRecord, Direction
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

NUMBER = "+4930123456"
ANN = Asker(DOMAIN, "client", "ann")


class Clients:
    """``calls.ports.reception.SipClients``: ann, and an extension that looks like help elsewhere."""

    def address(self, domain: DomainId, user: str) -> str | None:
        return f"sip:{user}@ringback.example" if domain == DOMAIN and user in ("ann", "bob", "110") else None

    def may_dial_numbers(self, domain: DomainId, user: str) -> bool:
        return user != "bob"


def stage_with_trunk() -> Stage:
    stage = Stage(clients=Clients())
    stage.routes.trunks = {"acme": "sip.acme.example"}
    stage.routes.country = "49"
    return stage


async def dial(stage: Stage, to: str, client: str = "ann") -> FakePhone:
    claimed = "sip:+19005550199@ringback.example"
    phone = stage.carrier.call_in(to, client=client, client_domain=DOMAIN, from_uri=claimed)
    await stage.settle()
    return phone


def outside(stage: Stage) -> FakePhone:
    """The number's telephone."""
    return next(phone for phone in reversed(stage.carrier.phones.values()) if phone.call.startswith("id-"))


def row(stage: Stage, phone: FakePhone) -> CallRecord:
    return stage.records.calls[phone.call]


async def test_a_number_rings_is_answered_and_is_paid_for_by_who_dialled() -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, NUMBER)
        them = outside(stage)
        assert [attempt.trunk for attempt in them.attempts] == ["acme"]
        them.ring()
        await stage.settle()
        assert stage.carrier.verbs(ann.call) == ["ring"]
        them.pick_up()
        await stage.settle()
        assert (ann.state, them.state) == ("answered", "answered")
        await stage.wait(30)
        them.hang_up()
        await stage.settle()

        assert ann.state == "over"
        assert [(leg.asker, leg.by, leg.number, leg.trunk) for leg in stage.quota.asked] == [
            (ANN, "client", NUMBER, "acme")
        ]
        assert stage.quota.settled == [("grant-1", 30.0)]


async def test_both_calls_have_rows_in_one_meeting_and_nothing_the_phone_claims_is_shown() -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, NUMBER)
        them = outside(stage)
        them.pick_up()
        await stage.settle()
        ann.hang_up()
        await stage.settle()

        near, far = row(stage, ann), row(stage, them)
        assert them.state == "over"
        assert (near.direction, near.remote, near.called) == (Direction.DIAL_IN, "sip:ann@ringback.example", "")
        assert (far.direction, far.called, far.trunk) == (Direction.DIAL_OUT, NUMBER, "acme")
        assert near.meeting == far.meeting
        assert near.end is not None and far.end is not None
        assert (near.end.ending, far.end.ending) == (Ending.HANGUP_REMOTE, Ending.HANGUP_LOCAL)
        assert "+1900" not in repr(stage.carrier.dialogs[them.call])


@pytest.mark.parametrize(
    ("dialled", "called"),
    [
        ("0049 30 123456", NUMBER),
        ("030-123456", NUMBER),
        ("+49-30-(123)456;user=phone", NUMBER),
        ("30123456;phone-context=+49", NUMBER),
        ("+491701234567", "+491701234567"),
    ],
)
async def test_digits_mean_what_they_mean_where_the_trunk_is(dialled: str, called: str) -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, dialled)

        assert [leg.number for leg in stage.quota.asked] == [called]
        ann.give_up()
        await stage.settle()
        assert outside(stage).state == "over"


async def test_twelve_digits_are_a_rooms_address_and_behind_a_plus_a_number() -> None:
    async with stage_with_trunk() as stage:
        room = stage.rooms.put("hello", endpoints=1)
        address = room.room.endpoints[0]
        guest = await stage.join("hello", "Guest")
        inside = await dial(stage, address)
        inside.hang_up()
        number = await dial(stage, "030123456789")

        assert guest.last("dialin-connected")["sessionId"] == inside.call
        assert [leg.number for leg in stage.quota.asked] == ["+4930123456789"]
        number.give_up()
        await guest.seat.leave()
        await stage.settle()


@pytest.mark.parametrize(
    ("dialled", "rule"),
    [
        ("112", "emergency-number"),
        ("911", "emergency-number"),
        ("0112", "emergency-number"),
        ("1-1-2", "emergency-number"),
        ("112;phone-context=+49", "emergency-number"),
        ("sos", "emergency-number"),
        ("urn:service:sos", "emergency-number"),
        ("urn:service:sos.police", "emergency-number"),
        ("116117", "emergency-number"),
        ("0049112", "emergency-number"),
        ("+49112", "emergency-number"),
        ("2255", "number-not-allowed"),
        ("+491", "number-not-allowed"),
    ],
)
async def test_help_and_short_codes_are_refused_before_and_after_they_are_read(dialled: str, rule: str) -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, dialled)

        assert (ann.state, ann.status) == ("refused", 403)
        assert ann.headers == (("Warning", f'399 ringback "{rule}"'),)
        assert [(leg.asker, leg.by, told) for leg, told, _ in stage.quota.audit] == [(ANN, "client", rule)]
        assert stage.quota.asked == []


async def test_an_account_of_the_domain_is_reached_whatever_its_name_means_elsewhere() -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, "110")

        assert stage.quota.audit == [] and not outside(stage).attempts
        ann.give_up()
        await stage.settle()


async def test_a_rule_of_the_domain_refuses_and_is_told_to_phone_log_and_audit() -> None:
    async with stage_with_trunk() as stage:
        stage.quota.refusal = Refusal("outside-calling-hours", "not on Sundays")
        ann = await dial(stage, NUMBER)

        assert (ann.status, ann.headers) == (403, (("Warning", '399 ringback "outside-calling-hours"'),))
        assert [rule for _, rule, _ in stage.quota.audit] == ["outside-calling-hours"]


@pytest.mark.parametrize("dialled", [NUMBER, "030123456", "4711123456", "nobody", "bob.2"])
async def test_without_a_trunk_or_a_meaning_it_is_404(dialled: str) -> None:
    async with Stage(clients=Clients()) as stage:
        ann = await dial(stage, dialled)

        assert ann.status == 404
        assert stage.quota.asked == []


async def test_an_account_dials_numbers_only_where_it_was_switched_on_and_the_audit_tells_who_tried() -> None:
    """D15."""
    async with stage_with_trunk() as stage:
        bob = await dial(stage, NUMBER, "bob")

        assert (bob.status, bob.headers) == (403, (("Warning", '399 ringback "client-dials-no-numbers"'),))
        assert [(leg.asker.id, leg.destination, rule) for leg, rule, _ in stage.quota.audit] == [
            ("bob", NUMBER, "client-dials-no-numbers")
        ]
        assert stage.quota.asked == []


async def test_help_is_refused_as_help_to_an_account_that_may_dial_nothing() -> None:
    async with stage_with_trunk() as stage:
        bob = await dial(stage, "112", "bob")

        assert bob.headers == (("Warning", '399 ringback "emergency-number"'),)


async def test_strangers_dial_no_numbers() -> None:
    async with stage_with_trunk() as stage:
        stranger = stage.carrier.call_in(NUMBER)
        await stage.settle()

        assert stranger.state == "refused"
        assert stage.quota.asked == []


@pytest.mark.parametrize(("status", "heard"), [(486, 486), (404, 404), (503, 480)])
async def test_the_phone_hears_why_the_number_did_not_answer(status: int, heard: int) -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, NUMBER)
        outside(stage).refuse(status, "No")
        await stage.settle()

        assert (ann.state, ann.status) == ("refused", heard)
        assert stage.quota.settled == [("grant-1", 0.0)]


async def test_when_money_is_spent_both_calls_end() -> None:
    async with stage_with_trunk() as stage:
        ann = await dial(stage, NUMBER)
        outside(stage).pick_up()
        await stage.settle()
        stage.quota.exhaust()
        await stage.settle()

        assert (ann.state, outside(stage).state) == ("over", "over")
        assert {call.end.ending for call in stage.records.calls.values() if call.end} == {Ending.QUOTA_EXHAUSTED}


async def test_a_call_without_a_port_for_both_halves_gives_everything_back() -> None:
    stage = Stage(clients=Clients(), ports=1)
    stage.routes.trunks = {"acme": "sip.acme.example"}
    async with stage:
        ann = await dial(stage, NUMBER)

        assert (ann.state, ann.status) == ("refused", 480)
        assert stage.quota.settled == [("grant-1", 0.0)]


async def test_who_gives_up_while_it_is_looked_for_costs_nothing() -> None:
    async with stage_with_trunk() as stage:
        phone = stage.carrier.call_in(NUMBER, client="ann", client_domain=DOMAIN)
        phone.give_up()
        await stage.settle()

        assert [each.call for each in stage.carrier.phones.values()] == [phone.call]
        assert not stage.quota.open
