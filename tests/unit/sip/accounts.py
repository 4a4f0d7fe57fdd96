"""What the registrar's tests share: two domains with accounts, and phones that log in."""

from collections.abc import Sequence
from dataclasses import replace

from ringback.model.ids import DomainId
from ringback.model.instant import Instant
from ringback.model.sip_client import SipClient
from ringback.sip.digest import HASHES, Authenticator, Credential, answer_challenge, digest
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Response, Row
from ringback.sip.parser import parse
from ringback.sip.registrar import Answer, Registrar

HOME = Flow("udp", "192.0.2.1", 5062)
PASSWORD = "wonderland-7"


class TwoDomains:
    """``sip.registrar.Accounts``: ``acme`` at sip.test, ``globex`` at globex.sip.test."""

    def __init__(self) -> None:
        self.clients: dict[tuple[str, str], SipClient] = {}
        for realm, name in (("acme", "ann"), ("acme", "bob"), ("globex", "ann")):
            proofs = {algorithm: digest(algorithm, name, realm, PASSWORD) for algorithm in HASHES}
            self.clients[realm, name] = SipClient(f"{realm}/{name}", DomainId(f"id-{realm}"), name, realm, proofs, 0.0)

    def expire(self, realm: str, name: str, wall: float) -> None:
        self.clients[realm, name] = replace(self.clients[realm, name], expires_at=wall)

    def realm(self, host: str) -> str:
        return "globex" if host == "globex.sip.test" else "acme"

    def is_ours(self, host: str, port: int | None) -> bool:
        return host in ("sip.test", "globex.sip.test") and port in (None, 5060)

    def has_accounts(self, realm: str) -> bool:
        return True

    def find(self, realm: str, username: str) -> SipClient | None:
        return self.clients.get((realm, username))

    def proof(self, realm: str, username: str, algorithm: str) -> str | None:
        client = self.find(realm, username)
        return client.proofs[algorithm] if client else None


class Desk:
    """A registrar and the time.

    Attributes:
        at: Seconds; the wall clock is a million ahead.
    """

    def __init__(self) -> None:
        self.accounts = TwoDomains()
        authenticator = Authenticator(b"k" * 32, "acme", "n1", self.accounts.proof)
        self.registrar = Registrar(self.accounts, authenticator)
        self.at = 1000.0

    @property
    def now(self) -> Instant:
        return Instant(self.at, self.at + 1_000_000)

    def clients_contacts(self, client: str = "acme/ann") -> list[str]:
        return [place.binding.contact for place in self.registrar.places(client, self.at)]

    def register(
        self,
        *contacts: str,
        user: str = "ann",
        to: str = "",
        password: str = PASSWORD,
        flow: Flow = HOME,
        rows: Sequence[Row] = (),
        cseq: int = 1,
        call_id: str = "one",
        host: str = "sip.test",
    ) -> Answer:
        """Log in and register as a phone does: once without credentials, once with."""
        first = a_request("REGISTER", user, host, contacts, rows, cseq, call_id, to)
        return self.log_in(first, lambda it: self.registrar.register(it, flow, self.now), user, password, flow, cseq)

    def log_in(self, first, ask, user=None, password=PASSWORD, flow=HOME, cseq=1):  # type: ignore[no-untyped-def]
        """Ask, and ask again with credentials when challenged."""
        answer = ask(first)
        refusal = answer if isinstance(answer, Answer) else answer.refusal
        if refusal is None or refusal.status != 401:
            return answer
        return ask(with_credentials(first, refusal, user, password, flow))


def a_request(
    method: str,
    user: str,
    host: str = "sip.test",
    contacts: Sequence[str] = (),
    rows: Sequence[Row] = (),
    cseq: int = 1,
    call_id: str = "one",
    to: str = "",
    via: str = "192.0.2.1:5062",
) -> Request:
    """A request from an account, read as if it had come by the network."""
    head: list[Row] = [
        ("Via", f"SIP/2.0/UDP {via};branch=z9hG4bK{cseq}"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:{user}@{host}>;tag=f"),
        ("To", f"<{to or f'sip:{user}@{host}'}>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        *(("Contact", contact) for contact in contacts),
        *rows,
    ]
    target = f"sip:{host}" if method == "REGISTER" else to
    message = parse(Request(method, target, head).to_bytes())
    assert isinstance(message, Request)
    return message


def with_credentials(request: Request, refusal: Answer, user: str | None, password: str, flow: Flow) -> Request:
    """The request again, with the challenge answered."""
    challenged = Response(401, "Unauthorized", refusal.rows)
    mine = [Credential(flow.host, user or "ann", password)]
    row = answer_challenge(mine, request, challenged, flow.host, "cnonce")
    assert row is not None, "there is a challenge to answer"
    again = parse(Request(request.method, request.target, [*request.headers.rows, row]).to_bytes())
    assert isinstance(again, Request)
    return again


def row(answer: Answer, name: str) -> list[str]:
    """Values of a header of an answer."""
    return [value for key, value in answer.rows if key.lower() == name.lower()]
