"""The sockets of a SIP side: UDP, TCP and TLS listeners on one address or several, and connections we open."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol

from ringback.sip.flow import Flow
from ringback.telephony.datagrams import Datagrams
from ringback.telephony.inbox import Address
from ringback.telephony.receiver import Receiver
from ringback.telephony.streams import Connection, Streams
from ringback.telephony.tls import ServerCertificate

_ANY = ("0.0.0.0", "::", "")
_MOST_PATHS = 4096
"""Far ends whose socket is remembered, where there are several it may be."""


class Wire(Protocol):
    """How a stack reaches the network; ``ringback.testing.link`` has one without sockets."""

    async def start(self, receiver: Receiver) -> None: ...
    async def stop(self) -> None: ...
    def send(self, flow: Flow, data: bytes) -> None:
        """Send now or never; what cannot be sent is told by ``on_unreachable``."""

    def local(self, flow: Flow) -> tuple[str, int]:
        """Address and port that a far end would see as ours."""

    def is_behind(self) -> bool:
        """Whether messages come in faster than they are taken."""

    def is_open(self, flow: Flow) -> bool:
        """Whether a connection is there."""

    def attach(self, connection: Connection) -> bool:
        """A connection somebody else accepted (a WebSocket) takes part from now on; ``False`` if it may not."""

    def detach(self, connection: Connection) -> None:
        """It is gone."""

    @property
    def families(self) -> frozenset[int]:
        """IP versions it can send to."""


class Sockets:
    """The real thing.

    Args:
        hosts: Where to listen: one address or several, of either IP version; ``::`` is every interface of both.
        port: Port 0 takes any free one, the same for UDP and TCP and all addresses.
        tcp: Whether to listen and connect by TCP too.
        certificate: For a TLS listener; without one we only connect by TLS.
        tls_port: 0 takes any free one.
        connections_per_source: Most connections of one address; ``None`` for any number.
        connections: Most connections in all; beyond them the one quiet for longest is closed.
        dscp: Class of service of what is sent (RFC 2474), 0 for none.
    """

    def __init__(
        self,
        hosts: str | Sequence[str],
        port: int,
        *,
        tcp: bool = True,
        certificate: ServerCertificate | None = None,
        tls_port: int = 0,
        connections_per_source: int | None = 64,
        connections: int = 2048,
        dscp: int = 0,
    ) -> None:
        self.hosts = spelled_out([hosts] if isinstance(hosts, str) else hosts)
        self.port = port
        self.tls_port = tls_port
        self._tcp = tcp
        self._certificate = certificate
        self._dscp = dscp
        self._receiver: Receiver | None = None
        self._datagrams: list[Datagrams] = []
        self._streams = Streams(connections_per_source, connections, dscp)
        self._paths: dict[Address, Datagrams] = {}
        self._routes: dict[str, str] = {}

    @property
    def families(self) -> frozenset[int]:
        return frozenset(6 if ":" in host else 4 for host in self.hosts)

    async def start(self, receiver: Receiver) -> None:
        """Bind. Raises ``OSError`` with the address in its text when that fails."""
        self._receiver = self._streams.receiver = receiver
        wanted = self.port
        for chances in reversed(range(1 if wanted else 20)):
            try:
                await self._bind()
            except OSError:
                self._unbind()
                self.port = wanted
                if not chances:
                    raise
            else:
                break
        if self._certificate is not None:
            for host in self.hosts:
                self.tls_port = await self._listen(host, self.tls_port, self._certificate)
        for one in self._datagrams:
            one.read_on(asyncio.get_running_loop())

    async def stop(self) -> None:
        self._unbind()
        await self._streams.close()

    def send(self, flow: Flow, data: bytes) -> None:
        if flow.transport != "udp":
            if flow.transport != "tcp" or self._tcp:
                self._streams.send(flow, data)
            return
        address = flow.host, flow.port
        if len(self._datagrams) == 1:
            self._datagrams[0].send(data, address)
            return
        path = self._paths.get(address) or self._path_to(flow.host)
        if path is not None:
            path.send(data, address)
        else:
            self._refused(address)

    def local(self, flow: Flow) -> tuple[str, int]:
        port = self.tls_port if flow.transport == "tls" and self._certificate is not None else self.port
        if len(self.hosts) == 1 and self.hosts[0] not in _ANY:
            return self.hosts[0], port
        path = self._paths.get((flow.host, flow.port)) if flow.transport == "udp" else None
        if path is not None and path.host not in _ANY:
            return path.host, port
        mine = [host for host in self.hosts if (":" in host) == (":" in flow.host)] or self.hosts
        if len(mine) == 1 and mine[0] not in _ANY:
            return mine[0], port
        route = self._route(flow.host)
        return (route if route in mine or any(host in _ANY for host in mine) else mine[0]), port

    def is_open(self, flow: Flow) -> bool:
        return self._streams.is_open(flow)

    def peer_names(self, flow: Flow) -> tuple[str, ...]:
        """What the far end of a TLS connection proved to be; empty for one that showed no certificate."""
        return self._streams.peer_names(flow)

    def attach(self, connection: Connection) -> bool:
        if not self._streams.admits(connection.flow):
            return False
        self._streams.opened(connection)
        return True

    def detach(self, connection: Connection) -> None:
        self._streams.closed(connection)

    # ── inside ──

    def is_behind(self) -> bool:
        """Whether datagrams came in faster than they were taken, at the last look."""
        return any(socket.behind for socket in self._datagrams)

    async def _bind(self) -> None:
        for host in self.hosts:
            try:
                found = Datagrams(host, self.port, self._heard, self._refused, self._dscp)
            except OSError as error:
                raise _named(error, host, self.port) from error
            self._datagrams.append(found)
            self.port = found.port
            if self._tcp:
                await self._listen(host, self.port)

    async def _listen(self, host: str, port: int, certificate: ServerCertificate | None = None) -> int:
        try:
            return await self._streams.listen(host, port, certificate)
        except OSError as error:
            raise _named(error, host, port) from error

    def _unbind(self) -> None:
        for one in self._datagrams:
            one.close()
        self._datagrams.clear()
        self._streams.forget_listeners()

    def _heard(self, path: Datagrams, data: bytes, address: Address) -> None:
        if len(self._datagrams) > 1:
            self._paths.pop(address, None)
            self._paths[address] = path
            if len(self._paths) > _MOST_PATHS:
                del self._paths[next(iter(self._paths))]
        if self._receiver is not None:
            self._receiver.on_datagram(data, Flow("udp", *address))

    def _refused(self, address: Address) -> None:
        if self._receiver is not None:
            self._receiver.on_unreachable(Flow("udp", *address))

    def _path_to(self, host: str) -> Datagrams | None:
        """The socket to send from to somebody who has not been heard."""
        fitting = [one for one in self._datagrams if (one.family == 6) == (":" in host)]
        if len(fitting) > 1:
            route = self._route(host)
            return next((one for one in fitting if one.host == route), fitting[0])
        return fitting[0] if fitting else None

    def _route(self, host: str) -> str:
        if host not in self._routes:
            if len(self._routes) > 1024:
                self._routes.clear()
            self._routes[host] = _route_to(host)
        return self._routes[host]


def spelled_out(hosts: Sequence[str]) -> list[str]:
    """Where to listen, with ``::`` alone as what it means: every interface of both IP versions."""
    return ["0.0.0.0", "::"] if list(hosts) == ["::"] and _has_ipv4() else list(hosts)


def rtp_hosts(hosts: Sequence[str]) -> tuple[str, str | None]:
    """Where RTP ports are opened, by where SIP listens: the first address, and the first of the other IP version."""
    first, *more = spelled_out(hosts)
    return first, next((host for host in more if (":" in host) != (":" in first)), None)


def _named(error: OSError, host: str, port: int) -> OSError:
    shown = f"[{host}]" if ":" in host else host
    return OSError(error.errno, f"cannot listen for SIP on {shown}:{port}: {error.strerror or error}")


def _has_ipv4() -> bool:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("0.0.0.0", 0))
    except OSError:
        return False
    return True


def _route_to(host: str) -> str:
    """Our address on the way to a far end; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "127.0.0.1" if family == socket.AF_INET else "::1"
        return str(probe.getsockname()[0])
