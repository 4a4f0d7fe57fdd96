"""Trunks as REST and ``ringback.toml`` write them: read with an error that names the field, shown without secrets."""

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from ringback.model.errors import InvalidRequest
from ringback.numbers.e164 import is_e164
from ringback.numbers.rules import MOST_RULES, pattern_fault
from ringback.numbers.trunk import (
    CalledFrom,
    Credentials,
    Dtmf,
    Emergency,
    Host,
    Identity,
    IdentityHeader,
    NumberFormat,
    Redirects,
    Registration,
    Rule,
    Srtp,
    SrtpKeys,
    TlsPolicy,
    Transport,
    Trunk,
)
from ringback.sip.errors import SipParseError
from ringback.sip.uri import parse_host, parse_sip_uri

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
CODECS = ("OPUS", "G722", "PCMU", "PCMA")
HIDDEN = "(hidden)"
"""What stands where a secret is; sent back, it keeps the secret that is there."""

DISPATCHABLE = ("country", "city", "street", "house_number")
LOCATION_DETAILS = ("region", "unit", "postal_code", "name")
"""Where help is sent: without the first four nobody finds it."""

_SECRETS = (("credentials", "password"), ("inbound_credentials", "password"))
_DIGITS = re.compile(r"[0-9+*#]*")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]*")
_PIN = re.compile(r"(?:sha256:)?([0-9a-f]{64})")

E = TypeVar("E", bound=StrEnum)


