"""Registering as a client: RFC 3261 §10.2, RFC 5626 §4.5, and attacks A8 and A9. Days pass in no time."""

from collections.abc import Callable, Sequence

import pytest

from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Transmit
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Row, reply
from ringback.sip.parser import parse
from ringback.sip.registration import Account, ClientRegistration, State
from ringback.sip.uri import SipUri
from ringback.testing.link import SeededChance

ONE, TWO = Flow("udp", "192.0.2.1", 5060), Flow("udp", "192.0.2.2", 5060)
CHALLENGE = ("WWW-Authenticate", 'Digest realm="pbx", nonce="{}", algorithm=SHA-256, qop="auth"')
MINE = Account("pbx", "sip:line1@pbx.test", "sip:pbx.test", "line1", "line1", "secret-of-line-1", expires=3600)

Answer = tuple[int, Sequence[Row]] | None


class Line:
    """A registration, a server that a test writes as a function, and a clock that jumps.

    Attributes:
        server: From a request and the number of requests before it to status and headers; ``None`` says nothing.
        heard: REGISTERs (not their repeats) with time and server.
    """

    def __init__(self, server: Callable[[Request, int], Answer], targets: Sequence[Flow] = (ONE,), seed: str = "a"):
        self.now = 0.0
        self.server = server
        self.targets = list(targets)
        self.here = ("203.0.113.5", 5060)
        self.connected = True
        self.heard: list[tuple[float, Flow, Request]] = []
        self.asked: list[SipUri | None] = []
        self.told: list[tuple[float, str, str]] = []
        self._branches: set[str] = set()
        self.agent = Agent(
            AgentSettings(),
            SeededChance(seed),
            advertised=lambda flow: self.here,
            connected=lambda flow: self.connected,
        )
        self.line = ClientRegistration(self.agent, MINE, self.asked.append, self._told)

    def _told(self, line: ClientRegistration) -> None:
        self.told.append((self.now, line.state.value, line.why))

    def start(self) -> "Line":
        self.line.start(self.now)
        self.turn()
        return self

    def turn(self) -> None:
        """Carry what is on its way to the server and back, until nobody has anything to say."""
        while True:
            if self.asked:
                self._look_up(self.asked.pop(0))
            effects = [effect for effect in self.agent.take() if isinstance(effect, Transmit)]
            if not effects and not self.asked:
                return
            for effect in effects:
                self._serve(effect)

    def _look_up(self, where: SipUri | None) -> None:
        if where is None:
            self.line.found(self.targets, self.now)
        else:
            self.line.found([Flow("udp", where.host, where.port or 5060)], self.now, redirected=True)

    def _serve(self, sent: Transmit) -> None:
        request = parse(sent.data)
        assert isinstance(request, Request)
        if request.top_via.branch in self._branches:
            return
        self._branches.add(request.top_via.branch)
        self.heard.append((self.now, sent.flow, request))
        answer = self.server(request, len(self.heard) - 1)
        if answer is not None:
            response = parse(reply(request, answer[0], to_tag="s", rows=answer[1]).to_bytes())
            self.agent.receive(response, sent.flow, self.now)

    def run(self, seconds: float) -> "Line":
        """Let time pass."""
        end = self.now + seconds
        while True:
            due = [at for at in (self.agent.next_wake(), self.line.next_wake()) if at is not None and at <= end]
            if not due:
                self.now = end
                return self
            self.now = max(self.now, min(due))
            self.agent.wake(self.now)
            self.line.wake(self.now)
            self.turn()

    @property
    def times(self) -> list[float]:
        return [at for at, _, _ in self.heard]


def ok(request: Request, expires: int = 3600, *rows: Row) -> Answer:
    contact = str(request.contacts[0].uri)
    return 200, [("Contact", f"<{contact}>;expires={expires}"), *rows]


def polite(expires: int = 3600) -> Callable[[Request, int], Answer]:
    """Challenges whoever brings no credentials, takes whoever does."""

    def server(request: Request, number: int) -> Answer:
        if "authorization" not in request.headers:
            return 401, [(CHALLENGE[0], CHALLENGE[1].format(number))]
        return ok(request, expires)

    return server


