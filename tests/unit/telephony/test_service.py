"""The SIP side as calls see it: what may be dialled, restarts, floods, names."""

from dataclasses import replace

import pytest

from ringback.calls.ports.carrier import Failure
from ringback.model.errors import Forbidden, InvalidRequest
from ringback.model.ids import CallId, DomainId, MeetingId, RoomName
from ringback.model.records import CallRecord, CallState, DialogRecord, Direction
from ringback.numbers.trunk import Host, Trunk
from ringback.sip.message import Message
from ringback.sip.parser import parse
from ringback.telephony.admission import RateLimits
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock, settle
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet
from unit.telephony.test_resolve import Book

ANN = "10.0.0.1"
OPEN = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def network(clock: VirtualClock) -> Network:
    return Network(clock)


def record(dialog: DialogRecord, state: CallState, direction: Direction = Direction.DIAL_OUT) -> CallRecord:
    """A call's row as an earlier process left it."""
    return CallRecord(
        id=CallId("old"),
        domain=DomainId("d"),
        room=RoomName("r"),
        meeting=MeetingId("m"),
        direction=direction,
        state=state,
        node="n",
        epoch=1,
        created_at=0.0,
        dialog=dialog,
    )


# ── what may be dialled ──


@pytest.mark.parametrize(
    "target",
    [
        "",
        "bob",
        "tel:+15551234567",
        "sips:bob@example.com;transport=udp",
        "sip:bob@example.com;transport=ws",
        "sip:bob@example.com;transport=sctp",
        "sip:bob@example.com;maddr=127.0.0.1",
        "sip:bob@example.com;method=BYE",
        "sip:bob@exa mple.com",
        "sip:bob@example.com\r\nX: 1",
        "sip:" + "b" * 3000 + "@example.com",
    ],
)
async def test_addresses_that_cannot_be_dialled_are_refused_at_once(network: Network, target: str):
    """D7."""
    station = Station(network, ANN, OPEN)

    with pytest.raises(InvalidRequest):
        station.telephony.prepare(target, CallId("c"), "room")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"]
)
async def test_private_addresses_are_forbidden_unless_allowed(network: Network, host: str):
    """D5."""
    station = Station(network, ANN, replace(OPEN, allow_private=False))

    with pytest.raises(Forbidden, match=r"^destination-not-allowed:"):
        station.telephony.prepare(f"sip:bob@{host}", CallId("c"), "room")


async def test_a_prepared_dialog_has_unguessable_names_and_no_headers(network: Network):
    """B7."""
    station = Station(network, ANN, OPEN)

    dialog = station.telephony.prepare("sip:sip:bob@10.0.0.9:5080;transport=TCP?X-A=1", CallId("c"), "12 3")
    other = station.telephony.prepare("sip:bob@10.0.0.9", CallId("d"), "")

    assert dialog.invite_uri == "sip:bob@10.0.0.9:5080;transport=TCP"
    assert (dialog.transport, dialog.local_cseq) == ("tcp", 1)
    assert dialog.local_uri == "sip:12%203@10.0.0.1:5060"
    assert other.local_uri == "sip:10.0.0.1:5060"
    names = [dialog.call_id, dialog.local_tag, dialog.branch, other.call_id, other.local_tag, other.branch]
    assert len(set(names)) == 6
    assert min(map(len, names)) >= 24


# ── names ──


async def test_a_name_that_leads_nowhere_or_inside_is_told_as_that(network: Network, clock: VirtualClock):
    book = Book({"inside.example": ["10.0.0.9"]})
    station = await Station(network, ANN, replace(OPEN, allow_private=False), names=book).start()
    for target in ("sip:bob@nowhere.example", "sip:bob@inside.example"):
        station.dial(target, OFFER)
        await settle()
        await clock.run_for(0.1)

    nowhere, inside = (failure for _, failure in station.all("failed"))
    assert (nowhere.status, nowhere.cause) == (0, "resolve")
    assert (inside.status, inside.cause) == (0, "policy")
    assert network.packets == []


async def test_a_name_of_ones_own_is_no_way_around_the_rules_of_a_trunk(network: Network, clock: VirtualClock):
    """D6, D9: whoever owns a name may let it lead to a carrier that knows us by our address."""
    station = await Station(network, ANN, OPEN, names=Book({"evil.example": ["10.0.0.9"]})).start()
    station.telephony.trunks.set([Trunk("carrier", hosts=(Host("10.0.0.9"),), options_interval=0.0)])
    for target in ("sip:0019005550123@evil.example", "sip:+1-900-555-0123@evil.example"):
        station.dial(target, OFFER)
        await clock.run_for(0.1)

    failures = [failure for _, failure in station.all("failed")]
    assert [(failure.status, failure.cause) for failure in failures] == [(0, "policy")] * 2
    assert network.packets == []
    station.dial("sip:bob@evil.example", OFFER)
    await clock.run_for(0.1)
    assert network.packets != []


