"""Session timers in both roles (RFC 4028): proposals, refreshes, and calls nobody refreshes."""

import pytest

from ringback.model.ids import CallId
from ringback.sip.message import Row
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_inbound import ANN, hang_up
from unit.sip.test_outbound import TARGET

ANSWER = OFFER.replace(b"o=- 7 1", b"o=- 8 1")
SPEAKS: Row = ("Supported", "timer")
UPDATES: Row = ("Allow", "INVITE, ACK, BYE, UPDATE")


async def call_ann(ann: Station, puppet: Puppet, clock: VirtualClock, *rows: Row) -> str:
    """A call of the puppet's with these headers in its INVITE, up; our tag."""
    puppet.request("INVITE", ANN, body=OFFER, rows=rows)
    await clock.run_for(0.1)
    ann.telephony.answer(ann.last("incoming").call, ANSWER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", ANN, to_tag=tag)
    await clock.run_for(0.1)
    return tag


async def call_puppet(ann: Station, puppet: Puppet, clock: VirtualClock, *rows: Row) -> CallId:
    """A call of ours that the puppet answered with these headers."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=ANSWER, rows=rows)
    await clock.run_for(0.1)
    return call


def asked(puppet: Puppet, method: str) -> int:
    """How many requests of that method it got, repeats left out."""
    return len({message.cseq.number for message in puppet.got(method)})


async def end(ann: Station, puppet: Puppet, clock: VirtualClock, call: CallId) -> None:
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(0.1)


async def test_our_invite_proposes_half_an_hour_and_no_less_than_90_seconds(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§7.1: who refreshes is left to the far end."""
    call = await call_puppet(ann, puppet, clock)

    headers = puppet.last_request("INVITE").headers
    assert (headers.get("session-expires"), headers.get("min-se")) == ("1800", "90")
    assert headers.get("supported") == "timer, 100rel, replaces, norefersub, 199"
    await end(ann, puppet, clock, call)


@pytest.mark.parametrize(
    ("rows", "agreed", "required"),
    [
        ([SPEAKS, ("Session-Expires", "600")], "600;refresher=uas", "timer"),
        ([("k", "timer, path"), ("x", "600;refresher=uac")], "600;refresher=uac", "timer"),
        ([SPEAKS, ("Session-Expires", "600;refresher=uas")], "600;refresher=uas", "timer"),
        ([("Require", "timer"), SPEAKS, ("Session-Expires", "90")], "90;refresher=uas", "timer"),
        ([("Session-Expires", "600;refresher=uac")], "600;refresher=uas", None),
        ([SPEAKS, ("Session-Expires", "86400")], "1800;refresher=uas", "timer"),
        ([SPEAKS, ("Session-Expires", "86400"), ("Min-SE", "3600")], "3600;refresher=uas", "timer"),
        ([("Session-Expires", "30")], None, None),
        ([SPEAKS], None, None),
        ([SPEAKS, ("Session-Expires", "soon")], None, None),
        ([SPEAKS, ("Session-Expires", "99999999999999999999999")], None, None),
    ],
)
async def test_a_callers_proposal_is_answered(
    ann: Station, puppet: Puppet, clock: VirtualClock, rows: list[Row], agreed: str | None, required: str | None
):
    """§9, table 2."""
    tag = await call_ann(ann, puppet, clock, *rows)

    headers = puppet.last_response().headers
    assert (headers.get("session-expires"), headers.get("require")) == (agreed, required)
    await hang_up(puppet, clock, tag)


async def test_a_proposal_below_90_seconds_is_told_the_least_we_take(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§9: 422 with Min-SE, before anybody is rung, and in a call as well."""
    puppet.request("INVITE", ANN, body=OFFER, rows=[SPEAKS, ("Session-Expires", "89")], call_id="short")
    await clock.run_for(0.1)
    assert (puppet.statuses(), puppet.last_response().headers.get("min-se")) == ([422], "90")
    assert ann.names() == []

    tag = await call_ann(ann, puppet, clock)
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=OFFER, rows=[SPEAKS, ("Session-Expires", "1")])
    await clock.run_for(0.1)
    assert (puppet.last_response().status, puppet.last_response().headers.get("min-se")) == (422, "90")
    await hang_up(puppet, clock, tag)


async def test_an_invite_that_asked_for_too_little_is_sent_once_more_with_what_is_wanted(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§7.3: the same call, the next CSeq."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    first = puppet.last_request("INVITE")
    puppet.answer(first, 422, ANN, rows=[("Min-SE", "3600")])
    await clock.run_for(0.1)
    second = puppet.last_request("INVITE")
    assert (second.call_id, second.cseq.number) == (first.call_id, first.cseq.number + 1)
    assert (second.headers.get("session-expires"), second.headers.get("min-se")) == ("3600", "3600")
    assert ann.names() == []

    puppet.answer(second, 422, ANN, rows=[("Min-SE", "7200")])
    await clock.run_for(0.1)

    assert ann.last("failed")[1].status == 422
    assert ann.last("failed")[0] == call


async def test_we_refresh_after_half_the_interval_with_the_description_as_it_stands(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§7.4, §10: a re-INVITE to a far end without UPDATE; nobody above is told."""
    call = await call_puppet(ann, puppet, clock, ("Session-Expires", "600;refresher=uac"), ("Require", "timer"))
    for round in range(3):
        await clock.run_for(299.0)
        assert asked(puppet, "INVITE") == 1 + round
        await clock.run_for(2.0)
        refresh = puppet.last_request("INVITE")
        assert (refresh.body, refresh.headers.get("session-expires")) == (OFFER, "600;refresher=uac")
        answer = ANSWER.replace(b"o=- 8 1", b"o=- 8 %d" % (2 + round))
        puppet.answer(refresh, 200, ANN, body=answer, rows=[("Session-Expires", "600;refresher=uac")])
        await clock.run_for(0.1)
        assert puppet.last_request("ACK").cseq.number == refresh.cseq.number

    assert ann.names() == ["answered"]
    await end(ann, puppet, clock, call)


async def test_we_refresh_by_update_where_the_far_end_takes_it(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§7.4: no description travels. Said no to after all, we fall back to a re-INVITE."""
    tag = await call_ann(ann, puppet, clock, SPEAKS, UPDATES, ("Session-Expires", "600"))
    await clock.run_for(300.0)
    update = puppet.last_request("UPDATE")
    assert (update.body, update.headers.get("session-expires")) == (b"", "600;refresher=uac")
    puppet.answer(update, 200, ANN, rows=[("Session-Expires", "600;refresher=uac")])

    await clock.run_for(301.0)
    again = puppet.last_request("UPDATE")
    assert again.cseq.number == update.cseq.number + 1
    puppet.answer(again, 501, ANN)
    await clock.run_for(0.1)

    refresh = puppet.last_request("INVITE")
    assert refresh.body == ANSWER
    puppet.answer(refresh, 200, ANN, body=OFFER, rows=[("Session-Expires", "600;refresher=uac")])
    await clock.run_for(0.1)
    assert ann.names() == ["incoming", "acknowledged"]
    await hang_up(puppet, clock, tag)


@pytest.mark.parametrize(("interval", "end_after"), [(90, 60.0), (1800, 1768.0)])
async def test_a_far_end_that_does_not_refresh_as_it_promised_is_hung_up_on(
    ann: Station, puppet: Puppet, clock: VirtualClock, interval: int, end_after: float
):
    """§10: a third of the interval before its end, at most 32 s."""
    call = await call_puppet(ann, puppet, clock, ("Session-Expires", f"{interval};refresher=uas"))

    await clock.run_for(end_after - 1.0)
    assert puppet.got("BYE") == []
    await clock.run_for(1.0)

    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    assert ann.last("ended")[:2] == (call, "refresh-missed")


async def test_a_refresh_of_the_far_end_gets_the_same_answer_and_disturbs_nobody(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    expires: Row = ("Session-Expires", "90;refresher=uac")
    tag = await call_ann(ann, puppet, clock, SPEAKS, expires)
    for cseq in range(2, 8):
        await clock.run_for(45.0)
        puppet.request("INVITE", ANN, to_tag=tag, cseq=cseq, body=OFFER, rows=[SPEAKS, expires])
        await clock.run_for(0.1)
        ok = puppet.last_response()
        assert (ok.status, ok.body, ok.headers.get("session-expires")) == (200, ANSWER, "90;refresher=uac")
        puppet.request("ACK", ANN, to_tag=tag, cseq=cseq)

    assert "reoffered" not in ann.names() and "ended" not in ann.names()
    await hang_up(puppet, clock, tag)


@pytest.mark.parametrize("status", [408, 481, None])
@pytest.mark.parametrize("way", [(), (UPDATES,)])
async def test_a_refresh_that_finds_nobody_ends_the_call(
    ann: Station, puppet: Puppet, clock: VirtualClock, status: int | None, way: tuple[Row, ...]
):
    """§10; RFC 3261 §12.2.1.2."""
    call = await call_puppet(ann, puppet, clock, ("Session-Expires", "600;refresher=uac"), *way)
    await clock.run_for(300.2)
    refresh = puppet.last_request("UPDATE" if way else "INVITE")
    if status is None:
        await clock.run_for(33.0)
    else:
        puppet.answer(refresh, status, ANN)
        await clock.run_for(0.1)

    assert ann.last("ended")[:2] == (call, "gone")
    puppet.answer(puppet.last_request("BYE"), 481, ANN)


@pytest.mark.parametrize(("status", "within"), [(491, 4.1), (500, 38.0), (488, 38.0)])
@pytest.mark.parametrize("way", [(), (UPDATES,)])
async def test_a_refresh_that_is_refused_is_tried_again(
    ann: Station, puppet: Puppet, clock: VirtualClock, status: int, within: float, way: tuple[Row, ...]
):
    """Whoever answers is there: the call goes on."""
    method = "UPDATE" if way else "INVITE"
    call = await call_puppet(ann, puppet, clock, ("Session-Expires", "600;refresher=uac"), *way)
    await clock.run_for(300.2)
    puppet.answer(puppet.last_request(method), status, ANN)
    before = asked(puppet, method)
    await clock.run_for(within)

    assert asked(puppet, method) == before + 1
    assert ann.names() == ["answered"]
    puppet.answer(puppet.last_request(method), 200, ANN, body=b"" if way else ANSWER)
    await clock.run_for(0.1)
    await end(ann, puppet, clock, call)


async def test_a_refresh_that_asked_for_too_little_is_sent_again_with_what_is_wanted(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = await call_puppet(ann, puppet, clock, UPDATES, ("Session-Expires", "600;refresher=uac"))
    await clock.run_for(300.2)
    puppet.answer(puppet.last_request("UPDATE"), 422, ANN, rows=[("Min-SE", "900")])
    await clock.run_for(0.1)

    assert asked(puppet, "UPDATE") == 2
    assert puppet.last_request("UPDATE").headers.get("session-expires") == "900;refresher=uac"
    puppet.answer(puppet.last_request("UPDATE"), 200, ANN)
    await clock.run_for(0.1)
    await end(ann, puppet, clock, call)


async def test_a_far_end_that_answers_without_a_timer_gets_none(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = await call_puppet(ann, puppet, clock, UPDATES)

    await clock.run_for(7200.0)

    assert len(puppet.heard) == 2, "nothing but INVITE and ACK"
    await end(ann, puppet, clock, call)


async def test_an_offer_of_ours_refreshes_as_well(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§7.4: it carries what was agreed, and the next refresh counts from its answer."""
    call = await call_puppet(ann, puppet, clock, ("Session-Expires", "600;refresher=uac"))
    await clock.run_for(200.0)
    ann.telephony.offer(call, OFFER + b"a=sendonly\r\n")
    await clock.run_for(0.1)
    hold = puppet.last_request("INVITE")
    assert hold.headers.get("session-expires") == "600;refresher=uac"
    puppet.answer(hold, 200, ANN, body=ANSWER, rows=[("Session-Expires", "600;refresher=uac")])

    await clock.run_for(290.0)
    assert puppet.last_request("INVITE") is hold
    await clock.run_for(11.0)

    refresh = puppet.last_request("INVITE")
    assert refresh.body == OFFER + b"a=sendonly\r\n", "the hold stays"
    puppet.answer(refresh, 200, ANN, body=ANSWER)
    await clock.run_for(0.1)
    assert ann.names() == ["answered", "reoffer_answered"]
    await end(ann, puppet, clock, call)


@pytest.mark.parametrize("seed", range(4))
async def test_a_call_of_an_hour_over_a_bad_link_is_refreshed_and_stays_up(clock: VirtualClock, seed: int):
    """One end refreshes, the other waits for it; a hold in between lasts; nothing is left at either end."""
    network = Network(clock, seed=seed, delay=0.05, loss=0.2, duplicate=0.1, reorder=0.2)
    ann = await Station(network, "10.0.0.1").start()
    bob = await Station(network, "10.0.0.2").start()
    bob.on["incoming"] = lambda invite: bob.telephony.answer(invite.call, ANSWER)
    ann.on["reoffered"] = lambda call, offer: ann.telephony.answer_offer(call, OFFER)
    ann.dial("sip:123@10.0.0.2", OFFER)
    await clock.run_for(60.0)
    assert ann.names() == ["answered"]
    bob.telephony.offer(bob.last("incoming").call, OFFER + b"a=sendonly\r\n")

    await clock.run_for(3600.0)

    assert ann.names()[:3] == ["answered", "reoffered", "acknowledged"]
    assert set(ann.names()[3:]) <= {"acknowledged"}, "refreshes are nobody's business above"
    assert set(bob.names()) == {"incoming", "acknowledged", "reoffer_answered"}
    refreshes = {packet.data for packet in network.packets if packet.summary in ("INVITE", "UPDATE")}
    assert len(refreshes) >= 2 + 3
    bob.telephony.bye(bob.last("incoming").call)
    await clock.run_for(400.0)
    assert ann.names()[-1] == "ended"
    assert ann.telephony.idle and bob.telephony.idle


async def test_what_is_proposed_and_the_least_that_is_taken_are_settings(
    network: Network, puppet: Puppet, clock: VirtualClock
):
    """§5, §9: 422 names our least; what is agreed to is never more than what we propose."""
    settings = TelephonySettings(
        rate_limits=None, allow_private=True, lag_limit=None, session_interval=600, session_least=120
    )
    station = await Station(network, "10.0.0.3", settings).start()
    call = station.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    assert (invite.headers.get("session-expires"), invite.headers.get("min-se")) == ("600", "120")
    puppet.answer(invite, 486, "10.0.0.3")
    await clock.run_for(0.1)
    assert station.last("failed")[0] == call

    for expires, status in (("100", 422), ("3600;refresher=uac", 200)):
        puppet.request("INVITE", "10.0.0.3", call_id=expires, body=OFFER, rows=[SPEAKS, ("Session-Expires", expires)])
        await clock.run_for(0.1)
        if status == 200:
            station.telephony.answer(station.last("incoming").call, ANSWER)
            await clock.run_for(0.1)
        answer = puppet.last_response()
        assert answer.status == status
        wanted = ("Min-SE", "120") if status == 422 else ("Session-Expires", "600;refresher=uac")
        assert wanted in answer.headers.rows
    tag = answer.to.tag
    puppet.request("ACK", "10.0.0.3", call_id=expires, to_tag=tag)
    puppet.request("BYE", "10.0.0.3", call_id=expires, to_tag=tag, cseq=2)
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()


async def test_a_refresh_that_is_answered_with_something_else_is_told(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """RFC 4028 §7.4: a refresh by re-INVITE is an offer, and its answer may be a new one."""
    call = await call_puppet(ann, puppet, clock, ("Session-Expires", "90;refresher=uac"))
    for body in (ANSWER, ANSWER.replace(b"14000", b"14002")):
        await clock.run_for(45.1)
        puppet.answer(
            puppet.last_request("INVITE"), 200, ANN, body=body, rows=[("Session-Expires", "90;refresher=uac")]
        )
        await clock.run_for(0.1)

    assert ann.all("reoffer_answered") == [(call, ANSWER.replace(b"14000", b"14002"))]
    await end(ann, puppet, clock, call)