def test_it_registers_with_digest_and_says_so():
    line = Line(polite()).start()

    assert line.line.state is State.REGISTERED
    first, second = (request for _, _, request in line.heard)
    assert (first.target, str(first.to.uri), str(first.from_.uri)) == ("sip:pbx.test", MINE.address, MINE.address)
    assert str(first.contacts[0].uri) == "sip:line1@203.0.113.5:5060"
    assert "algorithm=SHA-256" in (second.headers.get("authorization") or "")
    assert second.cseq.number == first.cseq.number + 1
    assert second.call_id == first.call_id


def test_for_a_month_it_is_refreshed_between_half_and_nine_tenths_of_its_time():
    line = Line(lambda request, number: ok(request, 3600)).start().run(30 * 86_400)

    gaps = [later - before for before, later in zip(line.times, line.times[1:], strict=False)]

    assert 30 * 24 / 0.9 <= len(line.times) <= 30 * 24 / 0.5 + 1
    assert all(0.5 * 3600 <= gap <= 0.9 * 3600 + 0.1 for gap in gaps)
    assert max(gaps) - min(gaps) > 600, "not all in step"
    assert line.told == [(0.0, "registered", "")]
    assert len({request.call_id for _, _, request in line.heard}) == 1
    assert line.agent.next_wake() is None or len(line.agent.transactions) == 0


@pytest.mark.parametrize(("granted", "least", "most"), [(60, 30, 54), (7200, 3600, 6480), (1, 5, 9)])
def test_the_servers_word_on_expiry_counts(granted: int, least: float, most: float):
    """A second would be a flood: ten are the least."""
    line = Line(lambda request, number: ok(request, granted)).start().run(10_000)

    assert least <= line.times[1] - line.times[0] <= most + 0.1


def test_expiry_may_stand_in_the_header_alone():
    line = Line(lambda request, number: (200, [("Expires", "100")])).start().run(100)

    assert 50 <= line.times[1] <= 90.1


def test_a_nonce_that_grew_old_is_replaced():
    def server(request: Request, number: int) -> Answer:
        if number == 0:
            return 401, [(CHALLENGE[0], CHALLENGE[1].format("old"))]
        if number == 1:
            return 401, [(CHALLENGE[0], CHALLENGE[1].format("new") + ", stale=true")]
        return ok(request)

    line = Line(server).start()

    assert line.line.state is State.REGISTERED
    assert 'nonce="new"' in (line.heard[2][2].headers.get("authorization") or "")


@pytest.mark.parametrize("end", ["", ", stale=true"])
def test_a_server_that_challenges_for_ever_is_left_alone_for_a_while(end: str):
    """A8."""
    line = Line(lambda request, number: (401, [(CHALLENGE[0], CHALLENGE[1].format(number) + end)])).start().run(14)

    assert len(line.heard) == (3 if end else 2)
    assert (line.line.state, line.line.why) == (State.FAILING, "401 Unauthorized")


def test_credentials_go_to_the_realm_they_are_for_and_no_other():
    """A9."""
    server = polite()
    line = Line(server)
    line.line.account = Account("pbx", "sip:l@pbx.test", "sip:pbx.test", "l", "l", "p", realm="elsewhere")
    line.start()

    assert len(line.heard) == 1
    assert line.line.state is State.FAILING


def test_too_brief_is_asked_for_longer_once():
    def server(request: Request, number: int) -> Answer:
        return (423, [("Min-Expires", "7200")]) if request.headers.get("expires") == "3600" else ok(request, 7200)

    line = Line(server).start()

    assert [request.headers.get("expires") for _, _, request in line.heard] == ["3600", "7200"]
    assert line.line.state is State.REGISTERED
    stubborn = Line(lambda request, number: (423, [("Min-Expires", str(7200 + number))])).start().run(14)
    assert len(stubborn.heard) == 2
    assert stubborn.line.why == "423 Interval Too Brief"


def test_a_redirect_is_followed_and_a_ring_of_them_is_not():
    def server(request: Request, number: int) -> Answer:
        return (302, [("Contact", "<sip:192.0.2.2:5060>")]) if number == 0 else ok(request)

    line = Line(server).start()
    assert [flow for _, flow, _ in line.heard] == [ONE, TWO]
    assert line.line.state is State.REGISTERED

    ring = Line(lambda request, number: (302, [("Contact", "<sip:192.0.2.2>")])).start().run(14)
    assert len(ring.heard) == 3
    assert ring.line.why.startswith("302")


