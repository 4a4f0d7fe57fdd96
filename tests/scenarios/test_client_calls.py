"""SIP clients call rooms and each other: who is reached, what the others are told, and that nothing is left behind."""

from ringback.model.end_reason import Ending
from ringback.model.ids import DomainId
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

OTHERS = DomainId("another-domain")


class TwoClients:
    """``calls.ports.reception.SipClients``: ann and bob."""

    def address(self, domain: DomainId, user: str) -> str | None:
        return f"sip:{user}@ringback.example" if domain == DOMAIN and user in ("ann", "bob") else None

    def may_dial_numbers(self, domain: DomainId, user: str) -> bool:
        return user != "bob"


def stage_with_clients() -> Stage:
    return Stage(clients=TwoClients())


def call_from_ann(stage: Stage, to: str, domain: str = DOMAIN) -> FakePhone:
    return stage.carrier.call_in(to, client="ann", client_domain=domain, from_uri="sip:ann@ringback.example")


def callee(stage: Stage) -> FakePhone:
    return next(phone for phone in stage.carrier.phones.values() if phone.call.startswith("id-"))


async def test_a_client_calls_a_client_and_they_talk():
    async with stage_with_clients() as stage:
        ann = call_from_ann(stage, "bob")
        await stage.settle()
        bob = callee(stage)
        assert ann.state == "calling"
        bob.ring()
        await stage.settle()
        assert stage.carrier.verbs(ann.call) == ["ring"]
        bob.pick_up()
        await stage.settle()

        assert (ann.state, bob.state) == ("answered", "answered")
        assert stage.carrier.dialogs[bob.call].local_uri == "sip:ann@ringback.example"
        legs = {record.id: record for record in stage.records.calls.values()}
        assert legs[ann.call].meeting == legs[bob.call].meeting
        await stage.wait(7200)
        assert ann.state == "answered", "they may talk as long as they like"
        bob.hang_up()
        await stage.settle()
        assert ann.state == "over"
        assert [record.end.ending for record in stage.records.calls.values() if record.end] == [
            Ending.HANGUP_LOCAL,
            Ending.HANGUP_REMOTE,
        ]


async def test_the_caller_hears_why_the_other_did_not_answer():
    async with stage_with_clients() as stage:
        told = ((486, "answer", 486), (603, "answer", 603), (480, "unregistered", 480), (0, "timeout", 480))
        for status, cause, heard in told:
            ann = call_from_ann(stage, "bob")
            await stage.settle()
            list(stage.carrier.phones.values())[-1].refuse(status, "No", cause)
            await stage.settle()

            assert (ann.state, ann.status) == ("refused", heard)


async def test_not_registered_is_a_reason_of_its_own():
    async with stage_with_clients() as stage:
        call_from_ann(stage, "bob")
        await stage.settle()
        callee(stage).refuse(480, "bob is not registered", "unregistered")
        await stage.settle()

        assert {record.end.ending for record in stage.records.calls.values() if record.end} == {Ending.NOT_REGISTERED}


async def test_a_caller_who_gives_up_stops_the_ringing():
    async with stage_with_clients() as stage:
        ann = call_from_ann(stage, "bob")
        await stage.settle()
        callee(stage).ring()
        await stage.settle()
        ann.give_up()
        await stage.settle()

        assert callee(stage).state == "over"


async def test_a_name_that_is_nobody_is_404_to_clients_and_480_to_strangers():
    """G11: distinct answers for those we know."""
    async with stage_with_clients() as stage:
        known, stranger = call_from_ann(stage, "carol"), stage.carrier.call_in("bob")
        await stage.settle()

        assert (known.status, stranger.status) == (404, 480)


async def test_a_client_may_dial_a_room_of_its_domain_by_name():
    async with stage_with_clients() as stage:
        stage.rooms.put("hello", endpoints=2)
        idle = call_from_ann(stage, "hello")
        await stage.settle()
        assert idle.status == 480
        guest = await stage.join("hello", "Guest")
        ann = call_from_ann(stage, "hello")
        await stage.settle()

        assert ann.state == "answered"
        assert guest.last("dialin-connected")["sipFrom"] == "sip:ann@ringback.example"
        ann.hang_up()
        await guest.seat.leave()
        await stage.settle()


async def test_rooms_of_other_domains_are_not_there_by_name_and_unavailable_like_unknown():
    """G7."""
    async with stage_with_clients() as stage:
        room = stage.rooms.put("hello", endpoints=1)
        calls = [call_from_ann(stage, to, OTHERS) for to in ("hello", room.room.endpoints[0], "999999999999", "bob")]
        await stage.settle()

        assert [call.status for call in calls] == [404, 404, 404, 404]
