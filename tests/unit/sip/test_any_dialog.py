"""Whatever far ends say, in whatever order, and whatever is asked meanwhile: no exception, and nothing is left."""

import random

import pytest

from ringback.model.ids import CallId
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Transmit
from ringback.sip.errors import SipParseError
from ringback.sip.events import Answered, Ended, Event, Failed, Incoming, Progress, Referred, Reoffered
from ringback.sip.flow import Flow
from ringback.sip.inbound import InboundCall
from ringback.sip.message import Request, Response, Row, reply
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import parse
from ringback.sip.replaces import Replaces
from ringback.sip.uri import parse_sip_uri
from ringback.testing.link import SeededChance
from unit.sip.puppet import OFFER

HERE, THERE = "10.0.0.1", "10.0.0.9"
FLOW = Flow("udp", THERE, 5060)
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "OPTIONS", "MESSAGE")
STATUSES = (100, 180, 183, 183, 199, 200, 200, 200, 202, 302, 401, 408, 422, 481, 486, 491, 500, 503, 603)
ODD_ROWS: tuple[Row, ...] = (
    ("Require", "100rel"),
    ("RSeq", "1"),
    ("RSeq", "2"),
    ("RSeq", "x"),
    ("RAck", "1 1 INVITE"),
    ("Event", "refer"),
    ("Event", "refer;id=3"),
    ("Subscription-State", "terminated;reason=noresource"),
    ("Refer-To", "<sip:carol@203.0.113.9?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"),
    ("Refer-To", "<tel:+15550100>"),
    ("Refer-Sub", "false"),
    ("Replaces", "a;to-tag=b;from-tag=c"),
    ("Session-Expires", "90;refresher=uas"),
    ("Session-Expires", "100;refresher=uac"),
    ("Session-Expires", "20"),
    ("Min-SE", "3600"),
    ("Supported", "timer, 100rel"),
    ("Allow", "INVITE, UPDATE"),
    ("Record-Route", "<sip:10.0.0.8;lr>"),
    ("Record-Route", "<sip:10.0.0.8>"),
    ("Contact", "<sip:moved@edge.example>"),
    ("Contact", "<tel:+1>"),
    ("Reason", 'Q.850;cause=16;text="x"'),
    ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),
    ("Content-Type", "message/sipfrag"),
    ("Content-Type", "application/media_control+xml"),
)