async def test_a_call_given_up_while_its_name_is_looked_up_is_never_made(network: Network, clock: VirtualClock):
    station = await Station(network, ANN, OPEN, names=Book({"h.example": ["10.0.0.9"]})).start()
    call = station.dial("sip:bob@h.example", OFFER)
    station.telephony.cancel(call)
    await clock.run_for(1.0)

    assert station.last("failed") == (call, Failure(487, "Request Terminated", "answer"))
    assert network.packets == []
    assert station.telephony.idle


async def test_the_next_address_of_a_name_is_tried_when_the_first_is_dead(network: Network, clock: VirtualClock):
    """RFC 3263 §4.3."""
    puppet = Puppet(network)
    book = Book({"h.example": ["10.0.0.77", "10.0.0.9"]})
    station = await Station(network, ANN, OPEN, names=book).start()
    station.dial("sip:bob@h.example", OFFER)
    await clock.run_for(0.5)

    invite = puppet.last_request("INVITE")
    assert station.names() == []
    assert station.last("dialog_changed")[1].branch == invite.top_via.branch
    puppet.answer(invite, 503, ANN)
    await clock.run_for(0.1)
    assert station.last("failed")[1].status == 503


# ── restarts ──


async def answered_call(network: Network, clock: VirtualClock, puppet: Puppet) -> DialogRecord:
    """The dialog of a call that an earlier process made and the puppet answered; that process is gone."""
    before = await Station(network, ANN, OPEN).start()
    before.dial("sip:123@10.0.0.9", OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    await before.telephony.stop()
    dialog = before.last("dialog_changed")[1]
    assert isinstance(dialog, DialogRecord)
    return dialog


async def test_a_call_that_was_up_before_a_restart_gets_its_bye(network: Network, clock: VirtualClock):
    puppet = Puppet(network)
    dialog = await answered_call(network, clock, puppet)
    after = await Station(network, ANN, OPEN).start()

    after.telephony.finish(record(dialog, CallState.ANSWERED))
    await clock.run_for(0.1)

    bye, invite = puppet.last_request("BYE"), puppet.last_request("INVITE")
    assert (bye.call_id, bye.from_.tag, bye.to.tag) == (invite.call_id, invite.from_.tag, "puppet")
    assert bye.cseq.number > invite.cseq.number
    assert bye.target == "sip:puppet@10.0.0.9:5060"
    puppet.answer(bye, 200, ANN)
    await clock.run_for(60.0)
    assert after.telephony.idle
    assert after.names() == []


@pytest.mark.parametrize("crossing", [487, 200])
async def test_a_call_that_was_ringing_before_a_restart_gets_its_cancel(
    network: Network, clock: VirtualClock, crossing: int
):
    """The INVITE is not sent again; its answer is acknowledged, and hung up on if it was a yes."""
    puppet = Puppet(network)
    before = await Station(network, ANN, OPEN).start()
    before.dial("sip:123@10.0.0.9", OFFER)
    await clock.run_for(0.1)
    await before.telephony.stop()
    invite = puppet.last_request("INVITE")
    after = await Station(network, ANN, OPEN).start()

    after.telephony.finish(record(before.last("dialog_changed")[1], CallState.RINGING))
    await clock.run_for(0.1)

    cancel = puppet.last_request("CANCEL")
    assert cancel.top_via.branch == invite.top_via.branch
    assert (cancel.call_id, cancel.cseq.number, cancel.target) == (invite.call_id, 1, invite.target)
    puppet.answer(cancel, 200, ANN)
    puppet.answer(invite, crossing, ANN)
    await clock.run_for(0.1)
    assert len(puppet.got("ACK")) == 1
    assert len(puppet.got("BYE")) == (1 if crossing == 200 else 0)
    assert len(puppet.got("INVITE")) == 1
    await clock.run_for(80.0)
    assert after.telephony.idle
    assert after.names() == []


@pytest.mark.parametrize("status", [481, 200])
async def test_a_call_that_was_answered_just_before_the_restart_is_hung_up(
    network: Network, clock: VirtualClock, status: int
):
    """The row still says ringing: CANCEL changes nothing, and the early dialog's tag serves for a BYE."""
    puppet = Puppet(network)
    before = await Station(network, ANN, OPEN).start()
    before.dial("sip:123@10.0.0.9", OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 180, ANN)
    await clock.run_for(0.1)
    stored = before.last("dialog_changed")[1]
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    await before.telephony.stop()
    after = await Station(network, ANN, OPEN).start()

    after.telephony.finish(record(stored, CallState.RINGING))
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("CANCEL"), status, ANN)
    await clock.run_for(1.2)

    bye = puppet.last_request("BYE")
    assert (bye.to.tag, bye.target) == ("puppet", "sip:puppet@10.0.0.9:5060")
    puppet.answer(bye, 200, ANN)
    await clock.run_for(80.0)
    assert after.telephony.idle, after.telephony.leftovers()


