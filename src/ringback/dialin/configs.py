"""Dial-in configurations of all domains: one store behind ``/domain-dialin-config`` and two properties of a domain.

They are few and asked for at every call, so they are kept in memory.
"""

import base64
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from ringback.calls.ports.reception import OwnedNumbers
from ringback.dialin import signing
from ringback.dialin.ports import ConfigStore, Poster, Sounds
from ringback.model.dialin import DialinConfig, DialinType
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId
from ringback.model.values import replace
from ringback.rooms.checks import Check, Field, Rules, not_allowed, one_of, prose, refusal, shape, text, url
from ringback.rooms.domains import new_uuid
from ringback.rooms.ports import Chance, WallClock
from ringback.rooms.shapes import base64_secret, phone_number

log = structlog.get_logger()

MOST = 1000
"""Of one domain."""

SECRET_OCTETS = 32
ADDRESS = "static-"
"""What static addresses begin with, so that none is taken for a room's."""

_MESSAGE = shape({"message": Field(prose(2000), required=True)})
_BOTH: dict[str, Check] = {"name_prefix": text(255), "timeout_config": _MESSAGE}
FIELDS: Mapping[DialinType, Mapping[str, Check]] = {
    DialinType.PIN: {**_BOTH, "ivr_greeting": _MESSAGE},
    DialinType.PINLESS: {**_BOTH, "room_creation_api": url(), "hold_music_url": url()},
}
READ_ONLY = frozenset({"sip_uri"})


