"""Customers' SIP trunks: made, changed and found by the host that a call is for. Kept in memory: they are few."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Protocol, cast

from ringback.dialin import signing
from ringback.dialin.ports import Poster
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId
from ringback.model.sip_trunk import SipTrunk
from ringback.model.values import replace
from ringback.rooms.checks import (
    Field,
    Rules,
    boolean,
    free_object,
    integer,
    listing,
    not_allowed,
    prose,
    refusal,
    shape,
    text,
    url,
)
from ringback.rooms.domains import Domains, new_uuid
from ringback.rooms.ports import Chance, WallClock
from ringback.rooms.properties import check_room_properties
from ringback.rooms.shapes import base64_secret

MOST = 20
"""Of one domain."""

INFIX = ".siptrunk."
NAME = re.compile(r"[a-z0-9]{3,63}")
VERSION = "1.0.0"


class TrunkStore(Protocol):
    """Trunks at rest."""

    async def all(self) -> Sequence[SipTrunk]:
        """Oldest first."""

    async def put(self, trunk: SipTrunk) -> None: ...
    async def delete(self, id: str) -> None: ...


def ipv4_network(name: str, value: object, _rules: Rules) -> str:
    """An IPv4 address, or a network without bits beyond its prefix."""
    try:
        if not isinstance(value, str):
            raise ValueError
        IPv4Network(value)
    except ValueError:
        raise refusal(name, "must be an IPv4 address or a canonical CIDR block", value) from None
    return value


def password(name: str, value: object, _rules: Rules) -> str:
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"[!-~]{12,64}", value)
        or not re.search(r"[A-Za-z]", value)
        or not re.search(r"[0-9]", value)
    ):
        raise refusal(name, "must be 12 to 64 characters with a letter and a digit", "(hidden)")
    return value


_CREDENTIAL = shape({"username": Field(text(64), required=True), "password": Field(password, required=True)})
_CONFIG = {
    "allowed_ips": listing(ipv4_network, most=25),
    "credential": _CREDENTIAL,
    "is_open": boolean,
    "exp_offset": integer(60, 86400),
}


class SipTrunks:
    """All trunks of customers. Call ``start`` first.

    Args:
        store: Where they rest.
        domains: Whose they are.
        poster: Asks customers' servers.
        clock, chance: For times, ids and secrets.
        clear_text: Whether addresses may be ``http:``.
    """

    def __init__(
        self,
        store: TrunkStore,
        domains: Domains,
        poster: Poster,
        clock: WallClock,
        chance: Chance,
        *,
        clear_text: bool = False,
    ) -> None:
        self._store = store
        self._domains = domains
        self._poster = poster
        self._clock = clock
        self._chance = chance
        self._clear_text = clear_text
        self._known: dict[str, SipTrunk] = {}

    async def start(self) -> None:
        """Load what is kept."""
        self._known = {trunk.id: trunk for trunk in await self._store.all()}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def by_host(self, host: str) -> SipTrunk | None:
        """The trunk that a host name is of: ``<domain>-<name>.siptrunk.<anything>``."""
        label, infix, _ = host.lower().partition(INFIX)
        return next((trunk for trunk in self._known.values() if infix and trunk.label == label), None)

    def by_id(self, id: str) -> SipTrunk | None:
        return self._known.get(id)

    def all(self, domain: DomainId) -> list[SipTrunk]:
        """Of a domain, oldest first."""
        return [trunk for trunk in self._known.values() if trunk.domain == domain]

    def get(self, domain: DomainId, id: str) -> SipTrunk:
        """Raises ``NotFound``."""
        trunk = self._known.get(id)
        if trunk is None or trunk.domain != domain:
            raise NotFound("there is no sip trunk of this id")
        return trunk

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, domain: DomainId, body: Mapping[str, object]) -> SipTrunk:
        """A new one from a request body, once its server has answered a signed test. Raises ``InvalidRequest``."""
        for needed in ("trunk_name", "room_template", "notification"):
            if body.get(needed) is None:
                raise InvalidRequest(f'"{needed}" is required')
        name = body["trunk_name"]
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise refusal("trunk_name", "must be 3 to 63 lower-case letters and digits", name)
        label = f"{(await self._domains.get(domain)).name}-{name}"
        if len(label) > 63:
            raise refusal("trunk_name", "is too long: with the domain's name it may have 63 characters", name)
        if any(trunk.label == label for trunk in self._known.values()):
            raise InvalidRequest(f"a sip trunk named {name} already exists")
        if len(self.all(domain)) >= MOST:
            raise InvalidRequest(f"a domain may have at most {MOST} sip trunks; delete one first")
        blank = SipTrunk(new_uuid(self._chance), domain, name, label, created_at=self._clock.wall())
        trunk = self._read(blank, {key: value for key, value in body.items() if key != "trunk_name"})
        return await self._keep(trunk, probe=True)

    async def change(self, domain: DomainId, id: str, body: Mapping[str, object]) -> SipTrunk:
        """Change what is named. Raises ``NotFound``, ``InvalidRequest``."""
        before = self.get(domain, id)
        return await self._keep(self._read(before, body), probe="notification" in body)

    async def delete(self, domain: DomainId, id: str) -> None:
        """Raises ``NotFound``."""
        trunk = self.get(domain, id)
        await self._store.delete(trunk.id)
        self._known.pop(trunk.id, None)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, before: SipTrunk, body: Mapping[str, object]) -> SipTrunk:
        rules, trunk = Rules(self._clock.wall()), before
        for name, value in body.items():
            match name:
                case "description":
                    found = None if value is None else str(prose(2048)(name, value, rules))
                    trunk = replace(trunk, description=found)
                case "enabled":
                    trunk = replace(trunk, enabled=boolean(name, value, rules))
                case "room_template":
                    trunk = replace(trunk, template=_template(value, rules))
                case "notification":
                    trunk = self._notified(trunk, value, rules)
                case "trunk_config":
                    trunk = _configured(trunk, value, rules)
                case "trunk_name" if value == before.name:
                    continue
                case _:
                    raise not_allowed(name, value)
        gated = bool(trunk.allowed_ips or trunk.username)
        if gated == trunk.is_open:
            raise InvalidRequest("trunk_config needs allowed_ips or credential, or else is_open: true, not both")
        return trunk

    def _notified(self, trunk: SipTrunk, value: object, rules: Rules) -> SipTrunk:
        if not isinstance(value, dict):
            raise refusal("notification", "must be an object", value)
        where, secret = trunk.webhook_url, trunk.secret
        for name, each in value.items():
            if name == "webhook_url":
                where = str(url()(name, each, rules))
                if where.startswith("http:") and not self._clear_text:
                    raise refusal(name, "must be a valid uri with https", where)
            elif name == "hmac":
                secret = "" if each is None else str(base64_secret(name, each, rules))
            else:
                raise not_allowed(name, each)
        if not where:
            raise InvalidRequest('"webhook_url" is required')
        fresh = base64.b64encode(self._chance.getrandbits(256).to_bytes(32, "big")).decode()
        return replace(trunk, webhook_url=where, secret=secret or fresh)

    async def _keep(self, trunk: SipTrunk, probe: bool) -> SipTrunk:
        if probe:
            status = await self.ask(trunk, "sip_trunk.test", {}, new_uuid(self._chance))
            if not 200 <= status < 300:
                raise InvalidRequest(f"webhook_url did not answer the test with 2xx (status {status or 'none'})")
        await self._store.put(trunk)
        self._known[trunk.id] = trunk
        return trunk

    async def ask(self, trunk: SipTrunk, type: str, more: Mapping[str, object], id: str) -> int:
        """POST a signed question to a trunk's server; its status, 0 for no answer."""
        now = self._clock.wall()
        about = {"id": trunk.id, "trunk_name": trunk.name, "description": trunk.description}
        news = {"type": type, "version": VERSION, "id": id, "event_ts": now, "trunk": about, **more}
        body = json.dumps(news).encode()
        signed = signing.headers(signing.SIP_TRUNK, trunk.secret, body, now)
        return (await self._poster.post(trunk.webhook_url, body, signed)).status


