"""Digest authentication in both roles (RFC 3261 §22, RFC 7616, RFC 8760): SHA-512-256, SHA-256 and MD5, qop=auth."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ringback.sip.errors import SipParseError
from ringback.sip.headers import Authorization, parse_authorization
from ringback.sip.message import Request, Response, Row
from ringback.sip.uri import parse_uri


def _sha512_256(data: bytes) -> "hashlib._Hash":
    return hashlib.new("sha512_256", data)


HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "sha-512-256": _sha512_256,
    "sha-256": hashlib.sha256,
    "md5": hashlib.md5,
}
"""Algorithms by the name in ``algorithm=``, in lower case; best first."""

OFFERED = ("sha-256", "md5")
"""What we challenge with: phones know these two, and a third challenge in an answer helps nobody."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What we answer challenges with.

    Attributes:
        host: Address the challenge must come from: nobody else ever sees what the password makes.
        realm: Realm it must name; ``None`` accepts any from that host.
    """

    host: str
    username: str
    password: str
    realm: str | None = None


def digest(algorithm: str, username: str, realm: str, password: str) -> str:
    """H(A1), which a server may keep instead of the password."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


def response(algorithm: str, a1: str, method: str, uri: str, nonce: str, nc: str, cnonce: str, qop: str) -> str:
    """The ``response=`` of RFC 7616 §3.4.1; without ``qop`` that of RFC 2069."""
    a2 = _hash(algorithm, f"{method}:{uri}")
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return _hash(algorithm, f"{a1}:{middle}:{a2}")


def _hash(algorithm: str, text: str) -> str:
    return HASHES[algorithm](text.encode("utf-8", "surrogateescape")).hexdigest()


# ── as a client ──


def answer_challenge(
    credentials: Sequence[Credential], request: Request, challenged: Response, host: str, cnonce: str
) -> Row | None:
    """The header that answers a 401 or 407, or ``None`` if we have nothing for that host and realm."""
    asked, answered = (
        ("www-authenticate", "Authorization")
        if challenged.status == 401
        else ("proxy-authenticate", "Proxy-Authorization")
    )
    offers = [offer for value in challenged.headers.all(asked) if (offer := _readable(value)) is not None]
    for algorithm in HASHES:
        for offer in offers:
            found = _usable(offer, algorithm, credentials, host)
            if found is not None:
                return answered, _credentials(found, offer, algorithm, request, cnonce)
    return None


def _readable(value: str) -> Authorization | None:
    try:
        return parse_authorization(value)
    except SipParseError:
        return None


def _usable(offer: Authorization, algorithm: str, credentials: Sequence[Credential], host: str) -> Credential | None:
    parameters = offer.parameters
    qops = {part.strip().lower() for part in parameters.get("qop", "").split(",")}
    if offer.scheme != "digest" or parameters.get("algorithm", "md5").lower() != algorithm:
        return None
    if "nonce" not in parameters or "realm" not in parameters or not qops & {"", "auth"}:
        return None
    for credential in credentials:
        if credential.host == host and credential.realm in (None, parameters["realm"]):
            return credential
    return None


def _credentials(mine: Credential, offer: Authorization, algorithm: str, request: Request, cnonce: str) -> str:
    realm, nonce = offer.parameters["realm"], offer.parameters["nonce"]
    qop = "auth" if "auth" in offer.parameters.get("qop", "") else ""
    a1 = digest(algorithm, mine.username, realm, mine.password)
    proof = response(algorithm, a1, request.method, request.target, nonce, "00000001", cnonce, qop)
    fields = {"username": mine.username, "realm": realm, "nonce": nonce, "uri": request.target, "response": proof}
    text = ", ".join(f'{name}="{_escape(value)}"' for name, value in fields.items())
    text += f", algorithm={offer.parameters.get('algorithm', 'MD5')}"
    if qop:
        text += f', qop=auth, nc=00000001, cnonce="{cnonce}"'
    if "opaque" in offer.parameters:
        text += f', opaque="{_escape(offer.parameters["opaque"])}"'
    return f"Digest {text}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


