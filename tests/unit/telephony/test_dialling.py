"""Calls over trunks, with real SIP on a network in memory and a clock that jumps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ringback.calls.ports.carrier import Failure, OutgoingInvite
from ringback.calls.ports.routes import Attempt
from ringback.model.ids import CallId
from ringback.numbers.plan import Wanted, to_number
from ringback.numbers.trunk import Credentials, Host, Identity, IdentityHeader, Redirects, Rule, Srtp, Trunk
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station

ONE = Trunk("one", hosts=(Host("10.0.0.2"),), options_interval=0, trusted=True)
TWO = Trunk("two", hosts=(Host("10.0.0.3"),), priority=20, options_interval=0)
CALL = CallId("call")


class Stage:
    """Us at 10.0.0.1 with trunks; carriers at 10.0.0.2 and 10.0.0.3."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.network = Network(clock)
        settings = TelephonySettings(rate_limits=None, allow_private=False, lag_limit=None, domain="us.example")
        self.us = Station(self.network, "10.0.0.1", settings)
        self.one = Station(self.network, "10.0.0.2")
        self.two = Station(self.network, "10.0.0.3")

    def trunks(self, *trunks: Trunk) -> None:
        self.us.telephony.trunks.set(trunks)

    def dial(self, call: CallId = CALL, number: str = "+4930123456", caller_id: str | None = None) -> None:
        watch = self.us.telephony.trunks
        wanted = Wanted(number, caller_id, "main", ("+4940999",), "us.example")
        attempts = to_number(
            watch.desk.trunks, wanted, lambda: 0.0, lambda trunk, host: watch.is_down(trunk.name, host.host, host.port)
        )
        self.send(attempts, call)

    def send(self, attempts: Sequence[Attempt], call: CallId = CALL) -> None:
        dialog = self.us.telephony.prepare(attempts[0].uri, call, "room")
        self.us.telephony.invite(OutgoingInvite(call, dialog, b"v=0\r\n", "Room", (), 60.0, attempts))

    def failure(self) -> Failure:
        found = self.us.last("failed")[1]
        assert isinstance(found, Failure)
        return found


@asynccontextmanager
async def a_stage() -> AsyncIterator[Stage]:
    stage = Stage(VirtualClock())
    for station in (stage.us, stage.one, stage.two):
        await station.start()
    yield stage
    for station in (stage.us, stage.one, stage.two):
        await station.telephony.stop()


def answers(station: Station, status: int, **more: Any) -> None:
    """The carrier refuses every call with a status."""
    station.on["incoming"] = lambda invite: station.telephony.reject(invite.call, status, "", **more)


async def test_a_call_goes_out_over_the_first_trunk_with_its_identity_and_is_named() -> None:
    async with a_stage() as stage:
        identity = Identity(header=IdentityHeader.ASSERTED)
        stage.trunks(replace(ONE, identity=identity, outbound_rules=(Rule("+49*", strip=3, prepend="0"),)), TWO)
        stage.one.on["incoming"] = lambda invite: stage.one.telephony.answer(invite.call, b"v=0\r\n")

        stage.dial()
        await stage.clock.run_for(1.0)

        invite = stage.one.last("incoming")
        assert (invite.user, invite.from_uri) == ("030123456", "sip:+4940999@us.example")
        assert stage.us.names() == ["routed", "answered"]
        assert stage.us.last("routed") == (CALL, 0, "one")
        assert stage.us.telephony.trunks.state(stage.us.telephony.trunks.desk.trunks[0]).calls == 1
        assert stage.us.telephony.trunks.desk.health("one", "10.0.0.2").state == "up"
        stage.us.telephony.bye(CALL)
        await stage.clock.run_for(40.0)
        assert stage.us.telephony.idle
        assert stage.us.telephony.trunks.state(stage.us.telephony.trunks.desk.trunks[0]).calls == 0