def _template(value: object, rules: Rules) -> dict[str, object]:
    found = free_object()("room_template", value, rules)
    assert isinstance(found, dict), "a free object is one"
    for name in ("exp", "nbf"):
        if name in found:
            raise not_allowed(f"room_template.{name}", found[name])
    sip = found.get("sip")
    if isinstance(sip, dict):
        found = {**found, "sip": {"sip_mode": "dial-in", "display_name": "Caller", **sip}}
    check_room_properties(found, rules)
    return cast(dict[str, object], found)


def _configured(trunk: SipTrunk, value: object, rules: Rules) -> SipTrunk:
    if not isinstance(value, dict):
        raise refusal("trunk_config", "must be an object", value)
    for name, each in value.items():
        check = _CONFIG.get(name)
        if check is None:
            raise not_allowed(name, each)
        found = None if each is None else check(name, each, rules)
        match name:
            case "allowed_ips":
                trunk = replace(trunk, allowed_ips=tuple(cast(list[str], found or ())))
            case "credential":
                proof = cast(dict[str, str], found or {})
                trunk = replace(trunk, username=proof.get("username", ""), password=proof.get("password", ""))
            case "is_open":
                trunk = replace(trunk, is_open=bool(found))
            case "exp_offset":
                trunk = replace(trunk, exp_offset=3600 if found is None else int(cast(int, found)))
    return trunk