async def test_a_call_in_that_nobody_had_answered_before_a_restart_needs_nothing(network: Network, clock: VirtualClock):
    puppet = Puppet(network)
    dialog = await answered_call(network, clock, puppet)
    after = await Station(network, ANN, OPEN).start()
    puppet.heard.clear()

    after.telephony.finish(record(dialog, CallState.RINGING, Direction.DIAL_IN))
    after.telephony.finish(record(dialog, CallState.ENDED))
    after.telephony.finish(replace(record(dialog, CallState.ANSWERED), dialog=None))
    await clock.run_for(1.0)

    assert puppet.heard == []
    assert after.telephony.idle


async def test_a_call_whose_invite_never_left_before_a_restart_is_looked_up_again(
    network: Network, clock: VirtualClock
):
    puppet = Puppet(network)
    after = await Station(network, ANN, OPEN, names=Book({"h.example": ["10.0.0.9"]})).start()
    dialog = after.telephony.prepare("sip:bob@h.example", CallId("old"), "room")
    after.telephony.finish(record(dialog, CallState.QUEUED))
    await settle()
    await clock.run_for(0.1)

    cancel = puppet.last_request("CANCEL")
    puppet.answer(cancel, 481, ANN)
    await clock.run_for(80.0)
    assert after.telephony.idle


# ── floods ──


async def test_a_flood_from_one_source_leaves_the_others_served(network: Network, clock: VirtualClock):
    """C1."""
    ann = await Station(network, ANN, TelephonySettings(lag_limit=None)).start()
    flooder, puppet = Puppet(network, "10.0.0.66"), Puppet(network)
    for number in range(500):
        flooder.request("OPTIONS", ANN, call_id=str(number))
    puppet.request("OPTIONS", ANN)
    await clock.run_for(0.1)

    assert len(flooder.heard) == 40
    assert puppet.statuses() == [200]
    await clock.run_for(60.0)
    assert ann.telephony.idle


SCANNER = [("User-Agent", "friendly-scanner")]


async def test_a_scanner_is_muted_with_one_line_and_others_are_heard(
    network: Network, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
):
    """C6, G11."""
    ann = await Station(network, ANN, TelephonySettings(lag_limit=None)).start()
    ann.on["incoming"] = lambda invite: ann.telephony.reject(invite.call, 480)
    scanner, puppet = Puppet(network, "10.0.0.66"), Puppet(network)
    for number in range(30):
        scanner.request("INVITE", ANN, body=OFFER, call_id=str(number), user=str(number))
        await clock.run_for(0.5)
    puppet.request("OPTIONS", ANN)
    await clock.run_for(0.5)

    assert {answer.call_id for answer in scanner.got(480)} == {str(number) for number in range(10)}
    assert puppet.statuses() == [200]
    said = [line for line in capsys.readouterr().out.splitlines() if "sip.scanner-muted" in line]
    assert len(said) == 1
    assert "INVITE for 10 different users in vain" in said[0]
    await clock.run_for(900.0)
    scanner.request("OPTIONS", ANN, call_id="later")
    await clock.run_for(0.5)
    assert scanner.statuses()[-1] == 200


async def test_a_trunk_is_never_taken_for_a_scanner(network: Network, clock: VirtualClock):
    """C5: whatever it calls itself, however many numbers it asks for."""
    ann = await Station(network, ANN, TelephonySettings(known=["10.0.0.9/32"], lag_limit=None)).start()
    ann.on["incoming"] = lambda invite: ann.telephony.reject(invite.call, 404)
    trunk = Puppet(network)
    for number in range(40):
        trunk.request("INVITE", ANN, body=OFFER, call_id=str(number), user=str(number), rows=SCANNER)
        await clock.run_for(0.5)

    assert len({answer.call_id for answer in trunk.got(404)}) == 40