class Bedlam:
    """One stack, and a far end that says anything at all about the dialogs there are."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        settings = AgentSettings(unconfirmed_per_source=None, hold_ack=bool(seed % 2))
        self.agent = Agent(settings, SeededChance(str(seed)), lambda flow: (HERE, 5060))
        self.now = 0.0
        self.known: set[CallId] = set()
        self.over: set[CallId] = set()
        self.asked: list[Request] = []
        self.refers: list[tuple[CallId, str]] = []
        self.dialogs: list[tuple[str, str, str]] = [("new", "", "t")]
        self._branches = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.chance.choice((self.say, self.say, self.answer, self.answer, self.verb, self.wait))()
            self.take()

    def end(self) -> None:
        """Everybody hangs up, and time passes."""
        for call in list(self.agent.calls.values()):
            if isinstance(call, OutboundCall):
                call.cancel("", self.now)
            elif isinstance(call, InboundCall):
                call.reject(486, "", [], self.now)
            call.bye("", self.now)
        self.take()
        for _ in range(4000):
            due = self.agent.next_wake()
            if due is None:
                return
            self.now = max(self.now, due)
            self.agent.wake(self.now)
            self.take()
            for call in list(self.agent.calls.values()):
                call.bye("", self.now)

    def wait(self) -> None:
        self.now += self.chance.choice((0.01, 0.01, 0.5, 0.5, 4.0, 40.0))
        while (due := self.agent.next_wake()) is not None and due <= self.now:
            self.agent.wake(self.now)

    def take(self) -> None:
        for effect in self.agent.take():
            if isinstance(effect, Transmit):
                message = parse(effect.data)
                if isinstance(message, Request):
                    self.asked = [*self.asked[-40:], message]
                self.note(message)
            else:
                self.hear(effect)

    def note(self, message: Request | Response) -> None:  # type: ignore[override]
        ours, theirs = message.from_.tag, message.to.tag
        if isinstance(message, Response):
            ours, theirs = theirs, ours
        self.dialogs = [*self.dialogs[-12:], (message.call_id, ours, theirs or "t1")]

    def hear(self, event: Event) -> None:
        """A call is begun once, ended once, and silent after its end."""
        call = getattr(event, "call", None)
        if isinstance(event, Incoming):
            assert event.call not in self.known
            self.known.add(event.call)
        if isinstance(event, Progress | Answered | Reoffered | Referred):
            assert call not in self.over, f"{event} after the end"
        if isinstance(event, Referred):
            self.refers.append((event.call, event.id))
        if isinstance(event, Failed | Ended):
            assert call not in self.over, "ended twice"
            self.over.add(event.call)

    def say(self) -> None:
        """A request, in a dialog that there is, or was, or never will be."""
        pick = self.chance.choice
        standing = list(self.agent.standing()) if self.chance.random() < 0.8 else []
        method, (call_id, ours, theirs) = pick(METHODS), pick(standing or self.dialogs)
        self._branches += 1
        branch = pick((f"z9hG4bKx{self._branches}", f"z9hG4bKx{max(1, self._branches - 1)}"))
        to = f"<sip:123@{HERE}>" + (f";tag={ours}" if ours and self.chance.random() < 0.9 else "")
        head: list[Row] = [
            ("Via", f"SIP/2.0/UDP {THERE}:5060;branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:bob@{THERE}>;tag={theirs}"),
            ("To", to),
            ("Call-ID", call_id if ours else f"c{self._branches}"),
            ("CSeq", f"{pick((1, self._branches, self._branches))} {method}"),
            ("Contact", f"<sip:bob@{THERE}:5060>"),
        ]
        self.put(Request(method, f"sip:123@{HERE}", [*head, *self.odd(("contact",))], pick((b"", OFFER))))

    def answer(self) -> None:
        """A response to something it was asked."""
        if self.asked:
            pick = self.chance.choice
            rows: list[Row] = [("Contact", f"<sip:bob@{THERE}:5060>"), *self.odd(("contact",))]
            body = pick((b"", OFFER))
            tag = pick(("t1", "t1", "t2", ""))
            self.put(reply(pick(self.asked[-6:]), pick(STATUSES), to_tag=tag, rows=rows, body=body))

    def odd(self, but: tuple[str, ...]) -> list[Row]:
        rows = self.chance.sample(ODD_ROWS, self.chance.randrange(6))
        unique = {name: (name, value) for name, value in rows if name.lower() not in but}
        return [*unique.values(), *([] if "Content-Type" in unique else [("Content-Type", "application/sdp")])]

    def put(self, message: Request | Response) -> None:
        try:
            self.agent.receive(parse(message.to_bytes()), FLOW, self.now)
        except SipParseError:
            return

    def verb(self) -> None:
        """Something those above may ask of any call at any time."""
        pick, now, agent = self.chance.choice, self.now, self.agent
        if not agent.calls or self.chance.random() < 0.05:
            id = CallId(f"out{self._branches}-{now}-{len(self.known)}")
            self.known.add(id)
            record = agent.prepare(parse_sip_uri(f"sip:123@{THERE}"), f"sip:ann@{HERE}")
            agent.invite(OutboundCall(agent, id, record, [FLOW], body=pick((b"", OFFER))), now)
            return
        call = pick(list(agent.calls.values()))
        verbs = [
            lambda: call.offer(OFFER, now),
            lambda: call.answer_offer(OFFER, 200, now),
            lambda: call.answer_offer(None, 488, now),
            lambda: call.send_digit("5", 100, now),
            lambda: call.refer("sip:carol@203.0.113.9", "", pick((None, Replaces("a", "b", "c"))), now),
        ]
        if self.refers:
            of, refer = pick(self.refers)
            known = agent.calls.get(of)
            if known is not None:
                verbs += [
                    lambda: known.referrals.accept(refer, now),
                    lambda: known.referrals.refuse(refer, 603, now),
                    lambda: known.referrals.notify(refer, pick((100, 180, 200)), "", now),
                ]
        if isinstance(call, InboundCall):
            verbs += [lambda: call.ring(pick((None, OFFER)), now), lambda: call.answer(OFFER, now)] * 2
            verbs += [lambda: call.reject(486, "", [], now)]
        if isinstance(call, OutboundCall):
            verbs += [lambda: call.confirm(pick((None, OFFER)))] * 2
        if self.chance.random() < 0.1:
            verbs = [lambda: call.bye("", now)]
        pick(verbs)()


@pytest.mark.parametrize("seed", range(40))
def test_bedlam_raises_nothing_and_leaves_nothing(seed: int):
    """F9; B1, B6: also after calls have been over for long."""
    bedlam = Bedlam(seed)
    bedlam.run(400)
    bedlam.end()
    assert bedlam.agent.idle, bedlam.agent.leftovers()