# ── as a server ──


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of a check.

    Attributes:
        ok: The credentials are good.
        username: Whose they are (or claim to be).
        stale: Good but for an old nonce: the client may try again without asking its user.
    """

    ok: bool
    username: str = ""
    stale: bool = False


class Authenticator:
    """Challenges and checks credentials without keeping a nonce: each carries its time and source, sealed by HMAC.

    A nonce lives ``lifetime`` seconds and is good for one source address and realm. Counters (``nc``) of nonces in use
    are kept in a bounded table, so that nothing can be sent twice.

    Args:
        key: Secret shared by all nodes that are to accept each other's nonces.
        node: Name of this node; a nonce of another one is answered with ``stale=true``, for its counters are there.
        realm: What is asked for unless a request names a realm of its own.
        secret_of: H(A1) for (realm, username, algorithm), or ``None`` for an unknown user.
    """

    def __init__(
        self,
        key: bytes,
        realm: str,
        node: str,
        secret_of: Callable[[str, str, str], str | None],
        lifetime: float = 60.0,
        capacity: int = 10_000,
    ) -> None:
        self._key = key
        self._realm = realm
        self._node = node
        self._secret_of = secret_of
        self._lifetime = lifetime
        self._capacity = capacity
        self._challenges = 0
        self._counters: dict[str, tuple[int, int]] = {}
        self._forgotten = float("-inf")

    def challenge(
        self,
        source: str,
        now: float,
        *,
        proxy: bool = False,
        stale: bool = False,
        realm: str = "",
        algorithms: Sequence[str] = OFFERED,
    ) -> list[Row]:
        """One header per algorithm (some of ``OFFERED``), best first (RFC 8760 §2.4)."""
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        realm = realm or self._realm
        start = f'Digest realm="{_escape(realm)}", nonce="{self._nonce(source, realm, now)}"'
        end = ", stale=true" if stale else ""
        return [(name, f'{start}, algorithm={algorithm.upper()}, qop="auth"{end}') for algorithm in algorithms]

    def claimed(self, request: Request, *, proxy: bool = False, realm: str = "") -> str | None:
        """Whose credentials for our realm a request brings, unchecked; ``None``: it brings none."""
        given = self._given(request, proxy, realm or self._realm)
        return None if given is None else given.get("username", "")

    def check(self, request: Request, source: str, now: float, *, proxy: bool = False, realm: str = "") -> Verdict:
        """Judge a request's credentials. Raises ``SipParseError`` for unreadable ones."""
        realm = realm or self._realm
        given = self._given(request, proxy, realm)
        return Verdict(False) if given is None else self._check(given, realm, request, source, now)

    def _given(self, request: Request, proxy: bool, realm: str) -> dict[str, str] | None:
        for value in request.headers.all("proxy-authorization" if proxy else "authorization"):
            given = parse_authorization(value)
            if given.scheme == "digest" and given.parameters.get("realm") == realm:
                return given.parameters
        return None

    def _check(self, given: dict[str, str], realm: str, request: Request, source: str, now: float) -> Verdict:
        username, algorithm = given.get("username", ""), given.get("algorithm", "md5").lower()
        nc, cnonce = given.get("nc", ""), given.get("cnonce", "")
        if algorithm not in OFFERED or given.get("qop") != "auth" or not cnonce or not _is_counter(nc):
            return Verdict(False, username)
        if not _same_uri(given.get("uri", ""), request.target):
            return Verdict(False, username)
        # An unknown user costs the same work, and gets the same answer, as a wrong password.
        a1 = self._secret_of(realm, username, algorithm)
        expected = response(
            algorithm, a1 or "unknown", request.method, given["uri"], given.get("nonce", ""), nc, cnonce, "auth"
        )
        good = hmac.compare_digest(expected.encode(), given.get("response", "").encode("utf-8", "replace"))
        if not good or a1 is None:
            return Verdict(False, username)
        made = self._made(given.get("nonce", ""), source, realm, now)
        if made is None or not self._first_use(given["nonce"], made, int(nc, 16)):
            return Verdict(False, username, stale=True)
        return Verdict(True, username)

    def _nonce(self, source: str, realm: str, now: float) -> str:
        # Numbered, for many phones behind one address may be challenged in the same instant.
        self._challenges += 1
        head = f"{self._node}.{int(now * 1000):x}-{self._challenges:x}"
        return f"{head}.{self._seal(head, source, realm)}"

    def _seal(self, head: str, source: str, realm: str) -> str:
        return hmac.new(self._key, f"{head}|{source}|{realm}".encode(), hashlib.sha256).hexdigest()[:32]

    def _made(self, nonce: str, source: str, realm: str, now: float) -> float | None:
        """When it was made; ``None`` if it is not ours, for somebody else, or too old."""
        head, _, seal = nonce.rpartition(".")
        node = head.rpartition(".")[0]
        if node != self._node or not hmac.compare_digest(
            seal.encode("utf-8", "replace"), self._seal(head, source, realm).encode()
        ):
            return None
        at = _made_at(nonce)
        return at if -1.0 <= now - at <= self._lifetime else None

    def _first_use(self, nonce: str, made: float, count: int) -> bool:
        """Whether ``nc`` is new: a window of 64 behind the highest allows for reordering.

        Of a nonce as old as one whose counter had to be forgotten nobody knows any more what was sent with it.
        """
        if nonce not in self._counters and made <= self._forgotten:
            return False
        highest, seen = self._counters.pop(nonce, (0, 0))
        if count > highest:
            seen = (seen << min(count - highest, 64) | 1) & (2**64 - 1)
            highest, fresh = count, True
        else:
            bit = 1 << (highest - count)
            fresh = highest - count < 64 and not seen & bit
            seen |= bit if highest - count < 64 else 0
        self._counters[nonce] = (highest, seen)
        while len(self._counters) > self._capacity:
            forgotten = next(iter(self._counters))
            del self._counters[forgotten]
            self._forgotten = max(self._forgotten, _made_at(forgotten))
        return fresh


def _made_at(nonce: str) -> float:
    """The time in a nonce of ours."""
    head, _, _ = nonce.rpartition(".")
    return int(head.rpartition(".")[2].partition("-")[0], 16) / 1000


def _is_counter(text: str) -> bool:
    return len(text) == 8 and all(c in "0123456789abcdefABCDEF" for c in text) and int(text, 16) > 0


def _same_uri(given: str, target: str) -> bool:
    """RFC 7616 §3.4.6: the same resource, though perhaps written otherwise."""
    if given == target:
        return True
    try:
        return str(parse_uri(given)).lower() == str(parse_uri(target)).lower()
    except SipParseError:
        return False