async def test_a_host_that_says_nothing_for_two_seconds_is_left_for_the_next() -> None:
    async with a_stage() as stage:
        stage.network.drop = lambda packet: "10.0.0.2:5060" in (packet.source, packet.target)
        stage.trunks(ONE, TWO)
        stage.two.on["incoming"] = lambda invite: stage.two.telephony.ring(invite.call)

        stage.dial()
        await stage.clock.run_for(1.9)
        before = stage.two.names()
        await stage.clock.run_for(0.3)

        assert before == []
        assert stage.two.names() == ["incoming"]
        assert stage.us.names() == ["routed", "routed", "progress"]
        assert stage.us.last("routed") == (CALL, 1, "two")
        assert stage.us.telephony.trunks.is_down("one", "10.0.0.2", None)
        stage.us.telephony.cancel(CALL)
        await stage.clock.run_for(40.0)
        assert stage.us.telephony.idle


async def test_503_leads_on_and_busy_is_final() -> None:
    async with a_stage() as stage:
        stage.trunks(ONE, TWO)
        answers(stage.one, 503)
        answers(stage.two, 486)

        stage.dial()
        await stage.clock.run_for(1.0)

        assert (stage.failure().status, stage.failure().cause) == (486, "answer")
        assert [arguments[2] for arguments in stage.us.all("routed")] == ["one", "two"]


async def test_final_answers_are_not_tried_elsewhere() -> None:
    for status in (404, 486, 603, 500):
        async with a_stage() as stage:
            stage.trunks(ONE, TWO)
            answers(stage.one, status)

            stage.dial()
            await stage.clock.run_for(5.0)

            assert stage.failure().status == status
            assert stage.two.names() == []


async def test_a_phone_that_has_rung_is_never_left() -> None:
    async with a_stage() as stage:
        stage.trunks(ONE, TWO)

        def ring_and_fail(invite: Any) -> None:
            stage.one.telephony.ring(invite.call)
            stage.clock.call_at(stage.clock.monotonic() + 1.0, lambda: stage.one.telephony.reject(invite.call, 503))

        stage.one.on["incoming"] = ring_and_fail
        stage.dial()
        await stage.clock.run_for(5.0)

        assert stage.failure().status == 503
        assert stage.two.names() == []


async def test_a_loser_that_answers_late_gets_ack_and_bye() -> None:
    async with a_stage() as stage:
        stage.trunks(ONE, TWO)
        late: list[Any] = []
        began = stage.clock.monotonic()
        # The first carrier hears the INVITE but its answers are held back until the second has the call.
        stage.network.drop = lambda packet: packet.source == "10.0.0.2:5060" and packet.at < began + 3.0
        stage.one.on["incoming"] = lambda invite: (
            late.append(invite),
            stage.one.telephony.answer(invite.call, b"v=0\r\n"),
        )
        stage.two.on["incoming"] = lambda invite: stage.two.telephony.answer(invite.call, b"v=0\r\n")

        stage.dial()
        await stage.clock.run_for(10.0)

        assert stage.us.names() == ["routed", "routed", "answered"]
        assert late
        assert "ended" in stage.one.names()
        assert "ended" not in stage.two.names()
        stage.us.telephony.bye(CALL)
        await stage.clock.run_for(40.0)
        assert stage.us.telephony.idle


async def test_calls_wait_for_their_turn_at_the_trunks_pace_and_can_be_given_up_meanwhile() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, calls_per_second=0.5))
        for number in range(3):
            stage.dial(CallId(f"call-{number}"))
        await stage.clock.run_for(0.5)
        first = len(stage.one.all("incoming"))
        stage.us.telephony.cancel(CallId("call-1"))
        await stage.clock.run_for(4.0)

        assert first == 1
        assert len(stage.one.all("incoming")) == 2
        assert stage.us.all("failed")[0][0] == "call-1"
        for number in (0, 2):
            stage.us.telephony.cancel(CallId(f"call-{number}"))
        await stage.clock.run_for(40.0)
        assert stage.us.telephony.idle


async def test_a_full_trunk_is_passed_over() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, max_calls=1), TWO)
        stage.one.on["incoming"] = lambda invite: stage.one.telephony.answer(invite.call, b"v=0\r\n")
        stage.two.on["incoming"] = lambda invite: stage.two.telephony.answer(invite.call, b"v=0\r\n")

        stage.dial(CallId("first"))
        await stage.clock.run_for(1.0)
        stage.dial(CallId("second"))
        await stage.clock.run_for(1.0)

        assert (len(stage.one.all("incoming")), len(stage.two.all("incoming"))) == (1, 1)
        assert stage.us.last("routed") == (CallId("second"), 1, "two")


