"""One UDP socket for SIP, with the errors that the network reports about what was sent."""

import asyncio
import contextlib
import errno
import select
import socket
import sys
from collections.abc import Callable

from ringback.telephony.inbox import Address, Inbox

_LINUX = sys.platform == "linux"
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 8 * 1024 * 1024
_AT_ONCE = 1024
"""Datagrams read at a look, or errors: reading is cheap, and what stays in the system's buffer may overflow it."""

_SERVED_AT_ONCE = 32
"""Datagrams told of before everything else on the loop has its turn."""


class Datagrams:
    """A bound socket, read from the running loop.

    Attributes:
        behind: Whether more was waiting than was told of at the last look.

    Args:
        dscp: Class of service of what is sent (RFC 2474), 0 for none.
        heard: Told of each datagram and of where it came from.
        refused: Told of addresses that what we sent did not reach.
    """

    def __init__(
        self,
        host: str,
        port: int,
        heard: Callable[["Datagrams", bytes, Address], None],
        refused: Callable[[Address], None],
        dscp: int = 0,
    ) -> None:
        self.host = host
        self._heard = heard
        self._refused = refused
        self._inbox = Inbox()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serves_soon = False
        self._epoll: select.epoll | None = None
        self._socket: socket.socket | None = self._bind(host, port, dscp)
        self.port: int = self._socket.getsockname()[1]
        self._watched = 0
        self.behind = False

    @property
    def family(self) -> int:
        return 6 if ":" in self.host else 4

    def read_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on tell what comes in."""
        assert self._socket is not None, "read_on after close"
        self._loop = loop
        self._watched = self._descriptor(self._socket)
        loop.add_reader(self._watched, self._read)

    def close(self) -> None:
        if self._watched:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = 0
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._inbox.clear()

    def send(self, data: bytes, address: Address) -> None:
        for _ in range(2):
            try:
                if self._socket is not None:
                    self._socket.sendto(data, address)
                return
            except BlockingIOError:
                return
            except OSError as error:
                # An error of an earlier datagram, to whomever, is told on the next send: that one did not go out.
                self._read_errors()
                if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM):
                    break
        self._refused(address)

    def _bind(self, host: str, port: int, dscp: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            mark(udp, dscp)
            _make_room(udp)
            if family == socket.AF_INET6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if _LINUX:
                # ICMP errors are queued with the address they are about: an unconnected socket hears none otherwise.
                level, name = (
                    (socket.IPPROTO_IPV6, _IPV6_RECVERR)
                    if family == socket.AF_INET6
                    else (socket.IPPROTO_IP, _IP_RECVERR)
                )
                udp.setsockopt(level, name, 1)
            udp.bind((host, port))
        except OSError:
            udp.close()
            raise
        return udp

    def _descriptor(self, udp: socket.socket) -> int:
        """The descriptor to watch for reading.

        libuv stops watching a descriptor on which an error is pending, and ICMP puts errors on this one. An epoll
        around it is merely readable then.
        """
        if not _LINUX:
            return udp.fileno()
        self._epoll = select.epoll()
        self._epoll.register(udp.fileno(), select.EPOLLIN | select.EPOLLERR)
        return self._epoll.fileno()

    def _read(self) -> None:
        """Take in what has come, and tell of it, unless that is about to be done anyway."""
        self._take_in()
        if not self._serves_soon:
            self._serve()

    def _take_in(self) -> None:
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return
            try:
                data, address = self._socket.recvfrom(65_535)
            except BlockingIOError:
                return
            except OSError:
                self._read_errors()
                continue
            self._inbox.put(data, (address[0], address[1]))

    def _serve(self) -> None:
        """Tell of a few datagrams at a time, so that a flood cannot keep the loop from everything else."""
        self._serves_soon = False
        for _ in range(_SERVED_AT_ONCE):
            datagram = self._inbox.take()
            if datagram is None:
                break
            self._heard(self, *datagram)
        self.behind = bool(self._inbox)
        if self.behind and self._loop is not None:
            self._serves_soon = True
            self._loop.call_soon(self._serve)

    def _read_errors(self) -> None:
        if not _LINUX:
            return
        for _ in range(_AT_ONCE):
            try:
                if self._socket is None:
                    return
                _, _, _, address = self._socket.recvmsg(2048, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            if address:
                self._refused((address[0], address[1]))


def _make_room(udp: socket.socket) -> None:
    """Ask for a large receive buffer: beyond the system's limit where we may, up to it otherwise."""
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF) if _LINUX else (socket.SO_RCVBUF,):
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, option, _RECEIVE_BUFFER)
            return


def mark(sock: socket.socket, dscp: int) -> None:
    """Have the network treat what leaves this socket as ``dscp`` says, where the system lets us."""
    if not dscp:
        return
    with contextlib.suppress(OSError, AttributeError):
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