async def test_a_tool_that_says_what_it_is_hears_nothing(network: Network, clock: VirtualClock):
    """C6."""
    ann = await Station(network, ANN, TelephonySettings(lag_limit=None)).start()
    scanner = Puppet(network)
    scanner.request("OPTIONS", ANN, rows=SCANNER)
    await clock.run_for(0.5)
    scanner.request("OPTIONS", ANN, call_id="disguised")
    await clock.run_for(0.5)

    assert scanner.heard == []
    assert ann.names() == []


async def test_strangers_from_everywhere_leave_a_domain_some_air(network: Network, clock: VirtualClock):
    """C2: new calls of strangers are limited together; those of trunks are not among them."""
    ann = await Station(network, ANN, TelephonySettings(known=["10.0.0.9/32"], lag_limit=None)).start()
    ann.on["incoming"] = lambda invite: ann.telephony.reject(invite.call, 486)
    for number in range(250):
        Puppet(network, f"10.1.{number // 200}.{number % 200}").request("INVITE", ANN, body=OFFER, call_id=str(number))
    trunk = Puppet(network)
    trunk.request("INVITE", ANN, body=OFFER, call_id="trunk")
    await clock.run_for(0.1)

    assert len(ann.all("incoming")) == 201
    assert ann.last("incoming").sip_call_id == "trunk"


async def test_those_on_the_list_are_known_and_never_limited(network: Network, clock: VirtualClock):
    """C5."""
    ann = await Station(network, ANN, TelephonySettings(known=["10.0.0.9/32"], lag_limit=None)).start()
    trunk = Puppet(network)
    for number in range(200):
        trunk.request("OPTIONS", ANN, call_id=str(number))
    trunk.request("INVITE", ANN, body=OFFER)
    await clock.run_for(0.1)

    assert len(trunk.heard) == 201
    assert ann.last("incoming").known
    ann.telephony.reject(ann.last("incoming").call, 404)


async def test_a_late_loop_turns_new_calls_away_and_serves_those_that_are_up(network: Network, clock: VirtualClock):
    """C2: 503 without Retry-After, which would keep clients away for its length."""
    ann = await Station(network, ANN, replace(OPEN, lag_limit=0.2)).start()
    puppet = Puppet(network)
    puppet.request("OPTIONS", ANN)
    await clock.run_for(0.05)
    clock._mono += 1.0
    await clock.run_for(0.1)
    puppet.request("INVITE", ANN, body=OFFER, call_id="new")
    puppet.request("BYE", ANN, to_tag="x", call_id="other")
    await clock.run_for(0.05)

    assert sorted(puppet.statuses()) == [200, 481, 503]
    refused = puppet.got(503)[0]
    assert "retry-after" not in refused.headers
    assert ann.names() == []

    await clock.run_for(1.0)
    puppet.request("OPTIONS", ANN, call_id="later")
    await clock.run_for(1.0)
    puppet.request("INVITE", ANN, body=OFFER, call_id="later")
    await clock.run_for(0.1)
    assert ann.names() == ["incoming"]
    ann.telephony.reject(ann.last("incoming").call, 480)


async def test_the_ack_of_a_call_that_was_turned_away_unread_is_not_read_either(network: Network, clock: VirtualClock):
    """Refused twice, it hears the same tag (RFC 3261 §8.2.7), and its ACK costs us nothing."""
    read: list[bytes] = []

    def reader(data: bytes) -> Message:
        read.append(data)
        return parse(data)

    await Station(network, ANN, replace(OPEN, lag_limit=0.2), parser=reader).start()
    puppet = Puppet(network)
    puppet.request("OPTIONS", ANN)
    await clock.run_for(0.05)
    clock._mono += 1.0
    await clock.run_for(0.1)
    for _ in range(2):
        puppet.request("INVITE", ANN, body=OFFER, call_id="new")
        await clock.run_for(0.05)
    first, second = puppet.got(503)
    puppet.request("ACK", ANN, call_id="new", to_tag=first.to.tag)
    await clock.run_for(0.05)
    assert first.to.tag == second.to.tag
    assert [data.partition(b" ")[0] for data in read] == [b"OPTIONS"]

    puppet.request("ACK", ANN, call_id="other", to_tag="x")
    await clock.run_for(0.05)
    assert [data.partition(b" ")[0] for data in read] == [b"OPTIONS", b"ACK"]


