"""Keys and tokens: who gets in, in which order it is checked, and what ends an authority."""

import base64
import json
import random
from collections.abc import Sequence
from typing import Any

import jwt
import pytest

from ringback.access.errors import TokenRefused
from ringback.access.ports import ApiKey
from ringback.access.service import Access
from ringback.model.domain import Domain
from ringback.model.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from ringback.model.ids import DomainId
from ringback.rooms.domains import Domains
from ringback.testing.clock import VirtualClock

KEY = "a-configured-key-of-good-length-123"


class Ring:
    """Keys in memory."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}

    async def active(self) -> Sequence[ApiKey]:
        return [key for key in self.keys.values() if key.revoked_at is None]

    async def put(self, keys: Sequence[ApiKey]) -> None:
        self.keys |= {key.id: key for key in keys}


class Registry:
    """Domains in memory."""

    def __init__(self) -> None:
        self.domains: list[Domain] = []

    async def all(self) -> Sequence[Domain]:
        return list(self.domains)

    async def insert(self, domain: Domain) -> None:
        self.domains.append(domain)

    async def update(self, domain: DomainId, change: Any) -> Domain | None:
        raise NotImplementedError


class Gate:
    """Access over memory; ``again`` is the same installation started once more."""

    def __init__(self, ring: Ring | None = None, registry: Registry | None = None, seed: int = 1) -> None:
        self.ring, self.registry = ring or Ring(), registry or Registry()
        self.clock, chance = VirtualClock(), random.Random(seed)
        self.now = self.clock.wall()
        self.domains = Domains(self.registry, self.clock, chance)
        self.access = Access(self.ring, self.domains, self.clock, chance, max_keys=3)

    async def start(self, key: str = KEY) -> Domain:
        return await self.access.start(key)

    def again(self) -> "Gate":
        return Gate(self.ring, self.registry, seed=2)

    async def refusal(self, token: str, **more: Any) -> str:
        with pytest.raises(TokenRefused) as caught:
            await self.access.check_token(token, now=self.now, **more)
        assert caught.value.info == f"{caught.value.kind}: {caught.value.msg}"
        return caught.value.kind


@pytest.fixture
async def gate() -> Gate:
    built = Gate()
    await built.start()
    return built


def signed(payload: dict[str, Any], key: str = KEY, algorithm: str = "HS256", **header: Any) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers=header)


async def test_a_key_opens_its_own_domain_and_no_other(gate: Gate) -> None:
    first = await gate.domains.first()
    other = await gate.domains.create("other")
    key = await gate.access.add_key(other.id, "bots")

    assert await gate.access.key_domain(KEY) == first
    assert await gate.access.key_domain(key.secret) == other
    assert gate.access.is_operator(KEY) and not gate.access.is_operator(key.secret)


@pytest.mark.parametrize("bearer", ["", "x", KEY + "x", KEY[:-1], "\udcff\x00", "é"], ids=ascii)
async def test_anything_else_is_no_key(gate: Gate, bearer: str) -> None:
    with pytest.raises(Unauthenticated):
        await gate.access.key_domain(bearer)


async def test_changing_the_configured_key_adds_the_new_and_retires_the_old(gate: Gate) -> None:
    token = await gate.access.mint((await gate.domains.first()).id, {})
    extra = await gate.access.add_key((await gate.domains.first()).id, "stays")
    later = gate.again()

    await later.start("another-configured-key-of-good-length")

    assert await later.access.key_domain("another-configured-key-of-good-length") == await gate.domains.first()
    assert await later.access.key_domain(extra.secret) == await gate.domains.first()
    with pytest.raises(Unauthenticated):
        await later.access.key_domain(KEY)
    assert await later.refusal(token) == "invalid-token"


async def test_the_same_configured_key_changes_nothing_at_the_next_start(gate: Gate) -> None:
    before = dict(gate.ring.keys)

    await gate.again().start()

    assert gate.ring.keys == before


async def test_revoking_a_key_ends_it_and_its_tokens_at_once(gate: Gate) -> None:
    domain = await gate.domains.first()
    key = await gate.access.add_key(domain.id, "")
    token = signed({"d": domain.id, "iat": 1}, key.secret)
    await gate.access.check_token(token, now=gate.now)

    await gate.access.revoke_key(key.id)

    assert await gate.refusal(token) == "invalid-token"
    with pytest.raises(Unauthenticated):
        await gate.access.key_domain(key.secret)
    with pytest.raises(NotFound):
        await gate.access.revoke_key(key.id)


async def test_the_configured_key_is_retired_by_its_setting_only(gate: Gate) -> None:
    with pytest.raises(Forbidden, match="RINGBACK_API_KEY"):
        await gate.access.revoke_key(gate.access.active_keys()[0].id)


async def test_a_domain_has_only_so_many_keys(gate: Gate) -> None:
    domain = await gate.domains.first()
    await gate.access.add_key(domain.id, "")
    await gate.access.add_key(domain.id, "")

    with pytest.raises(InvalidRequest, match="at most 3"):
        await gate.access.add_key(domain.id, "")


async def test_keys_do_not_show_in_logs_and_tracebacks(gate: Gate) -> None:
    assert KEY not in repr(gate.access.active_keys())


async def test_a_minted_token_says_what_was_asked(gate: Gate) -> None:
    domain = await gate.domains.first()
    token = await gate.access.mint(domain.id, {"room_name": "desk", "is_owner": True, "exp": gate.now + 60})

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.decode(token, KEY, ["HS256"], options={"verify_exp": False}) == {
        "r": "desk",
        "o": True,
        "exp": gate.now + 60,
        "d": domain.id,
        "iat": int(gate.now),
    }
    found = await gate.access.check_token(token, now=gate.now)
    assert (found.domain, found.room_name, found.is_owner) == (domain.id, "desk", True)


async def test_a_self_signed_token_is_as_good_as_ours(gate: Gate) -> None:
    domain = await gate.domains.first()
    token = signed({"r": "desk", "d": domain.id, "iat": 1, "o": True, "ud": "user-7", "unknown": 1})

    found = await gate.access.check_token(token, now=gate.now)

    assert found.properties == {"room_name": "desk", "is_owner": True, "user_id": "user-7"}


async def test_times_are_kept_with_five_seconds_of_leeway(gate: Gate) -> None:
    domain = await gate.domains.first()

    def token(**claims: float) -> str:
        return signed({"d": domain.id, "iat": 1, **claims})

    await gate.access.check_token(token(exp=gate.now - 4), now=gate.now)
    assert await gate.refusal(token(exp=gate.now - 5)) == "exp-token"
    await gate.access.check_token(token(nbf=gate.now + 5), now=gate.now)
    assert await gate.refusal(token(nbf=gate.now + 6)) == "nbf-token"
    await gate.access.check_token(token(nbf=gate.now + 6), now=gate.now, ignore_nbf=True)
    assert await gate.refusal(token(exp=1, nbf=gate.now + 6), ignore_nbf=True) == "exp-token"


async def test_the_signature_is_checked_before_the_times(gate: Gate) -> None:
    domain = await gate.domains.first()

    assert (
        await gate.refusal(signed({"d": domain.id, "exp": 1}, "some-other-key-of-good-length-1234567"))
        == "invalid-token"
    )


async def test_a_token_of_another_domain_is_not_ours(gate: Gate) -> None:
    other = await gate.domains.create("other")
    key = await gate.access.add_key(other.id, "")
    first = await gate.domains.first()

    assert await gate.refusal(signed({"d": other.id}, KEY)) == "invalid-token"
    assert await gate.refusal(signed({"d": first.id}, key.secret)) == "invalid-token"
    assert await gate.refusal(signed({"d": other.id}, key.secret), domain=first.id) == "invalid-token"
    assert (await gate.access.check_token(signed({"d": other.id}, key.secret), now=gate.now)).domain == other.id


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "None"}, {"alg": "RS256"}, {"alg": "HS512"}, {}, {"alg": 7}], ids=str
)
async def test_the_algorithm_is_ours_to_choose(gate: Gate, header: dict[str, Any]) -> None:
    domain = await gate.domains.first()
    body = f"{_segment(header)}.{_segment({'d': domain.id})}"

    assert await gate.refusal(f"{body}.") == "invalid-token"
    assert await gate.refusal(f"{body}.{_segment('x')}") == "invalid-token"


async def test_header_fields_that_point_elsewhere_are_not_followed(gate: Gate) -> None:
    domain = await gate.domains.first()
    token = signed({"d": domain.id}, kid="../../etc/passwd", jku="http://127.0.0.1/", x5u="http://127.0.0.1/")

    await gate.access.check_token(token, now=gate.now)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "e30.e30.", "é.é.é", "x" * 9000, "\x00", "[" * 8000, "eyJhbGciOiJIUzI1NiJ9.W10.x"],
    ids=lambda t: ascii(t[:20]),
)
async def test_garbage_is_no_token(gate: Gate, token: str) -> None:
    assert await gate.refusal(token) == "invalid-token"


async def test_a_token_without_its_domain_is_refused(gate: Gate) -> None:
    assert await gate.refusal(signed({"r": "desk"})) == "invalid-token"
    assert await gate.refusal(signed({"d": 7})) == "invalid-token"
    assert await gate.refusal(signed({"d": "nobody"})) == "invalid-token"
