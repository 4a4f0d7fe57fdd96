"""Datagrams that were read and wait for their turn: what belongs to calls that are up goes before what opens new ones.

A server that has more to do than it can must not let the ACK of an answered call, or its BYE, wait behind a thousand
new calls: answers would be repeated that nobody misses, and calls stay up that are over. And a new call that waits is
sent again by who makes it, to the octet the same (RFC 3261 §17.1.1.2): once is enough.
"""

from collections import deque

Address = tuple[str, int]
Datagram = tuple[bytes, Address]

MOST_OCTETS = 8 * 1024 * 1024
"""Of either kind; beyond them the newest is lost, as one is for which the system has no room."""

IN_TURN = 8
"""Where both kinds wait, every so many-th opens something new: nobody keeps new calls out by claiming to have one."""

_FIRST = (b"ACK ", b"BYE ", b"SIP/2.0 ", b"PRACK ", b"UPDATE ", b"INFO ")
"""How datagrams of calls that are up begin. Not a CANCEL, which must not overtake its INVITE."""


class Inbox:
    """A queue in two parts, each in the order of arrival."""

    def __init__(self) -> None:
        self._first = _Part()
        self._then = _Part()
        self._invites: set[Datagram] = set()
        self._taken = 0

    def __bool__(self) -> bool:
        return bool(self._first.waiting or self._then.waiting)

    def put(self, data: bytes, address: Address) -> None:
        """A datagram came; one that repeats an INVITE which still waits is dropped."""
        datagram = (data, address)
        if data.startswith(_FIRST):
            self._first.put(datagram)
        elif not data.startswith(b"INVITE "):
            self._then.put(datagram)
        elif datagram not in self._invites and self._then.put(datagram):
            self._invites.add(datagram)

    def take(self) -> Datagram | None:
        """The next one, ``None`` when none waits."""
        self._taken += 1
        part = self._first
        if self._then.waiting and (not part.waiting or self._taken % IN_TURN == 0):
            part = self._then
        datagram = part.take()
        if datagram is not None and part is self._then:
            self._invites.discard(datagram)
        return datagram

    def clear(self) -> None:
        """Forget them all."""
        self._first, self._then = _Part(), _Part()
        self._invites.clear()


class _Part:
    def __init__(self) -> None:
        self.waiting: deque[Datagram] = deque()
        self._octets = 0

    def put(self, datagram: Datagram) -> bool:
        """Whether there was room for it."""
        if self._octets + len(datagram[0]) > MOST_OCTETS:
            return False
        self._octets += len(datagram[0])
        self.waiting.append(datagram)
        return True

    def take(self) -> Datagram | None:
        if not self.waiting:
            return None
        datagram = self.waiting.popleft()
        self._octets -= len(datagram[0])
        return datagram