async def test_a_late_loop_still_takes_re_invites(network: Network, clock: VirtualClock):
    """C2 is for new calls: a 503 to a re-INVITE would leave the far end on hold."""
    await Station(network, ANN, replace(OPEN, lag_limit=0.2)).start()
    puppet = Puppet(network)
    puppet.request("OPTIONS", ANN)
    await clock.run_for(0.05)
    clock._mono += 1.0
    await clock.run_for(0.1)
    puppet.request("INVITE", ANN, body=OFFER, call_id="up", to_tag="ours", cseq=2)
    await clock.run_for(0.05)

    assert sorted(puppet.statuses()) == [200, 481], "it was looked for among the calls that are up"


async def test_what_was_late_before_a_quiet_time_turns_nobody_away(network: Network, clock: VirtualClock):
    """Somebody who called a server at rest heard 503, since the last look had found it late an hour before."""
    ann = await Station(network, ANN, replace(OPEN, lag_limit=0.2)).start()
    puppet = Puppet(network)
    puppet.request("OPTIONS", ANN)
    await clock.run_for(0.05)
    clock._mono += 1.0
    await clock.run_for(3600.0)
    puppet.request("INVITE", ANN, body=OFFER, call_id="new")
    await clock.run_for(0.05)

    assert ann.names() == ["incoming"]
    ann.telephony.reject(ann.last("incoming").call, 480)


async def test_keep_alives_and_scraps_are_swallowed(network: Network, clock: VirtualClock):
    ann = await Station(network, ANN, replace(OPEN, rate_limits=RateLimits())).start()
    puppet = Puppet(network)
    for data in (b"\r\n\r\n", b"\0\0\0\0", b"", b"hello", b"\xff" * 1000):
        puppet.send(data, ANN)
    await clock.run_for(0.1)

    assert puppet.heard == []
    assert ann.telephony.idle


async def test_events_wait_until_somebody_listens(network: Network, clock: VirtualClock):
    ann = Station(network, ANN, OPEN)
    listener = ann.telephony._telling._events
    ann.telephony._telling._events = None
    await ann.telephony.start()
    Puppet(network).request("INVITE", ANN, body=OFFER)
    await clock.run_for(0.1)
    assert ann.names() == []

    assert listener is not None
    ann.telephony.report_to(listener)
    await clock.run_for(0.1)

    assert ann.names() == ["incoming"]
    ann.telephony.reject(ann.last("incoming").call, 480)


async def test_a_call_whose_rules_break_is_refused_and_the_next_is_served(network: Network, clock: VirtualClock):
    """A bug of ours costs that call, never the listener."""
    ann = await Station(network, ANN, OPEN).start()
    puppet = Puppet(network)

    def broken(invite: object) -> None:
        raise RuntimeError("a bug")

    ann.on["incoming"] = broken
    puppet.request("INVITE", ANN, body=OFFER, call_id="first")
    await clock.run_for(0.1)
    del ann.on["incoming"]
    puppet.request("INVITE", ANN, body=OFFER, call_id="second")
    await clock.run_for(0.1)

    assert puppet.statuses() == [100, 500, 100]
    ann.telephony.reject(ann.last("incoming").call, 480)


async def test_a_trunk_beyond_its_pace_is_told_480_with_a_reason_and_its_calls_in_set_up_go_on(
    network: Network, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
):
    """C1, C5: judged before anything is read; nothing is dropped in silence, and a repeated INVITE is no new call."""
    ann = await Station(network, ANN, replace(OPEN, rate_limits=RateLimits())).start()
    ann.telephony.trunks.set([Trunk("carrier", hosts=(Host("10.0.0.9"),), calls_per_second=2.0, options_interval=0.0)])
    trunk = Puppet(network)
    for number in range(5):
        trunk.request("INVITE", ANN, body=OFFER, call_id=str(number), branch=f"z9hG4bKpaced{number}")
        await clock.run_for(0.01)
    trunk.request("INVITE", ANN, body=OFFER, call_id="0", branch="z9hG4bKpaced0")
    await clock.run_for(0.1)

    assert [invite.sip_call_id for (invite,) in ann.all("incoming")] == ["0", "1"]
    refused = trunk.got(480)
    assert [answer.call_id for answer in refused] == ["2", "3", "4"]
    assert {answer.headers.get("reason") for answer in refused} == {"Q.850;cause=42"}
    assert "trunk-rate-limited: carrier" in capsys.readouterr().out
    for (invite,) in ann.all("incoming"):
        ann.telephony.reject(invite.call, 486)
    await ann.telephony.stop()