def test_a_redirect_does_not_carry_credentials_to_a_stranger():
    """A9: whoever a server sends us to gets no proof, unless the realm is ours by configuration."""

    def server(request: Request, number: int) -> Answer:
        return (302, [("Contact", "<sip:192.0.2.2:5060>")]) if number == 0 else polite()(request, number)

    line = Line(server).start()

    assert len(line.heard) == 2
    assert line.line.state is State.FAILING


@pytest.mark.parametrize("first", [503, 500, 408, None])
def test_the_next_server_is_tried_when_one_cannot(first: int | None):
    dead: Answer = None if first is None else (first, [])
    line = Line(lambda request, number: dead if number == 0 else ok(request), [ONE, TWO]).start().run(9)

    assert [flow for _, flow, _ in line.heard] == [ONE, TWO]
    assert line.times[1] == pytest.approx(8.0 if first is None else 0.0)
    assert line.line.state is State.REGISTERED


def test_a_refusal_is_no_reason_to_ask_another_server():
    line = Line(lambda request, number: (403, []), [ONE, TWO]).start().run(14)

    assert len(line.heard) == 1
    assert line.told == [(0.0, "failing", "403 Forbidden")]


def test_pauses_grow_to_half_an_hour_and_no_further():
    """RFC 5626 §4.5, and the state says why."""
    line = Line(lambda request, number: (403, [])).start().run(86_400)

    gaps = [later - before for before, later in zip(line.times, line.times[1:], strict=False)]

    for number, gap in enumerate(gaps):
        longest = min(30 * 2**number, 1800)
        assert longest / 2 <= gap <= longest + 0.1
    assert len(line.told) == 1


def test_retry_after_is_respected():
    line = Line(lambda request, number: (503, [("Retry-After", "600 (later)")])).start().run(599)
    assert len(line.heard) == 1
    assert len(line.run(2).heard) == 2


def test_after_an_outage_it_comes_back_and_pauses_begin_anew():
    line = Line(lambda request, number: ok(request, 600)).start().run(1000)
    line.server = lambda request, number: None
    line.run(3600)
    assert line.line.state is State.FAILING
    assert line.line.why == "no answer"
    line.server = lambda request, number: ok(request, 600)
    line.run(1800)

    assert line.line.state is State.REGISTERED
    assert [state for _, state, _ in line.told] == ["registered", "failing", "registered"]


def test_a_refresh_that_fails_tries_the_other_servers_before_it_is_told():
    line = Line(lambda request, number: ok(request, 600), [ONE, TWO]).start()
    line.server = lambda request, number: ok(request, 600) if line.heard[-1][1] == TWO else None
    line.run(1000)

    assert line.line.flow == TWO
    assert line.told == [(0.0, "registered", "")]


def test_a_connection_that_breaks_brings_it_back_within_seconds():
    flow = Flow("tcp", "192.0.2.1", 5060)
    line = Line(lambda request, number: ok(request), [flow]).start().run(60)
    line.connected = False
    line.line.broken(flow, line.now)
    line.run(3.1)

    assert len(line.heard) == 2


def test_another_address_of_ours_is_told_and_the_old_one_taken_back():
    line = Line(lambda request, number: ok(request)).start().run(60)
    assert not line.line.is_elsewhere()
    line.here = ("198.51.100.7", 5060)
    assert line.line.is_elsewhere()
    line.line.moved(line.now)
    line.turn()

    contacts = {str(one.uri): one.parameters["expires"] for one in line.heard[-1][2].contacts}
    assert contacts == {"sip:line1@198.51.100.7:5060": "3600", "sip:line1@203.0.113.5:5060": "0"}


def test_at_the_end_it_is_taken_back():
    line = Line(polite()).start().run(60)
    line.line.stop(line.now)
    line.turn()

    assert line.heard[-1][2].contacts[0].parameters["expires"] == "0"
    assert line.line.state is State.STOPPED
    assert line.run(7200).line.next_wake() is None
    assert len(line.agent.transactions) == 0


def test_at_the_end_a_silent_server_is_not_waited_for_long():
    line = Line(lambda request, number: ok(request)).start().run(60)
    line.server = lambda request, number: None
    line.line.stop(line.now)
    line.turn()
    line.run(8.1)

    assert line.line.state is State.STOPPED


def test_the_servers_route_for_our_requests_is_kept():
    """RFC 3608."""
    line = Line(lambda request, number: ok(request, 3600, ("Service-Route", "<sip:edge.test;lr>"))).start()

    assert line.line.service_route == ("<sip:edge.test;lr>",)
