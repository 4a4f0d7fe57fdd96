"""The one place that builds everything, joins the parts, and starts and stops them."""

import asyncio
import base64
import contextlib
import gc
import secrets
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from ringback import __version__, core, installation
from ringback.access.service import Access
from ringback.access.sip_clients import SipClients
from ringback.background import Background
from ringback.bus.local import LocalBus
from ringback.calls.media_events import MediaReports
from ringback.calls.ports.routes import Attempt
from ringback.calls.protection import ProtectionRules
from ringback.calls.recovery import finish_earlier_life
from ringback.calls.service import Calls
from ringback.clock import SystemClock
from ringback.config import ConfigError, Settings, env_name, idle_settings
from ringback.dialin.configs import DialinConfigs
from ringback.dialin.desk import DialinDesk
from ringback.dialin.sip_trunks import SipTrunks
from ringback.dialin.trunk_desk import TrunkCalls
from ringback.http_client import CheckedClient
from ringback.http_server import HostDomains, HttpServer, http_config
from ringback.media.jukebox import Jukebox
from ringback.media.pixel_program import look_at
from ringback.media.service import Media
from ringback.media.sounds import BadSound, Prompts
from ringback.meetings.ports import Message, Office, World
from ringback.meetings.service import Meetings
from ringback.model.domain import Domain
from ringback.model.errors import InvalidRequest
from ringback.model.ids import CallId, ParticipantId
from ringback.model.room import Room
from ringback.numbers.diagnosis import Facts
from ringback.numbers.do_not_call import SignedHook
from ringback.numbers.ports import DoNotCall
from ringback.numbers.purchases import Purchases
from ringback.numbers.quota import GuardedQuota
from ringback.numbers.service import Numbers
from ringback.numbers.trunk import Trunk
from ringback.one_cpu import stay_together
from ringback.rest.api import Services, create_api
from ringback.rest.meters import Meters
from ringback.rest.ports import PretendNetwork
from ringback.rooms.addresses import Addresses, sip_address
from ringback.rooms.domains import Domains
from ringback.rooms.ports import Chance
from ringback.rooms.service import Caps, Rooms
from ringback.signalling import wire
from ringback.signalling.clients import Clients
from ringback.signalling.connection import Desk
from ringback.signalling.server import Signalling
from ringback.sip.compiled import CompiledParser
from ringback.sip.compiled import rules as sip_rules
from ringback.sip.flow import TlsPolicy
from ringback.store.database import Database
from ringback.store.do_not_call import ListFile
from ringback.store.errors import StoreError
from ringback.store.sealing import Sealer
from ringback.telephony.admission import RateLimits
from ringback.telephony.doctor import examine
from ringback.telephony.networks import Advertised, keep_public_address, stun_server
from ringback.telephony.policy import NetworkPolicy, is_speaking
from ringback.telephony.registrar import Registry
from ringback.telephony.service import Telephony, TelephonySettings
from ringback.telephony.tls import ServerCertificate, TlsFailed
from ringback.telephony.websocket import SipWebSockets
from ringback.telephony.wire import rtp_hosts
from ringback.webhooks.outbox import WatchedRecords
from ringback.webhooks.service import Webhooks

log = structlog.get_logger()

COLLECT_AFTER = (20_000, 20, 50)
"""Allocations, young and middle collections after which the collector looks for cycles; there are few."""

LAG_LIMIT = 0.2
"""Seconds that SIP messages may wait before new calls are turned away."""

HANG_UP_WITHIN = 2.0
"""Seconds that far ends get at the very end to confirm that their calls are over."""

LOOK_AT_LAG = 1.0
"""Seconds between looks at how late the loop is."""

HOUSEKEEPING = 60.0
"""Seconds between looks for expired rooms and old records."""