async def test_without_room_on_any_trunk_the_failure_says_so() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, max_calls=1))
        stage.one.on["incoming"] = lambda invite: stage.one.telephony.answer(invite.call, b"v=0\r\n")
        stage.dial(CallId("first"))
        await stage.clock.run_for(1.0)

        stage.dial(CallId("second"))
        await stage.clock.run_for(1.0)

        assert "max_calls (1)" in stage.failure().reason


async def test_a_redirect_is_followed_only_as_far_as_the_trunk_allows() -> None:
    for redirects, followed in ((Redirects.OFF, []), (Redirects.SAME_TRUNK, ["incoming"])):
        async with a_stage() as stage:
            one = replace(ONE, hosts=(Host("10.0.0.2"), Host("10.0.0.3", priority=99)), redirects=redirects)
            stage.trunks(one)
            answers(stage.one, 302, headers=[("Contact", "<sip:+4930123456@10.0.0.3>")])

            stage.dial()
            await stage.clock.run_for(3.0)

            assert stage.two.names() == followed


async def test_a_redirect_to_a_private_address_or_to_help_is_refused() -> None:
    """security-cases D8."""
    for contact in ("<sip:x@10.0.0.3>", "<sip:911@10.0.0.3>", "<sip:x@127.0.0.1:22>", "<<>"):
        async with a_stage() as stage:
            stage.trunks(replace(ONE, redirects=Redirects.POLICY))
            answers(stage.one, 302, headers=[("Contact", contact)])

            stage.dial()
            await stage.clock.run_for(3.0)

            assert stage.failure().status == 302
            assert stage.two.names() == []


async def test_each_trunk_is_shown_its_own_credentials() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, credentials=Credentials("me", "one-password")))
        stage.one.telephony.trunks.set(
            [Trunk("us", inbound_credentials=Credentials("me", "one-password"), options_interval=0)]
        )

        stage.dial()
        await stage.clock.run_for(2.0)

        invite = stage.one.last("incoming")
        assert (invite.trunk, invite.called_number, invite.known) == ("us", "+4930123456", True)


async def test_a_wrong_password_is_told_as_the_carrier_told_it() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, credentials=Credentials("me", "wrong")))
        stage.one.telephony.trunks.set(
            [Trunk("us", inbound_credentials=Credentials("me", "right"), options_interval=0)]
        )

        stage.dial()
        await stage.clock.run_for(2.0)

        assert stage.failure().status == 401
        assert stage.one.all("incoming") == []


async def test_guessing_a_trunks_password_is_held_back() -> None:
    """A7: of callers that prove themselves by a password as of phones."""
    async with a_stage() as stage:
        guarded = Trunk("us", inbound_credentials=Credentials("me", "right"), options_interval=0)
        stage.one.telephony.trunks.set([guarded])
        for number, password in enumerate(["wrong"] * 5 + ["right"] * 2):
            stage.trunks(replace(ONE, credentials=Credentials("me", password)))
            stage.dial(CallId(f"guess-{number}"))
            await stage.clock.run_for(0.1 if number < 5 else 2.0)

        assert len(stage.one.all("incoming")) == 1, "the right one, once it is looked at again"


async def test_a_call_from_a_trunk_is_protected_as_it_says_and_heard_from_its_networks() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, srtp=Srtp.REQUIRED, media_networks=("203.0.113.0/24",)))

        stage.one.dial("sip:030123456@10.0.0.1")
        stage.two.dial("sip:030123456@10.0.0.1")
        await stage.clock.run_for(1.0)

        first, second = (arguments[0] for arguments in stage.us.all("incoming"))
        assert (first.srtp, first.media_networks) == ("required", ("203.0.113.0/24",))
        assert (second.srtp, second.media_networks) == ("", ())