def read_trunk(name: str, body: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Trunk:
    """A trunk from what was written.

    Args:
        body: Fields as ``show_trunk`` writes them.
        defaults: Fields that count where ``body`` has none (a profile's).

    Raises:
        InvalidRequest: The first mistake, with the field's name.
    """
    if not NAME.fullmatch(name):
        raise InvalidRequest("name must be 1 to 63 lower-case letters, digits and hyphens")
    it = _Reader({**(defaults or {}), **{key: value for key, value in body.items() if value is not None}}, "")
    trunk = Trunk(
        name=name,
        enabled=it.flag("enabled", True),
        hosts=tuple(_host(each) for each in it.items("hosts", 32)),
        priority=it.whole("priority", 10, 0, 65535),
        weight=it.whole("weight", 10, 0, 65535),
        domains=it.texts("domains", 1000),
        networks=it.networks("networks"),
        media_networks=it.networks("media_networks"),
        transport=it.choice("transport", Transport, Transport.UDP),
        tls=_tls(it.section("tls")),
        credentials=_credentials(it.section("credentials")),
        inbound_credentials=_credentials(it.section("inbound_credentials")),
        open=it.flag("open", False),
        register=_registration(it.take("register")),
        outbound_proxy=_proxy(it.text("outbound_proxy")),
        codecs=it.codecs("codecs"),
        srtp=it.choice("srtp", Srtp, Srtp.OFF),
        srtp_keys=it.choice("srtp_keys", SrtpKeys, SrtpKeys.SDES),
        dtmf=it.choice("dtmf", Dtmf, Dtmf.AUTO),
        max_calls=it.optional_whole("max_calls", 1, 100_000),
        calls_per_second=it.rate("calls_per_second"),
        number_format=it.choice("number_format", NumberFormat, NumberFormat.E164),
        country=it.country("country"),
        identity=_identity(it.section("identity")),
        trusted=it.flag("trusted", False),
        caller_ids=it.numbers("caller_ids"),
        called_from=it.choice("called_from", CalledFrom, CalledFrom.REQUEST_URI),
        outbound_rules=tuple(_rule(each) for each in it.items("outbound_rules", MOST_RULES)),
        inbound_rules=tuple(_rule(each) for each in it.items("inbound_rules", MOST_RULES)),
        redirects=it.choice("redirects", Redirects, Redirects.OFF),
        options_interval=it.seconds("options_interval", 60.0, 86400.0),
        allow_premium=it.flag("allow_premium", False),
        emergency=_emergency(it.section("emergency")),
        profile=it.text("profile"),
    )
    it.done()
    _check_whole(trunk)
    return trunk


def show_trunk(trunk: Trunk) -> dict[str, Any]:
    """All fields, secrets as ``HIDDEN``. ``read_trunk`` reads it back, but for those."""
    tls, identity = trunk.tls, trunk.identity
    return {
        "name": trunk.name,
        "enabled": trunk.enabled,
        "profile": trunk.profile or None,
        "hosts": [
            {"host": host.host, "port": host.port, "priority": host.priority, "weight": host.weight}
            for host in trunk.hosts
        ],
        "priority": trunk.priority,
        "weight": trunk.weight,
        "domains": list(trunk.domains),
        "networks": list(trunk.networks),
        "media_networks": list(trunk.media_networks),
        "transport": trunk.transport.value,
        "tls": {
            "verify": tls.verify,
            "name": tls.name or None,
            "ca_file": tls.ca_file or None,
            "pin": tls.pin or None,
            "certificate": tls.certificate or None,
            "key": tls.key or None,
        },
        "credentials": _shown_credentials(trunk.credentials),
        "inbound_credentials": _shown_credentials(trunk.inbound_credentials),
        "open": trunk.open,
        "register": None
        if trunk.register is None
        else {
            "user": trunk.register.user or None,
            "domain": trunk.register.domain or None,
            "expires": trunk.register.expires,
        },
        "outbound_proxy": trunk.outbound_proxy or None,
        "codecs": list(trunk.codecs),
        "srtp": trunk.srtp.value,
        "srtp_keys": trunk.srtp_keys.value,
        "dtmf": trunk.dtmf.value,
        "max_calls": trunk.max_calls,
        "calls_per_second": trunk.calls_per_second,
        "number_format": trunk.number_format.value,
        "country": trunk.country or None,
        "identity": {
            "format": identity.format.value,
            "header": identity.header.value,
            "user_phone": identity.user_phone,
            "from_user": identity.from_user or None,
            "from_domain": identity.from_domain or None,
            "withhold": identity.withhold,
        },
        "trusted": trunk.trusted,
        "caller_ids": list(trunk.caller_ids),
        "called_from": trunk.called_from.value,
        "outbound_rules": [_shown_rule(rule) for rule in trunk.outbound_rules],
        "inbound_rules": [_shown_rule(rule) for rule in trunk.inbound_rules],
        "redirects": trunk.redirects.value,
        "options_interval": trunk.options_interval,
        "allow_premium": trunk.allow_premium,
        "emergency": None
        if trunk.emergency is None
        else {"callback": trunk.emergency.callback, "location": dict(trunk.emergency.location)},
    }


def secrets_of(trunk: Trunk) -> dict[str, str]:
    """Its secrets by name, to be sealed."""
    return {
        name: value
        for name, value in (
            ("credentials", trunk.credentials.password if trunk.credentials else ""),
            ("inbound_credentials", trunk.inbound_credentials.password if trunk.inbound_credentials else ""),
        )
        if value
    }


def with_secrets(body: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """A written trunk with secrets where ``HIDDEN`` stands, or nothing where one is needed."""
    filled = dict(body)
    for section, field in _SECRETS:
        inner = filled.get(section)
        if isinstance(inner, Mapping) and inner.get(field) in (None, HIDDEN):
            kept = secrets.get(section)
            filled[section] = {**inner, field: kept} if kept else {k: v for k, v in inner.items() if k != field}
    return filled


def _check_whole(trunk: Trunk) -> None:
    """What only several fields together can get wrong."""
    ways_in = trunk.addresses() or trunk.inbound_credentials
    if trunk.open and ways_in:
        raise InvalidRequest("open takes calls from anywhere: leave networks and inbound_credentials out, or open off")
    if not trunk.hosts and not ways_in and not trunk.open:
        raise InvalidRequest("hosts, networks or inbound_credentials is required; open: true takes calls from anywhere")
    if trunk.emergency is not None and not (trunk.hosts and trunk.country):
        raise InvalidRequest("emergency needs hosts and country")
    if trunk.register is not None and trunk.credentials is None:
        raise InvalidRequest("register needs credentials")
    if trunk.register is not None and not trunk.hosts:
        raise InvalidRequest("register needs hosts")
    if NumberFormat.NATIONAL in (trunk.number_format, trunk.identity.format) and not trunk.country:
        raise InvalidRequest("country is required with the national format: the country code, as in 49")
    if bool(trunk.tls.certificate) != bool(trunk.tls.key):
        raise InvalidRequest("tls.certificate and tls.key are set together or not at all")


def _host(value: object) -> Host:
    if isinstance(value, str):
        value = _host_text(value)
    it = _Reader(value, "hosts")
    host = it.text("host")
    try:
        parse_host(f"[{host}]" if ":" in host else host)
    except SipParseError:
        raise InvalidRequest("hosts.host must be a host name or an IP address") from None
    found = Host(
        host.lower(),
        it.optional_whole("port", 1, 65535),
        it.whole("priority", 10, 0, 65535),
        it.whole("weight", 10, 0, 65535),
    )
    it.done()
    return found


def _host_text(text: str) -> dict[str, object]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        return {"host": text}
    return {"host": host, **({"port": int(port) if port.isascii() and port.isdigit() else port} if port else {})}


def _tls(it: "_Reader | None") -> TlsPolicy:
    if it is None:
        return TlsPolicy()
    verify = it.take("verify")
    if verify == "off":
        verify = False
    if verify not in (None, True, False):
        raise InvalidRequest("tls.verify must be true or false")
    pin = it.text("pin").lower()
    if pin and not (found := _PIN.fullmatch("sha256:" + pin.removeprefix("sha256:").replace(":", ""))):
        raise InvalidRequest("tls.pin must be sha256: and 64 hex digits, of the certificate or its public key")
    policy = TlsPolicy(
        True if verify is None else bool(verify),
        it.text("name"),
        it.text("ca_file"),
        f"sha256:{found[1]}" if pin and found else "",
        it.text("certificate"),
        it.text("key"),
    )
    it.done()
    return policy


def _credentials(it: "_Reader | None") -> Credentials | None:
    if it is None:
        return None
    found = Credentials(it.text("username"), it.text("password"), it.text("realm"))
    if not found.username:
        raise InvalidRequest(f"{it.at}username is required")
    if not found.password:
        raise InvalidRequest(f"{it.at}password is required")
    it.done()
    return found


def _emergency(it: "_Reader | None") -> Emergency | None:
    if it is None:
        return None
    callback, where = it.text("callback"), it.section("location")
    it.done()
    if not is_e164(callback):
        raise InvalidRequest("emergency.callback must be an E.164 number that rings somebody who can be asked")
    location = {} if where is None else {name: where.text(name) for name in (*DISPATCHABLE, *LOCATION_DETAILS)}
    if where is not None:
        where.done()
    for name in DISPATCHABLE:
        if not location.get(name):
            raise InvalidRequest(f"emergency.location.{name} is required: help is sent there")
    return Emergency(callback, tuple((name, text) for name, text in location.items() if text))


def _registration(value: object) -> Registration | None:
    if value is None or value is False:
        return None
    if value is True:
        return Registration()
    it = _Reader(value, "register")
    found = Registration(it.text("user"), it.text("domain"), it.whole("expires", 3600, 60, 86400))
    it.done()
    return found


def _identity(it: "_Reader | None") -> Identity:
    if it is None:
        return Identity()
    found = Identity(
        it.choice("format", NumberFormat, NumberFormat.E164),
        it.choice("header", IdentityHeader, IdentityHeader.NONE),
        it.flag("user_phone", False),
        it.text("from_user"),
        it.text("from_domain"),
        it.flag("withhold", False),
    )
    it.done()
    if found.from_domain:
        try:
            parse_sip_uri(f"sip:{found.from_domain}")
        except SipParseError:
            raise InvalidRequest("identity.from_domain must be a host name or an IP address") from None
    return found


def _rule(value: object) -> Rule:
    it = _Reader(value, "rules")
    rule = Rule(
        it.text("match"),
        it.whole("strip", 0, 0, 32),
        it.text("prepend"),
        it.text("replace"),
        it.flag("deny", False),
        it.flag("goes_on", False),
    )
    it.done()
    if fault := pattern_fault(rule.match):
        raise InvalidRequest(f"rules.match {fault}")
    for name, text in (("prepend", rule.prepend), ("replace", rule.replace)):
        if not _DIGITS.fullmatch(text) or len(text) > 32:
            raise InvalidRequest(f"rules.{name} is at most 32 digits, + or * or #")
    return rule


def _shown_rule(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {"match": rule.match}
    for name in ("strip", "prepend", "replace", "deny", "goes_on"):
        if value := getattr(rule, name):
            shown[name] = value
    return shown


def _shown_credentials(credentials: Credentials | None) -> dict[str, Any] | None:
    if credentials is None:
        return None
    return {"username": credentials.username, "password": HIDDEN, "realm": credentials.realm or None}


def _proxy(text: str) -> str:
    if not text:
        return ""
    try:
        return str(parse_sip_uri(text if text.lower().startswith(("sip:", "sips:")) else f"sip:{text}"))
    except SipParseError:
        raise InvalidRequest("outbound_proxy must be a sip: URI or a host") from None


class _Reader:
    """Takes typed fields out of an object; ``done`` refuses what is left."""

    def __init__(self, value: object, at: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidRequest(f"{at or 'the body'} must be an object")
        self.at = f"{at}." if at else ""
        self._left = dict(value)

    def take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def done(self) -> None:
        if self._left:
            raise InvalidRequest(f'"{self.at}{_shown(next(iter(self._left)))}" is not allowed')

    def section(self, name: str) -> "_Reader | None":
        value = self.take(name)
        return None if value is None else _Reader(value, f"{self.at}{name}")

    def items(self, name: str, most: int) -> list[object]:
        value = self.take(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple) or len(value) > most:
            raise InvalidRequest(f"{self.at}{name} must be a list of at most {most}")
        return list(value)

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        found = self.items(name, most)
        for each in found:
            if not isinstance(each, str) or not 0 < len(each) <= 512 or not _TEXT.fullmatch(each):
                raise InvalidRequest(f"{self.at}{name} must be a list of strings")
        return tuple(str(each) for each in found)

    def text(self, name: str) -> str:
        value = self.take(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > 512 or not _TEXT.fullmatch(value):
            raise InvalidRequest(f"{self.at}{name} must be a string of at most 512 printable characters")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidRequest(f"{self.at}{name} must be true or false")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        found = self.optional_whole(name, least, most)
        return default if found is None else found

    def optional_whole(self, name: str, least: int, most: int) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidRequest(f"{self.at}{name} must be a whole number from {least} to {most}")
        return value

    def seconds(self, name: str, default: float, most: float) -> float:
        value = self.take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise InvalidRequest(f"{self.at}{name} must be seconds from 0 to {most:g}")
        return float(value)

    def rate(self, name: str) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 10_000:
            raise InvalidRequest(f"{self.at}{name} must be calls per second from 0.01 to 10000")
        return float(value)

    def choice(self, name: str, kind: type[E], default: E) -> E:
        value = self.take(name)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError:
            listed = ", ".join(each.value for each in kind)
            raise InvalidRequest(f"{self.at}{name} must be one of {listed}") from None

    def networks(self, name: str) -> tuple[str, ...]:
        found = self.texts(name, 256)
        for each in found:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise InvalidRequest(f"{self.at}{name}: {_shown(each)} is no network, as in 203.0.113.0/24") from None
        return found

    def numbers(self, name: str) -> tuple[str, ...]:
        found = self.texts(name, 10_000)
        if not all(is_e164(each) for each in found):
            raise InvalidRequest(f"{self.at}{name} must be E.164 numbers, as in +4930123456")
        return found

    def codecs(self, name: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(each.upper() for each in self.texts(name, 8)))
        if not all(each in CODECS for each in found):
            raise InvalidRequest(f"{self.at}{name} must be among {', '.join(CODECS)}")
        return found

    def country(self, name: str) -> str:
        value = self.take(name)
        text = "" if value is None else str(value).removeprefix("+")
        if text and not re.fullmatch(r"[1-9][0-9]{0,2}", text):
            raise InvalidRequest(f"{self.at}{name} must be a country code, as in 49")
        return text


def _shown(text: object) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(text)[:100])
