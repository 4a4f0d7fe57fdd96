"""Who may act: API keys for programs, meeting tokens for people and bots.

A meeting token is a JWT (RFC 7519) signed with HS256 under an API key of its domain, by us or by the customer.
"""

import hmac
import warnings
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import jwt
from jwt.types import Options

from ringback.access.claims import check_properties, from_claims, grants, to_claims
from ringback.access.errors import TokenRefused
from ringback.access.ports import ApiKey, KeyStore
from ringback.model.domain import Domain
from ringback.model.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from ringback.model.ids import DomainId
from ringback.model.room import TokenGrants
from ringback.rooms.checks import Rules
from ringback.rooms.domains import Domains, new_uuid
from ringback.rooms.ports import Chance, WallClock

LEEWAY_SECONDS = 5.0
LONGEST_TOKEN = 8192
LONGEST_LABEL = 200

warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)  # short keys are refused where it matters


class Access:
    """Keys and tokens of all domains. Call ``start`` first.

    Args:
        store: Keys at rest.
        domains: Who owns them.
        clock: Wall time.
        chance: For ids.
        max_keys: Active keys one domain may have.
    """

    def __init__(self, store: KeyStore, domains: Domains, clock: WallClock, chance: Chance, max_keys: int = 10) -> None:
        self._store = store
        self._domains = domains
        self._clock = clock
        self._chance = chance
        self._max_keys = max_keys
        self._by_digest: dict[bytes, ApiKey] = {}

    async def start(self, configured_key: str, domain_name: str = "main") -> Domain:
        """Load the keys and make ``configured_key`` the first domain's; an earlier configured key is retired.

        Returns:
            The first domain, created when there was none.
        """
        domain = await self._domains.first(domain_name)
        active = list(await self._store.active())
        changes: list[ApiKey] = []
        now = self._clock.wall()
        for key in active:
            if key.configured and not hmac.compare_digest(key.secret.encode(), configured_key.encode()):
                changes.append(replace(key, revoked_at=now))
        same = next((key for key in active if key.secret == configured_key), None)
        if same is None:
            changes.append(self._new_key(domain.id, configured_key, "RINGBACK_API_KEY", operator=True, configured=True))
        elif not (same.operator and same.configured):
            changes.append(replace(same, operator=True, configured=True))
        if changes:
            await self._store.put(changes)
            active = list(await self._store.active())
        self._by_digest = {_digest(key.secret): key for key in active}
        return domain

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def key_domain(self, bearer: str) -> Domain:
        """The domain a key belongs to. Raises ``Unauthenticated``."""
        return await self._domains.get(self._key(bearer).domain)

    def key_id(self, bearer: str) -> str:
        """What names a key without telling it. Raises ``Unauthenticated``."""
        return self._key(bearer).id

    def is_operator(self, bearer: str) -> bool:
        """Whether the key may act on domains, keys and trunks. Raises ``Unauthenticated``."""
        return self._key(bearer).operator

    def active_keys(self) -> list[ApiKey]:
        """All active keys, oldest first."""
        return sorted(self._by_digest.values(), key=lambda key: (key.created_at, key.id))

    async def add_key(self, domain: DomainId, label: str) -> ApiKey:
        """A new key for a domain; its ``secret`` is shown to the caller once.

        Raises:
            InvalidRequest: The domain has as many as it may have.
        """
        if sum(key.domain == domain for key in self._by_digest.values()) >= self._max_keys:
            raise InvalidRequest(f"a domain may have at most {self._max_keys} API keys; revoke one first")
        secret = f"rb_{self._chance.getrandbits(256):064x}"
        key = self._new_key(domain, secret, label[:LONGEST_LABEL], operator=False, configured=False)
        await self._store.put([key])
        self._by_digest[_digest(secret)] = key
        return key

    async def revoke_key(self, key_id: str) -> ApiKey:
        """End a key, and with it every token it signed.

        Raises:
            NotFound: No active key has this id.
            Forbidden: It is the one of ``RINGBACK_API_KEY``; change the setting instead.
        """
        key = next((key for key in self._by_digest.values() if key.id == key_id), None)
        if key is None:
            raise NotFound(f"key {key_id} not found")
        if key.configured:
            raise Forbidden("this key comes from RINGBACK_API_KEY; change that setting and restart to retire it")
        await self._store.put([replace(key, revoked_at=self._clock.wall())])
        self._by_digest.pop(_digest(key.secret), None)
        return key

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def mint(self, domain: DomainId, sent: object) -> str:
        """A meeting token from a request body's ``properties``. Raises ``InvalidRequest``."""
        now = self._clock.wall()
        payload = to_claims(check_properties(sent, Rules(now=now)))
        signer = self._signers(domain)[0]
        token = jwt.encode({**payload, "d": domain, "iat": int(now)}, signer, algorithm="HS256")
        if len(token) > LONGEST_TOKEN:
            raise InvalidRequest(f"the token would be longer than {LONGEST_TOKEN} characters")
        return token

    async def check_token(
        self, token: str, *, now: float, ignore_nbf: bool = False, domain: DomainId | None = None
    ) -> TokenGrants:
        """What a token allows. Whether its room is the one that is asked for is the caller's question.

        Args:
            token: The JWT, ours or self-signed.
            now: Unix seconds.
            ignore_nbf: Let a token pass that is not valid yet.
            domain: Only tokens of this domain.

        Raises:
            TokenRefused: ``invalid-token``, ``nbf-token`` or ``exp-token``.
        """
        owner, payload = self._verified(token)
        if domain is not None and owner != domain:
            raise TokenRefused("invalid-token", "the token was made for another domain")
        try:
            properties = from_claims(payload, Rules(now=now))
        except InvalidRequest as error:
            raise TokenRefused("invalid-token", error.info) from None
        nbf, exp = properties.get("nbf"), properties.get("exp")
        if not ignore_nbf and isinstance(nbf, int | float) and nbf > now + LEEWAY_SECONDS:
            raise TokenRefused("nbf-token", "the token is not valid yet")
        if isinstance(exp, int | float) and exp <= now - LEEWAY_SECONDS:
            raise TokenRefused("exp-token", "the token has expired")
        return grants(owner, properties)

    def _verified(self, token: str) -> tuple[DomainId, Mapping[str, object]]:
        """The domain whose key signed it, and its payload."""
        if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
            raise TokenRefused("invalid-token", "not a token")
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
            if jwt.get_unverified_header(token).get("alg") != "HS256":
                raise TokenRefused("invalid-token", "only HS256 is accepted")
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenRefused("invalid-token", "not a token") from None
        owner = unverified.get("d")
        if not isinstance(owner, str):
            raise TokenRefused("invalid-token", "the claim d (domain id) is missing")
        for signer in self._signers(DomainId(owner)):
            try:
                return DomainId(owner), jwt.decode(token, signer, algorithms=["HS256"], options=SIGNATURE_ONLY)
            except (jwt.PyJWTError, ValueError):
                continue
        raise TokenRefused("invalid-token", "the signature does not match any active key of the domain")

    def _signers(self, domain: DomainId) -> list[str]:
        return [key.secret for key in self.active_keys() if key.domain == domain]

    def _key(self, bearer: str) -> ApiKey:
        # A digest is looked up, not the key: the time of a dictionary's compare then tells nothing about the key.
        key = self._by_digest.get(_digest(bearer))
        if key is None:
            raise Unauthenticated("the API key is unknown or revoked")
        return key

    def _new_key(self, domain: DomainId, secret: str, label: str, *, operator: bool, configured: bool) -> ApiKey:
        return ApiKey(new_uuid(self._chance), domain, secret, label, operator, configured, self._clock.wall())


SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