async def test_a_call_from_a_trunk_is_known_believed_and_has_its_number() -> None:
    async with a_stage() as stage:
        stage.trunks(replace(ONE, inbound_rules=(Rule("0[1-9]*", strip=1, prepend="+49"),)))

        stage.one.dial("sip:030123456@10.0.0.1")
        stage.two.dial("sip:030123456@10.0.0.1")
        await stage.clock.run_for(1.0)

        first, second = (arguments[0] for arguments in stage.us.all("incoming"))
        assert (first.trunk, first.known, first.called_number) == ("one", True, "+4930123456")
        assert first.caller == "sip:room@10.0.0.2:5060"
        assert (second.trunk, second.known, second.called_number, second.caller) == ("", False, "", "")


async def test_calls_in_beyond_a_trunks_pace_cap_and_rules_get_distinct_answers() -> None:
    async with a_stage() as stage:
        stage.us.on["incoming"] = lambda invite: stage.us.telephony.answer(invite.call, b"v=0\r\n")
        rules = (Rule("+1900*", deny=True),)

        async def outcome(trunk: Trunk, *numbers: str) -> list[int]:
            stage.one.told.clear()
            stage.trunks(trunk)
            for number in numbers:
                stage.one.dial(f"sip:{number}@10.0.0.1", b"v=0\r\n")
                await stage.clock.run_for(0.1)
            return [failure.status for _, failure in stage.one.all("failed")]

        assert await outcome(replace(ONE, inbound_rules=rules), "+19005550100") == [403]
        assert await outcome(replace(ONE, name="b", calls_per_second=1.0), "+4930123456", "+4930123456") == [480]
        assert await outcome(replace(ONE, name="c", max_calls=1), "+4930123456", "+4930123456") == [486]


async def test_hosts_are_asked_for_their_health_and_a_dead_one_is_tried_last() -> None:
    async with a_stage() as stage:
        stage.network.listen("10.0.0.2", 5060, None)
        stage.trunks(replace(ONE, options_interval=30.0), replace(TWO, options_interval=30.0))
        await stage.clock.run_for(8.0)

        side = stage.us.telephony.trunks
        assert side.is_down("one", "10.0.0.2", None)
        assert side.desk.health("two", "10.0.0.3").state == "up"
        stage.dial()
        await stage.clock.run_for(0.5)
        assert stage.us.last("routed")[2] == "two"

        stage.us.telephony.cancel(CALL)
        stage.network.listen("10.0.0.2", 5060, stage.one.telephony.way_in)
        await stage.clock.run_for(60.0)
        assert side.desk.health("one", "10.0.0.2").state == "up"


async def test_a_host_that_is_never_asked_gets_another_chance_after_a_minute() -> None:
    async with a_stage() as stage:
        stage.network.listen("10.0.0.2", 5060, None)
        stage.trunks(ONE, TWO)
        stage.dial()
        await stage.clock.run_for(1.0)
        side = stage.us.telephony.trunks

        before = side.is_down("one", "10.0.0.2", None)
        stage.us.telephony.cancel(CALL)
        await stage.clock.run_for(61.0)

        assert before
        assert not side.is_down("one", "10.0.0.2", None)


async def test_a_call_that_is_given_up_is_not_tried_elsewhere() -> None:
    for status in (None, 503, 302):
        async with a_stage() as stage:
            stage.trunks(replace(ONE, redirects=Redirects.SAME_TRUNK, hosts=(Host("10.0.0.2"), Host("10.0.0.3"))), TWO)
            if status is None:
                stage.network.drop = lambda packet: "10.0.0.2:5060" in (packet.source, packet.target)

            def refuse_late(invite: Any, stage: Stage = stage, status: int | None = status) -> None:
                refusal = [("Contact", "<sip:x@10.0.0.3>")]
                say_no = lambda: stage.one.telephony.reject(invite.call, status or 500, "", refusal)  # noqa: E731
                stage.clock.call_at(stage.clock.monotonic() + 1.0, say_no)

            stage.one.on["incoming"] = refuse_late
            stage.dial()
            await stage.clock.run_for(0.5)
            stage.us.telephony.cancel(CALL)
            await stage.clock.run_for(40.0)

            assert stage.two.names() == []
            assert len(stage.us.all("failed")) == 1
            assert stage.us.telephony.idle