class DialinConfigs:
    """All configurations. Call ``start`` first.

    Args:
        store: Where they rest.
        numbers: Which numbers a domain has.
        poster, sounds: To try what a configuration names as soon as it is set.
        clock, chance: For times, ids and secrets.
        clear_text: Whether addresses may be ``http:``.
        begin: Runs something that nobody waits for.
    """

    def __init__(
        self,
        store: ConfigStore,
        numbers: OwnedNumbers,
        poster: Poster,
        sounds: Sounds,
        clock: WallClock,
        chance: Chance,
        *,
        clear_text: bool = False,
        begin: Callable[[Coroutine[Any, Any, None]], object] | None = None,
    ) -> None:
        self._store = store
        self._numbers = numbers
        self._poster = poster
        self._sounds = sounds
        self._clock = clock
        self._chance = chance
        self._clear_text = clear_text
        self.begin = begin
        self._known: dict[str, DialinConfig] = {}

    async def start(self) -> None:
        """Load what is kept."""
        self._known = {config.id: config for config in await self._store.all()}

    # ── for calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def by_user(self, user: str) -> DialinConfig | None:
        """Whose static address has this user part, however it is wrapped."""
        bare = user.partition(";")[0].lower()
        bare = bare.removeprefix("sip:")
        if not bare.startswith(ADDRESS):
            return None
        return next((config for config in self._known.values() if config.address_user == bare), None)

    def by_number(self, number: str) -> DialinConfig | None:
        return next((config for config in self._known.values() if number and config.phone_number == number), None)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def all(self, domain: DomainId) -> list[DialinConfig]:
        """Of a domain, oldest first."""
        return [config for config in self._known.values() if config.domain == domain]

    def get(self, domain: DomainId, id: str) -> DialinConfig:
        """Raises ``NotFound``."""
        config = self._known.get(id)
        if config is None or config.domain != domain:
            raise NotFound("there is no dial-in config of this id")
        return config

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, domain: DomainId, body: Mapping[str, object]) -> DialinConfig:
        """A new one from a request body. Raises ``InvalidRequest`` in Daily's words."""
        rest = dict(body)
        if "type" not in rest:
            raise InvalidRequest('"type" is required')
        type = DialinType(str(one_of(*DialinType)("type", rest.pop("type"), self._rules())))
        if len(self.all(domain)) >= MOST:
            raise InvalidRequest(f"a domain may have at most {MOST} dial-in configs; delete one first")
        return await self._keep(self._read(DialinConfig(self._new_id(), domain, type), rest))

    async def change(self, domain: DomainId, id: str, body: Mapping[str, object]) -> DialinConfig:
        """Change what is named; ``null`` unsets. Raises ``NotFound``, ``InvalidRequest``."""
        before = self.get(domain, id)
        rest = dict(body)
        if rest.pop("type", before.type) != before.type:
            raise InvalidRequest('"type" cannot be changed: delete this config and create another')
        return await self._keep(self._read(before, rest))

    async def delete(self, domain: DomainId, id: str) -> None:
        """Its number and its address take no calls any more. Raises ``NotFound``."""
        config = self.get(domain, id)
        await self._store.write((), [config.id])
        self._known.pop(config.id, None)

    async def number_released(self, domain: DomainId, number: str) -> None:
        """A number is this domain's no longer: its config goes, so that the next owner's calls do not come here."""
        config = self.by_number(number)
        if config is not None and config.domain == domain:
            await self.delete(domain, config.id)

    def drafts(self, domain: DomainId, type: DialinType, items: object) -> list[DialinConfig]:
        """What ``replace`` is to keep, from a property of a domain. Raises ``InvalidRequest``; nothing changes."""
        if items is None:
            return []
        if not isinstance(items, list):
            raise refusal(type.value, "must be an array", items)
        if len(items) > MOST:
            raise refusal(type.value, f"must contain less than or equal to {MOST} items", len(items))
        before = [config for config in self.all(domain) if config.type is type]
        drafts: list[DialinConfig] = []
        for item in items:
            if not isinstance(item, dict):
                raise refusal(type.value, "must be an array of objects", item)
            number = item.get("phone_number")
            same = [config for config in before if config.phone_number == (number or "")]
            known = same[0] if same else DialinConfig(self._new_id(), domain, type)
            before = [config for config in before if config is not known]
            blank = replace(known, fields={}, secret="", phone_number="")
            drafts.append(self._read(blank, item, others=drafts, replaced=type))
        return drafts

    async def replace(self, domain: DomainId, type: DialinType, drafts: Sequence[DialinConfig]) -> None:
        """From now on a domain has these of a type, and no others."""
        kept = {draft.id for draft in drafts}
        gone = [config.id for config in self.all(domain) if config.type is type and config.id not in kept]
        await self._store.write(drafts, gone)
        for id in gone:
            self._known.pop(id, None)
        for draft in drafts:
            self._known[draft.id] = draft
            self._try_out(draft)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(
        self,
        before: DialinConfig,
        body: Mapping[str, object],
        others: Sequence[DialinConfig] = (),
        replaced: DialinType | None = None,
    ) -> DialinConfig:
        """A configuration with the changes of a body. ``replaced``: those of that type are about to go."""
        checks, rules = FIELDS[before.type], self._rules()
        fields, number, secret = dict(before.fields), before.phone_number, before.secret
        for name, value in body.items():
            if name in READ_ONLY:
                continue
            if name == "phone_number":
                number = "" if value is None else phone_number(name, value, rules)
            elif name == "hmac" and before.type is DialinType.PINLESS:
                secret = "" if value is None else base64_secret(name, value, rules)
            elif name not in checks:
                raise not_allowed(name, value)
            elif value is None:
                fields.pop(name, None)
            else:
                fields[name] = self._checked(name, checks[name](name, value, rules))
        if before.type is DialinType.PIN and not number:
            raise InvalidRequest('"phone_number" is required')
        if before.type is DialinType.PINLESS and "room_creation_api" not in fields:
            raise InvalidRequest('"room_creation_api" is required')
        if number:
            self._check_number(before, number, others, replaced)
        pinless = before.type is DialinType.PINLESS
        return replace(
            before,
            phone_number=number,
            fields=fields,
            secret=(secret or self._new_secret()) if pinless else "",
            address_user=(before.address_user or self._new_user()) if pinless else "",
            created_at=before.created_at or self._clock.wall(),
        )

    def _checked(self, name: str, value: object) -> object:
        if isinstance(value, str) and value.startswith("http:") and not self._clear_text:
            raise refusal(name, "must be a valid uri with https", value)
        return value

    def _check_number(
        self, config: DialinConfig, number: str, others: Sequence[DialinConfig], replaced: DialinType | None
    ) -> None:
        if self._numbers.by_number(config.domain, number) is None:
            raise InvalidRequest(f"phone_number {number} is not a number of this domain")
        staying = [
            other
            for other in self._known.values()
            if not (other.domain == config.domain and other.type is replaced)
            # Of a number that was given back nothing is left, whoever has it now.
            and self._numbers.by_number(other.domain, number) is not None
        ]
        if any(other.phone_number == number and other.id != config.id for other in (*staying, *others)):
            raise InvalidRequest(f"phone_number {number} is already used by another config")

    async def _keep(self, config: DialinConfig) -> DialinConfig:
        stale = [
            other.id
            for other in self._known.values()
            if config.phone_number and other.phone_number == config.phone_number and other.id != config.id
        ]
        await self._store.write([config], stale)
        for id in stale:
            self._known.pop(id, None)
        self._known[config.id] = config
        self._try_out(config)
        return config

    def _try_out(self, config: DialinConfig) -> None:
        """Send the test request and fetch the music; what comes of it is logged, and changes nothing."""
        if config.type is DialinType.PINLESS and self.begin is not None:
            self.begin(self._test(config))

    async def _test(self, config: DialinConfig) -> None:
        try:
            if music := config.text("hold_music_url"):
                await self._sounds.music(music)
            await self._send_test(config)
        except Exception:
            log.exception("dialin.test-failed", config=config.id)

    async def _send_test(self, config: DialinConfig) -> None:
        news = {"test": "test", "Test": "test", "To": config.phone_number or config.address_user}
        body = json.dumps(news).encode()
        signed = signing.headers(signing.PINLESS, config.secret, body, self._clock.wall())
        posted = await self._poster.post(config.text("room_creation_api"), body, signed)
        log.info("dialin.tested", config=config.id, status=posted.status, error=posted.error)

    def _rules(self) -> Rules:
        return Rules(self._clock.wall())

    def _new_id(self) -> str:
        return new_uuid(self._chance)

    def _new_secret(self) -> str:
        return base64.b64encode(self._chance.getrandbits(8 * SECRET_OCTETS).to_bytes(SECRET_OCTETS, "big")).decode()

    def _new_user(self) -> str:
        return f"{ADDRESS}{self._chance.getrandbits(80):020x}"


def fields_of(config: DialinConfig, sip_uri: str) -> dict[str, object]:
    """A configuration's fields as they are shown, in wire names."""
    return {
        **({"phone_number": config.phone_number} if config.phone_number else {}),
        **config.fields,
        **({"hmac": config.secret, "sip_uri": sip_uri} if config.type is DialinType.PINLESS else {}),
    }
