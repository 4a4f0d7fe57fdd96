"""Settings: every knob of the server with its unit, its default and a sentence. Read once, by ``app`` and ``cli``.

Later sources win: ``ringback.toml``, then ``RINGBACK_*`` in the environment (``__`` goes one level down), then flags.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

PREFIX = "RINGBACK_"
CONFIG_FILE = "ringback.toml"

# Names of our prefix that are no settings: the command line's own, and what Kubernetes injects for a service that is
# called "ringback".
OTHER_NAMES = re.compile(r"RINGBACK_(CONFIG|URL|SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)$")


class ConfigError(Exception):
    """A setting is unknown or has a value that cannot be used. The text is one sentence that names it."""


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        return _without_empty(values)


class Http(Section):
    """REST, the signalling WebSocket and the web pages."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 or :: is every interface.")
    port: int = Field(default=7880, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    certificate: Path | None = Field(
        default=None, description="PEM file with the certificate chain; set it to serve HTTPS."
    )
    key: Path | None = Field(default=None, description="PEM file with the certificate's private key.")
    rate_limits: bool = Field(
        default=True, description="Answer 429 above the published request rates; off for load tests."
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are set together or not at all")
        return self


class Sip(Section):
    """Telephony signalling."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on for SIP, or several with commas between them, as in 192.0.2.1,2001:db8::1; "
        "0.0.0.0 is every IPv4 interface, :: every interface.",
    )
    port: int = Field(default=5060, ge=0, le=65535, description="UDP and TCP port to listen on; 0 takes a free one.")
    tls_port: int = Field(default=5061, ge=0, le=65535, description="TCP port for SIP over TLS; 0 takes a free one.")
    domain: str | None = Field(
        default=None, description="Host part of the rooms' SIP addresses. Unset: host and port of the listener."
    )
    certificate: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain, to listen for SIP over TLS; read again when it changes.",
    )
    key: Path | None = Field(default=None, description="PEM file with that certificate's private key.")
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authorities that vouch for those we call by TLS. Unset: the system's.",
    )
    client_ca_file: Path | None = Field(
        default=None,
        description="PEM file of authorities whose certificates callers by TLS may show us. Unset: none is asked for.",
    )
    name_servers: str = Field(
        default="",
        description="DNS servers for SIP, comma-separated, as in 192.0.2.53,192.0.2.54:5353. Unset: the machine's.",
    )
    dscp: int = Field(
        default=24, ge=0, le=63, description="Class of service that signalling is marked with (24 is CS3); 0 for none."
    )
    bare_endpoints: bool = Field(
        default=False,
        description="Write SIP addresses in REST answers without 'sip:', for programs that add it themselves.",
    )
    client_options_interval: float = Field(
        default=60.0,
        ge=0,
        description="Seconds between questions (OPTIONS) to registered phones whether they are still there; who has "
        "answered before and no longer does is not rung until it is back. 0: nobody is asked.",
    )
    public_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port that the world reaches SIP at, where a router forwards another one to ours; 0: ours.",
    )
    public_address: str | None = Field(
        default=None,
        description="IP address that phones reach this machine at, or stun:host:port to ask a STUN server for it. "
        "Unset: RINGBACK_MEDIA__PUBLIC_ADDRESS, else the listeners' address.",
    )
    local_networks: str = Field(
        default="",
        description="Networks, comma-separated as in 10.0.0.0/8, whose phones are told this machine's own address on "
        "the way to them in place of the public one.",
    )
    origins: str = Field(
        default="",
        description="Origins of pages, comma-separated as in https://phone.example, that may speak SIP over "
        "WebSocket at /sip beside the server's own; * is all of them.",
    )
    known: str = Field(
        default="",
        description="Networks of SIP peers, comma-separated (as in 203.0.113.0/24,2001:db8::7), that are told why "
        "a call is refused and are never limited; strangers are told one thing for all reasons.",
    )
    rate_limits: bool = Field(default=True, description="Limit requests per source address; off for load tests.")
    lag_limit: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Seconds that messages may wait for us before new calls are turned away with 503, so that those"
        " which stand are served; unset: 0.2, or never where rate_limits is off.",
    )
    mute_scanners: bool = Field(
        default=True,
        description="Do not hear strangers for 15 minutes who try many users in vain or say that they are scanners.",
    )
    srtp: Literal["off", "optional", "required"] = Field(
        default="optional",
        description="Encrypt the sound of calls that no trunk carries (a trunk has its own srtp): off, optional (where "
        "the far end does so, too) or required (calls without it are refused).",
    )
    srtp_keys: Literal["sdes", "dtls"] = Field(
        default="sdes",
        description="How keys of such calls come about: sdes (told in SDP) or dtls (agreed on beside the sound). It is "
        "what we offer, and prefer where a caller offers both; a caller is taken either way.",
    )
    srtp_without_tls: bool = Field(
        default=False,
        description="Let such calls tell the keys of their sound over UDP and TCP, where everybody on the way can "
        "read them.",
    )
    session_expires: int = Field(
        default=1800,
        ge=90,
        le=86_400,
        description="Seconds between proofs that a call still exists: what is proposed, and the most that is taken.",
    )
    min_se: int = Field(
        default=90, ge=90, le=7200, description="Seconds below which no such interval is taken; 90 is the least."
    )

    @model_validator(mode="after")
    def _intervals(self) -> "Sip":
        if self.min_se > self.session_expires:
            raise ValueError("min_se is not longer than session_expires")
        return self

    @field_validator("host")
    @classmethod
    def _hosts(cls, value: str) -> str:
        for host in _split(value):
            if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host):
                raise ValueError(f"{host[:64]!r} is no address to listen on")
        return value

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in _split(value):
            if origin != "*" and not re.fullmatch(r"https?://[^/?#\s@]+", origin):
                raise ValueError(f"{origin[:64]} is no origin: write scheme and host only, as in https://phone.example")
        return value

    @field_validator("name_servers", mode="before")
    @classmethod
    def _servers(cls, value: Any) -> Any:
        value = ",".join(str(part) for part in value) if isinstance(value, list | tuple) else value
        for part in _split(value) if isinstance(value, str) else ():
            host, colon, port = part.rpartition(":")
            is_plain = not colon or part.endswith("]") or (part.count(":") > 1 and not part.startswith("["))
            _address(part if is_plain else host)
            if not is_plain and not port.isdigit():
                raise ValueError(f"{part[:64]} has no usable port")
        return value

    @field_validator("public_address")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"stun:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?", value):
            _address(value)
        return value

    @field_validator("known", "local_networks", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        return _network_list(value)

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are set together or not at all")
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """Each address to listen on."""
        return tuple("127.0.0.1" if host == "localhost" else host.strip("[]") for host in _split(self.host))

    @property
    def local_network_list(self) -> tuple[str, ...]:
        """``local_networks`` as CIDR texts."""
        return _split(self.local_networks)

    @property
    def origin_list(self) -> tuple[str, ...]:
        return _split(self.origins)

    @property
    def name_server_list(self) -> tuple[str, ...]:
        return _split(self.name_servers)

    @property
    def known_networks(self) -> tuple[str, ...]:
        """``known`` as CIDR texts."""
        return _split(self.known)


class Media(Section):
    """Sound and pictures."""

    udp_port: int = Field(
        default=7882, ge=0, le=65535, description="UDP and TCP port for WebRTC media; 0 takes a free one."
    )
    rtp_ports: str = Field(default="20000-29999", description="First and last UDP port for RTP with telephones.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Threads that carry media, each with rooms of its own. Their WebRTC ports are udp_port and those "
        "after it.",
    )
    public_address: str | None = Field(
        default=None,
        description="IP address that browsers and phones reach this machine at. Unset: the listeners' address.",
    )
    pixels: Path | None = Field(
        default=None,
        description="Program that makes video phones' pictures where none can be passed on. Unset: ringback-pixels "
        "beside this Python or on the PATH.",
    )

    @field_validator("pixels")
    @classmethod
    def _program(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.X_OK):
            raise ValueError(f"{value} is no program that can be run")
        return value

    @property
    def pixel_program(self) -> Path | None:
        """The program, where there is one."""
        beside = Path(sys.executable).with_name("ringback-pixels")
        found = str(beside) if beside.exists() else shutil.which("ringback-pixels")
        return self.pixels or (Path(found) if found else None)

    @field_validator("rtp_ports")
    @classmethod
    def _range(cls, value: str) -> str:
        match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", value)
        if not match or not 1024 <= int(match[1]) < int(match[2]) <= 65535:
            raise ValueError("write it as first-last, both between 1024 and 65535, as in 20000-29999")
        return value

    @field_validator("workers")
    @classmethod
    def _ports_each(cls, value: int, info: ValidationInfo) -> int:
        udp_port, rtp_ports = info.data.get("udp_port", 0), info.data.get("rtp_ports", "0-0")
        last = udp_port + value - 1
        if udp_port == 0 or value == 1:
            return value
        if last > 65535:
            raise ValueError(
                f"{value} workers from udp_port {udp_port} on need ports up to {last}, and 65535 is the last"
            )
        first_rtp, last_rtp = (int(port) for port in rtp_ports.split("-"))
        if udp_port <= last_rtp and first_rtp <= last:
            raise ValueError(
                f"{value} workers take ports {udp_port}-{last}, and rtp_ports {rtp_ports} holds some of them"
            )
        return value

    @field_validator("public_address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            ip_address(value)
        return value

    @property
    def webrtc_ports(self) -> str:
        """UDP and TCP ports for WebRTC media, as in ``7882`` or ``7882-7885``; ``0``: any."""
        last = self.udp_port + self.workers - 1
        return str(self.udp_port) if self.udp_port in (0, last) else f"{self.udp_port}-{last}"

    @property
    def rtp_range(self) -> tuple[int, int]:
        """First and last RTP port."""
        first, last = self.rtp_ports.split("-")
        return int(first), int(last)


class Dialout(Section):
    """Calls that rooms make."""

    allow_private: bool = Field(default=False, description="Allow calls to loopback and private addresses (on in dev).")
    countries: str = Field(
        default="",
        description="Country codes that telephone numbers may have, comma-separated as in 1,44,49. Unset: all.",
    )
    allow_prefixes: str = Field(
        default="",
        description="Beginnings of numbers that are called whatever their country, comma-separated as in +4930,+1900.",
    )
    deny_prefixes: str = Field(default="", description="Beginnings of numbers that are never called, comma-separated.")
    concurrent_calls: int = Field(
        default=100, ge=0, description="Calls to telephone numbers that a domain may have at once."
    )
    calls_per_minute: int = Field(
        default=120, ge=0, description="Calls to telephone numbers that a domain may begin within a minute."
    )
    calls_per_hour: int | None = Field(default=None, ge=0, description="The same within an hour. Unset: no limit.")
    minutes_per_day: float | None = Field(
        default=None, ge=0, description="Minutes that a domain may talk to telephone numbers from midnight UTC on."
    )
    spend_per_day: float | None = Field(
        default=None, ge=0, description="What that may cost by the rates. Numbers without a rate are then not called."
    )
    longest_call: float = Field(
        default=14400.0, ge=1, le=86400, description="Seconds after which a call to a telephone number ends."
    )
    rates_file: Path | None = Field(
        default=None, description="CSV file of what calls cost: prefix, price per minute, price per call."
    )
    consent_required: bool = Field(
        default=False, description="Refuse calls to telephone numbers without ringback.consentReference."
    )
    do_not_call_file: Path | None = Field(
        default=None, description="File of numbers that are not called, one per line; a prefix ends with *."
    )
    do_not_call_url: str | None = Field(
        default=None, description="Asked before each call to a number by a signed POST; only 2xx lets it be made."
    )
    do_not_call_secret: SecretStr | None = Field(default=None, description="Base64 secret that signs those requests.")

    @field_validator("countries", "allow_prefixes", "deny_prefixes")
    @classmethod
    def _beginnings(cls, value: str) -> str:
        for part in _split(value):
            if not re.fullmatch(r"\+?[1-9][0-9]{0,14}", part):
                raise ValueError(f"{part[:64]} is no beginning of a telephone number, as in +4930")
        return value

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if (self.do_not_call_url is None) != (self.do_not_call_secret is None):
            raise ValueError("do_not_call_url and do_not_call_secret are set together or not at all")
        return self

    def policy(self) -> dict[str, Any]:
        """What domains may call that have no policy of their own, as ``numbers.policy.read_policy`` reads it."""
        caps = {
            "concurrent": self.concurrent_calls,
            "per_minute": self.calls_per_minute,
            "per_hour": self.calls_per_hour,
            "minutes_per_day": self.minutes_per_day,
            "spend_per_day": self.spend_per_day,
        }
        return {
            "countries": list(_split(self.countries)),
            "allow_prefixes": list(_split(self.allow_prefixes)),
            "deny_prefixes": list(_split(self.deny_prefixes)),
            "caps": {"domain": caps},
            "consent_required": self.consent_required,
            "longest_call_seconds": self.longest_call,
        }


class Numbers(Section):
    """Telephone numbers that domains buy."""

    release_after_days: float = Field(
        default=0.0, ge=0, description="Days for which a number that was bought cannot be given back."
    )


class Dialin(Section):
    """What callers hear who dial in by a number."""

    prompts: Path | None = Field(
        default=None, description="Folder of your own prompts, <language>/<name>.wav; they win over the packaged ones."
    )
    language: str = Field(default="en", pattern=r"^[A-Za-z-]{2,16}$", description="Language of the prompts.")


class Webhooks(Section):
    """Requests that the server makes to its customers' servers."""

    allow_private: bool = Field(default=False, description="Allow loopback and private targets and plain http.")


class Limits(Section):
    """What the operator lets a domain have."""

    max_participants: int = Field(default=200, ge=1, le=10000, description="Most participants a room may ask for.")
    max_sip_pstn_sessions_per_room: int = Field(
        default=5, ge=1, le=1000, description="SIP and telephone calls in one room."
    )
    max_rooms: int = Field(default=100000, ge=1, description="Rooms that one domain may have.")
    max_api_keys: int = Field(default=10, ge=1, le=100, description="Active API keys that one domain may have.")
    max_webhooks: int = Field(default=10, ge=1, le=100, description="Webhooks that one domain may have.")
    keep_days: float = Field(
        default=30.0, gt=0, description="Days that ended calls, meetings and their events are kept."
    )
    drain_seconds: float = Field(default=60.0, ge=0, description="Seconds that running calls get to end after SIGTERM.")


class Settings(BaseSettings):
    """All of it. ``Settings(**values)`` reads the environment and the file too; prefer ``load_settings``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        return _without_empty(values)

    api_key: SecretStr | None = Field(
        default=None,
        description="First API key of the first domain, and the operator's. Changing it adds the new key and retires "
        "the old one. Unset: generated into the data folder.",
    )
    secret: SecretStr | None = Field(
        default=None,
        description="Seals secrets at rest. Unset: generated into the data folder. Keep it with your backups.",
    )
    data_dir: Path = Field(default=Path("ringback-data"), description="Folder for the database and generated secrets.")
    public_url: str | None = Field(
        default=None,
        description="Base URL that people open rooms at, as in https://meet.example.org. Unset: the listener's.",
    )
    database_url: str | None = Field(
        default=None,
        description="sqlite:///path or postgresql+psycopg://user@host/name. Unset: SQLite in the data folder.",
    )
    nats_url: str | None = Field(default=None, description="NATS server that joins several nodes (not used yet).")
    files_url: str | None = Field(
        default=None, description="Where recordings go: file:///folder or s3://bucket (not used yet)."
    )
    node: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9-]{1,32}$",
        description="Name of this process among its nodes; keep it stable.",
    )
    domain_name: str = Field(
        default="main", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name the first domain is created with."
    )
    one_cpu: bool = Field(
        default=True,
        description="Keep all threads but the media engine's on one processor (Linux): a call costs a fifth less CPU.",
    )
    log_format: Literal["text", "json"] = Field(default="text", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    trunks: list[dict[str, Any]] = Field(
        default=[],
        description="Trunks, as [[trunks]] tables with a name and the fields of POST /v1/ringback/trunks.",
    )
    http: Http = Field(default_factory=Http)
    sip: Sip = Field(default_factory=Sip)
    media: Media = Field(default_factory=Media)
    dialout: Dialout = Field(default_factory=Dialout)
    numbers: Numbers = Field(default_factory=Numbers)
    dialin: Dialin = Field(default_factory=Dialin)
    webhooks: Webhooks = Field(default_factory=Webhooks)
    limits: Limits = Field(default_factory=Limits)

    @field_validator("media")
    @classmethod
    def _apart(cls, value: Media, info: ValidationInfo) -> Media:
        """No port of several workers is a listener's on the same address: which of the two failed would be chance."""
        http, sip = info.data.get("http"), info.data.get("sip")
        if http is None or sip is None or value.workers == 1 or value.udp_port == 0:
            return value
        ports = {"http.port": http.port}
        if http.host in sip.hosts:
            ports |= {"sip.port": sip.port, "sip.tls_port": sip.tls_port}
        for name, port in ports.items():
            if value.udp_port <= port < value.udp_port + value.workers:
                raise ValueError(f"{value.workers} workers take ports {value.webrtc_ports}, and {name} is {port}")
        return value

    @field_validator("public_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/?#\s@]+/?", value):
            raise ValueError("write scheme and host only, as in https://meet.example.org")
        return value.rstrip("/") if value else None

    @field_validator("api_key", "secret")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]{1,512}", value.get_secret_value()):
            raise ValueError("use 1 to 512 printable ASCII characters without spaces")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get(PREFIX + "CONFIG", CONFIG_FILE))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    def database(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ringback.db'}"

    @property
    def listens_beyond_loopback(self) -> bool:
        """Whether anybody but this machine can reach a listener."""
        return not all(_is_loopback(host) for host in (self.http.host, *self.sip.hosts))


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Read file, environment and ``flags`` (nested, ``None`` left out).

    Raises:
        ConfigError: One line that names the first setting that is wrong.
    """
    file = os.environ.get(PREFIX + "CONFIG")
    if file and not Path(file).is_file():
        raise ConfigError(f"{PREFIX}CONFIG: there is no file {file}")
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and not _is_known(name) and not OTHER_NAMES.match(name):
            raise ConfigError(f"{name} is not a setting of this version{_suggestion(name)}")
    try:
        return Settings(**_without_none(flags or {}))
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None
    except ValueError as error:
        raise ConfigError(f"{file or CONFIG_FILE}: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ConfigError(f"{file or CONFIG_FILE}: {error.strerror or error}") from None


IDLE = (
    ("nats_url",),
    ("files_url",),
)
"""Settings that nothing acts on yet; their descriptions say so."""


def idle_settings(settings: Settings) -> list[str]:
    """Environment names of the settings that were given and that nothing acts on yet."""
    given = []
    for path in IDLE:
        holder: Any = settings if len(path) == 1 else getattr(settings, path[0])
        if path[-1] in holder.model_fields_set:
            given.append(env_name(*path))
    return given


def env_name(*path: str) -> str:
    """``env_name("sip", "port")`` → ``RINGBACK_SIP__PORT``."""
    return PREFIX + "__".join(part.upper() for part in path)


def setting_names() -> dict[str, str]:
    """Environment name of every setting → its description."""
    names: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        section = _section(name)
        if section is None:
            names[env_name(name)] = field.description or ""
        else:
            for key, inner in section.model_fields.items():
                names[env_name(name, key)] = inner.description or ""
    return names


def sample_file() -> str:
    """``ringback.example.toml``: every setting with its default, commented out."""
    lines = [
        "# Settings of Ringback. Copy to ringback.toml and uncomment what you change.",
        "# Every one can be given in the environment too: [sip] port is RINGBACK_SIP__PORT.",
        "",
    ]
    for name in Settings.model_fields:
        if not _section(name):
            lines += _sample_lines(Settings, name)
    for name in Settings.model_fields:
        section = _section(name)
        if section:
            doc = (section.__doc__ or "").strip()
            lines += [f"# {doc}", f"[{name}]"]
            for key in section.model_fields:
                lines += _sample_lines(section, key)
    return "\n".join(lines).rstrip() + "\n"


def _sample_lines(model: type[BaseModel], name: str) -> list[str]:
    field = model.model_fields[name]
    default = field.default
    if default is None:
        value = '""'
    elif isinstance(default, bool):
        value = "true" if default else "false"
    elif isinstance(default, int | float | list):
        value = str(default)
    else:
        value = f'"{default}"'
    return [f"# {field.description}", f"# {name} = {value}", ""]


def _section(name: str) -> type[Section] | None:
    kind = Settings.model_fields[name].annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _is_known(name: str) -> bool:
    return name.upper() in setting_names() or name.upper().removeprefix(PREFIX).lower() in Settings.model_fields


def _suggestion(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name.upper(), setting_names(), n=1, cutoff=0.8)
    return f"; did you mean {close[0]}?" if close else ""


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = tuple(str(part) for part in first["loc"])
    name = env_name(*path) if path else CONFIG_FILE
    where = f"{name} ({'.'.join(path)} in {CONFIG_FILE})"
    if first["type"] == "extra_forbidden":
        return f"{where} is not a setting of this version{_suggestion(name)}"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _without_empty(values: Any) -> Any:
    return {key: value for key, value in values.items() if value != ""} if isinstance(values, dict) else values


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Also without groups in which nothing is left: an empty one would hide that the file has no group there."""
    given = {key: _without_none(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in given.items() if value is not None and value != {}}


def _split(value: str) -> tuple[str, ...]:
    """The parts of a comma-separated setting."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _address(host: str) -> None:
    """Raises ``ValueError`` for what is no IP address."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        raise ValueError(f"{host[:64]} is no IP address") from None


def _network_list(value: Any) -> Any:
    """A list (in the file) or a comma-separated text as the latter. Raises ``ValueError`` for what is no network."""
    if isinstance(value, list | tuple):
        value = ",".join(str(part) for part in value)
    if isinstance(value, str):
        for part in _split(value):
            try:
                ip_network(part, strict=False)
            except ValueError:
                raise ValueError(f"{part[:64]} is no network: write 203.0.113.0/24 or an IP address") from None
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