class Application:
    """A whole server. Call ``start`` once, then ``serve_until`` or ``stop``.

    Args:
        pretend: A telephone network to play with, shown under ``/v1/ringback/pretend``.

    Attributes (after ``start``):
        domain: The first domain.
        api_key: Its key, the operator's.
        addresses: What the server is called from outside.
        rooms, meetings, calls, media, telephony, access, sip_clients, numbers, purchases, quota, webhooks, dialin,
            dialin_configs: Its parts, for ``ringback dev`` and tests.
    """

    rooms: Rooms
    meetings: Meetings
    calls: Calls
    media: Media
    telephony: Telephony
    access: Access
    webhooks: Webhooks
    dialin: DialinDesk
    dialin_configs: DialinConfigs
    sip_clients: SipClients
    numbers: Numbers
    purchases: Purchases
    quota: GuardedQuota
    addresses: Addresses
    domain: Domain
    api_key: str

    def __init__(self, settings: Settings, pretend: PretendNetwork | None = None) -> None:
        self.settings = settings
        self._pretend = pretend
        self._ready: str | None = "starting"
        self._cleanup = contextlib.AsyncExitStack()
        self._http: HttpServer | None = None
        self._certificate: ServerCertificate | None = None
        self._advertised = Advertised()
        self._stun: tuple[str, int] | None = None
        self._database: Database | None = None

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Open the store, bind every port, take calls.

        Raises:
            ConfigError, StoreError: One sentence with what to change or to run; everything is undone.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        self._ready = None
        log.info("server.ready", url=self.addresses.public_url, sip=self.addresses.sip_domain, version=__version__)

    async def _start(self) -> None:
        settings, clock = self.settings, SystemClock(asyncio.get_running_loop())
        for name in idle_settings(settings):
            log.warning("settings.idle", name=name, because="nothing acts on it yet")
        try:
            core.compiled()
        except core.WrongCore as error:
            raise ConfigError(str(error)) from None
        installation.check_certificate(settings)
        folder = installation.data_folder(settings)
        self.api_key = installation.api_key(settings, folder)
        sealer = Sealer(installation.sealing_secret(settings, folder))
        database = Database(settings.database(), sealer)
        self._database = database
        self._cleanup.push_async_callback(database.close)

        http_socket = installation.listening_socket(settings.http.host, settings.http.port)
        self._cleanup.callback(http_socket.close)
        bus: LocalBus[Message] = LocalBus()
        self._open_media()
        self.addresses = Addresses("", "", settings.sip.bare_endpoints)

        chance = secrets.SystemRandom()
        limits = settings.limits
        domains = Domains(
            database.domains,
            clock,
            chance,
            shown_limits={
                "max_sip_pstn_sessions_per_room": limits.max_sip_pstn_sessions_per_room,
                "max_api_keys": limits.max_api_keys,
            },
        )
        self.access = Access(database.keys, domains, clock, chance, limits.max_api_keys)
        self.domain = await self.access.start(self.api_key, settings.domain_name)
        self.sip_clients = SipClients(database.sip_clients, domains, lambda: self.addresses.sip_domain, clock, chance)
        await self.sip_clients.start(self.domain)
        self.numbers = Numbers(
            database.trunks, database.numbers, domains, clock, chance, lambda: self.addresses.sip_domain
        )
        await self._load_trunks()
        self.purchases = Purchases(
            self.numbers, domains, clock, chance, release_after=settings.numbers.release_after_days * 86400
        )
        self.quota = await self._open_quota(database, clock, chance)
        self._poster = self._open_poster()
        self._sounds = self._open_sounds(clock)
        self.dialin_configs = DialinConfigs(
            database.dialin_configs,
            self.numbers,
            self._poster,
            self._sounds,
            clock,
            chance,
            clear_text=settings.webhooks.allow_private,
        )
        await self.dialin_configs.start()
        self.purchases.on_release.append(lambda kept: self.dialin_configs.number_released(kept.domain, kept.number))
        self.sip_trunks = SipTrunks(
            database.sip_trunks, domains, self._poster, clock, chance, clear_text=settings.webhooks.allow_private
        )
        await self.sip_trunks.start()
        self.rooms = Rooms(
            database.rooms,
            domains,
            self.addresses,
            clock,
            chance,
            Caps(limits.max_participants, limits.max_sip_pstn_sessions_per_room, limits.max_rooms),
        )

        epoch = await database.records.next_epoch(settings.node)
        await self._find_public_address()
        registry = Registry(clock, self.sip_clients, database.bindings, settings.node)
        self.sip_clients.on_gone = registry.gone
        self.telephony = Telephony(
            self._telephony_settings(epoch),
            clock,
            media_flows=lambda call: is_speaking(self.media.stats(ParticipantId(call))),
            registry=registry,
            parser=CompiledParser(core.new_sip_reader(*sip_rules()).read),
        )
        self.numbers.watch = self.telephony.trunks
        self.numbers.examiner = self._examine
        world = World(self.telephony, self.media, bus)
        self.webhooks = await self._open_webhooks(database, clock)
        meters = Meters()
        self.webhooks.posted = meters.posted
        records = WatchedRecords(database.records, self.webhooks.news, meters.ended)
        office = Office(world, records, clock, wire.spell, settings.node, epoch)
        meetings = Meetings(office, self.rooms, lambda user: sip_address(user, self.addresses.sip_domain))
        self.meetings = await self._cleanup.enter_async_context(meetings)
        policy = NetworkPolicy(settings.dialout.allow_private)
        self.calls = await self._cleanup.enter_async_context(
            Calls(
                meetings,
                lambda host, port: policy.allows(host, port) or self.telephony.trunks.desk.may_reach(host, port),
                routes=self.numbers,
                numbers=self.numbers,
                clients=self.sip_clients,
                quota=self.quota,
                audit=self.quota,
                fingerprint=sealer.fingerprint,
                protection=ProtectionRules(
                    settings.sip.srtp,
                    settings.sip.srtp_without_tls,
                    keying=settings.sip.srtp_keys,
                    fingerprint=self.media.fingerprint,
                ),
                music=partial(self._sounds.prompt, "music"),
            )
        )
        self.calls.desk = self.dialin = DialinDesk(
            self.calls, meetings, self.dialin_configs, self.rooms, self.numbers, self._sounds, self._poster
        )
        self.dialin_configs.begin = self.calls.run
        self.calls.refused = meters.refused
        self.telephony.trunks.customers.by_host = self.sip_trunks.by_host
        self.calls.take_over_trunk = TrunkCalls(self.calls, meetings, self.sip_trunks, self.rooms).take
        self.rooms.listen(meetings.room_changed, meetings.room_deleted)
        self.media.events = MediaReports(meetings, self.calls)
        self.telephony.report_to(self.calls)
        await self._open_telephony(http_socket.getsockname()[1])
        self.numbers.listen(self.telephony.trunks.set)
        await finish_earlier_life(records, self.telephony, clock, wire.spell, settings.node, epoch)

        clients = Clients()
        bus.subscribe(clients.handle)
        desk = Desk(meetings, self.access, self.calls, clients, clock, HostDomains(domains), meetings.new_id)
        api = create_api(
            Services(
                rooms=self.rooms,
                domains=domains,
                access=self.access,
                meetings=meetings,
                calls=self.calls,
                reports=database.reports,
                usage=database.usage,
                traces=self.telephony,
                addresses=self.addresses,
                clock=clock,
                version=__version__,
                sip_clients=self.sip_clients,
                places=registry.bindings_of,
                counts=lambda: {
                    "sip_registrations": registry.count,
                    "store_units_waiting": database.waiting,
                    "store_failing": database.failing,
                    **self.telephony.trunks.registrations.counts,
                },
                meters=meters,
                engine=self.media.engine_stats,
                engine_workers=self.media.worker_stats,
                numbers=self.numbers,
                webhooks=self.webhooks,
                dialin_configs=self.dialin_configs,
                dialin=self.dialin,
                sip_trunks=self.sip_trunks,
                purchases=self.purchases,
                quota=self.quota,
                audit=database.audit,
                node=settings.node,
                ready=self._why_not_ready,
                rate_limits=settings.http.rate_limits,
                idle_settings=idle_settings(settings),
                pretend=self._pretend,
            )
        )
        api.router.routes += Signalling(desk).routes()
        origins = settings.sip.origin_list
        api.router.routes += SipWebSockets(self.telephony, origins, lambda: self.addresses.public_url).routes()
        tasks = await self._cleanup.enter_async_context(Background())
        tasks.start(self._housekeeping(database, clock), "housekeeping")
        tasks.start(_watch_lag(meters), "lag")
        if self._stun is not None:
            port = settings.sip.public_port or int(self.telephony.local_addresses[0].rpartition(":")[2])
            asking = keep_public_address(self._advertised, self._stun, ask_by_port=self.telephony.stun.ask, port=port)
            tasks.start(asking, "public address")
        self._http = HttpServer(http_config(api, settings))
        tasks.start(self._http.serve(sockets=[http_socket]), "http", ends=True)
        await self._http.up.wait()

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, then drain: no new calls, the rest ends with its calls or at the limit."""
        _settle_heap()
        if self.settings.one_cpu:
            tasks = await self._cleanup.enter_async_context(Background())
            tasks.start(stay_together(), "one processor", ends=False)
        await stop.wait()
        await self.drain()
        await self.stop()

    async def drain(self) -> None:
        """Take nothing new; return when the last meeting has ended or after ``limits.drain_seconds``."""
        self._ready = "draining"
        self.meetings.drain()
        log.info("server.draining", **self.meetings.counts())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.limits.drain_seconds):
                await self.meetings.until_empty()

    async def stop(self) -> None:
        """End what is left and let go of everything. Idempotent."""
        self._ready = "stopped"
        if self._http is not None:
            self._http.should_exit = True
        cleanup, self._cleanup = self._cleanup, contextlib.AsyncExitStack()
        await cleanup.aclose()

    async def _load_trunks(self) -> None:
        try:
            await self.numbers.start(self.settings.trunks)
        except InvalidRequest as error:
            raise ConfigError(f"[[trunks]] of ringback.toml: {error.info}") from None

    async def _examine(
        self, trunk: Trunk, attempts: tuple[Attempt, ...], registration: str, number: str, refused: str
    ) -> Facts:
        """Look a trunk over on a SIP side of its own; its sound goes through the server's own ports."""
        clock, call = SystemClock(asyncio.get_running_loop()), CallId(str(uuid.uuid4()))
        facts = await examine(
            self._telephony_settings(0), clock, self.media, call, trunk, attempts,
            registration=registration, number=number, refused=refused,
        )  # fmt: skip
        return replace(facts, rtp_ports=self.settings.media.rtp_ports)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_media(self) -> None:
        settings = self.settings
        media, host = settings.media, settings.http.host
        first, last = media.rtp_range
        advertised = [media.public_address or installation.shown_address(host)]
        if installation.is_any(host):
            advertised.append("127.0.0.1")
        try:
            rtp, other = rtp_hosts(settings.sip.hosts)
            engine = core.new_engine(host, media.udp_port, advertised, rtp, first, last, other, media.workers)
        except OSError as error:
            raise installation.taken("media", "udp_port", host, media.webrtc_ports, error) from None
        if (pixels := media.pixel_program) is not None:
            engine.set_pixels(str(pixels))
        # Beside everything else: the server is not late for it.
        asyncio.get_running_loop().run_in_executor(None, _say_what_pictures_lack, pixels)
        loop, both = asyncio.get_running_loop(), other is not None
        self.media = Media(engine, loop, None, phone_host=self._phone_host, both_versions=both)
        self._cleanup.callback(self.media.close)

    def _telephony_settings(self, epoch: int) -> TelephonySettings:
        settings, sip = self.settings, self.settings.sip
        return TelephonySettings(
            host=",".join(sip.hosts),
            port=sip.port,
            certificate=self._sip_certificate(),
            tls_port=sip.tls_port,
            tls=TlsPolicy(ca_file=str(sip.ca_file or "")),
            name_servers=sip.name_server_list,
            dscp=sip.dscp,
            advertised=self._advertised,
            advertised_port=sip.public_port,
            client_options=sip.client_options_interval,
            domain=sip.domain or "",
            rate_limits=RateLimits() if sip.rate_limits else None,
            allow_private=settings.dialout.allow_private,
            known=sip.known_networks,
            lag_limit=sip.lag_limit or (LAG_LIMIT if sip.rate_limits else None),
            mute_scanners=sip.mute_scanners,
            prefix=f"{settings.node}{epoch}x",
            session_interval=sip.session_expires,
            session_least=sip.min_se,
            hold_ack=True,
        )

    async def _find_public_address(self) -> None:
        """What phones are told: an address that was set, or one a STUN server tells."""
        sip, media = self.settings.sip, self.settings.media
        everywhere = any(installation.is_any(host) for host in sip.hosts)
        self._stun = stun_server(sip.public_address or "")
        told = None if self._stun is not None else sip.public_address
        public = told or media.public_address or (installation.shown_address(sip.hosts[0]) if everywhere else "")
        self._advertised = Advertised(public, sip.local_network_list)
        if self._stun is not None:
            await keep_public_address(self._advertised, self._stun, once=True)

    def _phone_host(self, peer: str) -> str:
        """The host that a far end at an IP address is told for its sound."""
        told = self.telephony.host_towards(peer)
        return self.settings.media.public_address or told if told == self._advertised.public else told

    def reload_certificates(self) -> None:
        """Read every certificate again; one that is no good is told in the log, and the one before stays in use."""
        if self._certificate is not None:
            self._certificate.reload()
        try:
            if self._http is not None:
                self._http.reload_certificate()
        except TlsFailed as error:
            log.error("http.certificate-unusable", reason=str(error), instead="the one read before")

    def _sip_certificate(self) -> ServerCertificate | None:
        sip = self.settings.sip
        if sip.certificate is None or sip.key is None:
            return None
        try:
            self._certificate = self._certificate or ServerCertificate(
                sip.certificate, sip.key, str(sip.client_ca_file or "")
            )
        except TlsFailed as error:
            raise ConfigError(f"{env_name('sip', 'certificate')}: {error}") from None
        return self._certificate

    async def _open_telephony(self, http_port: int) -> None:
        settings = self.settings
        try:
            await self.telephony.start()
        except OSError as error:
            which = "tls_port" if f":{settings.sip.tls_port}: " in str(error) else "port"
            port = getattr(settings.sip, which)
            raise installation.taken("sip", which, settings.sip.host, port, error) from None
        self._cleanup.push_async_callback(self.telephony.stop)
        self._cleanup.push_async_callback(self._hang_up)
        scheme = "https" if settings.http.certificate else "http"
        host = installation.shown_host(settings.http.host)
        self.addresses.public_url = settings.public_url or f"{scheme}://{host}:{http_port}"
        self.addresses.sip_domain = settings.sip.domain or self.telephony.local_addresses[0]

    async def _open_quota(self, database: Database, clock: SystemClock, chance: Chance) -> GuardedQuota:
        """Who may spend how much on calls; in force from here on."""
        dialout = self.settings.dialout
        lists: list[DoNotCall] = []
        if dialout.do_not_call_file is not None:
            lists.append(ListFile(dialout.do_not_call_file))
        if dialout.do_not_call_url is not None and dialout.do_not_call_secret is not None:
            # The operator's own server, wherever that is.
            poster = CheckedClient(lambda host, port: True)
            self._cleanup.push_async_callback(poster.close)
            secret = dialout.do_not_call_secret.get_secret_value()
            lists.append(SignedHook(poster, dialout.do_not_call_url, secret, clock))
        quota = GuardedQuota(
            database.paid,
            database.audit,
            database.policies,
            clock,
            chance,
            node=self.settings.node,
            defaults=installation.dialout_policy(dialout),
            do_not_call=lists,
            takes_premium=self.numbers.takes_premium,
        )
        await quota.start()
        return await self._cleanup.enter_async_context(quota)

    def _open_poster(self) -> CheckedClient:
        """What speaks with servers that customers name."""
        private = self.settings.webhooks.allow_private
        policy = NetworkPolicy(private)

        def allows(host: str, port: int) -> bool:
            # Below 1024 only the ports of the web: a webhook is no way to speak to mail or name servers.
            return policy.allows(host, max(port, 1024)) and (private or port in (80, 443) or port >= 1024)

        poster = CheckedClient(allows)
        self._cleanup.push_async_callback(poster.close)
        return poster

    def _open_sounds(self, clock: SystemClock) -> Jukebox:
        dialin = self.settings.dialin
        prompts = Prompts(dialin.prompts, dialin.language)
        try:
            prompts.check()
        except BadSound as error:
            raise ConfigError(f"{env_name('dialin', 'prompts')}: {error}") from None
        return Jukebox(prompts, self._poster.fetch, clock.monotonic)

    async def _open_webhooks(self, database: Database, clock: SystemClock) -> Webhooks:
        return await self._cleanup.enter_async_context(
            Webhooks(
                database.webhooks,
                self._poster,
                clock,
                new_id=lambda: str(uuid.uuid4()),
                new_secret=lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
                most=self.settings.limits.max_webhooks,
                clear_text=self.settings.webhooks.allow_private,
            )
        )

    async def _hang_up(self) -> None:
        """End what is left while SIP still runs, and give the far ends a moment to confirm."""
        await self.meetings.close_all()
        for _ in range(round(HANG_UP_WITHIN / 0.02)):
            if not self.telephony.calls:
                return
            await asyncio.sleep(0.02)

    async def _why_not_ready(self) -> str | None:
        if self._ready is None and self._database is not None:
            try:
                await self._database.ready()
            except StoreError as error:
                return str(error)
        return self._ready

    async def _housekeeping(self, database: Database, clock: SystemClock) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                await self.rooms.sweep(self._occupied)
                await self.sip_clients.sweep()
                await database.reports.prune(clock.wall(), self.settings.limits.keep_days * 86400)
            except StoreError as error:
                log.error("store.housekeeping-failed", error=str(error))

    def _occupied(self, room: Room) -> bool:
        return self.meetings.running(room.domain, room.name) is not None


def _say_what_pictures_lack(program: Path | None) -> None:
    found = look_at(program)
    if trouble := found.trouble():
        log.warning("pictures.limited", because=trouble, fix=found.fix)


async def _watch_lag(meters: Meters) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_AT_LAG
        await asyncio.sleep(LOOK_AT_LAG)
        meters.lagged(loop.time() - due)


def _settle_heap() -> None:
    """What is loaded by now stays: the collector need not look at it again and again while calls come and go."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
